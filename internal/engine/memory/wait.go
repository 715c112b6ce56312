package memory

import (
	"context"

	"github.com/hashd-project/hashd/internal/engine"
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
