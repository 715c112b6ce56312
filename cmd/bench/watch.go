//go:build linux

package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// watch looks for results that are visible before their time, on a sample of jobs. It looks at
// each in two ways: Get polled through the last moments before it is due, and Wait, which must
// not return sooner.
type watch struct {
	polling  chan engine.Receipt
	awaiting chan engine.Receipt
	polled   sightings // the polling goroutine's until it has ended
	awaited  sightings // likewise the other's
	active   sync.WaitGroup
}

// sightings counts looks at jobs and what they saw.
type sightings struct {
	Polls, Waits int64 // looks before the due time; waits that ended with a result
	Early        int64 // results seen before they were due
}

// String says how thoroughly it was looked.
func (s sightings) String() string {
	return fmt.Sprintf("early results were looked for by %d polls before the due time and %d waits", s.Polls, s.Waits)
}

func (s *sightings) add(more sightings) {
	s.Polls += more.Polls
	s.Waits += more.Waits
	s.Early += more.Early
}

// watched is about how many jobs of a run are watched: few enough not to slow the rest.
const watched = 64

// newWatch starts two goroutines; end ends them, at once if ctx is over.
func newWatch(ctx context.Context, e engine.Engine) *watch {
	w := &watch{
		polling:  make(chan engine.Receipt, 2*watched),
		awaiting: make(chan engine.Receipt, 2*watched),
	}
	w.active.Go(func() {
		for r := range w.polling {
			w.polled.poll(ctx, e, r)
		}
	})
	w.active.Go(func() {
		for r := range w.awaiting {
			w.awaited.wait(ctx, e, r)
		}
	})
	return w
}

// sample returns what submit is to call for each job: every so many jobs one is watched.
func (w *watch) sample(jobs int64) func(int64, engine.Receipt) {
	every := max(1, jobs/watched)
	return func(i int64, r engine.Receipt) {
		if i%every == 0 { // for under 2 * watched jobs: the channels never block
			w.polling <- r
			w.awaiting <- r
		}
	}
}

// end returns what was seen once every job added has come due.
func (w *watch) end() sightings {
	close(w.polling)
	close(w.awaiting)
	w.active.Wait()
	w.polled.add(w.awaited)
	return w.polled
}

// pollLead is how long before the due time polling begins: longer than the runtime's timers
// are late, short enough to leave the cores to the engine.
const pollLead = 1500 * time.Microsecond

// poll looks at the job again and again until it is due. The clock is read after each look, so
// that a result seen before due was there before due.
func (s *sightings) poll(ctx context.Context, e engine.Engine, r engine.Receipt) {
	select {
	case <-time.After(time.Until(r.Due) - pollLead):
	case <-ctx.Done():
		return
	}
	for {
		rec, err := e.Get(ctx, r.ID)
		if !time.Now().Before(r.Due) {
			return
		}
		s.Polls++
		if err == nil && rec.State == engine.Done {
			s.Early++
			return
		}
	}
}

// wait compares the instant at which Wait returns the result with the due time.
func (s *sightings) wait(ctx context.Context, e engine.Engine, r engine.Receipt) {
	rec, err := e.Wait(ctx, r.ID)
	if err != nil || rec.State != engine.Done {
		return // lost, or ctx is over
	}
	s.Waits++
	if time.Now().Before(r.Due) {
		s.Early++
	}
}
