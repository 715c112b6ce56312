package enginetest

import (
	"context"
	"sync"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// answer is what a call of Wait came back with.
type answer struct {
	rec engine.Record
	err error
}

// polls starts n calls of Wait for one job and returns what gathers their answers.
func (s *subject) polls(ctx context.Context, id int64, n int) (answers func() []answer) {
	g := s.x.group()
	var mu sync.Mutex
	var all []answer
	for range n {
		g.Go(func() {
			rec, err := s.Wait(ctx, id)
			mu.Lock()
			defer mu.Unlock()
			all = append(all, answer{rec, err})
		})
	}
	return func() []answer {
		g.Wait()
		s.x.wantInTime(ctx)
		return all
	}
}

func waitReturnsWhenDone(x *trial) {
	e := x.engine(engine.Limits{Delay: short})
	job := engine.Job{Secret: secret(8)}
	for range 10 {
		r := e.acceptJob(job)
		x.wantResult(e.result(r.ID), r.ID, job)
	}
}

// A context that has ended does not hide a result that is there.
func waitForADoneJobReturnsAtOnce(x *trial) {
	e := x.engine(engine.Limits{Delay: short})
	id := e.accept("secret").ID
	e.result(id)
	rec, err := e.Wait(x.ended(), id)
	x.wantErr("wait for a done job", err, nil)
	x.wantResult(rec, id, engine.Job{Secret: []byte("secret")})
}

func waitEndsWithItsContext(x *trial) {
	e := x.engine(engine.Limits{Delay: unreached})
	job := engine.Job{Secret: []byte("secret")}
	r := e.acceptJob(job)
	ctx, cancel := context.WithCancel(x.Context())
	answers := e.polls(ctx, r.ID, 5)
	x.waitIdle()
	cancel()
	for _, a := range answers() {
		x.wantErr("wait ended by its context", a.err, nil)
		x.wantPending(a.rec, r, job)
	}
	x.wantPending(e.state(r.ID), r, job)
}

func manyWaitForOneJob(x *trial) {
	e := x.engine(engine.Limits{Delay: short})
	job := engine.Job{Secret: []byte("secret"), Tenant: 7}
	id := e.acceptJob(job).ID
	otherID := e.accept("other").ID
	other := e.polls(x.context(), otherID, 3)
	for _, a := range e.polls(x.context(), id, 100)() {
		x.wantErr("one of many waits", a.err, nil)
		x.wantResult(a.rec, id, job)
	}
	for _, a := range other() {
		x.wantErr("wait for another job", a.err, nil)
		x.wantResult(a.rec, otherID, engine.Job{Secret: []byte("other")})
	}
}

// Polls that gave up leave nothing behind that could disturb those that go on or come later.
func waitAfterAbandonedWaits(x *trial) {
	e := x.engine(engine.Limits{Delay: short})
	job := engine.Job{Secret: []byte("secret")}
	id := e.acceptJob(job).ID
	staying := e.polls(x.context(), id, 2)
	x.waitIdle()
	for range 3 {
		_, err := e.Wait(x.ended(), id)
		x.wantErr("abandoned wait", err, nil)
	}
	x.wantResult(e.result(id), id, job)
	for _, a := range staying() {
		x.wantErr("wait beside abandoned ones", a.err, nil)
		x.wantResult(a.rec, id, job)
	}
}

func waitAgainAfterTheLastGaveUp(x *trial) {
	e := x.engine(engine.Limits{Delay: unreached})
	id := e.accept("secret").ID
	for range 3 {
		_, err := e.Wait(x.ended(), id)
		x.wantErr("abandoned wait", err, nil)
		answers := e.polls(x.ended(), id, 5)
		x.waitIdle()
		answers()
	}
	answers := e.polls(x.context(), id, 3)
	x.waitIdle()
	e.cancel(id)
	for _, a := range answers() {
		x.wantErr("wait for a job then canceled", a.err, engine.ErrGone)
	}
}

func cancelEndsWaits(x *trial) {
	e := x.engine(engine.Limits{Delay: unreached})
	for _, n := range []int{8, 80} {
		id := e.acceptJob(engine.Job{Secret: secret(n)}).ID
		answers := e.polls(x.context(), id, 10)
		x.waitIdle()
		e.cancel(id)
		for _, a := range answers() {
			x.wantErr("wait for a job then canceled", a.err, engine.ErrGone)
			if a.rec != (engine.Record{}) {
				x.Errorf("a canceled job shows %+v", a.rec)
			}
		}
	}
	e.wantCounts(engine.Stats{Accepted: 2, Canceled: 2})
}

func closeEndsWaits(x *trial) {
	e := x.engine(engine.Limits{Delay: unreached})
	var all []func() []answer
	for range 5 {
		all = append(all, e.polls(x.context(), e.accept("secret").ID, 2))
	}
	x.waitIdle()
	x.wantErr("close", e.Close(), nil)
	for _, answers := range all {
		for _, a := range answers() {
			x.wantErr("wait on an engine then closed", a.err, engine.ErrClosed)
		}
	}
}
