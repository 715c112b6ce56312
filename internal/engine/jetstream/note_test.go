package jetstream

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// A note of an instance that has seen a new life begin, or of one that has not, says nothing wrong of the log.
func TestNotesOfOtherLives(t *testing.T) {
	t.Parallel()
	e := new(Engine)
	old := lives{{100, 100}}
	e.known.Store(&old)
	e.hear(120)
	e.hear(110)
	if got := e.acked.Load(); got != 120 {
		t.Errorf("of ids 120 and 110 it has %d", got)
	}
	next := lives{{100, 100}, {111, 1 << 40}}
	e.known.Store(&next)
	e.acked.Store(111)
	for id, want := range map[int64]uint64{120: 111, 99: 111, 1<<40 + 5: 116} {
		e.acked.Store(111)
		if e.hear(id); e.acked.Load() != want {
			t.Errorf("of id %d the log has come to %d, not %d", id, e.acked.Load(), want)
		}
	}
	e.reach(&old, 500)
	if got := e.acked.Load(); got == 500 {
		t.Error("a sequence of a life that is over counts")
	}
}

// noteOf returns the bytes of a note.
func noteOf(first byte, jobs ...int64) []byte {
	b := []byte{first}
	for _, id := range jobs {
		b = binary.BigEndian.AppendUint64(b, uint64(id))
	}
	return b
}

// What a note says is counted, remembered and told to those who wait.
func TestNotesAreTakenIn(t *testing.T) {
	t.Parallel()
	e := &Engine{ledger: newTestLedger()}
	reserve(t, e.ledger, 5)
	e.ledger.accept(0, 10, 5, time.Now())
	waits, still := e.waiters.join(11), e.waiters.join(14)
	e.read(&nats.Msg{Data: noteOf(byte(isDone), 10, 11, 99)}) // 99 is another instance's
	e.read(&nats.Msg{Data: noteOf(byte(isCanceled), 12)})
	e.read(&nats.Msg{Data: noteOf(byte(isErased), 11, 13)})
	if st := e.Stats(); st.Completed != 3 || st.Canceled != 1 || st.Pending != 1 || st.Kept != 1 {
		t.Errorf("counters are %+v", st)
	}
	for id, want := range map[int64]bool{10: false, 11: true, 12: false, 13: true} {
		if e.erased.has(id) != want {
			t.Errorf("job %d erased: %v", id, !want)
		}
	}
	if !waits.isOver() || still.isOver() {
		t.Errorf("woken: %v; woken without a note: %v", waits.isOver(), still.isOver())
	}
}

// What is no note, or is one of a later version, changes nothing.
func TestOtherMessagesAreNoNotes(t *testing.T) {
	t.Parallel()
	e := &Engine{ledger: newTestLedger()}
	l := oneLife(1)
	e.known.Store(&l)
	reserve(t, e.ledger, 1)
	e.ledger.accept(0, 10, 1, time.Now())
	for _, data := range [][]byte{
		nil, {}, {byte(isDone)}, noteOf(0, 10), noteOf(isGiven+1, 10), noteOf(255, 10),
		noteOf(byte(isDone), 10)[:8], noteOf(isGiven), noteOf(isGiven, 10)[:8], noteOf(isGiven, 10, 11),
	} {
		e.read(&nats.Msg{Data: data})
		if st := e.Stats(); st.Pending != 1 || e.acked.Load() != 0 {
			t.Errorf("after %x: %+v, the log at %d", data, st, e.acked.Load())
		}
	}
	if e.read(&nats.Msg{Data: noteOf(isGiven, 10)}); e.acked.Load() != 10 {
		t.Errorf("told of id 10, the log is at %d", e.acked.Load())
	}
}
