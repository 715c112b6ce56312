package main

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// due is when a batch submitted now is, as a server with a delay of 8 s says.
func due() time.Time { return time.Now().Add(8 * time.Second) }

// Where there is no terminal, progress is a line every few seconds: it tells the phase, lines that are
// submitted as such, and no rate or estimate of lines that can't be done yet.
func TestProgressTellsPhases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b strings.Builder
		p := newProgress(&b, workload{total: 1000, room: 2000, wait: true}, true)
		leave := p.enter(submitting)
		time.Sleep(8 * time.Second)
		p.submit(400, due())
		time.Sleep(4 * time.Second) // a line at 10 s
		p.submit(600, due())
		leave()
		at := due().Format(time.TimeOnly)
		leave = p.enter(waiting)
		time.Sleep(8*time.Second + 500*time.Millisecond) // a line at 15 s
		leave()
		leave = p.enter(collecting)
		for range 10 {
			time.Sleep(time.Second) // lines at 25 s and 30 s
			p.collect(50)
		}
		leave()
		p.finish("done")
		want := "hashctl: submitting: 400 of 1000 lines\n" +
			"hashctl: 1000 of 1000 lines submitted, due at " + at + "\n" +
			"hashctl: collecting: 200 of 1000 lines, 18s left\n" +
			"hashctl: collecting: 450 of 1000 lines, 12s left\n" +
			"hashctl: done\n"
		if got := b.String(); got != want {
			t.Errorf("it says\n%swant\n%s", got, want)
		}
	})
}

// A bulk of a few seconds says nothing but its end where there is no terminal.
func TestShortBulkIsQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b strings.Builder
		p := newProgress(&b, workload{total: 10, room: 10, wait: true}, true)
		p.submit(10, due())
		leave := p.enter(waiting)
		time.Sleep(quiet - time.Second)
		leave()
		p.finish("done")
		if b.String() != "hashctl: done\n" {
			t.Errorf("it says %q", &b)
		}
	})
}

// A bulk that goes on counts from where it was, and its estimate is of what is left, by what this run does.
func TestProgressOfResumeCountsOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b strings.Builder
		p := newProgress(&b, workload{total: 1000, done: 500, room: 2000, wait: true, resumed: true}, true)
		p.submit(500, time.Time{})
		leave := p.enter(waiting)
		time.Sleep(11500 * time.Millisecond)
		leave()
		leave = p.enter(collecting)
		for range 5 {
			time.Sleep(time.Second)
			p.collect(50)
		}
		leave()
		p.finish("")
		want := "hashctl: 1000 of 1000 lines submitted, waiting until due\n" + "hashctl: collecting: 650 of 1000 lines, 8s left\n"
		if got := b.String(); got != want {
			t.Errorf("it says\n%swant\n%s", got, want)
		}
	})
}

// A bulk of many rounds, each with the server's delay, has no estimate in its first round, and one that is right
// from then on.
func TestProgressEstimateIsRightOrAbsent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rounds, lines = 10, 100
		p := newProgress(&strings.Builder{}, workload{total: rounds * lines, room: lines, wait: true}, true)
		for n := range rounds {
			leave := p.enter(submitting)
			time.Sleep(time.Second)
			p.submit(lines, due())
			leave()
			leave = p.enter(waiting)
			time.Sleep(8 * time.Second)
			leave()
			leave = p.enter(collecting)
			for line := range lines {
				time.Sleep(20 * time.Millisecond)
				p.collect(1)
				left, known := p.left()
				sure := n > 0 && time.Duration(line+1)*20*time.Millisecond >= surely
				really := time.Duration(rounds-1-n)*11*time.Second + time.Duration(lines-1-line)*20*time.Millisecond
				if known && (left < really*3/4-time.Second || left > really*5/4+time.Second) || known && n == 0 && line < lines-1 || known != sure && n > 0 {
					t.Fatalf("in round %d, line %d: %v left (known: %v), really %v", n, line, left, known, really)
				}
			}
			leave()
		}
		p.finish("")
	})
}

// Of a pipe the end is not known; and with --no-wait lines are finished once they are submitted.
func TestProgressWithoutTotal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b strings.Builder
		p := newProgress(&b, workload{total: -1, room: 10}, true)
		leave := p.enter(submitting)
		p.submit(10, due())
		time.Sleep(quiet + time.Second)
		if got := p.finished(); got != 10 {
			t.Errorf("%d lines are finished", got)
		}
		leave()
		p.finish("")
		if want := "hashctl: submitting: 10 lines\n"; b.String() != want {
			t.Errorf("it says %q, want %q", &b, want)
		}
	})
}

// What does not change is told once: an hour of waiting is a line, not 720.
func TestProgressDoesNotRepeatItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b strings.Builder
		p := newProgress(&b, workload{total: 10, room: 10, wait: true}, true)
		p.submit(10, due())
		defer p.enter(waiting)()
		time.Sleep(time.Hour)
		p.finish("")
		if strings.Count(b.String(), "\n") != 1 {
			t.Errorf("it says\n%s", &b)
		}
	})
}

// What is waited for is told now and then.
func TestProgressNotes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b strings.Builder
		p := newProgress(&b, workload{total: 10, wait: true}, true)
		for range 12 {
			p.retrying(errors.New("full"), 1234*time.Millisecond)
			time.Sleep(time.Second)
		}
		p.finish("")
		notes := strings.Count(b.String(), "hashctl: full; trying again in 1.2s\n")
		if lines := strings.Count(b.String(), "\n"); notes != 3 || lines != 4 {
			t.Errorf("it says\n%s", &b)
		}
	})
}

// Nobody is told anything.
func TestNoProgress(*testing.T) {
	var p *progress
	p.submit(1, time.Time{})
	p.collect(1)
	p.enter(collecting)()
	p.lost("it was restored")
	p.retrying(errors.New("full"), time.Second)
	p.finish("done")
}
