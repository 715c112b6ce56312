package enginetest

import (
	"sync"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// Twins are requests with one key that overlap. One of them is accepted; the others, which come while it
// is in flight, wait and get its answer. By then the jobs are there, and no twin takes room of its
// own: it is not refused where the first has filled the last.
func twinsGetOneAnswer(x *trial) {
	for range 3 {
		for _, size := range []int64{1, 3} {
			wide := engine.Limits{Delay: unreached, IdempotencyWindow: unreached, MaxIdempotencyKeys: 10}
			tight := engine.Limits{Delay: unreached, IdempotencyWindow: unreached, MaxIdempotencyKeys: 1, MaxPending: size, MaxResults: size}
			for _, cfg := range []engine.Limits{wide, tight} {
				x.submitTwins(x.engine(cfg), int(size))
			}
		}
	}
}

// submitTwins submits twins of a batch, or of a job alone, to an engine without any.
func (x *trial) submitTwins(e *subject, size int) {
	const twins = 8
	b := batchWithKey(1, 1, size)
	receipts := make([]engine.Receipt, twins)
	start := make(chan struct{})
	g := new(sync.WaitGroup)
	for n := range twins {
		g.Go(func() {
			<-start
			r, err := e.submit(b)
			if err != nil {
				x.Errorf("twin %d of %d jobs: %v", n, size, err)
				return
			}
			receipts[n] = r
			rec, err := e.Get(x.Context(), r.ID+int64(size)-1)
			if err != nil || rec.State != engine.Pending || !rec.Due.Equal(r.Due) {
				x.Errorf("the answer to twin %d has jobs that read as %+v, error %v", n, rec, err)
			}
		})
	}
	close(start)
	g.Wait()
	for n, r := range receipts {
		if r.ID != receipts[0].ID || !r.Due.Equal(receipts[0].Due) {
			x.Errorf("twin %d got %+v, and another %+v", n, r, receipts[0])
		}
	}
	e.wantCounts(engine.Stats{Accepted: int64(size), Pending: int64(size)})
}

// Of different requests that share a key and overlap one is accepted, and the others are told that the
// key is used.
func rivalsForAKey(x *trial) {
	const rivals = 8
	e := x.engine(engine.Limits{Delay: unreached, IdempotencyWindow: unreached, MaxIdempotencyKeys: 1, MaxPending: 2, MaxResults: 2})
	errs := make([]error, rivals)
	start := make(chan struct{})
	g := new(sync.WaitGroup)
	for n := range rivals {
		g.Go(func() {
			<-start
			_, errs[n] = e.submit(batchWithKey(1, byte(n), 1+n%2))
		})
	}
	close(start)
	g.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		} else {
			x.wantErr("a rival for a key", err, engine.ErrIdempotencyKeyReused)
		}
	}
	if st := e.Stats(); won != 1 || st.Rejected != 0 {
		x.Errorf("%d rivals for a key are accepted, and the counters are %+v", won, st)
	}
}
