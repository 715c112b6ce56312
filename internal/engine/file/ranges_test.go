package file

import (
	"math"
	"syscall"
	"testing"
	"time"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// Spans say of each id what position says of it, and cross the gaps between lives in one step.
func TestSpans(t *testing.T) {
	l := lives{{position: 1, id: 100}, {position: 11, id: 500}, {position: 11, id: 1 << 40}, {position: 21, id: 1 << 41}}
	for _, first := range []int64{1, 95, 100, 105, 109, 110, 490, 499, 500, 1<<40 - 5, 1 << 40, 1<<40 + 9, 1<<41 - 20, 1 << 41, 1<<41 + 7} {
		for _, count := range []int{1, 2, 10, 50, engine.MaxRange} {
			id, spans := first, 0
			for s := range l.spans(first, count) {
				if s.id != id || s.count < 1 {
					t.Fatalf("%d from %d: span %+v at %d", count, first, s, id)
				}
				for i := range int64(s.count) {
					want := int64(0)
					if s.position > 0 {
						want = s.position + i
					}
					if got := l.position(s.id + i); got != want {
						t.Fatalf("%d from %d: %+v: id %d is at %d", count, first, s, s.id+i, got)
					}
				}
				id, spans = id+int64(s.count), spans+1
			}
			if id != first+int64(count) || spans > 5 {
				t.Errorf("%d from %d: %d spans up to %d", count, first, spans, id)
			}
		}
	}
	for id, want := range map[int64]int64{0: 0, 99: 0, 100: 1, 109: 10, 110: 10, 499: 10, 500: 10, 1<<40 - 1: 10, 1 << 40: 11, 1<<40 + 50: 20, 1 << 41: 21, 1<<41 + 5: 26} {
		if got := l.positionUpTo(id); got != want {
			t.Errorf("up to id %d: position %d, want %d", id, got, want)
		}
	}
}

// Ranges and the cursor say after a restart, and after a crash, what they said before, in each life of the store.
func TestRangesOutliveTheEngine(t *testing.T) {
	t.Parallel()
	for what, again := range map[string]func(*testing.T, *Engine, ...func(*Config)) *Engine{"restart": restart, "crash": crash} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			testRangesOutlive(t, again)
		})
	}
}

func testRangesOutlive(t *testing.T, again func(*testing.T, *Engine, ...func(*Config)) *Engine) {
	e := newEngine(t, Config{Dir: t.TempDir(), Sealer: testSealer(t), Limits: limits(50 * time.Millisecond)})
	b := engine.Batch{}
	for range 1_000 {
		b.Secrets = append(b.Secrets, []byte("secret"))
	}
	first, err := e.AcceptBatch(t.Context(), b)
	must(t, err, engine.AwaitRange(t.Context(), e, first.ID, 1_000))
	ended, err := e.CancelRange(t.Context(), first.ID+300, 500)
	if must(t, err); ended != (engine.Ended{Erased: 500}) {
		t.Errorf("ended %+v", ended)
	}
	e = again(t, e, slowly)
	last, err := e.AcceptBatch(t.Context(), b)
	must(t, err)
	ended, err = e.CancelRange(t.Context(), last.ID, 400)
	if must(t, err); ended != (engine.Ended{Canceled: 400}) {
		t.Errorf("ended %+v", ended)
	}
	e = again(t, e, slowly)
	must(t, engine.AwaitRange(t.Context(), e, first.ID, 1_000))
	to := make([]engine.Record, 2_000)
	must(t, e.Read(t.Context(), first.ID, to))
	for i, rec := range to {
		want := engine.Done
		switch {
		case i >= 300 && i < 800, i >= 1_000 && i < 1_400:
			want = engine.Gone
		case i >= 1_400:
			want = engine.Pending
		}
		if rec.ID != first.ID+int64(i) || rec.State != want {
			t.Fatalf("record %d: %+v, want state %d", i, rec, want)
		}
	}
	n, next, err := e.Completed(t.Context(), 0, to)
	if must(t, err); n != 500 || to[499].ID != first.ID+999 {
		t.Errorf("%d done", n)
	}
	for n > 0 {
		n, next, err = e.Completed(t.Context(), next, to)
		must(t, err)
	}
	if next != last.ID+399 {
		t.Errorf("the cursor is at %d, want %d", next, last.ID+399)
	}
	closeEngine(t, e)
}

// At the highest ids there are, a range counts no further and shows no negative id.
func TestReadAtTheHighestIDs(t *testing.T) {
	e := newEngine(t, Config{Limits: limits(time.Hour)})
	accept(t, e, "x")
	for _, first := range []int64{math.MaxInt64 - 5, math.MaxInt64} {
		to := make([]engine.Record, 10)
		must(t, e.Read(t.Context(), first, to))
		for _, r := range to {
			if r.ID < first || r.State != engine.Unknown {
				t.Errorf("from %d: %+v", first, r)
			}
		}
	}
	closeEngine(t, e)
}

// A range canceled again, after the disk was full, is not answered before the store holds it.
func TestCancelRangeAgainWaitsForTheStore(t *testing.T) {
	d := new(disk)
	e := newEngine(t, Config{Limits: limits(time.Hour), spoil: d.spoil})
	r, err := e.AcceptBatch(t.Context(), engine.Batch{Secrets: [][]byte{[]byte("a"), []byte("b")}})
	must(t, err)
	d.fail(syscall.ENOSPC, false)
	for range 2 {
		if got, err := e.CancelRange(t.Context(), r.ID, 2); err == nil {
			t.Errorf("on a full disk: %+v without an error", got)
		}
	}
	d.fail(nil, false)
	_, err = e.CancelRange(t.Context(), r.ID, 2)
	must(t, err)
	e = crash(t, e)
	if s, err := e.Survey(t.Context(), r.ID, 2); err != nil || s.Pending != 0 {
		t.Errorf("after a crash: %+v, error %v", s, err)
	}
	closeEngine(t, e)
}
