package memory

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// ageMarks makes all that was claimed so far old enough to expire, which the leader does not notice.
func (h *byHand) ageMarks() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for n := h.claimTimes.start(); n < h.claimTimes.end(); n++ {
		m, _ := h.claimTimes.at(n)
		m.at -= int64(h.cfg.Retention + 2*time.Second)
		h.claimTimes.set(n, m)
	}
}

func (h *byHand) expireNow() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.expire(h.now())
}

// many returns n secrets.
func many(n int) [][]byte {
	all := make([][]byte, n)
	for i := range all {
		all[i] = inline
	}
	return all
}

// workAll hashes all that is due.
func (h *byHand) workAll() {
	for n, _ := h.claim(); n > 0; n, _ = h.claim() {
		h.finish()
	}
}

func (h *byHand) wantKept(want int64) {
	h.t.Helper()
	if st := h.Stats(); st.Kept != want {
		h.t.Errorf("%d results are kept, want %d", st.Kept, want)
	}
}

// However much expires at once, the mutex is held for a bounded part of it at a time.
func TestExpiryInBoundedSteps(t *testing.T) {
	onHand(t, engine.Limits{}, func(t *testing.T, h *byHand) {
		const jobs = 2*expireJobs + 500
		h.age(0, h.accept(many(jobs)...)...)
		h.workAll()
		h.expireNow()
		h.wantKept(jobs)
		h.ageMarks()
		for _, want := range []int64{jobs - expireJobs, 500, 0, 0} {
			h.expireNow()
			h.wantKept(want)
		}
		if h.claimTimes.start() != h.claimTimes.end() {
			t.Error("a claim time outlives its results")
		}
	})
}

// Under full load nobody rests: the workers themselves see to it that results expire.
func TestExpiryUnderFullLoad(t *testing.T) {
	onHand(t, engine.Limits{}, func(t *testing.T, h *byHand) {
		ids := h.accept(inline, inline)
		h.age(0, ids[0])
		h.workAll()
		h.ageMarks()
		h.age(0, ids[1])
		h.workAll()
		h.wantGone(ids[0])
		h.wantState(ids[1], engine.Done)
	})
}

// A job that is still with its worker when its claim time expires is not lost, and goes later.
func TestExpiryAwaitsTheWorker(t *testing.T) {
	onHand(t, engine.Limits{}, func(t *testing.T, h *byHand) {
		ids := h.accept(inline, inline, inline)
		h.age(0, ids[0])
		h.workAll()
		h.age(0, ids[1:]...)
		h.claim()
		h.ageMarks()
		h.expireNow()
		h.wantGone(ids[0])
		h.wantState(ids[1], engine.Pending)
		h.finish() // and expires in the same breath
		h.wantGone(ids...)
		if st := h.Stats(); st.Completed != 3 || st.Kept != 0 || st.Pending != 0 {
			t.Errorf("counters are %+v", st)
		}
	})
}

// Canceled and erased jobs among those that expire are passed over, and counted once.
func TestExpiryPassesOverTheGone(t *testing.T) {
	onHand(t, engine.Limits{}, func(t *testing.T, h *byHand) {
		ids := h.accept(many(5)...)
		wantErr(t, "cancel", h.Cancel(t.Context(), ids[1]), nil)
		h.age(0, ids...)
		h.workAll()
		wantErr(t, "erase", h.Cancel(t.Context(), ids[3]), nil)
		h.wantKept(3)
		h.ageMarks()
		h.expireNow()
		h.wantGone(ids...)
		if st := h.Stats(); st.Completed != 4 || st.Canceled != 1 || st.Kept != 0 {
			t.Errorf("counters are %+v", st)
		}
	})
}

// Marks cost memory by the second, not by the job.
func TestOneMarkASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t, engine.Limits{Delay: time.Second, Retention: 10 * time.Second})
		for range 200 {
			accept(t, e, inline)
			time.Sleep(50 * time.Millisecond)
		}
		synctest.Wait()
		if n := e.claimTimes.end() - e.claimTimes.start(); n < 8 || n > 10 {
			t.Errorf("nine seconds of jobs have %d claim times", n)
		}
	})
}
