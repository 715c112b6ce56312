package jetstream

import (
	"context"
	"encoding/binary"
	"errors"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hashd-project/hashd/internal/engine"
)

// A note tells all instances what has become of some jobs: a byte for the outcome, then 8 for each id.
// It is sent when that is stored, and not stored itself.

// tell sends a note. One that can't be sent is left: nothing rests on it.
func (e *Engine) tell(o outcome, jobs ...int64) {
	if len(jobs) == 0 {
		return
	}
	for _, id := range jobs {
		e.learn(id, o)
	}
	b := make([]byte, 1, 1+8*len(jobs))
	b[0] = byte(o)
	for _, id := range jobs {
		b = binary.BigEndian.AppendUint64(b, uint64(id))
	}
	_ = e.link().conn.Publish(e.names.note(), b)
}

// read reads a note, our own ones too.
func (e *Engine) read(m *nats.Msg) {
	if len(m.Data) == 0 {
		return
	}
	o := outcome(m.Data[0])
	if !o.valid() {
		return
	}
	for b := m.Data[1:]; len(b) >= 8; b = b[8:] {
		e.learn(int64(binary.BigEndian.Uint64(b)), o)
	}
}

// learn takes in what has become of a job, however it was learned.
func (e *Engine) learn(id int64, o outcome) {
	if o == isErased {
		e.erased.add(id)
	}
	e.ledger.observe(id, o)
	e.waiters.wake(id)
}

// tend is the goroutine that measures the clock and the room there is, and looks for what notes did
// not tell.
func (e *Engine) tend() {
	tick := time.NewTicker(measureEvery)
	defer tick.Stop()
	for {
		select {
		case <-e.life.Done():
			return
		case <-tick.C:
			e.watchClock()
			_ = e.call(e.life, e.watchRoom) // or the next time
		case <-e.back:
			e.waiters.wakeAll()
		}
		e.reconcile()
	}
}

// watchClock measures, and warns of a clock that makes jobs late.
func (e *Engine) watchClock() {
	const tolerable = 100 * time.Millisecond
	if err := e.call(e.life, e.measureClock); err != nil {
		e.cfg.Log.Warn("clock of NATS not measured", "error", err)
		return
	}
	if skew := e.clock.skew(); skew.Abs() > tolerable {
		e.cfg.Log.Warn("the clocks of this machine and of the NATS servers differ, so jobs are late: synchronize them",
			"by", skew)
	}
}

// watchRoom bounds what all instances hold together, whenever they were started: the results stream may
// hold twice max-results, and some thousand marks and results past their retention beside.
func (e *Engine) watchRoom(ctx context.Context) error {
	const slack = 1_000
	info, err := e.link().results.Info(ctx)
	if err != nil {
		return down(err)
	}
	e.ledger.crowd(info.State.Msgs > uint64(2*e.cfg.MaxResults+slack))
	return nil
}

// reconcile asks for those of our pending jobs that are hashed already: all up to the consumer's floor.
// Mostly there are none.
func (e *Engine) reconcile() {
	const most = 1_000
	if e.Stats().Pending == 0 {
		return
	}
	e.countLost()
	var floor uint64
	err := e.call(e.life, func(ctx context.Context) error {
		info, err := e.link().consumer.Info(ctx)
		if err == nil {
			floor = info.AckFloor.Stream
		}
		return err
	})
	if err != nil {
		return // the next time, then
	}
	lost := 0
	for _, id := range e.ledger.upTo(e.lives().id(floor), most) {
		// Get learns what it finds. Of a job of ours that has ended there is a result or a mark.
		if _, err := e.get(e.life, id); errors.Is(err, errVanished) {
			lost++
		}
	}
	e.reportLost(lost)
}

// countLost ends those of our pending jobs that the log has lost, after a new life has begun.
func (e *Engine) countLost() {
	l, lost := e.lives(), 0
	if len(l) == e.counted {
		return
	}
	for _, id := range e.ledger.unplaced(l) {
		switch _, err := e.Get(e.life, id); { // learns of a result, if there is one
		case errors.Is(err, engine.ErrDown) || errors.Is(err, engine.ErrClosed):
			return // the next time, then
		case errors.Is(err, engine.ErrUnknown):
			lost++
			e.ledger.observe(id, isErased)
			e.waiters.wake(id)
		}
	}
	e.counted = len(l)
	e.reportLost(lost)
}

func (e *Engine) reportLost(jobs int) {
	if jobs > 0 {
		e.cfg.Log.Error("jobs that were accepted are in neither stream: somebody has deleted them", "jobs", jobs)
	}
}

// erased are the jobs whose results were erased a short while ago, which a server that is behind may
// still have. The zero value has none.
type erased struct {
	mu    sync.Mutex
	jobs  map[int64]bool
	order []erasure // oldest first
}

type erasure struct {
	id int64
	at time.Time
}

// behind is how far a server can be behind and still be asked: longer than it takes to find out that
// it is.
const behind = 10 * time.Second

func (r *erased) add(id int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.jobs == nil {
		r.jobs = make(map[int64]bool)
	}
	now := time.Now()
	for len(r.order) > 0 && now.Sub(r.order[0].at) > behind {
		delete(r.jobs, r.order[0].id)
		r.order = r.order[1:]
	}
	if !r.jobs[id] {
		r.jobs[id] = true
		r.order = append(r.order, erasure{id, now})
	}
}

func (r *erased) has(id int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.jobs[id]
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
