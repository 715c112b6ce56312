package memory

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashd-project/hashd/v2/internal/digest"
	"github.com/hashd-project/hashd/v2/internal/engine"
)

// byHand is an engine whose leader sleeps for an hour, so that a test can take its part.
type byHand struct {
	*Engine
	t *testing.T
	c *claim
}

// onHand runs the test in a bubble on an engine that it works by hand.
func onHand(t *testing.T, cfg engine.Limits, test func(t *testing.T, h *byHand)) {
	t.Helper()
	cfg.Delay = time.Hour
	synctest.Test(t, func(t *testing.T) {
		test(t, &byHand{newEngine(t, cfg), t, newClaim()})
	})
}

// accept submits jobs with these secrets, and lets the leader fall asleep over them.
func (h *byHand) accept(secrets ...[]byte) (ids []int64) {
	h.t.Helper()
	for _, secret := range secrets {
		ids = append(ids, accept(h.t, h.Engine, secret))
	}
	synctest.Wait()
	return ids
}

// age makes a pending job due as long ago as given, which the leader does not notice.
func (h *byHand) age(late time.Duration, ids ...int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, id := range ids {
		s, _ := h.segments.at((id - 1) / segmentJobs)
		s.due(int(id - s.first)).Store(max(h.now()-int64(late), 1))
	}
}

// claim takes the next claim as a worker does.
func (h *byHand) claim() (n int, more bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	more = h.claimDue(h.c)
	return h.c.n, more
}

// finish hashes and publishes the claim.
func (h *byHand) finish() {
	for j := range h.c.n {
		h.c.hash(j)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.publish(h.c)
}

// wantState fails the test unless the job is there and in the state.
func (h *byHand) wantState(id int64, want engine.State) {
	h.t.Helper()
	if rec, err := h.Get(h.t.Context(), id); err != nil || rec.State != want {
		h.t.Errorf("job %d is in state %d, error %v; want state %d", id, rec.State, err, want)
	}
}

func (h *byHand) wantGone(ids ...int64) {
	h.t.Helper()
	for _, id := range ids {
		_, err := h.Get(h.t.Context(), id)
		wantErr(h.t, "get a job that is gone", err, engine.ErrGone)
		wantErr(h.t, "cancel a job that is gone", h.Cancel(h.t.Context(), id), engine.ErrGone)
	}
}

func TestClaimTakesOnlyWhatIsDue(t *testing.T) {
	onHand(t, engine.Limits{}, func(t *testing.T, h *byHand) {
		ids := h.accept(inline, inline, inline)
		h.age(-1, ids[0])
		h.age(0, ids[1]) // due before the job ahead of it, and yet after it in line
		if n, more := h.claim(); n != 0 || more {
			t.Fatalf("claimed %d, more %v, before the head was due", n, more)
		}
		h.age(0, ids[0])
		if n, more := h.claim(); n != 2 || more {
			t.Fatalf("claimed %d, more %v; want the two that are due", n, more)
		}
		h.finish()
		h.wantState(ids[0], engine.Done)
		h.wantState(ids[1], engine.Done)
		h.wantState(ids[2], engine.Pending)
	})
}

func TestClaimIsBounded(t *testing.T) {
	onHand(t, engine.Limits{}, func(t *testing.T, h *byHand) {
		const due = 2*claimJobs + 5
		secrets := make([][]byte, due+20)
		for i := range secrets {
			secrets[i] = inline
		}
		h.age(0, h.accept(secrets...)[:due]...)
		for _, want := range []struct {
			n    int
			more bool
		}{{claimJobs, true}, {claimJobs, true}, {5, false}, {0, false}} {
			if n, more := h.claim(); n != want.n || more != want.more {
				t.Errorf("claimed %d, more %v; want %+v", n, more, want)
			}
			h.finish()
		}
		if st := h.Stats(); st.Completed != due || st.Pending != 20 {
			t.Errorf("counters are %+v", st)
		}
	})
}

func TestLatenessIsFromDueToVisible(t *testing.T) {
	onHand(t, engine.Limits{}, func(t *testing.T, h *byHand) {
		time.Sleep(time.Minute)
		ids := h.accept(inline, inline)
		h.age(3*time.Millisecond, ids[0])
		h.age(7*time.Millisecond, ids[1])
		h.claim()
		h.finish()
		if l := h.Stats().Lateness; l.Max != 7*time.Millisecond || l.P50 < 3*time.Millisecond || l.P50 > 3375*time.Microsecond {
			t.Errorf("jobs late by 3ms and 7ms give %+v", l)
		}
	})
}

// A job that a worker is just hashing reads as pending, and says what it is.
func TestClaimedJobReadsAsPending(t *testing.T) {
	onHand(t, engine.Limits{}, func(t *testing.T, h *byHand) {
		for _, secret := range [][]byte{inline, long4096} {
			r, err := h.Accept(t.Context(), engine.Job{Secret: secret, Algorithm: digest.SHA3x512, Tenant: 4711})
			wantErr(t, "accept", err, nil)
			synctest.Wait()
			h.age(0, r.ID)
			h.claim()
			want := engine.Record{ID: r.ID, Algorithm: digest.SHA3x512, Tenant: 4711, Due: time.Now()}
			if rec, err := h.Get(t.Context(), r.ID); rec != want || err != nil {
				t.Errorf("a claimed job reads as %+v, error %v", rec, err)
			}
			for j := range h.c.n { // hashed, not yet published
				h.c.hash(j)
			}
			if rec, err := h.Get(t.Context(), r.ID); rec != want || err != nil {
				t.Errorf("a hashed job reads as %+v, error %v", rec, err)
			}
			h.mu.Lock()
			h.publish(h.c)
			h.mu.Unlock()
			h.wantState(r.ID, engine.Done)
		}
	})
}

// Whoever waits for a claimed job is told when it is published, and no earlier.
func TestWaitForAClaimedJob(t *testing.T) {
	onHand(t, engine.Limits{}, func(t *testing.T, h *byHand) {
		id := h.accept(inline)[0]
		h.age(0, id)
		h.claim()
		answer := make(chan engine.Record, 1)
		go func() {
			rec, _ := h.Wait(t.Context(), id)
			answer <- rec
		}()
		synctest.Wait()
		if len(answer) != 0 {
			t.Error("the wait ended before the job was published")
		}
		h.finish()
		if rec := <-answer; rec.State != engine.Done {
			t.Errorf("the wait ended with state %d", rec.State)
		}
	})
}

// The job's digest is computed, for its worker cannot be stopped, but nobody ever sees it.
func TestCancelWhileClaimed(t *testing.T) {
	onHand(t, engine.Limits{}, func(t *testing.T, h *byHand) {
		ids := h.accept(inline, long4096, long4096, inline)
		h.age(0, ids...)
		h.claim()
		waited := make(chan error, 1)
		go func() {
			_, err := h.Wait(t.Context(), ids[1])
			waited <- err
		}()
		drained := make(chan error, 1)
		go func() { drained <- h.Drain(t.Context()) }()
		synctest.Wait()

		for _, id := range ids[:2] {
			wantErr(t, "cancel a claimed job", h.Cancel(t.Context(), id), nil)
			h.wantGone(id)
		}
		wantErr(t, "wait for a claimed job then canceled", <-waited, engine.ErrGone)
		if st := h.Stats(); st.Canceled != 2 || st.Pending != 2 || st.Completed != 0 {
			t.Errorf("two of four claimed jobs are canceled, and counters are %+v", st)
		}
		h.finish()
		h.wantGone(ids[:2]...)
		h.wantState(ids[2], engine.Done)
		h.wantState(ids[3], engine.Done)
		wantErr(t, "drain", <-drained, nil)
		if st := h.Stats(); st.Canceled != 2 || st.Pending != 0 || st.Completed != 2 || st.Kept != 2 {
			t.Errorf("two of four jobs were canceled, and counters are %+v", st)
		}
		if h.secrets.used != 0 || h.slotOf(ids[0]) != ([slotBytes]byte{}) {
			t.Errorf("a canceled job leaves %d bytes, slot %x", h.secrets.used, h.slotOf(ids[0]))
		}
	})
}

// slotOf returns the job's slot as it is.
func (h *byHand) slotOf(id int64) [slotBytes]byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	s, _ := h.segments.at((id - 1) / segmentJobs)
	return *s.slot(int(id - s.first))
}

// drawByHand does the first half of Accept and returns the second.
func drawByHand(t *testing.T, e *Engine) (id int64, commit func()) {
	t.Helper()
	s, id, ok := e.draw()
	if !ok {
		t.Fatal("no id to draw")
	}
	due := int64(time.Since(e.epoch) + e.cfg.Delay)
	return id, func() { e.commit(s, id, due, newHeader(len(inline), digest.SHA512, 0), inline) }
}

// Between the two halves of Accept nobody can know the id, nor does the engine touch the slot.
func TestDrawnButNotCommitted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t, engine.Limits{Delay: time.Second})
		ctx := t.Context()
		first := accept(t, e, inline)
		id, commit := drawByHand(t, e)
		last := accept(t, e, inline)

		_, get := e.Get(ctx, id)
		_, wait := e.Wait(ctx, id)
		for _, err := range []error{get, wait, e.Cancel(ctx, id)} {
			wantErr(t, "an id not yet answered", err, engine.ErrUnknown)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if st := e.Stats(); st.Completed != 1 || st.Pending != 2 {
			t.Errorf("the job ahead is done, and counters are %+v", st)
		}
		ended, cancel := context.WithCancel(ctx)
		cancel()
		if left, ok := errors.AsType[*engine.LeftError](e.Drain(ended)); !ok || left.Left != 2 {
			t.Errorf("drain: %v, want two jobs left", left)
		}

		commit()
		wantErr(t, "drain", e.Drain(ctx), nil)
		for _, id := range []int64{first, id, last} {
			if rec, err := e.Get(ctx, id); err != nil || rec.State != engine.Done {
				t.Errorf("job %d: state %d, error %v", id, rec.State, err)
			}
		}
	})
}

// Close takes no memory away under a submitter that is just filling it.
func TestCloseAwaitsSubmitters(t *testing.T) {
	e := newEngine(t, engine.Limits{Delay: time.Hour})
	accept(t, e, inline)
	_, commit := drawByHand(t, e)
	closed := make(chan error, 1)
	go func() { closed <- e.Close() }()
	<-e.stop
	e.done.Wait()
	// Now Close takes the mutex for good. Should it not await the slot, it soon gives the mutex back.
	for held := 0; held < 1_000; held++ {
		if e.mu.TryLock() {
			e.mu.Unlock()
			held = 0
		}
		select {
		case <-closed:
			t.Fatal("the engine was closed before the slot was committed")
		default:
			runtime.Gosched()
		}
	}
	commit()
	<-closed
}

// A submitter whose job comes before the alarm wakes the leader; any other leaves it asleep.
func TestOnlyTheFirstJobWakesTheLeader(t *testing.T) {
	onHand(t, engine.Limits{}, func(t *testing.T, h *byHand) {
		h.accept(inline)
		alarm := h.alarm.Load()
		time.Sleep(time.Second)
		accept(t, h.Engine, inline)
		if len(h.wake) != 0 || h.alarm.Load() != alarm {
			t.Error("a later job woke the leader")
		}
		h.alarm.Store(never)
		accept(t, h.Engine, inline)
		synctest.Wait()
		if h.alarm.Load() != alarm {
			t.Errorf("the alarm is at %d, and the head due at %d", h.alarm.Load(), alarm)
		}
	})
}

// Polls that gave up cost nothing any more; those that go on are still told.
func TestAbandonedWaitsAreForgotten(t *testing.T) {
	onHand(t, engine.Limits{}, func(t *testing.T, h *byHand) {
		id := h.accept(inline)[0]
		ctx, cancel := context.WithCancel(t.Context())
		for range 3 {
			go func() { _, _ = h.Wait(ctx, id) }()
		}
		synctest.Wait()
		if w := h.waiters[id]; w == nil || w.polls != 3 {
			t.Fatalf("three polls wait as %+v", w)
		}
		ended, end := context.WithCancel(t.Context())
		end()
		_, err := h.Wait(ended, id)
		wantErr(t, "abandoned wait", err, nil)
		if w := h.waiters[id]; w == nil || w.polls != 3 {
			t.Errorf("three of four polls wait as %+v", w)
		}
		cancel()
		synctest.Wait()
		if len(h.waiters) != 0 {
			t.Errorf("nobody waits, and %d jobs are awaited", len(h.waiters))
		}
		h.age(0, id)
		h.claim()
		h.finish()
		h.wantState(id, engine.Done)
	})
}

// The first jobs of all find no segment, and one of them maps it under the eyes of the others.
func TestFirstJobsAtOnce(t *testing.T) {
	for range 50 {
		e := newEngine(t, engine.Limits{Delay: time.Hour, Workers: 1})
		drawing := make(chan struct{})
		var g sync.WaitGroup
		g.Go(func() {
			close(drawing)
			for {
				if s, id, ok := e.draw(); ok {
					e.commit(s, id, never-1, newHeader(len(inline), digest.SHA512, 0), inline)
					return
				}
			}
		})
		<-drawing
		accept(t, e, inline)
		g.Wait()
		if st := e.Stats(); st.Accepted != 2 || st.Pending != 2 {
			t.Fatalf("counters are %+v", st)
		}
		_ = e.Close()
	}
}
