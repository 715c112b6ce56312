package jetstream

import (
	"encoding/binary"

	"github.com/nats-io/nats.go"
)

// A note tells all instances what has become of some jobs: a byte for the outcome, then 8 for each id.
// It is sent when that is stored, and not stored itself. One whose first byte is isGiven tells the highest id that
// was given out, so that each instance sees when the log has lost its end.
const isGiven = 4

// tellReached tells the others how far the log has come.
func (e *Engine) tellReached(sequence uint64) {
	b := binary.BigEndian.AppendUint64([]byte{isGiven}, uint64(e.lives().id(sequence)))
	_ = e.link().conn.Publish(e.names.note(), b) // or they learn it when they look
}

// hear takes in that an id was given out.
func (e *Engine) hear(id int64) {
	l := e.known.Load()
	if l == nil {
		return
	}
	if sequence, ok := l.sequence(id); ok {
		e.reach(l, sequence)
	}
}

// tell sends a note. One that can't be sent is left: nothing rests on it.
func (e *Engine) tell(o outcome, jobs ...int64) {
	if len(jobs) == 0 {
		return
	}
	for _, id := range jobs {
		e.learn(id, o)
	}
	b := make([]byte, 1, 1+8*len(jobs))
	b[0] = byte(o)
	for _, id := range jobs {
		b = binary.BigEndian.AppendUint64(b, uint64(id))
	}
	_ = e.link().conn.Publish(e.names.note(), b)
}

// read reads a note, our own ones too.
func (e *Engine) read(m *nats.Msg) {
	if len(m.Data) == 0 {
		return
	}
	if m.Data[0] == isGiven && len(m.Data) == 1+8 {
		e.hear(int64(binary.BigEndian.Uint64(m.Data[1:])))
		return
	}
	o := outcome(m.Data[0])
	if !o.valid() {
		return
	}
	for b := m.Data[1:]; len(b) >= 8; b = b[8:] {
		e.learn(int64(binary.BigEndian.Uint64(b)), o)
	}
}

// learn takes in what has become of a job, however it was learned.
func (e *Engine) learn(id int64, o outcome) {
	if o == isErased {
		e.erased.add(id)
	}
	e.ledger.observe(id, o)
	e.waiters.wake(id)
}
