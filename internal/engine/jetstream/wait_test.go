package jetstream

import "testing"

// isOver reports whether the calls that wait there were woken.
func (w *waiter) isOver() bool {
	select {
	case <-w.over:
		return true
	default:
		return false
	}
}

// All calls for a job are woken at once, and those for others are not.
func TestWaitersOfAJobAreWoken(t *testing.T) {
	var w waiters
	w.wake(1) // nobody waits
	one, same, other := w.join(1), w.join(1), w.join(2)
	if one != same || one == other {
		t.Fatal("calls for one job do not meet, or those for two do")
	}
	w.wake(1)
	if !one.isOver() || other.isOver() {
		t.Errorf("job 1 woken: %v, job 2 woken: %v", one.isOver(), other.isOver())
	}
	w.wake(1)
	again := w.join(1)
	if again.isOver() {
		t.Error("a call that came after is woken by what was before it")
	}
	w.leave(1, one) // both leave after the next has come
	w.leave(1, same)
	if w.wakeAll(); !again.isOver() || !other.isOver() {
		t.Error("not all are woken")
	}
	if len(w.jobs) != 0 {
		t.Errorf("%d jobs are left", len(w.jobs))
	}
}

// The last call to leave leaves nothing behind.
func TestWaitersLeave(t *testing.T) {
	var w waiters
	one := w.join(1)
	w.join(1)
	w.leave(1, one)
	if w.jobs[1] != one {
		t.Error("a call that still waits is forgotten")
	}
	w.leave(1, one)
	if len(w.jobs) != 0 || one.isOver() {
		t.Errorf("%d jobs are left; woken: %v", len(w.jobs), one.isOver())
	}
}
