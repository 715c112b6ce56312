package main

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Where there is no terminal, progress is a line every few seconds. Lines of an earlier run say
// nothing of how fast this one is.
func TestProgressLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b strings.Builder
		p := newProgress(&b, 1000, true)
		p.skip(500)
		for range 11 {
			time.Sleep(time.Second)
			p.add(10)
		}
		p.finish("done")
		want := "hashctl: 550 of 1000 lines, 10 lines/s, 45s left\n" + "hashctl: 600 of 1000 lines, 10 lines/s, 40s left\n" + "hashctl: done\n"
		if b.String() != want {
			t.Errorf("it says\n%swant\n%s", &b, want)
		}

		b.Reset()
		p = newProgress(&b, -1, true)
		time.Sleep(noteEvery)
		p.add(10)
		p.finish("")
		if want := "hashctl: 10 lines, 2 lines/s\n"; b.String() != want {
			t.Errorf("it says %q, want %q", &b, want)
		}
	})
}

// What is waited for is told now and then.
func TestProgressNotes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b strings.Builder
		p := newProgress(&b, 10, true)
		for range 7 {
			p.retrying(errors.New("full"), 1234*time.Millisecond)
			time.Sleep(time.Second)
		}
		if want := strings.Repeat("hashctl: full; trying again in 1.2s\n", 2); b.String() != want {
			t.Errorf("it says %q, want %q", &b, want)
		}
	})
}

// Nobody is told anything.
func TestNoProgress(*testing.T) {
	var p *progress
	p.skip(1)
	p.add(1)
	p.retrying(errors.New("full"), time.Second)
	p.finish("done")
}
