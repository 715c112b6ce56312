package enginetest

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// wantBatchFull fails the test unless batches of n, of either kind of secret, are refused for the limit.
func (s *subject) wantBatchFull(n int, limit string) {
	s.x.Helper()
	for _, length := range []int{8, 80} {
		s.x.wantFullError(s.refuseBatch(uniform(n, length)), limit)
	}
}

// What is refused leaves all the room there was, to the last job, and takes no ids.
func maxPendingOfBatches(x *trial) {
	const limit = "max-pending"
	e := x.engine(engine.Limits{Delay: unreached, MaxPending: 5})
	e.wantBatchFull(6, limit)
	e.wantBatchFull(engine.MaxBatch, limit)
	first := e.acceptBatch(batchOf(8, 80, 8))
	x.wantNext(first, e.first)
	e.wantBatchFull(3, limit)
	x.wantNext(e.acceptBatch(batchOf(80, 8)), first.ID+3)
	e.wantBatchFull(1, limit)
	e.wantFull(limit)
	e.wantCounts(engine.Stats{Accepted: 5, Pending: 5, Rejected: 2*(6+engine.MaxBatch+3+1) + 2})

	e.cancel(first.ID + 1)
	e.wantBatchFull(2, limit)
	x.wantNext(e.acceptBatch(batchOf(80)), first.ID+5)
	for _, id := range []int64{first.ID, first.ID + 2} {
		e.cancel(id)
	}
	e.wantBatchFull(3, limit)
	e.acceptBatch(batchOf(8, 80))
	e.wantFull(limit)
}

func maxResultsOfBatches(x *trial) {
	const limit = "max-results"
	e := x.engine(engine.Limits{Delay: short, MaxResults: 5})
	e.wantBatchFull(6, limit)
	b := batchOf(8, 80, 8, 80, 8)
	first := e.acceptBatch(b).ID
	e.wantBatchFull(1, limit) // pending ones count
	e.wantResults(jobsOf(b, first))
	e.wantBatchFull(1, limit)
	e.cancel(first + 4)
	e.cancel(first)
	e.wantBatchFull(3, limit)
	again := batchOf(80, 8)
	e.wantResults(jobsOf(again, e.acceptBatch(again).ID))
	e.wantBatchFull(1, limit)
	if st := e.Stats(); st.Accepted != 7 || st.Rejected != 2*(6+1+1+3+1) || st.Kept != 5 {
		x.Errorf("counters are %+v", st)
	}
}

func drainingRefusesBatches(x *trial) {
	e := x.engine(engine.Limits{Delay: unreached})
	b := batchWithKey(1, 1, 3)
	first := e.acceptBatch(b)
	e.beginDrain(3)
	x.wantErr("a batch while draining", e.refuseBatch(batchOf(8, 80)), engine.ErrDraining)
	x.wantErr("a batch with a new key while draining", e.refuseBatch(batchWithKey(2, 1, 4)), engine.ErrDraining)
	if r := e.acceptBatch(b); r.ID != first.ID {
		x.Errorf("while draining the retry of %d got %d", first.ID, r.ID)
	}
	e.wantCounts(engine.Stats{Accepted: 3, Pending: 3, Rejected: 6})
	x.wantErr("close", e.Close(), nil)
	for _, b := range []engine.Batch{b, batchOf(8, 80), batchWithKey(2, 1, 4)} {
		x.wantErr("a batch for a closed engine", e.refuseBatch(b), engine.ErrClosed)
	}
}

// batchWithKey returns a batch of n with the key of that name, from the request of that number.
func batchWithKey(name, number byte, n int) engine.Batch {
	job := request(name, number)
	b := uniform(n, len(job.Secret))
	b.IdempotencyKey = job.IdempotencyKey
	return b
}

// A batch submitted again is the same batch, whatever became of its jobs, and however large.
func batchRetryAddsNothing(x *trial) {
	e := x.engine(engine.Limits{Delay: short})
	for n := range byte(3) {
		b := batchWithKey(n, n, 1+100*int(n))
		first := e.acceptBatch(b)
		again := func(when string) {
			if r := e.acceptBatch(b); r.ID != first.ID || !r.Due.Equal(first.Due) {
				x.Errorf("%s the retry of %+v got %+v", when, first, r)
			}
		}
		again("at once")
		e.wantResults(jobsOf(b, first.ID))
		again("done")
		e.cancel(first.ID)
		again("erased")
	}
	e.wantCounts(engine.Stats{Accepted: 303, Completed: 303, Kept: 300})
}

// Keys are one space: that of a batch is not another request's, nor the other way round. A
// refusal takes no id and is the client's mistake.
func batchKeyReusedIsRefused(x *trial) {
	e := x.engine(engine.Limits{Delay: unreached})
	first, alone := e.acceptBatch(batchWithKey(1, 1, 3)), e.acceptJob(request(2, 1))
	x.wantErr("a batch's key for another batch", e.refuseBatch(batchWithKey(1, 2, 3)), engine.ErrIdempotencyKeyReused)
	x.wantErr("a job's key for a batch", e.refuseBatch(batchWithKey(2, 2, 3)), engine.ErrIdempotencyKeyReused)
	_, err := e.Accept(x.Context(), request(1, 2))
	x.wantErr("a batch's key for a job", err, engine.ErrIdempotencyKeyReused)
	if r := e.acceptBatch(batchWithKey(1, 1, 3)); r.ID != first.ID {
		x.Errorf("after that the retry of %d got %d", first.ID, r.ID)
	}
	x.wantNext(e.acceptBatch(batchWithKey(3, 1, 2)), alone.ID+1)
	e.wantCounts(engine.Stats{Accepted: 6, Pending: 6})
}

func refusedBatchLeavesItsKeyFree(x *trial) {
	e := x.engine(engine.Limits{Delay: unreached, MaxPending: 3})
	for number := range byte(3) {
		x.wantFullError(e.refuseBatch(batchWithKey(1, number, 4)), "max-pending")
	}
	first := e.acceptBatch(batchWithKey(1, 2, 3))
	x.wantNext(first, e.first)
	if r := e.acceptBatch(batchWithKey(1, 2, 3)); r.ID != first.ID {
		x.Errorf("in a full engine the retry of %d got %d", first.ID, r.ID)
	}
	e.wantCounts(engine.Stats{Accepted: 3, Pending: 3, Rejected: 12})
}

// A batch takes one key, not one for each job.
func keysOfBatchesAreBounded(x *trial) {
	const limit = "max-idempotency-keys"
	e := x.engine(engine.Limits{Delay: unreached, MaxIdempotencyKeys: 2, IdempotencyWindow: unreached})
	e.acceptBatch(batchWithKey(1, 1, 10))
	e.acceptBatch(batchWithKey(2, 1, 10))
	x.wantFullError(e.refuseBatch(batchWithKey(3, 1, 10)), limit)
	x.wantFullError(e.refuseBatch(batchWithKey(3, 2, 1)), limit) // long secrets
	x.wantNext(e.acceptBatch(uniform(10, 80)), e.first+20)
	e.wantCounts(engine.Stats{Accepted: 30, Pending: 30, Rejected: 11})
}

// Of retries that overlap with the first try, all get one and the same batch.
func oneBatchKeyAmongSubmitters(x *trial) {
	const keys, size = 10, 30
	e := x.engine(engine.Limits{Delay: unreached})
	x.wantOneEach(keys, func(name byte) (engine.Receipt, error) {
		return e.AcceptBatch(x.Context(), batchWithKey(name, name%2, size))
	})
	e.wantCounts(engine.Stats{Accepted: keys * size, Pending: keys * size})
}

// However batches and single jobs compete for the last room, no more get in than there is room
// for, and whoever is refused is counted in full.
func limitIsExactAmongBatches(x *trial) {
	const limit, submitters, tries = 100, 6, 20
	e := x.engine(engine.Limits{Delay: unreached, MaxPending: limit})
	var accepted, rejected atomic.Int64
	try := func(n int) bool {
		_, err := e.submit(uniform(n, 45+2*n))
		if _, full := errors.AsType[*engine.FullError](err); err != nil && !full {
			x.Errorf("a batch of %d: %v", n, err)
		}
		if err != nil {
			rejected.Add(int64(n))
		} else {
			accepted.Add(int64(n))
		}
		return err == nil
	}
	g := x.group()
	for n := range submitters {
		g.Go(func() {
			for range tries {
				try(1 + n)
			}
		})
	}
	g.Wait()
	for try(1) { // what the batches were too large for
	}
	if accepted.Load() != limit {
		x.Errorf("a limit of %d let in %d", limit, accepted.Load())
	}
	e.wantCounts(engine.Stats{Accepted: limit, Pending: limit, Rejected: rejected.Load()})
}

// A client that comes again when it was told to finds room for all of its batch, not for its first.
func batchRetryAfterIsTrue(x *trial) {
	e := x.engine(engine.Limits{Delay: 10 * time.Second, MaxPending: 4})
	for range 4 {
		e.accept("secret")
		x.sleep(2 * time.Second)
	}
	for n, want := range map[int]time.Duration{1: 2 * time.Second, 2: 4 * time.Second, 3: 6 * time.Second, 4: 8 * time.Second} {
		if got := x.wantFullError(e.refuseBatch(uniform(n, 8)), "max-pending").RetryAfter; got != want {
			x.Errorf("room for %d in %v, want in %v", n, got, want)
		}
	}
	x.sleep(x.wantFullError(e.refuseBatch(uniform(3, 8)), "max-pending").RetryAfter)
	e.acceptBatch(uniform(3, 8))
}
