//go:build linux

package main

import (
	"context"
	"errors"
	"sync"
	"time"
)

// lookout looks by HTTP for results that are visible before their time, on a sample of batches, in two
// ways as watch does: it polls through the last moments before a batch is due, and it waits.
type lookout struct {
	polling, awaiting chan batchReceipt
	seen              [2]sightings
	errs              [2]error
	active            sync.WaitGroup
}

// lookedAt is how many jobs of a batch it looks at, so that a look takes little.
const lookedAt = 10

// lookLead is how long before the due time of a batch polling begins: some looks over HTTP.
const lookLead = 10 * time.Millisecond

// newLookout starts two goroutines; end ends them, at once if ctx is over.
func newLookout(ctx context.Context, url string) *lookout {
	l := &lookout{polling: make(chan batchReceipt, 4*watched), awaiting: make(chan batchReceipt, 4*watched)}
	for n, work := range []struct {
		batches chan batchReceipt
		look    func(context.Context, *caller, batchReceipt, *sightings) error
	}{{l.polling, pollBatch}, {l.awaiting, awaitBatch}} {
		l.active.Go(func() {
			c := newCaller(url)
			defer c.close()
			for b := range work.batches {
				if l.errs[n] == nil {
					l.errs[n] = work.look(ctx, c, b, &l.seen[n])
				}
			}
		})
	}
	return l
}

// look has a batch looked at. It does not block for under 4 * watched batches.
func (l *lookout) look(b batchReceipt) {
	l.polling <- b
	l.awaiting <- b
}

// end returns what was seen once each batch has come due, or why the looks failed, unless the whole run has.
func (l *lookout) end(failed error) (sightings, error) {
	close(l.polling)
	close(l.awaiting)
	l.active.Wait()
	l.seen[0].add(l.seen[1])
	if failed == nil {
		failed = errors.Join(l.errs[:]...)
	}
	return l.seen[0], failed
}

// pollBatch reads the batch's first jobs again and again until they are due. The clock is read after each
// look, so that a result seen before due was there before due.
func pollBatch(ctx context.Context, c *caller, b batchReceipt, s *sightings) error {
	select {
	case <-time.After(time.Until(b.Due) - lookLead):
	case <-ctx.Done():
		return ctx.Err()
	}
	to := make([]byte, min(lookedAt, b.Count)*hashText)
	for {
		done, err := c.get(ctx, b.First, to, false)
		if err != nil || !time.Now().Before(b.Due) {
			return err
		}
		s.Polls++
		s.Early += int64(done)
		if done > 0 {
			return nil
		}
	}
}

// awaitBatch compares the instant at which the wait returns with the due time.
func awaitBatch(ctx context.Context, c *caller, b batchReceipt, s *sightings) error {
	to := make([]byte, min(lookedAt, b.Count)*hashText)
	done, err := c.get(ctx, b.First, to, true)
	if err != nil {
		return err
	}
	s.Waits++
	if time.Now().Before(b.Due) {
		s.Early += int64(done)
	}
	return nil
}
