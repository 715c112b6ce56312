package memory

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashd-project/hashd/v2/internal/digest"
	"github.com/hashd-project/hashd/v2/internal/engine"
)

// durable is the side of the engine that one with a store uses.
func durable(e *Engine) *Durable { return &Durable{e} }

// prepare sets up a batch of the secrets that is due after the delay.
func prepare(t *testing.T, e *Engine, key engine.IdempotencyKey, secrets ...[]byte) Prepared {
	t.Helper()
	p, err := durable(e).Prepare(&engine.Batch{Secrets: secrets, IdempotencyKey: key}, time.Now().Add(e.cfg.Delay))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// endsInTime reports whether a drain ends before the time has passed.
func endsInTime(t *testing.T, e *Engine, patience time.Duration) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	return e.Drain(ctx) == nil
}

func wantUnknown(t *testing.T, e *Engine, id int64) {
	t.Helper()
	_, err := e.Get(t.Context(), id)
	wantErr(t, "get", err, engine.ErrUnknown)
	wantErr(t, "cancel", e.Cancel(t.Context(), id), engine.ErrUnknown)
}

// As long as the store may yet fail, a job is nobody's to see, to cancel or to hash; a drain waits.
func TestPreparedJobsAreHidden(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t, engine.Limits{Delay: time.Second})
		p := prepare(t, e, engine.IdempotencyKey{}, inline, long4096)
		if p.Receipt.ID != 1 || p.Jobs != 2 {
			t.Fatalf("prepared %+v", p)
		}
		time.Sleep(time.Minute) // it is long due
		wantUnknown(t, e, 1)
		wantUnknown(t, e, 2)
		if endsInTime(t, e, time.Minute) {
			t.Error("a drain ended before the jobs did")
		}
		durable(e).Commit(p)
		wantErr(t, "drain", e.Drain(t.Context()), nil)
		for n, secret := range [][]byte{inline, long4096} {
			var want [digest.MaxSize]byte
			digest.SHA512.Sum(&want, secret)
			if rec, err := e.Get(t.Context(), int64(n+1)); err != nil || rec.Sum != want {
				t.Errorf("job %d is %+v, error %v", n+1, rec, err)
			}
		}
	})
}

// A job is due when its client was told it would be, also if it was committed late; those behind one
// that is not committed wait for it.
func TestCommitKeepsDueTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t, engine.Limits{Delay: 10 * time.Second})
		first, second := prepare(t, e, engine.IdempotencyKey{}, inline), prepare(t, e, engine.IdempotencyKey{}, inline)
		time.Sleep(time.Second)
		durable(e).Commit(second)
		rec, err := e.Get(t.Context(), second.Receipt.ID)
		if err != nil || !rec.Due.Equal(second.Receipt.Due) || !rec.Due.Equal(time.Now().Add(9*time.Second)) {
			t.Errorf("due %v, error %v, told %v", rec.Due, err, second.Receipt.Due)
		}
		time.Sleep(time.Minute)
		if rec, _ := e.Get(t.Context(), second.Receipt.ID); rec.State != engine.Pending {
			t.Error("a job was hashed before the one ahead of it")
		}
		durable(e).Commit(first)
		synctest.Wait()
		wantHashed(t, e, 1, 2)
	})
}

// wantHashed fails the test unless the jobs are done, with the hash of inline.
func wantHashed(t *testing.T, e *Engine, ids ...int64) {
	t.Helper()
	var want [digest.MaxSize]byte
	digest.SHA512.Sum(&want, inline)
	for _, id := range ids {
		if rec, err := e.Get(t.Context(), id); err != nil || rec.State != engine.Done || rec.Sum != want {
			t.Errorf("job %d is %+v, error %v", id, rec, err)
		}
	}
}

func TestPrepareRefuses(t *testing.T) {
	onHand(t, engine.Limits{MaxPending: 2, IdempotencyWindow: time.Hour, MaxIdempotencyKeys: 1}, func(t *testing.T, h *byHand) {
		refused := func(key engine.IdempotencyKey, secrets ...[]byte) error {
			_, err := durable(h.Engine).Prepare(&engine.Batch{Secrets: secrets, IdempotencyKey: key}, time.Now())
			return err
		}
		wantErr(t, "an empty secret", refused(engine.IdempotencyKey{}, inline, nil), engine.ErrInvalid)
		key := engine.IdempotencyKey{ID: [16]byte{1}, Fingerprint: [16]byte{1}}
		p := prepare(t, h.Engine, key, inline)
		wantFull(t, refused(engine.IdempotencyKey{ID: [16]byte{2}}, inline), "max-idempotency-keys")
		wantFull(t, refused(engine.IdempotencyKey{}, inline, inline), "max-pending")
		again, err := durable(h.Engine).Prepare(&engine.Batch{Secrets: [][]byte{inline}, IdempotencyKey: key}, time.Now())
		if err != nil || again.Receipt != p.Receipt || again.Jobs != 0 {
			t.Errorf("the retry of %+v is %+v, error %v", p, again, err)
		}
		wantErr(t, "the key for another request", refused(engine.IdempotencyKey{ID: key.ID}, inline), engine.ErrIdempotencyKeyReused)
		durable(h.Engine).Commit(p)
		durable(h.Engine).Refused(0, 7)
		if st := h.Stats(); st.Accepted != 1 || st.Pending != 1 || st.Rejected != 1+2+7 {
			t.Errorf("counters are %+v", st)
		}
	})
}

// What is aborted was never there: its ids, keys and memory serve others.
func TestAbort(t *testing.T) {
	onHand(t, engine.Limits{IdempotencyWindow: time.Hour, MaxIdempotencyKeys: 2}, func(t *testing.T, h *byHand) {
		kept := prepare(t, h.Engine, engine.IdempotencyKey{}, long4096)
		durable(h.Engine).Commit(kept)
		keys := []engine.IdempotencyKey{{ID: [16]byte{1}, Fingerprint: [16]byte{1}}, {ID: [16]byte{2}, Fingerprint: [16]byte{1}}}
		short, long := mine(inline, "short"), mine(long4096, "long")
		for range 3 {
			ps := []Prepared{
				prepare(t, h.Engine, keys[0], short, long), prepare(t, h.Engine, engine.IdempotencyKey{}, long), prepare(t, h.Engine, keys[1], short),
			}
			if ps[0].Receipt.ID != 2 || ps[1].Receipt.ID != 4 || ps[2].Receipt.ID != 5 {
				t.Fatalf("ids were not given back: %+v", ps)
			}
			durable(h.Engine).Abort(ps)
			if h.holds(short) || h.holds(long) || h.secrets.used != engine.MaxSecret {
				t.Errorf("secrets stay: %d bytes are used", h.secrets.used)
			}
			wantUnknown(t, h.Engine, 2)
		}
		if n := h.keys.order.end() - h.keys.order.start(); n != 0 || len(h.keys.jobs) != 0 {
			t.Errorf("%d keys are kept, and %d places in their order", len(h.keys.jobs), n)
		}
		if st := h.Stats(); st.Accepted != 1 || st.Pending != 1 || st.Rejected != 3*4 {
			t.Errorf("counters are %+v", st)
		}
		p := prepare(t, h.Engine, keys[0], inline)
		durable(h.Engine).Commit(p)
		h.age(0, kept.Receipt.ID, p.Receipt.ID)
		h.workAll()
		wantHashed(t, h.Engine, p.Receipt.ID)
	})
}

// A key that was forgotten, or remembered for another job since, is not taken from that.
func TestAbortOfForgottenKeys(t *testing.T) {
	onHand(t, engine.Limits{IdempotencyWindow: time.Second, MaxIdempotencyKeys: 9}, func(t *testing.T, h *byHand) {
		key := engine.IdempotencyKey{ID: [16]byte{1}, Fingerprint: [16]byte{1}}
		old := prepare(t, h.Engine, key, inline)
		time.Sleep(time.Second)
		again := prepare(t, h.Engine, key, inline)
		if again.Receipt.ID != old.Receipt.ID+1 {
			t.Fatalf("after the window the key gets %+v", again)
		}
		durable(h.Engine).Abort([]Prepared{old, again})
		if len(h.keys.jobs) != 0 || h.keys.order.end() != h.keys.order.start() {
			t.Errorf("kept are %v", h.keys.jobs)
		}
	})
}

func TestAbortEndsADrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t, engine.Limits{Delay: time.Second})
		p := prepare(t, e, engine.IdempotencyKey{}, inline)
		drained := make(chan error, 1)
		go func() { drained <- e.Drain(t.Context()) }()
		time.Sleep(time.Minute)
		select {
		case err := <-drained:
			t.Fatalf("a drain ended before the job did: %v", err)
		default:
		}
		durable(e).Abort([]Prepared{p})
		_, err := durable(e).Prepare(&engine.Batch{Secrets: [][]byte{inline}}, time.Now())
		wantErr(t, "prepare after a drain began", err, engine.ErrDraining)
		synctest.Wait()
		select {
		case err := <-drained:
			wantErr(t, "drain", err, nil)
		default:
			t.Error("the drain goes on with no job left")
		}
	})
}

// Batches that lie across segments are committed and aborted as any other.
func TestPrepareAcrossSegments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t, engine.Limits{Delay: time.Second})
		for e.end() <= segmentJobs-100 {
			n := min(engine.MaxBatch, segmentJobs-100-e.end()+1)
			durable(e).Commit(prepare(t, e, engine.IdempotencyKey{}, many(int(n))...))
		}
		first := e.end()
		for range 3 {
			a, b := prepare(t, e, engine.IdempotencyKey{}, many(200)...), prepare(t, e, engine.IdempotencyKey{}, many(10)...)
			durable(e).Abort([]Prepared{a, b})
			if e.end() != first {
				t.Fatalf("the next id is %d, want %d", e.end(), first)
			}
		}
		durable(e).Commit(prepare(t, e, engine.IdempotencyKey{}, many(200)...))
		wantMapped(t, e, 2)
		time.Sleep(time.Second)
		synctest.Wait()
		wantHashed(t, e, 1, first, segmentJobs, segmentJobs+1, first+199)
		wantUnknown(t, e, first+200)
	})
}

// results collects what Results shows.
func results(e *Engine, first int64, n int) (seen []Result) {
	durable(e).Results(first, n, func(r Result) { seen = append(seen, r) })
	return seen
}

// FirstPending stops at the first job that is pending, and passes over those that are gone.
func TestFirstPendingAndResults(t *testing.T) {
	onHand(t, engine.Limits{}, func(t *testing.T, h *byHand) {
		ids := h.accept(many(6)...)
		if got := durable(h.Engine).FirstPending(1, 100); got != 1 {
			t.Errorf("the first pending job is %d with all pending", got)
		}
		wantErr(t, "cancel", h.Cancel(t.Context(), ids[1]), nil)
		wantErr(t, "cancel", h.Cancel(t.Context(), ids[4]), nil)
		h.age(0, ids[:3]...)
		h.claim()
		if got := durable(h.Engine).FirstPending(1, 100); got != 1 {
			t.Errorf("the first pending job is %d with the first claimed", got)
		}
		h.finish()
		for _, tc := range []struct {
			from  int64
			limit int
			want  int64
		}{{1, 100, 4}, {1, 2, 3}, {3, 1, 4}, {4, 100, 4}, {6, 100, 6}} {
			if got := durable(h.Engine).FirstPending(tc.from, tc.limit); got != tc.want {
				t.Errorf("from %d, at most %d: the first pending job is %d, want %d", tc.from, tc.limit, got, tc.want)
			}
		}
		var want [digest.MaxSize]byte
		digest.SHA512.Sum(&want, inline)
		seen := results(h.Engine, 1, 100)
		if len(seen) != 4 || seen[0].ID != 1 || !seen[1].Gone || seen[2].ID != 3 || !seen[3].Gone || seen[3].ID != 5 {
			t.Fatalf("results are %+v", seen)
		}
		if *seen[0].Sum != want || !seen[0].Done.Equal(time.Now()) || seen[0].Algorithm != digest.SHA512 {
			t.Errorf("the first is %+v", seen[0])
		}
		if got := results(h.Engine, 3, 2); len(got) != 1 || got[0].ID != 3 {
			t.Errorf("jobs 3 and 4: %+v", got)
		}
		if got := results(h.Engine, 7, 100); got != nil {
			t.Errorf("jobs that never were: %+v", got)
		}
	})
}

// The results of segments that were given back are gone, at either end of those that are there.
func TestFirstPendingAcrossRetiredSegments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t, engine.Limits{Delay: time.Second})
		const jobs = 3*segmentJobs + 10
		submit(t, e, jobs)
		time.Sleep(time.Second)
		synctest.Wait()
		cancelAll(t, e, segmentJobs+1, 2*segmentJobs) // nothing stands there
		wantFirstPending := func() {
			t.Helper()
			if got := durable(e).FirstPending(1, jobs+100); got != jobs+1 {
				t.Errorf("the first pending job is %d, want %d", got, jobs+1)
			}
			if got := durable(e).FirstPending(segmentJobs-5, segmentJobs+10); got != 2*segmentJobs+5 {
				t.Errorf("the first pending job is %d, want %d", got, 2*segmentJobs+5)
			}
		}
		wantFirstPending()
		for n, r := range results(e, segmentJobs, segmentJobs+2) {
			if edge := n == 0 || n == segmentJobs+1; r.ID != int64(segmentJobs+n) || r.Gone == edge {
				t.Fatalf("result %d is %+v", n, r)
			}
		}
		cancelAll(t, e, 1, segmentJobs) // nor in the window
		wantMapped(t, e, 2)
		wantFirstPending()
		if seen := results(e, 1, 2*segmentJobs+1); len(seen) != 2*segmentJobs+1 || !seen[0].Gone || seen[2*segmentJobs].Gone {
			t.Errorf("%d results, from %+v", len(seen), seen[0])
		}
	})
}

// A result's age counts from when its job was claimed, to a second, and Oldest is where results begin.
func TestResultsHaveTheirTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t, engine.Limits{Delay: 0, Retention: 10 * time.Second})
		if got := durable(e).Oldest(); got != 1 {
			t.Errorf("with no jobs the oldest is %d", got)
		}
		var claimed []time.Time
		for range 40 {
			accept(t, e, inline)
			synctest.Wait()
			claimed = append(claimed, time.Now())
			time.Sleep(300 * time.Millisecond)
		}
		seen := results(e, 1, 40)
		if len(seen) != 40 {
			t.Fatalf("%d results", len(seen))
		}
		expired := 0
		for n, r := range seen {
			if age := claimed[n].Sub(r.Done); r.Gone {
				expired++
			} else if age < 0 || age > time.Second {
				t.Errorf("job %d is said to be done %v before it was", r.ID, age)
			}
		}
		if expired == 0 || expired > 10 || slices.ContainsFunc(seen[expired:], func(r Result) bool { return r.Gone }) {
			t.Errorf("%d have expired", expired)
		}
		if got := durable(e).Oldest(); got != int64(expired+1) {
			t.Errorf("the oldest is %d with %d expired", got, expired)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := durable(e).Oldest(); got != 41 {
			t.Errorf("with all expired the oldest is %d", got)
		}
	})
}
