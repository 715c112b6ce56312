package jetstream

import "testing"

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
