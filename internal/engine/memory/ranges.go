package memory

import (
	"context"
	"errors"
	"math"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// lookJobs is how many jobs are looked at, or ended, in one hold of the mutex: enough that taking it costs
// next to nothing, few enough that submitters and workers do not wait for it noticeably.
const lookJobs = 512

// inPieces calls do for the range's ids, lookJobs of them at a time, with the engine locked.
func (e *Engine) inPieces(first int64, count int, do func(first int64, count int)) error {
	if !engine.ValidRange(first, count) {
		return engine.ErrInvalid
	}
	for n := 0; n < count; n += lookJobs {
		if err := e.locked(func() { do(engine.IDAfter(first, n), min(lookJobs, count-n)) }); err != nil {
			return err
		}
	}
	return nil
}

// locked calls do with the engine locked, unless that is closed.
func (e *Engine) locked(do func()) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return engine.ErrClosed
	}
	do()
	return nil
}

// Read implements engine.Ranges.
func (e *Engine) Read(ctx context.Context, first int64, to []engine.Record) error {
	c, glance := callerOf(ctx), engine.IsGlance(ctx)
	return e.inPieces(first, len(to), func(from int64, count int) {
		for i := range count {
			e.showOrEnd(c, &to[0], engine.IDAfter(from, i), glance)
			to = to[1:]
		}
	})
}

// showOrEnd fills in the record of any id.
func (e *Engine) showOrEnd(c caller, rec *engine.Record, id int64, glance bool) {
	*rec = engine.Record{ID: id, State: engine.Unknown}
	s, i, err := e.findFor(c, id)
	switch {
	case err == nil:
		e.show(rec, s, i, glance)
	case errors.Is(err, engine.ErrGone):
		rec.State = engine.Gone
	}
}

// Survey implements engine.Ranges.
func (e *Engine) Survey(ctx context.Context, first int64, count int) (found engine.Survey, err error) {
	c := callerOf(ctx)
	err = e.inPieces(first, count, func(from int64, count int) {
		var last *segment
		at := 0
		for i := range count {
			if s, j, err := e.findFor(c, engine.IDAfter(from, i)); err == nil && s.meta(j).state() == pending {
				found.Pending++
				last, at = s, j
			}
		}
		if last != nil {
			e.show(&found.Last, last, at, true)
		}
	})
	return found, err
}

// Completed implements engine.Ranges.
func (e *Engine) Completed(ctx context.Context, after int64, to []engine.Record) (n int, next int64, err error) {
	if after < 0 || len(to) < 1 || len(to) > engine.MaxRange {
		return 0, after, engine.ErrInvalid
	}
	if c := callerOf(ctx); c.one {
		return e.completedOf(ctx, c.tenant, after, to)
	}
	c := cursor{after: after, to: to, glance: engine.IsGlance(ctx)}
	for more := true; more && err == nil && ctx.Err() == nil; {
		err = e.locked(func() { more = e.move(&c) })
	}
	return c.n, c.after, err
}

// cursor walks over jobs that have ended.
type cursor struct {
	after  int64 // the id that it has come to
	to     []engine.Record
	n      int  // of to
	full   bool // with a job before it that to has no room for, if it is a tenant's
	glance bool
}

// move moves the cursor over a bounded number of jobs, and says whether it may be moved further.
func (e *Engine) move(c *cursor) (more bool) {
	end := e.end()
	for range lookJobs {
		id := max(engine.IDAfter(c.after, 1), e.cfg.FirstID)
		if id >= end {
			return false
		}
		s, ok := e.segments.at(e.segmentOf(id))
		if !ok || s == nil {
			c.after = min(e.nextSegment(id), end) - 1
			continue
		}
		i := int(id - s.first)
		switch s.meta(i).state() {
		case gone:
		case pending:
			return false // not yet committed, too
		case done:
			if c.n == len(c.to) {
				return false
			}
			c.to[c.n] = engine.Record{}
			e.show(&c.to[c.n], s, i, c.glance)
			c.n++
		}
		c.after = id
	}
	return true
}

// nextSegment returns the first id of the next segment in the window after that of the id, which has no job
// any more.
func (e *Engine) nextSegment(id int64) int64 {
	n := max(e.segmentOf(id)+1, e.segments.start())
	if n >= e.segments.end() {
		return math.MaxInt64 // what is given has been there
	}
	return e.cfg.FirstID + n*segmentJobs
}

// CancelRange implements engine.Ranges.
func (e *Engine) CancelRange(ctx context.Context, first int64, count int) (ended engine.Ended, err error) {
	c := callerOf(ctx)
	err = e.inPieces(first, count, func(from int64, count int) {
		for i := range count {
			s, j, err := e.findFor(c, engine.IDAfter(from, i))
			switch {
			case errors.Is(err, engine.ErrGone):
				ended.Gone++
			case err != nil:
				ended.Unknown++
			case s.meta(j).state() == done:
				ended.Erased++
				e.cancel(s, j)
			default:
				ended.Canceled++
				e.cancel(s, j)
			}
		}
		e.canceledSome()
	})
	return ended, err
}
