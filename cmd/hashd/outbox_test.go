package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashd-project/hashd/v2/internal/transcript"
)

// tap is where an outbox writes to: it is shut until somebody reads.
type tap struct {
	bytes.Buffer
	open chan error // each write needs one; nil lets it through
}

func (w *tap) Write(p []byte) (int, error) {
	if err := <-w.open; err != nil {
		return 0, err
	}
	return w.Buffer.Write(p)
}

// Where nobody reads, writing goes on at once, nothing more is kept than there is room for, and the
// reader who comes back hears how much is missing.
func TestOutboxDropsAndTells(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &tap{open: make(chan error)}
		o := newOutbox(w)
		if _, err := newLogger(loadConfig(t), o); err != nil {
			t.Fatal(err)
		}
		line := strings.Repeat("x", 1023) + "\n"
		write := func() {
			if n, err := io.WriteString(o, line); n != len(line) || err != nil {
				t.Fatalf("%d, %v", n, err)
			}
		}
		write()
		synctest.Wait() // it is on its way
		const room = outboxBytes / 1024
		for range room + 7 {
			write()
		}
		w.open <- nil
		w.open <- nil // the room
		w.open <- nil // the notice
		synctest.Wait()
		last, ok := strings.CutPrefix(w.String(), strings.Repeat(line, 1+room))
		if !ok || strings.Count(last, "\n") != 1 || !strings.Contains(last, `"level":"WARN"`) || !strings.Contains(last, `"dropped":7}`) {
			t.Errorf("after %d lines it tells %q", strings.Count(w.String(), line), last)
		}
		write()
		w.open <- errors.New("nobody reads")
		synctest.Wait()
		w.Reset()
		write()
		w.open <- nil
		w.open <- nil
		synctest.Wait()
		if got := w.String(); !strings.HasPrefix(got, line) || !strings.Contains(got, `"dropped":1}`) {
			t.Errorf("after a failure it writes %q", strings.TrimPrefix(got, line))
		}
		close(w.open)
		o.close()
	})
}

// The end waits for what is still to be written, but not for ever.
func TestOutboxClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &tap{open: make(chan error)}
		o := newOutbox(w)
		_, _ = io.WriteString(o, "last words\n")
		began := time.Now()
		o.close()
		if took := time.Since(began); took != flushLimit {
			t.Errorf("with nobody reading it takes %v", took)
		}
		close(w.open)
		o.close()
		if w.String() != "last words\n" {
			t.Errorf("written: %q", &w.Buffer)
		}
	})
}

// closeWhole closes the outbox and waits for its last line, however slow the machine is.
func (o *outbox) closeWhole() {
	o.close()
	<-o.ended
}

// What many write at once comes out whole, each line once.
func TestOutboxKeepsLines(t *testing.T) {
	t.Parallel()
	log := transcript.New()
	o := newOutbox(log)
	var group sync.WaitGroup
	for n := range 8 {
		group.Go(func() {
			for k := range 200 {
				_, _ = fmt.Fprintf(o, "line %d of writer %d\n", k, n)
			}
		})
	}
	group.Wait()
	o.closeWhole()
	seen := make(map[string]bool)
	for line := range strings.Lines(log.String()) {
		seen[line] = true
	}
	if lines := strings.Count(log.String(), "\n"); lines != 1600 || len(seen) != lines {
		t.Errorf("%d lines, of them %d different", lines, len(seen))
	}
}

// The last line of a terminal is below all that is written, and gone in the end, even if nobody has taken it away.
func TestOutboxTakesTheLastLineAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var screen bytes.Buffer
		o := newOutbox(&screen)
		o.show("left: 2")
		synctest.Wait()
		_, _ = io.WriteString(o, "a line of the log\n")
		synctest.Wait()
		o.show("left: 1")
		synctest.Wait()
		o.close()
		o.show("left: 0")
		const gone = "\r       \r"
		if want := "left: 2" + gone + "a line of the log\nleft: 2" + gone + "left: 1" + gone; screen.String() != want {
			t.Errorf("written: %q, want %q", &screen, want)
		}
	})
}
