package jetstream

import (
	"fmt"
	"testing"

	"github.com/hashd-project/hashd/internal/engine"
)

// numbered returns a batch of n different secrets.
func numbered(n int) (b engine.Batch) {
	for i := range n {
		b.Secrets = append(b.Secrets, fmt.Append(nil, "secret ", i))
	}
	return b
}

// Ranges are read by requests for many results each: their number is bounded, whatever the engine does beside.
func TestRequestsOfRanges(t *testing.T) {
	t.Parallel()
	const jobs = 3_000
	e := start(t, config(t, single(t)))
	first, err := e.AcceptBatch(t.Context(), numbered(jobs))
	if err != nil {
		t.Fatal(err)
	}
	if err := engine.AwaitRange(t.Context(), e, first.ID, jobs); err != nil {
		t.Fatal(err)
	}
	requests := func(do func() error) uint64 {
		t.Helper()
		before := e.link().conn.Stats().OutMsgs
		if err := do(); err != nil {
			t.Error(err)
		}
		return e.link().conn.Stats().OutMsgs - before
	}
	to := make([]engine.Record, jobs)
	for what, do := range map[string]func() error{
		"read":   func() error { return e.Read(t.Context(), first.ID, to) },
		"survey": func() error { _, err := e.Survey(t.Context(), first.ID, jobs); return err },
	} {
		if n := requests(do); n > jobs/20 {
			t.Errorf("%s of %d done jobs: %d requests", what, jobs, n)
		}
	}
	for i, rec := range to {
		if rec.ID != first.ID+int64(i) || rec.State != engine.Done {
			t.Fatalf("record %d: %+v", i, rec)
		}
	}
}

// Whichever instance is asked knows what all of them have done.
func TestRangesOfOthersJobs(t *testing.T) {
	t.Parallel()
	cfg := config(t, single(t))
	one, two := start(t, cfg), start(t, cfg)
	first, err := one.AcceptBatch(t.Context(), numbered(500))
	if err != nil {
		t.Fatal(err)
	}
	if err := two.AwaitCompleted(t.Context(), first.ID-1); err != nil {
		t.Fatal(err)
	}
	if err := engine.AwaitRange(t.Context(), two, first.ID, 500); err != nil {
		t.Fatal(err)
	}
	seen, after, to := 0, first.ID-1, make([]engine.Record, 200)
	for seen < 500 {
		n, next, err := two.Completed(t.Context(), after, to)
		if err != nil || next == after && two.AwaitCompleted(t.Context(), after) != nil {
			t.Fatal(err)
		}
		for i, rec := range to[:n] {
			if rec.ID != first.ID+int64(seen+i) || rec.State != engine.Done {
				t.Fatalf("record %d: %+v", seen+i, rec)
			}
		}
		seen, after = seen+n, next
	}
	ended, err := two.CancelRange(t.Context(), first.ID, 500)
	if err != nil || ended != (engine.Ended{Erased: 500}) {
		t.Errorf("canceled: %+v, error %v", ended, err)
	}
	records := make([]engine.Record, 500)
	if err := one.Read(t.Context(), first.ID, records); err != nil {
		t.Fatal(err)
	}
	for _, rec := range records {
		if rec.State != engine.Gone {
			t.Fatalf("erased by another instance: %+v", rec)
		}
	}
}

func TestPlaceAfter(t *testing.T) {
	l := lives{{from: 10, first: 100}, {from: 20, first: 1000}}
	for id, want := range map[int64]uint64{0: 10, 99: 10, 100: 11, 108: 19, 109: 20, 500: 20, 999: 20, 1000: 21, 1005: 26} {
		if got := l.placeAfter(id); got != want {
			t.Errorf("after %d: place %d, want %d", id, got, want)
		}
	}
}
