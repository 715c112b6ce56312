package jetstream

import (
	"context"
	"sync"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// Wait implements engine.Engine.
func (e *Engine) Wait(ctx context.Context, id int64) (engine.Record, error) {
	for {
		w := e.waiters.join(id)
		rec, err := e.Get(ctx, id)
		if err != nil || rec.State == engine.Done {
			e.waiters.leave(id, w)
			return rec, err
		}
		select {
		case <-w.over:
		case <-ctx.Done():
			e.waiters.leave(id, w)
			return rec, nil
		case <-e.ctx.Done():
			return engine.Record{}, engine.ErrClosed
		}
	}
}

// waiters are the calls of Wait. The zero value has none.
type waiters struct {
	mu   sync.Mutex
	jobs map[int64]*waiter
}

// waiter is where the calls for one job meet.
type waiter struct {
	over  chan struct{} // closed when something is known of the job
	calls int
}

func (w *waiters) join(id int64) *waiter {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.jobs == nil {
		w.jobs = make(map[int64]*waiter)
	}
	one := w.jobs[id]
	if one == nil {
		one = &waiter{over: make(chan struct{})}
		w.jobs[id] = one
	}
	one.calls++
	return one
}

// leave leaves a waiter; the last call to leave removes it.
func (w *waiters) leave(id int64, one *waiter) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if one.calls--; one.calls == 0 && w.jobs[id] == one {
		delete(w.jobs, id)
	}
}

func (w *waiters) wake(id int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if one := w.jobs[id]; one != nil {
		close(one.over)
		delete(w.jobs, id)
	}
}

func (w *waiters) wakeAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, one := range w.jobs {
		close(one.over)
		delete(w.jobs, id)
	}
}
