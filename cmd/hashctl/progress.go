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

const (
	// noteEvery is how often progress is told where there is no terminal, and at most how often it is
	// told what is waited for.
	noteEvery = 5 * time.Second
	// quiet is how long a bulk takes without a word where there is no terminal.
	quiet = 2 * noteEvery
	// drawEvery is how often a bar is drawn.
	drawEvery = 200 * time.Millisecond
	// surely is how long must have been measured before a rate is told.
	surely = time.Second
	// samplesPerRound is how finely a round is measured.
	samplesPerRound = 16
)

// phase is what happens to a batch.
type phase int

const (
	submitting phase = iota
	waiting          // until its last job is done
	collecting       // its hashes
)

// progress tells how far a bulk has come: with a bar on a terminal, else in lines. A nil one tells
// nothing. Its methods may be called by any number of goroutines, and don't wait for what is told.
type progress struct {
	w     io.Writer
	work  workload
	start time.Time
	again atomic.Bool // it was told that lines are submitted again

	submitted, collected atomic.Int64                 // lines, in this run
	batches              [collecting + 1]atomic.Int64 // that are in each phase
	due                  atomic.Int64                 // the latest, in ns since 1970 by the server's clock; 0 if none is known

	measured sync.Mutex // what follows
	stretch  sample     // where the batches that are collected now began
	round    []sample   // the first is a round ago, as soon as there was one

	mu    sync.Mutex
	bar   *progressbar.ProgressBar // nil if w is no terminal
	told  string                   // the last line
	noted time.Time

	stop  chan struct{}
	ended chan struct{}
}

// workload is what a bulk has to do, in lines.
type workload struct {
	total int64 // -1 if that is not known
	done  int64 // by earlier runs
	room  int64 // how many are under way at most: a round
	wait  bool  // for the hashes

	resumed bool // lines may have been submitted by an earlier run
}

// sample is how many lines were collected at a time.
type sample struct {
	at    time.Time
	lines int64
}

// newProgress returns the progress of so much work; finish ends it. It has no bar, even on a terminal, if
// that would stand in the way of the records.
func newProgress(w io.Writer, work workload, bar bool) *progress {
	p := &progress{w: w, work: work, start: time.Now(), stop: make(chan struct{}), ended: make(chan struct{})}
	if !work.resumed {
		p.round = []sample{{at: p.start}}
	}
	every := noteEvery
	if bar && isTerminal(w) {
		every = drawEvery
		p.bar = progressbar.NewOptions64(work.total,
			progressbar.OptionSetWriter(w), progressbar.OptionShowCount(), progressbar.OptionSetPredictTime(false),
			progressbar.OptionSetElapsedTime(false), progressbar.OptionSetWidth(30), progressbar.OptionSetRenderBlankState(false),
		)
	}
	go p.tell(every)
	return p
}

func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// tell tells now and then how far it is.
func (p *progress) tell(every time.Duration) {
	defer close(p.ended)
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		p.mu.Lock()
		if p.bar != nil {
			p.draw()
		} else if line := p.line(); line != p.told && time.Since(p.start) >= quiet {
			p.told = line
			_, _ = fmt.Fprintln(p.w, "hashctl: "+line)
		}
		p.mu.Unlock()
		select {
		case <-ticker.C:
		case <-p.stop:
			return
		}
	}
}

// draw draws the bar. One that can't be drawn stops nothing.
func (p *progress) draw() {
	at, any := p.phase()
	text := [...]string{"submitting", "due", "collecting"}[at]
	switch left, known := p.left(); {
	case !any:
		text = "hashing"
	case at == waiting:
		text = p.dueTime()
	case at == submitting && p.work.wait:
		text = fmt.Sprintf("submitting %d", p.work.done+p.submitted.Load())
	case known:
		text += fmt.Sprintf(", %v left", left)
	}
	p.bar.Describe(fmt.Sprintf("%-24s", text))
	_ = p.bar.Set64(p.finished())
}

// finished returns how many lines need nothing more.
func (p *progress) finished() int64 {
	if p.work.wait {
		return p.work.done + p.collected.Load()
	}
	return p.work.done + p.submitted.Load()
}

// phase returns what is done now, and whether anything is. Batches are in several phases at a time: it is
// the latest that moves.
func (p *progress) phase() (at phase, any bool) {
	switch {
	case p.batches[collecting].Load() > 0:
		return collecting, true
	case p.batches[submitting].Load() > 0:
		return submitting, true
	case p.batches[waiting].Load() > 0:
		return waiting, true
	}
	return submitting, false
}

// line is the progress in words.
func (p *progress) line() string {
	submitted := p.work.done + p.submitted.Load()
	at, _ := p.phase()
	switch at {
	case waiting:
		return p.of(submitted) + " submitted, " + p.dueTime()
	case submitting:
		return "submitting: " + p.of(submitted)
	case collecting:
	}
	line := "collecting: " + p.of(p.finished())
	if left, known := p.left(); known {
		line += fmt.Sprintf(", %v left", left)
	}
	return line
}

func (p *progress) of(lines int64) string {
	if p.work.total < 0 {
		return fmt.Sprintf("%d lines", lines)
	}
	return fmt.Sprintf("%d of %d lines", lines, p.work.total)
}

// dueTime is when the server says that the last job is due, in this machine's time zone. Of jobs that an
// earlier run has submitted it is not known.
func (p *progress) dueTime() string {
	due := p.due.Load()
	if due == 0 {
		return "waiting until due"
	}
	return "due at " + time.Unix(0, due).Format(time.TimeOnly)
}

// left returns how long the rest will take, if that is known: what is under way goes as fast as the batches that
// are collected now, and the rest in rounds of what may be under way, of which each has the server's delay.
func (p *progress) left() (left time.Duration, known bool) {
	p.measured.Lock()
	defer p.measured.Unlock()
	collected := p.collected.Load()
	took, lines := time.Since(p.stretch.at), collected-p.stretch.lines
	if p.work.total < 0 || lines <= 0 || took < surely {
		return 0, false
	}
	left = time.Duration(float64(took) / float64(lines) * float64(p.submitted.Load()-collected))
	rest := p.work.total - p.work.done - p.submitted.Load()
	if rest <= 0 {
		return left.Round(time.Second), p.batches[waiting].Load() == 0
	}
	if len(p.round) == 0 || collected-p.round[0].lines < p.work.room {
		return 0, false
	}
	took, lines = time.Since(p.round[0].at), collected-p.round[0].lines
	left += time.Duration(float64(took) / float64(lines) * float64(rest))
	return left.Round(time.Second), true
}

// measure notes that so many lines are collected.
func (p *progress) measure(lines int64) {
	p.measured.Lock()
	defer p.measured.Unlock()
	if len(p.round) == 0 && p.work.resumed && lines < p.work.room {
		return // the jobs of an earlier run are due already, and tell nothing of a round
	}
	if n := len(p.round); n == 0 || lines >= p.round[n-1].lines+max(p.work.room/samplesPerRound, 1) {
		p.round = append(p.round, sample{time.Now(), lines})
	}
	for len(p.round) > 1 && p.round[1].lines <= lines-p.work.room {
		p.round = p.round[1:]
	}
}

// enter tells that a batch is in a phase, until the function that it returns is called.
func (p *progress) enter(at phase) (leave func()) {
	if p == nil {
		return func() {}
	}
	if p.batches[at].Add(1) == 1 && at == collecting {
		p.measured.Lock()
		p.stretch = sample{time.Now(), p.collected.Load()}
		p.measured.Unlock()
	}
	return func() { p.batches[at].Add(-1) }
}

// submit counts lines that are submitted, and when the server says that they are due. A negative number are
// those that must be submitted again.
func (p *progress) submit(lines int, due time.Time) {
	if p == nil {
		return
	}
	p.submitted.Add(int64(lines))
	if !due.IsZero() {
		p.due.Store(max(p.due.Load(), due.UnixNano()))
	}
}

// collect counts lines whose hashes are here, or never will be. A negative number are those that must be
// collected again.
func (p *progress) collect(lines int) {
	if p != nil {
		p.measure(p.collected.Add(int64(lines)))
	}
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
	close(p.stop)
	<-p.ended
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar != nil {
		p.draw()
		_ = p.bar.Exit()
		_, _ = fmt.Fprintln(p.w)
		p.bar = nil
	}
	if summary != "" {
		p.say(summary)
	}
}
