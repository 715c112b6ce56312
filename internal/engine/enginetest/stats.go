package enginetest

import (
	"sync"
	"time"

	"github.com/hashd-project/hashd/internal/engine"
)

func statsOfNothing(x *trial) {
	e := x.engine(engine.Limits{Delay: short})
	if st := e.Stats(); st != (engine.Stats{}) {
		x.Errorf("a new engine counts %+v", st)
	}
}

// Jobs are brought to each of their ends, one kind after the other, and counted.
func statsFollowEachJob(x *trial) {
	e := x.engine(engine.Limits{Delay: short, MaxResults: 4})
	var ids []int64
	for range 4 {
		ids = append(ids, e.accept("secret").ID)
	}
	for _, id := range ids {
		e.result(id)
	}
	e.wantCounts(engine.Stats{Accepted: 4, Completed: 4, Kept: 4})
	e.cancel(ids[0])
	e.cancel(ids[1])
	e.wantCounts(engine.Stats{Accepted: 4, Completed: 4, Kept: 2})
	e.accept("secret")
	e.accept("secret")
	e.wantFull("max-results")
	x.wantErr("drain", e.Drain(x.context()), nil)
	e.wantCounts(engine.Stats{Accepted: 6, Completed: 6, Kept: 4, Rejected: 2})
	e.wantDraining()
	x.wantErr("cancel again", e.Cancel(x.Context(), ids[0]), engine.ErrGone)
	e.wantCounts(engine.Stats{Accepted: 6, Completed: 6, Kept: 4, Rejected: 4})
}

// wantConsistent fails the test if the counters, read at one instant, contradict each other
// or what they were before.
func (x *trial) wantConsistent(before, st engine.Stats) {
	x.Helper()
	if st.Accepted != st.Pending+st.Completed+st.Canceled {
		x.Errorf("accepted %d, but pending %d + completed %d + canceled %d", st.Accepted, st.Pending, st.Completed, st.Canceled)
	}
	if st.Pending < 0 || st.Kept < 0 || st.Kept > st.Completed {
		x.Errorf("impossible counters %+v", st)
	}
	if st.Accepted < before.Accepted || st.Completed < before.Completed ||
		st.Canceled < before.Canceled || st.Rejected < before.Rejected || st.Lateness.Max < before.Lateness.Max {
		x.Errorf("counters went back from %+v to %+v", before, st)
	}
}

// Whoever reads the counters while jobs come and go sees them add up.
func statsAreConsistent(x *trial) {
	const submitters = 2
	jobs, pause := 25_000, time.Duration(0)
	if x.suite.Durable { // a job takes it longer than many readings
		jobs, pause = jobs/50, 100*time.Microsecond
	}
	e := x.engine(engine.Limits{Delay: time.Millisecond})
	var g sync.WaitGroup
	for range submitters {
		g.Go(func() {
			for n := range jobs {
				r, err := e.Accept(x.Context(), engine.Job{Secret: secret(8)})
				x.wantErr("accept", err, nil)
				if n%16 == 0 {
					x.wantErr("cancel", e.Cancel(x.Context(), r.ID), nil)
				}
			}
		})
	}
	over := make(chan struct{})
	x.group().Go(func() {
		g.Wait()
		close(over)
	})
	var before engine.Stats
	for reading := true; reading && !x.Failed(); {
		st := e.Stats()
		x.wantConsistent(before, st)
		before = st
		select {
		case <-over:
			reading = false
		case <-time.After(pause):
		}
	}
	<-over
	if st := e.Stats(); st.Accepted != int64(submitters*jobs) {
		x.Errorf("of %d jobs the counters are %+v", submitters*jobs, st)
	}
}

// Speed is not asserted, only that percentiles are in order and at most the maximum.
func latenessIsOrdered(x *trial) {
	e := x.engine(engine.Limits{Delay: short})
	for range 100 {
		e.accept("secret")
	}
	x.wantErr("drain", e.Drain(x.context()), nil)
	l := e.Stats().Lateness
	if l.P50 < 0 || l.P90 < l.P50 || l.P99 < l.P90 || l.Max < l.P99 {
		x.Errorf("percentiles out of order: %+v", l)
	}
}
