package jetstream

import (
	"encoding/binary"

	"github.com/nats-io/nats.go"
)

// A note tells all instances what has become of some jobs: a byte for the outcome, then 8 for each id.
// It is sent when that is stored, and not stored itself.

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
