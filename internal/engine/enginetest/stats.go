package enginetest

import (
	"sync"
	"time"

	"github.com/hashd-project/hashd/v2/internal/digest"
	"github.com/hashd-project/hashd/v2/internal/engine"
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

// The histogram has each job that was done once, and adds up to what the statistics say.
func latenessesAreCounted(x *trial) {
	e := x.engine(engine.Limits{Delay: short})
	if h := e.Latenesses(); h.Count() != 0 || h.Sum() != 0 {
		x.Errorf("a new engine has %d latenesses, %v in all", h.Count(), h.Sum())
	}
	const jobs = 20
	for range jobs {
		e.accept("secret")
	}
	x.wantErr("drain", e.Drain(x.context()), nil)
	h, inBuckets := e.Latenesses(), int64(0)
	last := time.Duration(-1)
	for end, n := range h.Buckets() {
		if end <= last {
			x.Errorf("a bucket up to %v follows one up to %v", end, last)
		}
		inBuckets, last = inBuckets+n, end
	}
	if st := e.Stats(); h.Count() != jobs || inBuckets != jobs || h.Summary() != st.Lateness || h.Sum() > jobs*st.Lateness.Max || h.Sum() < st.Lateness.Max {
		x.Errorf("%d latenesses, %d in buckets, %v in all, %+v", h.Count(), inBuckets, h.Sum(), st.Lateness)
	}
}

// Each hash counts once in the times of its algorithm, and a job that was canceled before never.
func hashTimes(x *trial) {
	e := x.engine(engine.Limits{Delay: short})
	for _, h := range e.HashTimes() {
		if h.Count() != 0 {
			x.Errorf("a new engine has computed %d hashes", h.Count())
		}
	}
	for n, algorithm := range digest.All() {
		for range n + 1 {
			if _, err := e.Accept(x.context(), engine.Job{Secret: []byte("secret"), Algorithm: algorithm}); err != nil {
				x.Fatal(err)
			}
		}
	}
	x.wantErr("cancel", e.Cancel(x.context(), e.accept("canceled").ID), nil)
	x.wantErr("drain", e.Drain(x.context()), nil)
	times := e.HashTimes()
	if len(times) != len(digest.All()) {
		x.Fatalf("times of %d algorithms", len(times))
	}
	for n, h := range times {
		least := int64(n + 1)
		most := least
		if digest.Algorithm(n) == digest.SHA512 {
			least += 1 - e.Stats().Canceled // it may have been hashed before
			if most = least; !x.fake {
				most = int64(n + 2) // or just then
			}
		}
		if h.Count() < least || h.Count() > most {
			x.Errorf("%v: %d hashes, want %d to %d", digest.Algorithm(n), h.Count(), least, most)
		}
	}
}

// An engine knows when its oldest pending job is due.
func nextDue(x *trial) {
	e := x.engine(engine.Limits{Delay: time.Hour})
	if due := e.NextDue(); !due.IsZero() {
		x.Errorf("nothing is pending, and is due at %v", due)
	}
	first := e.accept("secret")
	e.accept("secret")
	if due := e.NextDue(); due.Sub(first.Due).Abs() > time.Millisecond {
		x.Errorf("the oldest is due at %v, want %v", due, first.Due)
	}
	x.wantErr("close", e.Close(), nil)
	if due := e.NextDue(); !due.IsZero() {
		x.Errorf("a closed engine has a job that is due at %v", due)
	}
}
