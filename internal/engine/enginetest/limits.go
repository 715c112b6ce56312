package enginetest

import (
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// wantFull fails the test unless a job of either kind is refused for the limit.
func (s *subject) wantFull(limit string) {
	s.x.Helper()
	for _, n := range []int{8, 80} {
		r, err := s.Accept(s.x.Context(), engine.Job{Secret: secret(n)})
		s.x.wantFullError(err, limit)
		if r != (engine.Receipt{}) {
			s.x.Errorf("refused with receipt %+v", r)
		}
	}
}

// wantFullError fails the test unless err names the limit, and returns what else it says.
func (x *trial) wantFullError(err error, limit string) engine.FullError {
	x.Helper()
	full, ok := errors.AsType[*engine.FullError](err)
	if !ok || full.Limit != limit || full.RetryAfter < time.Second {
		x.Errorf("error %#v, want a refusal that names %s and a time of 1s or more", err, limit)
		return engine.FullError{RetryAfter: time.Second}
	}
	return *full
}

// wantNamed fails the test unless Full names that limit.
func (s *subject) wantNamed(limit string) {
	s.x.Helper()
	if got := s.Full(); got != limit {
		s.x.Errorf("the engine is full for %q, want %q", got, limit)
	}
}

func maxPending(x *trial) {
	e := x.engine(engine.Limits{Delay: unreached, MaxPending: 3})
	var ids []int64
	for range 3 {
		ids = append(ids, e.accept("secret").ID)
	}
	e.wantFull("max-pending")
	e.wantNamed("") // for work lifts it
	x.wantErr("ready while full", e.Ready(x.Context()), nil)
	e.wantCounts(engine.Stats{Accepted: 3, Pending: 3, Rejected: 2})
	e.cancel(ids[1])
	if id := e.accept("fourth").ID; id != e.first+3 && !x.suite.Gaps {
		x.Errorf("the fourth job got id %d: refused ones drew an id", id)
	}
	e.wantFull("max-pending")
	e.wantCounts(engine.Stats{Accepted: 4, Pending: 3, Canceled: 1, Rejected: 4})
}

// Jobs that are done make room for others: at once, or where that is the store's a moment later. A machine so slow that jobs
// finish before the limit is reached only tries more often.
func maxPendingEases(x *trial) {
	e := x.engine(engine.Limits{Delay: 10 * short, MaxPending: 2})
	var last int64
	for {
		r, err := e.Accept(x.Context(), engine.Job{Secret: secret(8)})
		if err != nil {
			x.wantFullError(err, "max-pending")
			break
		}
		last = r.ID
	}
	e.result(last)
	refused := int64(1)
	x.until("room", func() bool {
		r, err := e.Accept(x.Context(), engine.Job{Secret: secret(8)})
		if err != nil && x.suite.Shared {
			x.wantFullError(err, "max-pending")
			refused++
			return false
		}
		x.wantErr("accept in the room made", err, nil)
		last = r.ID
		return true
	})
	e.result(last)
	x.wantErr("drain", e.Drain(x.context()), nil)
	if st := e.Stats(); st.Rejected != refused || st.Accepted != st.Completed {
		x.Errorf("%d refusals and all done, but counters are %+v", refused, st)
	}
}

func maxResults(x *trial) {
	e := x.engine(engine.Limits{Delay: short, MaxResults: 3})
	var ids []int64
	for range 3 {
		ids = append(ids, e.accept("secret").ID)
	}
	e.wantFull("max-results") // pending ones count
	e.wantNamed("max-results")
	for _, id := range ids {
		e.result(id)
	}
	e.wantFull("max-results")
	e.wantNamed("max-results")
	x.wantErr("ready while full", e.Ready(x.Context()), nil)
	e.cancel(ids[2])
	e.wantNamed("")
	e.cancel(e.accept("in the room made").ID) // pending or done: room again
	e.result(e.accept("in the room made").ID)
	e.wantFull("max-results")
	if st := e.Stats(); st.Accepted != 5 || st.Rejected != 6 || st.Kept != 3 {
		x.Errorf("counters are %+v", st)
	}
}

func limitIsExactAmongSubmitters(x *trial) {
	const limit, submitters, tries = 50, 8, 20
	e := x.engine(engine.Limits{Delay: unreached, MaxPending: limit})
	var mu sync.Mutex
	var ids []int64
	g := x.group()
	for n := range submitters {
		g.Go(func() {
			for range tries {
				r, err := e.Accept(x.Context(), engine.Job{Secret: secret(45 + 2*n)})
				if err != nil {
					x.wantFullError(err, "max-pending")
					continue
				}
				mu.Lock()
				ids = append(ids, r.ID)
				mu.Unlock()
			}
		})
	}
	g.Wait()
	slices.Sort(ids)
	if len(ids) != limit || len(slices.Compact(ids)) != limit || ids[limit-1] != e.first+limit-1 && !x.suite.Gaps {
		x.Errorf("a limit of %d let in jobs %d", limit, ids)
	}
	e.wantCounts(engine.Stats{Accepted: limit, Pending: limit, Rejected: submitters*tries - limit})
}
