package file

import (
	"context"
	"math"

	"github.com/hashd-project/hashd/internal/engine"
)

// Read implements engine.Ranges.
func (e *Engine) Read(ctx context.Context, first int64, to []engine.Record) error {
	return e.spans(first, len(to), func(s span) error {
		records := to[:s.count]
		to = to[s.count:]
		if s.position == 0 {
			for i := range records {
				records[i] = engine.Record{ID: further(s.id, i), State: engine.Unknown}
			}
			return nil
		}
		err := e.jobs.Read(ctx, s.position, records)
		for i := range records {
			records[i].ID = further(s.id, i)
		}
		return err
	})
}

// further returns the id that many further, or the highest there is.
func further(id int64, n int) int64 {
	if id > math.MaxInt64-int64(n) {
		return math.MaxInt64
	}
	return id + int64(n)
}

// spans calls do for each span of the range.
func (e *Engine) spans(first int64, count int, do func(span) error) error {
	if first < 1 || count < 1 || count > engine.MaxRange {
		return engine.ErrInvalid
	}
	for s := range e.store.lives.spans(first, count) {
		if err := do(s); err != nil {
			return err
		}
	}
	return nil
}

// Survey implements engine.Ranges.
func (e *Engine) Survey(ctx context.Context, first int64, count int) (all engine.Survey, err error) {
	err = e.spans(first, count, func(s span) error {
		if s.position == 0 {
			return nil
		}
		found, err := e.jobs.Survey(ctx, s.position, s.count)
		if found.Pending > 0 {
			all.Pending += found.Pending
			all.Last = found.Last
			all.Last.ID = e.store.lives.id(found.Last.ID)
		}
		return err
	})
	return all, err
}

// Completed implements engine.Ranges.
func (e *Engine) Completed(ctx context.Context, after int64, to []engine.Record) (n int, next int64, err error) {
	if after < 0 {
		return 0, after, engine.ErrInvalid
	}
	before := e.store.lives.positionUpTo(after)
	n, position, err := e.jobs.Completed(ctx, before, to)
	for i := range to[:n] {
		to[i].ID = e.store.lives.id(to[i].ID)
	}
	if position == before {
		return n, after, err
	}
	return n, e.store.lives.id(position), err
}

// AwaitCompleted implements engine.Ranges.
func (e *Engine) AwaitCompleted(ctx context.Context, after int64) error {
	if after < 0 {
		return engine.ErrInvalid
	}
	return e.jobs.AwaitCompleted(ctx, e.store.lives.positionUpTo(after))
}

// CancelRange implements engine.Ranges. Like Cancel it returns once the store holds that the jobs are gone.
func (e *Engine) CancelRange(ctx context.Context, first int64, count int) (all engine.Ended, err error) {
	if e.health.isDown() {
		return all, engine.ErrDown
	}
	err = e.spans(first, count, func(s span) error {
		if s.position == 0 {
			all.Unknown += s.count
			return nil
		}
		ended, err := e.jobs.CancelRange(ctx, s.position, s.count)
		all.Canceled += ended.Canceled
		all.Erased += ended.Erased
		all.Gone += ended.Gone
		all.Unknown += ended.Unknown
		if err != nil || ended.Unknown == s.count { // one that is gone may not be stored yet
			return err
		}
		return e.storeGone(s.position, s.count)
	})
	return all, err
}

// storeGone returns once the store holds which of so many jobs from the position on are gone.
func (e *Engine) storeGone(position int64, count int) error {
	r := newRequest()
	defer r.release()
	r.gone, r.count = position, int64(count)
	if err := e.queue.put(r); err != nil {
		return err
	}
	<-r.answered
	return r.err
}
