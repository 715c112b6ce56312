package file

import (
	"cmp"
	"context"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// Read implements engine.Ranges.
func (e *Engine) Read(ctx context.Context, first int64, to []engine.Record) error {
	return e.spans(first, len(to), func(s span) error {
		records := to[:s.count]
		to = to[s.count:]
		if s.position == 0 {
			for i := range records {
				records[i] = engine.Record{ID: engine.IDAfter(s.id, i), State: engine.Unknown}
			}
			return nil
		}
		err := e.jobs.Read(ctx, s.position, records)
		for i := range records {
			records[i].ID = engine.IDAfter(s.id, i)
		}
		return err
	})
}

// spans calls do for each span of the range.
func (e *Engine) spans(first int64, count int, do func(span) error) error {
	if !engine.ValidRange(first, count) {
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
		return e.storeGone(func() (gone, count int64, err error) {
			ended, err := e.jobs.CancelRange(ctx, s.position, s.count)
			all.Canceled += ended.Canceled
			all.Erased += ended.Erased
			all.Gone += ended.Gone
			all.Unknown += ended.Unknown
			switch {
			case ended.Unknown == s.count:
				return 0, 0, err
			case ended.Canceled+ended.Erased == 0:
				return s.position, 0, err
			}
			return s.position, int64(s.count), err
		})
	})
	return all, err
}

// storeGone returns once the store holds what cancel has done: to count jobs from the position gone on. With a count of
// 0 they were gone before. Then it waits for those who have canceled them, whose write may be under way or have failed
// for want of room. With a position of 0 there is nothing to wait for. It returns cancel's error, if that of the
// store does not come first.
func (e *Engine) storeGone(cancel func() (gone, count int64, err error)) error {
	r := newRequest()
	defer r.release()
	queued, err := e.queueGone(r, cancel)
	if queued {
		<-r.answered
		err = cmp.Or(r.err, err)
	}
	return err
}

// queueGone cancels and queues. Whoever finds a job gone so comes behind the one that has canceled it.
func (e *Engine) queueGone(r *request, cancel func() (gone, count int64, err error)) (queued bool, err error) {
	e.canceling.Lock()
	defer e.canceling.Unlock()
	if r.gone, r.count, err = cancel(); r.gone == 0 {
		return false, err
	}
	if closed := e.queue.put(r); closed != nil {
		return false, closed
	}
	return true, err
}
