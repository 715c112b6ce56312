package jetstream

import (
	"context"
	"errors"
	"time"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// tend is the goroutine that measures the clock and the room there is, and looks for what notes did
// not tell.
func (e *Engine) tend() {
	tick := time.NewTicker(measureEvery)
	defer tick.Stop()
	for {
		select {
		case <-e.ctx.Done():
			return
		case <-tick.C:
			e.watchClock()
			_ = e.call(e.ctx, e.watchRoom) // if that fails, the next time
		case <-e.back:
			e.waiters.wakeAll()
		}
		e.reconcile()
	}
}

// watchClock measures, and warns of a clock that makes jobs late.
func (e *Engine) watchClock() {
	const tolerable = 100 * time.Millisecond
	if err := e.call(e.ctx, e.measureClock); err != nil {
		e.cfg.Log.Warn("clock of NATS not measured", "error", err)
		return
	}
	if skew := e.clock.skew(); skew.Abs() > tolerable {
		e.cfg.Log.Warn("the clocks of this machine and of the NATS servers differ, so jobs are late: synchronize them",
			"by", skew)
	}
}

// watchRoom bounds what all instances hold together, whenever they were started: the results stream may
// hold twice max-results, and some thousand tombstones and results past their retention beside.
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
	err := e.call(e.ctx, func(ctx context.Context) error {
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
		// Get learns what it finds. Of a job of ours that has ended there is a result or a tombstone.
		if _, err := e.get(e.ctx, id); errors.Is(err, errVanished) {
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
		switch _, err := e.Get(e.ctx, id); { // learns of a result, if there is one
		case errors.Is(err, engine.ErrDown) || errors.Is(err, engine.ErrClosed):
			return // the next time, then
		case errors.Is(err, engine.ErrUnknown):
			lost++
			e.vanish(id)
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
