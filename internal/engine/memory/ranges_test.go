package memory

import (
	"context"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// Ids are counted up to the highest there is, and stay there.
func TestRangesAtTheHighestID(t *testing.T) {
	e := newEngine(t, engine.Limits{Delay: time.Hour})
	accept(t, e, inline)
	for _, first := range []int64{math.MaxInt64 - 700, math.MaxInt64 - 1, math.MaxInt64} {
		to := make([]engine.Record, 1_000)
		wantErr(t, "read", e.Read(t.Context(), first, to), nil)
		for _, rec := range to {
			if rec.ID < first || rec.State != engine.Unknown {
				t.Fatalf("from %d: %+v", first, rec)
			}
		}
		if s, err := e.Survey(t.Context(), first, 1_000); s != (engine.Survey{}) || err != nil {
			t.Errorf("survey from %d: %+v, error %v", first, s, err)
		}
		if got, err := e.CancelRange(t.Context(), first, 1_000); got != (engine.Ended{Unknown: 1_000}) || err != nil {
			t.Errorf("cancel from %d: %+v, error %v", first, got, err)
		}
		if n, next, err := e.Completed(t.Context(), first, to); n != 0 || next != first || err != nil {
			t.Errorf("completed after %d: %d, next %d, error %v", first, n, next, err)
		}
	}
}

// The cursor skips what was never given, and segments that are gone, in one step each.
func TestCursorSkipsInFewSteps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const first = 1 << 50
		e := newEngine(t, engine.Limits{Delay: time.Second, MaxPending: 1e6, MaxResults: 1e6, FirstID: first})
		step := func(after int64) cursor {
			e.mu.Lock()
			defer e.mu.Unlock()
			c := cursor{after: after, to: make([]engine.Record, 1)}
			e.move(&c)
			return c
		}
		submitBatch(t, e, 10)
		time.Sleep(time.Second)
		synctest.Wait()
		if c := step(0); c.n != 1 || c.to[0].ID != first {
			t.Errorf("the first step from 0 comes to %d with %d", c.after, c.n)
		}
		for n := 0; n < 3*segmentJobs; n += 10_000 {
			submitBatch(t, e, 10_000)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		for id := int64(first); id < first+2*segmentJobs; id += engine.MaxRange {
			if _, err := e.CancelRange(t.Context(), id, engine.MaxRange); err != nil {
				t.Fatal(err)
			}
		}
		if c := step(0); c.n != 0 && c.to[0].ID < first+2*segmentJobs || c.after < first+2*segmentJobs-1 {
			t.Errorf("the first step over segments that are gone comes to %d, %d jobs from the first", c.after, c.after-first)
		}
	})
}

// Jobs that are not yet stored, or that the store refused, are not in any range.
func TestPreparedJobsAreInNoRange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t, engine.Limits{Delay: time.Second})
		hidden := func(what string) {
			t.Helper()
			to := make([]engine.Record, 2)
			wantErr(t, "read", e.Read(t.Context(), 1, to), nil)
			for i, rec := range to {
				if rec != (engine.Record{ID: int64(i + 1), State: engine.Unknown}) {
					t.Errorf("%s: %+v", what, rec)
				}
			}
			if s, err := e.Survey(t.Context(), 1, 2); s != (engine.Survey{}) || err != nil {
				t.Errorf("%s: survey %+v, error %v", what, s, err)
			}
			if got, err := e.CancelRange(t.Context(), 1, 2); got != (engine.Ended{Unknown: 2}) || err != nil {
				t.Errorf("%s: cancel %+v, error %v", what, got, err)
			}
			if n, next, err := e.Completed(t.Context(), 0, to); n != 0 || next != 0 || err != nil {
				t.Errorf("%s: completed %d, next %d, error %v", what, n, next, err)
			}
		}
		p := prepare(t, e, engine.IdempotencyKey{}, inline, long4096)
		time.Sleep(time.Minute)
		hidden("prepared")
		durable(e).Abort([]Prepared{p})
		hidden("aborted")
	})
}

func TestReadDoesNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	e := newEngine(t, engine.Limits{Delay: time.Hour, MaxPending: 20_000})
	submitBatch(t, e, 10_000)
	to, ctx := make([]engine.Record, engine.MaxRange), t.Context()
	if n := testing.AllocsPerRun(10, func() { _ = e.Read(ctx, 1, to) }); n > 0 {
		t.Errorf("a read of %d jobs allocates %v times", len(to), n)
	}
	if n := testing.AllocsPerRun(10, func() { _, _, _ = e.Completed(ctx, 0, to) }); n > 0 {
		t.Errorf("the cursor allocates %v times", n)
	}
}

// Who gives up a wait for a range or for the cursor leaves no waiter.
func TestWaitsOnRangesLeaveNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t, engine.Limits{Delay: time.Hour, MaxPending: 100})
		submitBatch(t, e, 10)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		ended := make(chan error)
		for range 3 {
			go func() { ended <- engine.AwaitRange(ctx, e, 1, 10) }()
			go func() { ended <- e.AwaitCompleted(ctx, 0) }()
			go func() { ended <- e.AwaitCompleted(ctx, 10) }()
		}
		synctest.Wait()
		if e.mu.Lock(); len(e.waiters) != 2 || e.progress == nil {
			t.Errorf("while they wait: %d waiters, progress %v", len(e.waiters), e.progress)
		}
		e.mu.Unlock()
		for range 9 {
			wantErr(t, "wait", <-ended, nil)
		}
		wantErr(t, "cancel", e.Cancel(t.Context(), 5), nil) // the next end takes the last with it
		e.mu.Lock()
		defer e.mu.Unlock()
		if len(e.waiters) != 0 || e.progress != nil {
			t.Errorf("left: %d waiters, progress %v", len(e.waiters), e.progress)
		}
	})
}
