package enginetest

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/hashd-project/hashd/v2/internal/digest"
	"github.com/hashd-project/hashd/v2/internal/engine"
)

// batchOf returns a batch of secrets of these lengths.
func batchOf(lengths ...int) (b engine.Batch) {
	for _, n := range lengths {
		b.Secrets = append(b.Secrets, secret(n))
	}
	return b
}

// uniform returns a batch of n secrets of one length.
func uniform(n, length int) engine.Batch { return batchOf(slices.Repeat([]int{length}, n)...) }

// acceptBatch submits a batch that must be taken.
func (s *subject) acceptBatch(b engine.Batch) engine.Receipt {
	s.x.Helper()
	r, err := s.AcceptBatch(s.x.Context(), b)
	if err != nil {
		s.x.Fatalf("accept of a batch of %d: %v", len(b.Secrets), err)
	}
	return r
}

// refuseBatch submits a batch that must be refused, and returns why.
func (s *subject) refuseBatch(b engine.Batch) error {
	s.x.Helper()
	r, err := s.AcceptBatch(s.x.Context(), b)
	if err == nil || r != (engine.Receipt{}) {
		s.x.Errorf("a batch of %d, to be refused: receipt %+v, error %v", len(b.Secrets), r, err)
	}
	return err
}

// jobsOf returns the batch's jobs by their ids.
func jobsOf(b engine.Batch, first int64) map[int64]engine.Job {
	jobs := make(map[int64]engine.Job)
	for i, secret := range b.Secrets {
		jobs[first+int64(i)] = engine.Job{Secret: secret, Algorithm: b.Algorithm, Tenant: b.Tenant}
	}
	return jobs
}

// wantNext fails the test unless the receipt's id is the next one.
func (x *trial) wantNext(r engine.Receipt, next int64) {
	x.Helper()
	if r.ID < next || r.ID != next && !x.suite.Gaps {
		x.Errorf("id %d, want %d", r.ID, next)
	}
}

func batchIDsAreConsecutive(x *trial) {
	e := x.engine(engine.Limits{Delay: short})
	jobs := make(map[int64]engine.Job)
	next := e.first
	for _, n := range []int{1, 2, 3, 100, engine.MaxBatch, 1} {
		var b engine.Batch
		for i := range n {
			b.Secrets = append(b.Secrets, fmt.Appendf(nil, "secret %d of %d", i, n))
		}
		first := e.acceptBatch(b)
		x.wantNext(first, next)
		maps.Copy(jobs, jobsOf(b, first.ID))
		alone := e.accept("between two batches")
		x.wantNext(alone, first.ID+int64(n))
		next = alone.ID + 1
	}
	x.wantErr("drain", e.Drain(x.context()), nil)
	if st := e.Stats(); st.Completed != int64(len(jobs))+6 {
		x.Errorf("of %d jobs in batches and 6 alone the counters are %+v", len(jobs), st)
	}
	for id, job := range jobs {
		x.wantResult(e.state(id), id, job)
	}
}

// Batches and single jobs that overlap never get each other's ids, and a batch's are in a row.
func batchesAmongSubmitters(x *trial) {
	const submitters, rounds = 6, 60
	e := x.engine(engine.Limits{Delay: short})
	all := make([]map[int64]engine.Job, submitters)
	g := x.group()
	for n := range submitters {
		g.Go(func() { all[n] = e.submitRounds(n, rounds) })
	}
	g.Wait()
	x.wantErr("drain", e.Drain(x.context()), nil)
	seen := make(map[int64]bool)
	for _, jobs := range all {
		for id, job := range jobs {
			if seen[id] {
				x.Errorf("two jobs have id %d", id)
			}
			seen[id] = true
			x.wantResult(e.state(id), id, job)
		}
	}
	if st := e.Stats(); st.Accepted != int64(len(seen)) || st.Completed != st.Accepted {
		x.Errorf("of %d jobs the counters are %+v", len(seen), st)
	}
}

// submitRounds submits batches of many sizes one after the other, and returns their jobs.
func (s *subject) submitRounds(submitter, rounds int) map[int64]engine.Job {
	jobs := make(map[int64]engine.Job)
	next := int64(1)
	for round := range rounds {
		b := mixed(submitter, round, 1+round%7*submitter) // one of the submitters has batches of one
		r, err := s.submit(b)
		if err != nil || r.ID < next {
			s.x.Errorf("submitter %d, round %d: id %d, want %d or more, error %v", submitter, round, r.ID, next, err)
			break
		}
		maps.Copy(jobs, jobsOf(b, r.ID))
		next = r.ID + int64(len(b.Secrets))
	}
	return jobs
}

// mixed returns a batch of one submitter's, of short and long secrets.
func mixed(submitter, round, size int) (b engine.Batch) {
	for i := range size {
		text := fmt.Sprintf("secret %d of round %d of submitter %d", i, round, submitter)
		b.Secrets = append(b.Secrets, append([]byte(text), secret(i%3*40)...))
	}
	return b
}

// submit submits a batch of one as the single job that it could as well be.
func (s *subject) submit(b engine.Batch) (engine.Receipt, error) {
	if len(b.Secrets) > 1 {
		return s.AcceptBatch(s.x.Context(), b)
	}
	return s.Accept(s.x.Context(), engine.Job{Secret: b.Secrets[0], Algorithm: b.Algorithm, Tenant: b.Tenant, IdempotencyKey: b.IdempotencyKey})
}

func invalidBatchesDrawNoID(x *trial) {
	e := x.engine(engine.Limits{Delay: unreached})
	before := e.accept("first").ID
	spoiled := func(spoil func(*engine.Batch)) engine.Batch {
		b := batchOf(8, 80, 8)
		spoil(&b)
		return b
	}
	for what, b := range map[string]engine.Batch{
		"no secrets":           {},
		"an empty list":        {Secrets: [][]byte{}},
		"too many":             uniform(engine.MaxBatch+1, 8),
		"a first empty secret": spoiled(func(b *engine.Batch) { b.Secrets[0] = nil }),
		"a last empty secret":  spoiled(func(b *engine.Batch) { b.Secrets[2] = []byte{} }),
		"a secret too long":    spoiled(func(b *engine.Batch) { b.Secrets[1] = make([]byte, engine.MaxSecret+1) }),
		"first free algorithm": spoiled(func(b *engine.Batch) { b.Algorithm = digest.Algorithm(len(digest.All())) }),
		"last algorithm":       spoiled(func(b *engine.Batch) { b.Algorithm = math.MaxUint8 }),
	} {
		b.IdempotencyKey = request(1, 1).IdempotencyKey
		x.wantErr(what, e.refuseBatch(b), engine.ErrInvalid)
	}
	x.wantNext(e.accept("second"), before+1)
	x.wantNext(e.acceptJob(request(1, 2)), before+2) // the key is free
	e.wantCounts(engine.Stats{Accepted: 3, Pending: 3})
}

func batchOfAllLengthsAndBytes(x *trial) {
	e := x.engine(engine.Limits{Delay: short})
	b := batchOf(255, 256, 1023, 1024, 1025, engine.MaxSecret-1, engine.MaxSecret, engine.MaxSecret)
	for n := range 130 {
		b.Secrets = append(b.Secrets, secret(n+1))
	}
	for _, s := range []string{"\x00", "\x00\x00\x00", "\xff\xfe", "päss\x00wörd", "\"\\\r\n", "\U0010FFFF", "same", "same"} {
		b.Secrets = append(b.Secrets, []byte(s))
	}
	e.wantResults(jobsOf(b, e.acceptBatch(b).ID))
}

func batchIsCopied(x *trial) {
	e := x.engine(engine.Limits{Delay: short})
	lengths := []int{8, 52, 53, engine.MaxSecret, 1}
	mine, want := batchOf(lengths...), batchOf(lengths...)
	first := e.acceptBatch(mine).ID
	if !slices.EqualFunc(mine.Secrets, want.Secrets, bytes.Equal) {
		x.Error("the engine changed the caller's secrets")
	}
	for i := range mine.Secrets {
		clear(mine.Secrets[i])
		mine.Secrets[i] = nil
	}
	e.wantResults(jobsOf(want, first))
}

// The algorithm and the tenant are those of each job, and the due time is one for all.
func batchIsAlike(x *trial) {
	for _, delay := range []time.Duration{0, short, 24 * time.Hour} {
		for _, a := range digest.All() {
			e := x.engine(engine.Limits{Delay: delay})
			b := batchOf(1, 52, 53, engine.MaxSecret, 8)
			b.Algorithm, b.Tenant = a, 0x5AA5
			before := time.Now()
			r := e.acceptBatch(b)
			if r.Due.Before(before.Add(delay)) || r.Due.After(time.Now().Add(delay)) {
				x.Errorf("delay %v: due %v after the call began", delay, r.Due.Sub(before))
			}
			if delay <= short {
				e.wantResults(jobsOf(b, r.ID))
				continue
			}
			for id, job := range jobsOf(b, r.ID) {
				x.wantPending(e.state(id), engine.Receipt{ID: id, Due: r.Due}, job)
			}
			x.wantUnknown(e, r.ID+5)
		}
	}
}

func batchIsNeverEarly(x *trial) {
	e := x.engine(engine.Limits{Delay: short})
	for range 5 {
		r := e.acceptBatch(uniform(100, 8))
		for i := range int64(100) {
			e.result(r.ID + i)
			if now := time.Now(); now.Before(r.Due) {
				x.Errorf("job %d of a batch is done %v before it is due", i, r.Due.Sub(now))
			}
		}
	}
}

// A batch's jobs are jobs like any other: one is canceled or erased, its neighbours are not.
func cancelInABatch(x *trial) {
	e := x.engine(engine.Limits{Delay: short})
	b := batchOf(8, 80, 8, 80, 8, 80, 8)
	first := e.acceptBatch(b).ID
	jobs := jobsOf(b, first)
	for _, id := range []int64{first + 2, first + 3} {
		e.cancel(id)
		e.gone(id)
		delete(jobs, id)
	}
	e.wantResults(jobs)
	e.cancel(first)
	e.gone(first)
	delete(jobs, first)
	e.wantResults(jobs)
}

func drainFinishesBatches(x *trial) {
	e := x.engine(engine.Limits{Delay: short})
	jobs := make(map[int64]engine.Job)
	for n := range 5 {
		b := batchOf(slices.Repeat([]int{8, 80, 300}, 10*n+1)...)
		maps.Copy(jobs, jobsOf(b, e.acceptBatch(b).ID))
	}
	x.wantErr("drain", e.Drain(x.context()), nil)
	done := int64(len(jobs))
	e.wantCounts(engine.Stats{Accepted: done, Completed: done, Kept: done})
	for id, job := range jobs {
		x.wantResult(e.state(id), id, job)
	}
}

// A batch is there as a whole or not at all when an engine is closed under its submitters.
func closeAmongBatches(x *trial) {
	const size = 50
	e := x.engine(engine.Limits{Delay: short})
	var mu sync.Mutex
	accepted := int64(0)
	enough := make(chan struct{})
	g := x.group()
	for n := range 4 {
		g.Go(func() {
			for b := mixed(n, 0, size); ; {
				if _, err := e.AcceptBatch(x.Context(), b); err != nil {
					x.wantEnd(err)
					return
				}
				mu.Lock()
				if accepted += size; accepted == 20*size {
					close(enough)
				}
				mu.Unlock()
			}
		})
	}
	<-enough
	x.wantErr("close", e.Close(), nil)
	g.Wait()
	if st := e.Stats(); st.Accepted != accepted && !x.suite.Gaps {
		x.Errorf("%d jobs were accepted in batches, and %d counted", accepted, st.Accepted)
	}
	x.wantErr("a batch for a closed engine", e.refuseBatch(batchOf(8, 80)), engine.ErrClosed)
}

// All of a batch is done at one instant, whatever its size.
func batchDoneExactlyWhenDue(x *trial) {
	for _, delay := range []time.Duration{1, time.Millisecond, 5 * time.Second} {
		e := x.engine(engine.Limits{Delay: delay})
		b := batchOf(slices.Repeat([]int{8, 80}, 500)...)
		r := e.acceptBatch(b)
		x.sleep(delay - 1)
		e.wantCounts(engine.Stats{Accepted: 1000, Pending: 1000})
		x.sleep(1)
		for id, job := range jobsOf(b, r.ID) {
			x.wantResult(e.state(id), id, job)
		}
	}
}
