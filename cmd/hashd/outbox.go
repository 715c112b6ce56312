package main

import (
	"bytes"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/hashd-project/hashd/v2/internal/wake"
)

// outboxBytes is how much may wait to be written; as much again may be on its way.
const outboxBytes = 256 << 10

// flushLimit is how long the end of the program waits for what is still to be written.
const flushLimit = time.Second

// outbox writes what the program has to say, and never keeps the program waiting: a log that nobody
// reads must not stop a server. What does not fit is dropped and counted, and the count is told once
// writing goes on. One goroutine writes; Write may be called by any number of others.
type outbox struct {
	w     io.Writer
	shown string        // what the last line says now; of run alone
	wake  chan struct{} // tells the writer that there is something; closed by close
	ended chan struct{}

	mu      sync.Mutex
	waiting []byte
	line    string                     // what the last line of the terminal says; "" for nothing
	dropped int64                      // lines
	notice  func(dropped int64) []byte // tells of them in the form of the log
	closed  bool
}

func newOutbox(w io.Writer) *outbox {
	o := &outbox{w: w, wake: make(chan struct{}, 1), ended: make(chan struct{})}
	go o.run()
	return o
}

// Write implements io.Writer. It takes whole lines and never fails.
func (o *outbox) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || len(o.waiting)+len(p) > outboxBytes {
		o.dropped++
		return len(p), nil
	}
	o.waiting = append(o.waiting, p...)
	wake.Up(o.wake)
	return len(p), nil
}

// show has the last line of a terminal say this, below all that is written; "" takes it away. It has no line break, and
// fits on a line of the terminal.
func (o *outbox) show(line string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.closed && line != o.line {
		o.line = line
		wake.Up(o.wake)
	}
}

// onDrop sets the line that reports dropped lines.
func (o *outbox) onDrop(notice func(dropped int64) []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.notice = notice
}

// close writes what waits, for as long as flushLimit allows. What nobody has read by then is lost.
func (o *outbox) close() {
	o.mu.Lock()
	if !o.closed {
		o.closed = true
		if o.line != "" { // what comes next on the terminal is the shell's
			o.line = ""
			wake.Up(o.wake)
		}
		close(o.wake)
	}
	o.mu.Unlock()
	select {
	case <-o.ended:
	case <-time.After(flushLimit):
	}
}

func (o *outbox) run() {
	defer close(o.ended)
	var written []byte // its memory is reused for what comes while the other is written
	for range o.wake {
		for more := true; more; {
			written, more = o.write(written)
		}
	}
}

// write writes what waits, and returns it with whether there may be more.
func (o *outbox) write(written []byte) ([]byte, bool) {
	text, line, dropped, notice := o.take(written)
	if len(text) == 0 && dropped == 0 && line == o.shown {
		return text, false
	}
	if o.shown != "" { // no escape sequence, which some terminals do not know
		_, _ = io.WriteString(o.w, "\r"+strings.Repeat(" ", len(o.shown))+"\r")
	}
	var err error
	if len(text) > 0 {
		_, err = o.w.Write(text)
	}
	if err == nil && dropped > 0 && notice != nil {
		_, err = o.w.Write(notice(dropped))
	}
	if o.shown = line; line != "" {
		_, _ = io.WriteString(o.w, line)
	}
	if err != nil { // nobody reads any more, or not now
		o.count(dropped + int64(bytes.Count(text, []byte{'\n'})))
	}
	return text, err == nil
}

// take returns what waits, what the last line is to say, and what was dropped.
func (o *outbox) take(written []byte) (text []byte, line string, dropped int64, notice func(int64) []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	text, line, dropped = o.waiting, o.line, o.dropped
	o.waiting, o.dropped = written[:0], 0
	return text, line, dropped, o.notice
}

func (o *outbox) count(dropped int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.dropped += dropped
}
