package jetstream

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

func newTestLedger() *ledger {
	return newLedger(&Config{Limits: engine.Limits{Delay: time.Second, Retention: time.Hour, MaxResults: 100, MaxIdempotencyKeys: 2, IdempotencyWindow: time.Hour}})
}

func reserve(t *testing.T, l *ledger, n int64) {
	t.Helper()
	if err := l.reserve(0, n, engine.IdempotencyKey{}); err != nil {
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
	l.accept(0, 10, 3, time.Now())
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
	l.accept(0, 1, 2, time.Now())
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
	l.accept(0, 1, 1, time.Now())
	open("it is pending")
	l.observe(1, isDone)
	<-over
}

// What expires makes room, and nothing before.
func TestLedgerExpires(t *testing.T) {
	l := newTestLedger()
	reserve(t, l, 100)
	l.accept(0, 1, 100, time.Now())
	for id := range int64(100) {
		l.observe(id+1, isDone)
	}
	if err := l.reserve(0, 1, engine.IdempotencyKey{}); err == nil {
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
