package enginetest

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// drains starts n calls of Drain and returns what gathers their errors.
func (s *subject) drains(ctx context.Context, n int) (errs func() []error) {
	g := s.x.group()
	var mu sync.Mutex
	var all []error
	for range n {
		g.Go(func() {
			err := s.Drain(ctx)
			mu.Lock()
			defer mu.Unlock()
			all = append(all, err)
		})
	}
	return func() []error {
		g.Wait()
		s.x.wantInTime(ctx)
		return all
	}
}

// beginDrain lets the drain begin, and comes back though jobs are pending.
func (s *subject) beginDrain(left int64) {
	s.x.Helper()
	err := s.Drain(s.x.ended())
	s.x.wantErr("drain without time", err, context.Canceled)
	if l, ok := errors.AsType[*engine.LeftError](err); !ok || l.Left != left {
		s.x.Errorf("drain without time: %v, want %d jobs left", err, left)
	}
}

// wantDraining fails the test unless new jobs are refused, which takes no id.
func (s *subject) wantDraining() {
	s.x.Helper()
	before := s.Stats()
	for _, n := range []int{8, 80} {
		_, err := s.Accept(s.x.Context(), engine.Job{Secret: secret(n)})
		s.x.wantErr("accept while draining", err, engine.ErrDraining)
		before.Rejected++
	}
	if after := s.Stats(); after.Accepted != before.Accepted || after.Rejected != before.Rejected {
		s.x.Errorf("two refusals lead to %+v", after)
	}
}

func drainEmpty(x *trial) {
	e := x.engine(engine.Limits{Delay: unreached})
	x.wantErr("drain of nothing without time", e.Drain(x.ended()), nil)
	x.wantErr("drain of nothing", e.Drain(x.Context()), nil)
	e.wantDraining()
	e.wantCounts(engine.Stats{Rejected: 2})
}

func drainFinishesAll(x *trial) {
	e := x.engine(engine.Limits{Delay: short})
	jobs := make(map[int64]engine.Job)
	for n := range 300 {
		job := engine.Job{Secret: secret(n + 1)}
		jobs[e.acceptJob(job).ID] = job
	}
	x.wantErr("drain", e.Drain(x.context()), nil)
	e.wantCounts(engine.Stats{Accepted: 300, Completed: 300, Kept: 300})
	for id, job := range jobs {
		x.wantResult(e.state(id), id, job)
	}
	e.wantDraining()
}

func drainRefusesAndReadsGoOn(x *trial) {
	e := x.engine(engine.Limits{Delay: unreached})
	job := engine.Job{Secret: []byte("secret")}
	r := e.acceptJob(job)
	e.beginDrain(1)
	e.wantDraining()
	x.wantPending(e.state(r.ID), r, job)
	rec, err := e.Wait(x.ended(), r.ID)
	x.wantErr("wait while draining", err, nil)
	x.wantPending(rec, r, job)
	x.wantUnknown(e, r.ID+1)
	e.wantCounts(engine.Stats{Accepted: 1, Pending: 1, Rejected: 2})
}

func drainTellsWhatIsLeft(x *trial) {
	e := x.engine(engine.Limits{Delay: unreached})
	var ids []int64
	for range 5 {
		ids = append(ids, e.accept("secret").ID)
	}
	e.cancel(ids[0])
	e.beginDrain(4)
	e.cancel(ids[4])
	e.beginDrain(3)

	reason := errors.New("the test's reason")
	ctx, cancel := context.WithCancelCause(x.Context())
	errs := e.drains(ctx, 3)
	x.waitIdle()
	cancel(reason)
	for _, err := range errs() {
		l, ok := errors.AsType[*engine.LeftError](err)
		if !ok || l.Left != 3 || !errors.Is(l.Cause, reason) && !errors.Is(l.Cause, context.Canceled) {
			x.Errorf("drain ended by its context: %v", err)
		}
	}
}

func drainAgain(x *trial) {
	e := x.engine(engine.Limits{Delay: short})
	id := e.accept("secret").ID
	errs := e.drains(x.context(), 5)
	x.waitIdle()
	waits := e.polls(x.context(), id, 5)
	for _, err := range append(errs(), e.Drain(x.context()), e.Drain(x.ended())) {
		x.wantErr("one of many drains", err, nil)
	}
	for _, a := range waits() {
		x.wantErr("wait while draining", a.err, nil)
		x.wantResult(a.rec, id, engine.Job{Secret: []byte("secret")})
	}
	e.wantDraining()
}

func cancelEndsDrain(x *trial) {
	e := x.engine(engine.Limits{Delay: unreached})
	ids := []int64{e.accept("a").ID, e.acceptJob(engine.Job{Secret: secret(80)}).ID, e.accept("c").ID}
	e.beginDrain(3)
	errs := e.drains(x.context(), 3)
	x.waitIdle()
	for _, id := range ids {
		e.cancel(id)
	}
	for _, err := range errs() {
		x.wantErr("drain of jobs then canceled", err, nil)
	}
	e.wantCounts(engine.Stats{Accepted: 3, Canceled: 3})
}

func closeEndsDrain(x *trial) {
	e := x.engine(engine.Limits{Delay: unreached})
	e.accept("secret")
	errs := e.drains(x.context(), 3)
	x.waitIdle()
	x.wantErr("close", e.Close(), nil)
	for _, err := range errs() {
		x.wantErr("drain of an engine then closed", err, engine.ErrClosed)
	}
}

// wantUncollected fails the test unless so many results are owed; an engine whose results outlive the
// process owes none.
func (s *subject) wantUncollected(when string, want int64) {
	s.x.Helper()
	if s.x.suite.Outlives {
		want = 0
	}
	if got := s.Uncollected(); got != want {
		s.x.Errorf("%s: %d results are owed, want %d", when, got, want)
	}
}

// What was hashed while draining is owed until it was read once, in whichever way, or erased. What was
// read or could have been read before is not, nor is what was never hashed.
func uncollectedAreCounted(x *trial) {
	e := x.engine(engine.Limits{Delay: short})
	early := e.accept("hashed before the drain").ID
	e.result(early)
	other := e.acceptBatch(batchOf(8, 80)).ID
	e.result(other + 1)
	e.wantUncollected("before the drain", 0)

	const n = 7
	jobs := uniform(n, 8)
	first := e.acceptBatch(jobs).ID
	waits := e.polls(x.context(), first, 3)
	x.wantErr("drain", e.Drain(x.context()), nil)
	for _, a := range waits() {
		x.wantErr("wait", a.err, nil)
	}
	left := e.Uncollected() // on the real clock some may have been hashed before the drain
	if left > n-1 || !x.suite.Outlives && x.fake && left != n-1 {
		x.Errorf("of %d jobs, one of which was waited for, %d are owed", n, left)
	}
	for _, id := range []int64{early, other} { // these are not of the drain
		e.state(id)
	}
	e.wantUncollected("after reading what was hashed before", left)
	for i := range int64(n) {
		_, _ = e.Get(engine.Glance(x.Context()), first+i)
		_, _ = e.Wait(engine.Glance(x.Context()), first+i)
	}
	e.wantUncollected("after a glance at all", left)
	if x.fake {
		e.state(first + 1)
		e.state(first + 1)
		e.wantUncollected("after reading one twice", n-2)
		e.result(first + 2)
		e.wantUncollected("after waiting for one", n-3)
		e.cancel(first + 3)
		e.gone(first + 3)
		e.wantUncollected("after erasing one", n-4)
		e.cancel(first + 1)
		e.wantUncollected("after erasing one that was read", n-4)
	}
	for i := range int64(n) {
		_, _ = e.Get(x.Context(), first+i)
	}
	e.wantUncollected("after reading all", 0)
}

// A result that is past its retention is owed no more: nobody can read it.
func uncollectedExpire(x *trial) {
	e := x.engine(engine.Limits{Delay: short, Retention: time.Second})
	e.acceptBatch(uniform(3, 8))
	x.wantErr("drain", e.Drain(x.context()), nil)
	x.until("uncollected results expire", func() bool { return e.Uncollected() == 0 && e.Stats().Kept == 0 })
}
