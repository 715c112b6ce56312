package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// noteEvery is how often progress is told where there is no terminal, and at most how often it is
// told what is waited for.
const noteEvery = 5 * time.Second

// progress tells how far a bulk has come: with a bar on a terminal, else in lines. A nil one tells
// nothing. Its methods may be called by any number of goroutines.
type progress struct {
	w     io.Writer
	total int64 // lines in all, or -1 if that is not known
	start time.Time

	again atomic.Bool // it was told that lines are submitted again

	mu          sync.Mutex
	bar         *progressbar.ProgressBar // nil if w is no terminal
	skipped     int64                    // lines that were done before
	done        int64                    // lines done, skipped ones too
	told, noted time.Time
}

// newProgress returns the progress of so many lines. It has no bar, even on a terminal, if that
// would stand in the way of the records.
func newProgress(w io.Writer, total int64, bar bool) *progress {
	p := &progress{w: w, total: total, start: time.Now(), told: time.Now()}
	if bar && isTerminal(w) {
		p.bar = progressbar.NewOptions64(total,
			progressbar.OptionSetWriter(w), progressbar.OptionSetDescription("hashing"),
			progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetItsString("lines"),
			progressbar.OptionSetPredictTime(true), progressbar.OptionSetWidth(30),
			progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionSetRenderBlankState(true),
		)
	}
	return p
}

func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// skip counts lines that an earlier run has done. They say nothing of how fast this one is.
func (p *progress) skip(lines int64) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.skipped += lines
	p.done += lines
	if p.bar != nil && p.total > 0 {
		p.bar.ChangeMax64(p.total - p.skipped)
	}
}

// add counts lines done.
func (p *progress) add(lines int64) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done += lines
	if p.bar != nil {
		_ = p.bar.Add64(lines) // a bar that can't be drawn stops nothing
		return
	}
	if p.done != p.total && time.Since(p.told) >= noteEvery { // the summary tells the end
		p.told = time.Now()
		_, _ = fmt.Fprintln(p.w, "hashctl: "+p.line())
	}
}

// line is the progress in words.
func (p *progress) line() string {
	rate := float64(p.done-p.skipped) / time.Since(p.start).Seconds()
	if p.total < 0 || rate == 0 {
		return fmt.Sprintf("%d lines, %.0f lines/s", p.done, rate)
	}
	left := time.Duration(float64(p.total-p.done) / rate * float64(time.Second))
	return fmt.Sprintf("%d of %d lines, %.0f lines/s, %v left", p.done, p.total, rate, left.Round(time.Second))
}

// retrying tells what is waited for.
func (p *progress) retrying(err error, pause time.Duration) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Since(p.noted) >= noteEvery {
		p.noted = time.Now()
		p.say(fmt.Sprintf("%v; trying again in %v", err, pause.Round(100*time.Millisecond)))
	}
}

// lost tells why lines are submitted again, once a bulk.
func (p *progress) lost(why string) {
	if p == nil || p.again.Swap(true) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.say(why + "; lines whose jobs it does not have are submitted again")
}

// say prints a line of its own.
func (p *progress) say(text string) {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
	_, _ = fmt.Fprintln(p.w, "hashctl: "+text)
}

// finish leaves the last line free, and prints the summary if there is one.
func (p *progress) finish(summary string) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar != nil {
		_ = p.bar.Exit()
		_, _ = fmt.Fprintln(p.w)
		p.bar = nil
	}
	if summary != "" {
		p.say(summary)
	}
}
