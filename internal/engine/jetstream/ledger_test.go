package jetstream

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hashd-project/hashd/internal/engine"
)

// A set behaves as a map would, wherever in its blocks the ids lie.
func TestIDs(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var s ids
	model := make(map[int64]bool)
	for range 20_000 {
		id := random.Int64N(5_000) + random.Int64N(2)<<40
		if random.IntN(2) == 0 {
			if s.add(id) == model[id] {
				t.Fatalf("add %d, which is there: %v", id, model[id])
			}
			model[id] = true
		} else {
			if s.remove(id) != model[id] {
				t.Fatalf("remove %d, which is there: %v", id, model[id])
			}
			delete(model, id)
		}
		if s.live != int64(len(model)) || s.has(id) != model[id] {
			t.Fatalf("%d live, want %d; has %d: %v", s.live, len(model), id, s.has(id))
		}
	}
	var all []int64
	s.each(func(id int64) bool {
		all = append(all, id)
		return true
	})
	if len(all) != len(model) || len(slices.Compact(slices.Sorted(slices.Values(all)))) != len(model) {
		t.Errorf("each gives %d ids, want %d", len(all), len(model))
	}
	for _, id := range all {
		s.remove(id)
	}
	if s.live != 0 || len(s.bitmaps) != 0 {
		t.Errorf("empty, with %d blocks", len(s.bitmaps))
	}
}

func newTestLedger() *ledger {
	return newLedger(&Config{Limits: engine.Limits{Delay: time.Second, Retention: time.Hour, MaxResults: 100, MaxIdempotencyKeys: 2, IdempotencyWindow: time.Hour}})
}

func reserve(t *testing.T, l *ledger, n int64) {
	t.Helper()
	if err := l.reserve(n, engine.IdempotencyKey{}); err != nil {
		t.Fatal(err)
	}
}

// A note can come before the acknowledgement of the job that it is of.
func TestNoteBeforeAcknowledgement(t *testing.T) {
	l := newTestLedger()
	reserve(t, l, 3)
	l.observe(11, isDone)
	l.observe(12, isCanceled)
	l.observe(99, isDone) // another instance's
	l.accept(10, 3)
	if got := l.stats(); got.Accepted != 3 || got.Pending != 1 || got.Completed != 1 || got.Canceled != 1 || got.Kept != 1 {
		t.Errorf("counters are %+v", got)
	}
	if len(l.early) != 0 {
		t.Errorf("notes are kept: %v", l.early)
	}
}

// Being told again changes nothing, nor being told of others' jobs.
func TestNotesRepeat(t *testing.T) {
	l := newTestLedger()
	reserve(t, l, 2)
	l.accept(1, 2)
	for range 3 {
		l.observe(1, isDone)
		l.observe(7, isDone)
		l.observe(8, isErased)
	}
	if got := l.stats(); got.Completed != 1 || got.Pending != 1 || got.Kept != 1 {
		t.Errorf("counters are %+v", got)
	}
	for range 3 {
		l.observe(1, isErased)
		l.observe(2, isErased) // hashed and erased before we heard of either
	}
	if got := l.stats(); got.Completed != 2 || got.Pending != 0 || got.Kept != 0 {
		t.Errorf("counters are %+v", got)
	}
}

// A drain is over when the last job is, on its way or pending.
func TestLedgerDrains(t *testing.T) {
	l := newTestLedger()
	reserve(t, l, 1)
	over := l.drain()
	open := func(step string) {
		t.Helper()
		select {
		case <-over:
			t.Fatalf("%s: the drain is over", step)
		default:
		}
	}
	open("a job is on its way")
	l.accept(1, 1)
	open("it is pending")
	l.observe(1, isDone)
	<-over
}

// What expires makes room, and nothing before.
func TestLedgerExpires(t *testing.T) {
	l := newTestLedger()
	reserve(t, l, 100)
	l.accept(1, 100)
	for id := range int64(100) {
		l.observe(id+1, isDone)
	}
	if err := l.reserve(1, engine.IdempotencyKey{}); err == nil {
		t.Error("no refusal by a full ledger")
	}
	l.mu.Lock()
	l.expire(time.Now().Add(time.Hour - time.Minute))
	kept := l.kept.live
	l.expire(time.Now().Add(time.Hour + time.Minute))
	gone := l.kept.live
	l.mu.Unlock()
	if kept != 100 || gone != 0 {
		t.Errorf("before the end %d are kept, after it %d", kept, gone)
	}
	reserve(t, l, 100)
}

// An outcome of a later version is none of those there are: neither a result nor a note with it is
// taken for one of them.
func TestUnknownOutcomes(t *testing.T) {
	for _, o := range []outcome{0, isErased + 1, 255} {
		if o.valid() {
			t.Errorf("outcome %d is taken for a known one", o)
		}
		e := &Engine{cfg: Config{Limits: engine.Limits{MaxPending: 10, MaxResults: 10}}}
		e.ledger = newLedger(&e.cfg)
		w := e.waiters.join(1)
		e.read(&nats.Msg{Data: []byte{byte(o), 0, 0, 0, 0, 0, 0, 0, 1}})
		select {
		case <-w.over:
			t.Errorf("a note of outcome %d is taken", o)
		default:
		}
	}
}
