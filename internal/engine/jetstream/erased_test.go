package jetstream

import (
	"testing"
	"testing/synctest"
	"time"
)

// An erased job is remembered for as long as a server can be behind, and is forgotten with the next one after that.
func TestErasedAreRememberedForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r erased
		if r.has(1) {
			t.Error("a job that was never erased is erased")
		}
		r.add(1)
		time.Sleep(behind / 2)
		r.add(2)
		r.add(1) // told twice
		time.Sleep(behind / 2)
		r.add(3)
		if !r.has(1) || !r.has(2) || !r.has(3) || r.has(4) {
			t.Errorf("at the end of the time it has %v", r.jobs)
		}
		time.Sleep(time.Nanosecond)
		r.add(4)
		if r.has(1) || !r.has(2) || !r.has(3) || !r.has(4) {
			t.Errorf("after the first one's time it has %v", r.jobs)
		}
		time.Sleep(2 * behind)
		r.add(5)
		if len(r.jobs) != 1 || len(r.order) != 1 || !r.has(5) {
			t.Errorf("after all others' time it has %v, in order %v", r.jobs, r.order)
		}
	})
}
