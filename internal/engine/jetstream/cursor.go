package jetstream

import (
	"context"
	"sync"
	"time"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// Completed implements engine.Ranges. It looks at a bounded number of places of the log, so that it may go on
// without having found anything. A job is pending until its message has left the log, which is a little
// after its result is there.
func (e *Engine) Completed(ctx context.Context, after int64, to []engine.Record) (n int, next int64, err error) {
	if after < 0 || len(to) < 1 || len(to) > engine.MaxRange {
		return 0, after, engine.ErrInvalid
	}
	if tenant, one := engine.TenantOf(ctx); one {
		return e.completedOf(ctx, tenant, after, to)
	}
	next = after
	from, end := e.lives().placeAfter(after), uint64(0)
	err = e.call(ctx, func(ctx context.Context) (err error) {
		end, _, err = e.ended(ctx, from)
		return err
	})
	for pieces := 0; err == nil && from < end && n < len(to) && pieces < engine.MaxRange/askJobs && ctx.Err() == nil; pieces++ {
		piece := e.pieceOf(from, min(end, from+uint64(min(askJobs, len(to)-n))))
		err = e.call(ctx, func(ctx context.Context) error {
			if err := e.findNeighbors(ctx, piece); err != nil || !anyPending(piece) {
				return err
			}
			return e.findAllResults(ctx, piece)
		})
		if err != nil {
			break
		}
		for i := range piece {
			if piece[i].State == engine.Done {
				to[n] = piece[i].Record
				n++
			}
			next = piece[i].ID
		}
		from += uint64(len(piece))
	}
	return n, next, err
}

// pieceOf returns the jobs that were in these places of the log, before the second.
func (e *Engine) pieceOf(from, end uint64) []*seen {
	log, piece := e.lives(), make([]*seen, end-from)
	for i := range piece {
		piece[i] = &seen{left: true}
		piece[i].ID = log.id(from + uint64(i))
	}
	return piece
}

// ended returns the place of the log before which, from the first on, all jobs have ended, and whether that place has a
// job, which is pending, or none yet.
func (e *Engine) ended(ctx context.Context, from uint64) (end uint64, pending bool, err error) {
	last, err := e.logEnd(ctx) // before the job is looked for: what comes later is pending
	if err != nil || from > last {
		return from, false, err
	}
	job, err := e.ask(ctx, e.names.jobs(), request{Seq: from, NextFor: e.names.job()})
	switch {
	case err != nil:
		return from, false, err
	case job == nil:
		return last + 1, false, nil
	}
	return min(job.Sequence, last+1), true, nil
}

// How long a wait for the cursor leaves the log alone: while nothing is accepted; and while a job is pending, at first
// and at most. A note of the job ends the pause, after which its message leaves the log within a moment.
const (
	pauseEmpty = 250 * time.Millisecond
	pauseLeast = 20 * time.Millisecond
	pauseMost  = time.Second
)

// AwaitCompleted implements engine.Ranges.
func (e *Engine) AwaitCompleted(ctx context.Context, after int64) error {
	if after < 0 {
		return engine.ErrInvalid
	}
	if tenant, one := engine.TenantOf(ctx); one {
		return e.awaitOf(ctx, tenant, after)
	}
	pause := pauseLeast
	for ctx.Err() == nil {
		place := e.lives().placeAfter(after)
		id := e.lives().id(place)
		note := e.waiters.join(id)
		passed, pending, err := e.lookAtHead(place)
		if err != nil || passed {
			e.waiters.leave(id, note)
			return err
		}
		if pause, err = e.rest(ctx, id, note, pause, pending); err != nil {
			return err
		}
	}
	return nil
}

// rest waits until it is time to look again for the end of a job, which may not have been given yet. It leaves the note
// and returns how long to wait the next time.
func (e *Engine) rest(ctx context.Context, id int64, note *waiter, pause time.Duration, given bool) (next time.Duration, err error) {
	defer e.waiters.leave(id, note)
	now, next := pauseEmpty, pause
	if given {
		now, next = pause, min(2*pause, pauseMost)
	}
	select {
	case <-note.over:
		next = pauseLeast
	case <-time.After(now):
	case <-ctx.Done():
	case <-e.ctx.Done():
		err = engine.ErrClosed
	}
	return next, err
}

// heads are what was last seen at places of the log that calls of AwaitCompleted wait for. The zero value has none.
type heads struct {
	mu     sync.Mutex
	places map[uint64]*head
}

// head is one place of the log, while somebody looks at it or has just done.
type head struct {
	mu      sync.Mutex // held while somebody looks
	pending bool
	at      time.Time // when it was looked at without finding that it has ended
	looked  time.Time // when a call came; under heads.mu
}

// of returns the head at the place, and forgets those that nobody has come for of late.
func (h *heads) of(place uint64) *head {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	for old, one := range h.places {
		if now.Sub(one.looked) > 2*pauseMost {
			delete(h.places, old)
		}
	}
	one := h.places[place]
	if one == nil {
		if h.places == nil {
			h.places = make(map[uint64]*head)
		}
		one = new(head)
		h.places[place] = one
	}
	one.looked = now
	return one
}

// lookAtHead reports whether the job in the place has ended, and whether it is pending. Calls that wait for the same
// place share their looks.
func (e *Engine) lookAtHead(place uint64) (passed, pending bool, err error) {
	h := e.heads.of(place)
	h.mu.Lock()
	defer h.mu.Unlock()
	if time.Since(h.at) < pauseLeast/2 {
		return false, h.pending, nil
	}
	err = e.call(e.ctx, func(ctx context.Context) error {
		var end uint64
		end, h.pending, err = e.ended(ctx, place)
		passed = end > place
		return err
	})
	if err == nil && !passed {
		h.at = time.Now()
	}
	return passed, h.pending, err
}
