package memory

import (
	"context"
	"errors"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// waiter is where the long-polls of one pending job meet.
type waiter struct {
	over  chan struct{} // closed when the job is done or gone
	polls int
}

// Wait implements engine.Engine.
func (e *Engine) Wait(ctx context.Context, id int64) (engine.Record, error) {
	rec, w, err := e.await(ctx, id)
	if w == nil {
		return rec, err
	}
	select {
	case <-w.over:
	case <-ctx.Done():
		e.abandon(id, w)
	case <-e.stop:
	}
	return e.Get(ctx, id)
}

// await returns the record of a job that is not pending, or a waiter for one that is.
func (e *Engine) await(ctx context.Context, id int64) (engine.Record, *waiter, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	rec, err := e.get(ctx, id)
	if err != nil || rec.State == engine.Done {
		return rec, nil, err
	}
	w := e.waiters[id]
	if w == nil {
		w = &waiter{over: make(chan struct{})}
		e.waiters[id] = w
		e.setAwaited(id, awaitedBit)
	}
	w.polls++
	return rec, w, nil
}

// abandon leaves a waiter; the last poll to leave removes it.
func (e *Engine) abandon(id int64, w *waiter) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if w.polls--; w.polls == 0 && e.waiters[id] == w {
		delete(e.waiters, id)
		e.setAwaited(id, 0)
	}
}

// setAwaited sets or clears the bit that sends publish to the waiters' map.
func (e *Engine) setAwaited(id int64, bit meta) {
	if s, i, err := e.find(id); err == nil {
		s.setMeta(i, s.meta(i)&^awaitedBit|bit)
	}
}

// notify ends the polls of an awaited job that is now done or gone.
func (e *Engine) notify(id int64) {
	close(e.waiters[id].over)
	delete(e.waiters, id)
}

// AwaitCompleted implements engine.Ranges. It waits for the job that comes next, and while that is not yet
// accepted for the end of any.
func (e *Engine) AwaitCompleted(ctx context.Context, after int64) error {
	if after < 0 {
		return engine.ErrInvalid
	}
	if c := callerOf(ctx); c.one {
		return e.awaitOf(ctx, c.tenant, after)
	}
	for {
		id, ended, progress, err := e.upNext(after)
		switch {
		case err != nil || ended || ctx.Err() != nil:
			return err
		case progress == nil:
			if _, err := e.Wait(engine.Glance(ctx), id); errors.Is(err, engine.ErrClosed) {
				return err
			}
			continue
		}
		select {
		case <-progress:
		case <-ctx.Done():
		case <-e.stop:
		}
	}
}

// upNext returns the id that the cursor passes next, whether its job has ended, and if there is none yet
// what is closed when any job ends.
func (e *Engine) upNext(after int64) (id int64, ended bool, progress <-chan struct{}, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	id = max(engine.IDAfter(after, 1), e.cfg.FirstID)
	s, i, err := e.find(id)
	switch {
	case errors.Is(err, engine.ErrGone):
		return id, true, nil, nil
	case errors.Is(err, engine.ErrUnknown):
		if e.progress == nil {
			e.progress = make(chan struct{})
		}
		return id, false, e.progress, nil
	case err != nil:
		return id, false, nil, err
	}
	return id, s.meta(i).state() == done, nil, nil
}

// advance tells those who wait for the end of any job that there was one.
func (e *Engine) advance() {
	if e.progress != nil {
		close(e.progress)
		e.progress = nil
	}
}
