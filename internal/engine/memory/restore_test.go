package memory

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashd-project/hashd/v2/internal/digest"
	"github.com/hashd-project/hashd/v2/internal/engine"
)

// restore starts an engine with what fill puts into it; the test's end closes it.
func restore(t *testing.T, cfg engine.Limits, fill func(*Restorer) error) *Engine {
	t.Helper()
	wide := engine.Limits{Retention: time.Hour, MaxPending: 1 << 20, MaxResults: 1 << 20, MaxSecretBytes: 64 << 20, MaxIdempotencyKeys: 100}
	cfg.Retention = max(cfg.Retention, time.Second)
	cfg.FirstID = max(cfg.FirstID, 1)
	for limit, standard := range map[*int64]int64{
		&cfg.MaxPending: wide.MaxPending, &cfg.MaxResults: wide.MaxResults, &cfg.MaxSecretBytes: wide.MaxSecretBytes, &cfg.MaxIdempotencyKeys: wide.MaxIdempotencyKeys,
	} {
		if *limit == 0 {
			*limit = standard
		}
	}
	d, err := Restore(cfg, fill)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Engine().Close() })
	return d.Engine()
}

// result is that of a job with the secret inline, hashed so long ago.
func result(id int64, age time.Duration) Result {
	var sum [digest.MaxSize]byte
	digest.SHA512.Sum(&sum, inline)
	return Result{ID: id, Algorithm: digest.SHA512, Tenant: 7, Done: time.Now().Add(-age), Sum: &sum}
}

// pendingJobs puts the jobs in, with the secret inline, due after the wait.
func pendingJobs(r *Restorer, wait time.Duration, ids ...int64) error {
	for _, id := range ids {
		if err := r.Pending(id, engine.Job{Secret: inline, Tenant: 9}, time.Now().Add(wait)); err != nil {
			return err
		}
	}
	return nil
}

// wantFates fails the test unless Get says of the ids what is wanted: an error, or a state.
func wantFates(t *testing.T, e *Engine, fates map[int64]any) {
	t.Helper()
	for id, want := range fates {
		rec, err := e.Get(t.Context(), id)
		switch want := want.(type) {
		case error:
			wantErr(t, fmt.Sprint("get ", id), err, want)
		case engine.State:
			if err != nil || rec.State != want {
				t.Errorf("job %d is %+v, error %v; want state %d", id, rec, err, want)
			}
		}
	}
}

// Each job is what it was: hashed, pending, canceled in between, or gone; the ids go on.
func TestRestore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := restore(t, engine.Limits{Delay: time.Minute, Retention: time.Hour}, func(r *Restorer) error {
			r.Begin(1, 5, 12)
			return errors.Join(r.Result(result(2, time.Minute)), r.Result(result(4, 0)),
				pendingJobs(r, time.Second, 5, 6),
				r.Pending(8, engine.Job{Secret: long4096, Algorithm: digest.SHA256, Tenant: 3}, time.Now().Add(2*time.Second)))
		})
		fates := map[int64]any{
			0: engine.ErrUnknown, 1: engine.ErrGone, 2: engine.Done, 3: engine.ErrGone, 4: engine.Done, 5: engine.Pending, 6: engine.Pending,
			7: engine.ErrGone, 8: engine.Pending, 9: engine.ErrGone, 11: engine.ErrGone, 12: engine.ErrUnknown,
		}
		wantFates(t, e, fates)
		wantHashed(t, e, 2, 4)
		if st := e.Stats(); st != (engine.Stats{Pending: 3, Kept: 2}) {
			t.Errorf("counters are %+v", st)
		}
		if got := durable(e).FirstPending(1, 100); got != 5 {
			t.Errorf("the first pending job is %d", got)
		}
		if rec, _ := e.Get(t.Context(), 8); !rec.Due.Equal(time.Now().Add(2*time.Second)) || rec.Algorithm != digest.SHA256 || rec.Tenant != 3 {
			t.Errorf("job 8 is %+v", rec)
		}
		if id := accept(t, e, inline); id != 12 {
			t.Errorf("the next id is %d", id)
		}
		wantErr(t, "cancel", e.Cancel(t.Context(), 6), nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		fates[5], fates[6], fates[8], fates[12] = engine.Done, engine.ErrGone, engine.Done, engine.Done
		wantFates(t, e, fates)
		var want [digest.MaxSize]byte
		digest.SHA256.Sum(&want, long4096)
		if rec, _ := e.Get(t.Context(), 8); rec.Sum != want || e.secrets.used != 0 {
			t.Errorf("job 8 is %+v, and %d bytes of secrets are left", rec, e.secrets.used)
		}
		wantHashed(t, e, 5, 12)
		st := e.Stats()
		st.Lateness, st.Recent = engine.Lateness{}, engine.RecentStats{}
		if st != (engine.Stats{Accepted: 1, Completed: 3, Canceled: 1, Kept: 5}) {
			t.Errorf("counters are %+v", st)
		}
		wantErr(t, "drain", e.Drain(t.Context()), nil)
	})
}

// Nothing depends on where in a segment the ids stand, with nothing left or with a job left.
func TestRestoreAtSegmentBorders(t *testing.T) {
	for _, next := range []int64{1, 2, segmentJobs, segmentJobs + 1, segmentJobs + 2, 2*segmentJobs + 1, 5*segmentJobs + 1} {
		for _, left := range []int64{0, 1, 2} { // jobs pending at the end
			if left < next {
				t.Run(fmt.Sprintf("next %d, left %d", next, left), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { checkBorder(t, 1, next, left) })
					synctest.Test(t, func(t *testing.T) {
						checkBorder(t, engine.MaxFirstID, engine.MaxFirstID-1+next, left)
					})
				})
			}
		}
	}
}

func checkBorder(t *testing.T, first, next, left int64) {
	e := restore(t, engine.Limits{Delay: time.Second, FirstID: first}, func(r *Restorer) error {
		r.Begin(next-left, next-left, next)
		for id := next - left; id < next; id++ {
			if err := pendingJobs(r, time.Second, id); err != nil {
				return err
			}
		}
		return nil
	})
	if got := durable(e).FirstPending(next-left, 10); got != next-left {
		t.Errorf("the first pending job is %d", got)
	}
	for id := next; id < next+3; id++ {
		wantUnknown(t, e, id)
		if got := accept(t, e, inline); got != id {
			t.Fatalf("id %d, want %d", got, id)
		}
	}
	if next-left > first {
		wantFates(t, e, map[int64]any{next - left - 1: engine.ErrGone, first: engine.ErrGone})
	}
	wantUnknown(t, e, first-1)
	time.Sleep(time.Second)
	synctest.Wait()
	for id := next - left; id < next+3; id++ {
		wantHashed(t, e, id)
	}
	if st := e.Stats(); st.Accepted != 3 || st.Pending != 0 || st.Completed != left+3 || st.Kept != left+3 {
		t.Errorf("counters are %+v", st)
	}
	if got := durable(e).FirstPending(first, math.MaxInt32); got != next+3 {
		t.Errorf("the first pending job is %d, want %d", got, next+3)
	}
}

// Only segments in which there is something take memory, however far apart these are.
func TestRestoreFarApart(t *testing.T) {
	const last = 40*segmentJobs + 10
	e := restore(t, engine.Limits{Delay: time.Hour, Retention: time.Hour}, func(r *Restorer) error {
		r.Begin(1, last, last+20*segmentJobs)
		err := errors.Join(r.Result(result(5, time.Minute)), r.Result(result(20*segmentJobs+5, 0)))
		if r.e.mapped != 2 {
			t.Errorf("two results hold %d segments", r.e.mapped)
		}
		return errors.Join(err, pendingJobs(r, time.Hour, last, last+segmentJobs))
	})
	wantHashed(t, e, 5, 20*segmentJobs+5)
	wantFates(t, e, map[int64]any{
		4: engine.ErrGone, 10 * segmentJobs: engine.ErrGone, last - 1: engine.ErrGone, last: engine.Pending,
		last + 1: engine.ErrGone, last + segmentJobs: engine.Pending, last + 20*segmentJobs - 1: engine.ErrGone,
	})
	// Those behind the first pending job are passed by the FIFO, and so are there.
	wantMapped(t, e, 2+20+1)
	if id := accept(t, e, inline); id != last+20*segmentJobs {
		t.Errorf("the next id is %d", id)
	}
	if got := durable(e).FirstPending(1, last); got != last {
		t.Errorf("the first pending job is %d, want %d", got, last)
	}
}

// Segments without any result left are not kept, wherever they are.
func TestRestoreDropsEmptySegments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := restore(t, engine.Limits{Delay: time.Second, Retention: time.Minute}, func(r *Restorer) error {
			r.Begin(1, 5*segmentJobs+1, 5*segmentJobs+1)
			return errors.Join(r.Result(result(1, time.Hour)), r.Result(result(2*segmentJobs+1, time.Second)), r.Result(result(3*segmentJobs+1, time.Second)))
		})
		wantMapped(t, e, 2)
		if st := e.Stats(); st.Kept != 2 {
			t.Errorf("counters are %+v", st)
		}
		wantErr(t, "erase", e.Cancel(t.Context(), 3*segmentJobs+1), nil)
		wantMapped(t, e, 1)
		submit(t, e, 1)
		wantMapped(t, e, 2)
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		wantMapped(t, e, 1) // the newest takes the next jobs
	})
}

// A result ends with its retention, to the second, which is how fine claim times are, whatever lies between: what has
// expired by the time of the start is never seen.
func TestRestoredResultsExpire(t *testing.T) {
	const retention = time.Minute
	for _, ages := range [][]time.Duration{
		{0}, {59 * time.Second}, {61 * time.Second}, {2 * time.Hour}, {30 * time.Second, 20 * time.Second, 0},
		{2 * time.Hour, time.Hour, 62 * time.Second, 60 * time.Second, 5 * time.Second},
		{10 * time.Second, 10*time.Second - time.Millisecond, 9100 * time.Millisecond},
		{0, 40 * time.Second}, // the clock was set back: the later one is kept as long as the one before
	} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			e := restore(t, engine.Limits{Delay: time.Second, Retention: retention}, func(r *Restorer) error {
				n := int64(len(ages))
				r.Begin(1, n+1, n+1)
				for i, age := range ages {
					if err := r.Result(result(int64(i+1), age)); err != nil {
						return err
					}
				}
				return nil
			})
			youngest := time.Duration(math.MaxInt64)
			var all sync.WaitGroup
			for i, age := range ages {
				youngest = min(youngest, age)
				left := retention - youngest
				all.Go(func() { wantAround(t, e, int64(i+1), start, left) })
			}
			all.Wait()
			if st := e.Stats(); st.Kept != 0 || st.Completed != 0 || st.Pending != 0 {
				t.Errorf("%v: counters are %+v", ages, st)
			}
		})
	}
}

// wantAround fails the test unless the result is there until the time after start, and no more a second
// later.
func wantAround(t *testing.T, e *Engine, id int64, start time.Time, left time.Duration) {
	t.Helper()
	time.Sleep(time.Until(start.Add(left - time.Nanosecond)))
	_, err := e.Get(t.Context(), id)
	if left > 0 && err != nil {
		t.Errorf("job %d is not there %v after the start: %v", id, left, err)
	}
	time.Sleep(time.Until(start.Add(left + time.Second + time.Millisecond)))
	_, err = e.Get(t.Context(), id)
	wantErr(t, fmt.Sprintf("get job %d, %v after the start", id, time.Since(start)), err, engine.ErrGone)
}

// More than the limits allow is kept, and blocks what is new until it is below them.
func TestRestoreBeyondTheLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const jobs = 2*perChunk + 10
		cfg := engine.Limits{Delay: time.Minute, Retention: time.Hour, MaxPending: 5, MaxResults: jobs + 3, MaxSecretBytes: chunkBytes}
		e := restore(t, cfg, func(r *Restorer) error {
			r.Begin(1, 3, jobs+3)
			err := errors.Join(r.Result(result(1, 0)), r.Result(result(2, 0)))
			for n := range int64(jobs) {
				err = errors.Join(err, r.Pending(n+3, engine.Job{Secret: long4096}, time.Now().Add(time.Second)))
			}
			return err
		})
		if st := e.Stats(); st.Pending != jobs || st.Kept != 2 || e.secrets.mapped != 3 {
			t.Fatalf("counters are %+v, with %d chunks", st, e.secrets.mapped)
		}
		_, err := e.Accept(t.Context(), engine.Job{Secret: inline})
		wantFull(t, err, "max-pending")
		cancelAll(t, e, 3, jobs+3-5)
		accept(t, e, inline)
		_, err = e.Accept(t.Context(), engine.Job{Secret: inline})
		wantFull(t, err, "max-pending")
		time.Sleep(time.Second)
		synctest.Wait()
		wantErr(t, "drain", e.Drain(t.Context()), nil)
		if e.secrets.used != 0 || e.secrets.mapped != 0 {
			t.Errorf("%d bytes of secrets are left in %d chunks", e.secrets.used, e.secrets.mapped)
		}
	})
}

func TestRestoreBeyondMaxResults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := restore(t, engine.Limits{Retention: time.Minute, MaxResults: 2}, func(r *Restorer) error {
			r.Begin(1, 4, 4)
			return errors.Join(r.Result(result(1, 30*time.Second)), r.Result(result(2, 0)), r.Result(result(3, 0)))
		})
		for _, id := range []int64{2, 3} {
			_, err := e.Accept(t.Context(), engine.Job{Secret: inline})
			wantFull(t, err, "max-results")
			wantErr(t, "erase", e.Cancel(t.Context(), id), nil)
		}
		accept(t, e, inline)
	})
}

// A retry is known for one, for as long as it would have been.
func TestRestoredKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := func(n byte) engine.IdempotencyKey {
			return engine.IdempotencyKey{ID: [16]byte{n}, Fingerprint: [16]byte{n}}
		}
		now := time.Now()
		e := restore(t, engine.Limits{Delay: time.Hour, IdempotencyWindow: time.Hour, MaxIdempotencyKeys: 3}, func(r *Restorer) error {
			r.Begin(1, 1, 4)
			r.Key(key(1), engine.Receipt{ID: 1, Due: now.Add(time.Minute)}, now.Add(-time.Second))
			r.Key(key(1), engine.Receipt{ID: 2, Due: now.Add(time.Minute)}, now.Add(time.Second)) // used anew
			r.Key(key(3), engine.Receipt{ID: 3, Due: now.Add(time.Minute)}, now.Add(time.Minute))
			return pendingJobs(r, time.Minute, 1, 2, 3)
		})
		submit := func(k engine.IdempotencyKey) (engine.Receipt, error) {
			return e.Accept(t.Context(), engine.Job{Secret: inline, IdempotencyKey: k})
		}
		for n, want := range map[byte]int64{1: 2, 3: 3} {
			if r, err := submit(key(n)); err != nil || r.ID != want || !r.Due.Equal(now.Add(time.Minute)) {
				t.Errorf("the retry with key %d gets %+v, error %v", n, r, err)
			}
		}
		_, err := submit(engine.IdempotencyKey{ID: [16]byte{3}})
		wantErr(t, "the key for another request", err, engine.ErrIdempotencyKeyReused)
		time.Sleep(time.Second)
		if r, err := submit(key(1)); err != nil || r.ID != 4 {
			t.Errorf("after the window the key gets %+v, error %v", r, err)
		}
		if r, err := submit(key(3)); err != nil || r.ID != 3 {
			t.Errorf("within the window the key gets %+v, error %v", r, err)
		}
		time.Sleep(time.Hour)
		for n := range byte(3) { // as many as fit if all of before are forgotten
			if _, err := submit(key(10 + n)); err != nil {
				t.Errorf("key %d: %v", 10+n, err)
			}
		}
		if n := e.keys.order.end() - e.keys.order.start(); n != 3 {
			t.Errorf("the order has %d keys", n)
		}
	})
}

// A restored engine aborts into a segment that was restored.
func TestAbortAfterRestore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := restore(t, engine.Limits{Delay: time.Second}, func(r *Restorer) error {
			r.Begin(1, 3, 4)
			return errors.Join(r.Result(result(2, 0)), pendingJobs(r, time.Second, 3))
		})
		durable(e).Abort([]Prepared{prepare(t, e, engine.IdempotencyKey{}, long4096, inline)})
		wantUnknown(t, e, 4)
		durable(e).Commit(prepare(t, e, engine.IdempotencyKey{}, inline))
		time.Sleep(time.Second)
		synctest.Wait()
		wantHashed(t, e, 3, 4)
	})
}

// A fill that fails leaves nothing behind: what it put in is given back, and no goroutine runs. The
// error is its own.
func TestRestoreFails(t *testing.T) {
	cause := errors.New("cause")
	var e *Engine
	secret := mine(long4096, "failed")
	_, err := Restore(engine.Limits{Retention: time.Second, MaxPending: 1, MaxResults: 1, MaxSecretBytes: 1 << 20, FirstID: 1}, func(r *Restorer) error {
		e = r.e
		r.Begin(1, 2, 2*segmentJobs)
		return errors.Join(r.Result(result(1, 0)), r.Pending(segmentJobs+1, engine.Job{Secret: secret}, time.Now().Add(-time.Hour)), cause)
	})
	wantErr(t, "restore", err, cause)
	if e.segments.end() != 0 || e.secrets.chunks.end() != 0 {
		t.Error("memory is left")
	}
	_, err = e.Get(t.Context(), 1)
	wantErr(t, "get", err, engine.ErrClosed)
	if _, err := Restore(engine.Limits{}, nil); err == nil {
		t.Error("a configuration of zeros is taken")
	}
	unsaid := engine.Limits{Retention: time.Second, MaxPending: 1, MaxResults: 1, MaxSecretBytes: 1 << 20}
	if _, err := Restore(unsaid, nil); err == nil {
		t.Error("jobs are restored without their first id")
	}
}

// Engines whose goroutines never ran are closed as any other; so are those that begin with nothing.
func TestCloseOfWhatNeverRan(t *testing.T) {
	for _, begin := range [][3]int64{{1, 1, 1}, {1, 1, 10}, {5, 10, 3*segmentJobs + 1}} {
		e := restore(t, engine.Limits{}, func(r *Restorer) error {
			r.Begin(begin[0], begin[1], begin[2])
			return nil
		})
		wantErr(t, "close", e.Close(), nil)
		wantErr(t, "close again", e.Close(), nil)
	}
}

// What is restored is in no other place of memory than what was accepted.
func TestRestoredSecretsAreWiped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		secret := bytes.Clone(inline)
		e := restore(t, engine.Limits{}, func(r *Restorer) error {
			r.Begin(1, 1, 3)
			return errors.Join(r.Pending(1, engine.Job{Secret: secret}, time.Now().Add(time.Second)),
				r.Pending(2, engine.Job{Secret: long4096}, time.Now().Add(time.Second)))
		})
		h := &byHand{e, t, newClaim()}
		if !h.holds(secret) || !h.holds(long4096) {
			t.Fatal("the secrets are not where this test looks for them")
		}
		clear(secret) // it is the caller's
		time.Sleep(time.Second)
		synctest.Wait()
		if h.holds(inline) || h.holds(long4096) {
			t.Error("a secret outlives its job")
		}
		wantHashed(t, e, 1)
	})
}
