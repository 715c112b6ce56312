package enginetest

import "github.com/hashd-project/hashd/v2/internal/engine"

// gone fails the test unless every method says that the job is gone.
func (s *subject) gone(id int64) {
	s.x.Helper()
	for what, err := range s.errorsOf(id) {
		s.x.wantErr(what+" a job that is gone", err, engine.ErrGone)
	}
}

// cancel cancels a job that must be there.
func (s *subject) cancel(id int64) {
	s.x.Helper()
	if err := s.Cancel(s.x.Context(), id); err != nil {
		s.x.Fatalf("cancel %d: %v", id, err)
	}
}

func cancelPending(x *trial) {
	e := x.engine(engine.Limits{Delay: unreached})
	var receipts []engine.Receipt
	for _, n := range []int{1, 52, 53, 4096, 7} {
		receipts = append(receipts, e.acceptJob(engine.Job{Secret: secret(n)}))
	}
	for _, r := range receipts[1:4] {
		e.cancel(r.ID)
		e.gone(r.ID)
	}
	e.wantCounts(engine.Stats{Accepted: 5, Pending: 2, Canceled: 3})
	for _, i := range []int{0, 4} { // the neighbours are as they were
		x.wantPending(e.state(receipts[i].ID), receipts[i], engine.Job{})
	}
}

func cancelAllPending(x *trial) {
	e := x.engine(engine.Limits{Delay: unreached})
	for range 3 { // an engine that is empty again starts over
		var ids []int64
		for n := range 40 {
			ids = append(ids, e.acceptJob(engine.Job{Secret: secret(1 + n*100)}).ID)
		}
		for i := range ids {
			e.cancel(ids[len(ids)-1-i])
		}
		for _, id := range ids {
			e.gone(id)
		}
	}
	e.wantCounts(engine.Stats{Accepted: 120, Canceled: 120})
}

func cancelDoneErasesTheResult(x *trial) {
	e := x.engine(engine.Limits{Delay: short})
	a, b, c := e.accept("a").ID, e.accept("b").ID, e.accept("c").ID
	for _, id := range []int64{a, b, c} {
		e.result(id)
	}
	e.cancel(b)
	e.gone(b)
	e.wantCounts(engine.Stats{Accepted: 3, Completed: 3, Kept: 2})
	x.wantResult(e.state(a), a, engine.Job{Secret: []byte("a")})
	x.wantResult(e.state(c), c, engine.Job{Secret: []byte("c")})
}

// A canceled job does not hold up those behind it.
func jobsAfterCanceledOnes(x *trial) {
	e := x.engine(engine.Limits{Delay: short})
	jobs := make(map[int64]engine.Job)
	for n := range 50 {
		job := engine.Job{Secret: secret(1 + n*10)}
		id := e.acceptJob(job).ID
		if n%5 == 4 {
			jobs[id] = job
		} else {
			e.cancel(id)
			e.gone(id)
		}
	}
	e.wantResults(jobs)
}
