package jetstream

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/hashd-project/hashd/internal/engine"
)

// The log is put back under instances, and jobs are submitted before they have noticed, to one that has
// accepted the jobs that are lost and to one that has accepted none. No id is given twice, none that was given before
// shows what came into its place, and what was refused with a key is taken the next time.
func TestOlderCopyBeforeItIsNoticed(t *testing.T) {
	t.Parallel()
	for n := range 2 {
		h := newHistory(t, single(t))
		all := []*Engine{start(t, h.cfg), start(t, h.cfg)}
		h.done(all[0], h.submit(all[0], 5))
		b := h.backup(all[0].names.jobs())
		h.done(all[0], h.submit(all[0], 20))
		awaitReached(t, all[0].acked.Load(), all...)
		h.drop(all[0].names.jobs())
		h.restore(all[0].names.jobs(), b)
		refused := 0
		for k := range byte(6) {
			if _, err := h.trial(all[n], k); err != nil {
				refused++
			}
		}
		awaitLives(t, 2, all...)
		for _, e := range all {
			awaitReady(t, e, true)
		}
		for k := range byte(6) {
			s, err := h.trial(all[n], k)
			if err != nil {
				t.Fatal(err)
			}
			wantHash(t, all[n], s.Receipt, s.secret)
		}
		for _, e := range all {
			if found := h.unmixed(e); found[1] < 5+20+6 {
				t.Errorf("%d jobs were refused, and of the others so many are pending, done, gone and unknown: %v", refused, found)
			}
		}
	}
}

// trial submits a job whose id must be new, every second one with a key; the same number is the same request.
func (h *history) trial(e *Engine, n byte) (submitted, error) {
	h.t.Helper()
	job := engine.Job{Secret: fmt.Append(nil, "late ", n)}
	if n%2 == 1 {
		job.IdempotencyKey = engine.IdempotencyKey{ID: [16]byte{n}, Fingerprint: [16]byte{n}}
	}
	s := submitted{secret: string(job.Secret)}
	var err error
	if s.Receipt, err = e.Accept(h.t.Context(), job); err != nil {
		return s, err
	}
	if old, known := h.given[s.ID]; known && old.secret != s.secret {
		h.t.Errorf("id %d is given to %q and %q", s.ID, old.secret, s.secret)
	}
	h.given[s.ID] = s
	return s, nil
}

// awaitReached waits until the instances know that the log has come that far.
func awaitReached(t *testing.T, sequence uint64, all ...*Engine) {
	t.Helper()
	for _, e := range all {
		for began := time.Now(); e.acked.Load() < sequence; time.Sleep(time.Millisecond) {
			if time.Since(began) > patience {
				t.Fatalf("an instance knows of %d, not of %d", e.acked.Load(), sequence)
			}
		}
	}
}

// A copy that was made at the very end is told from the log too: a stop writes down how far that has come.
func TestStopRecordsTheEnd(t *testing.T) {
	t.Parallel()
	h := newHistory(t, single(t))
	e := start(t, h.cfg)
	awaitReady(t, e, true)
	h.done(e, h.submit(e, 5))
	b := h.backup(e.names.jobs())
	h.done(e, h.submit(e, 5))
	last := e.acked.Load()
	_ = e.Close()
	h.drop(e.names.jobs(), e.names.results()) // so that no result tells
	h.restore(e.names.jobs(), b)
	e = start(t, h.cfg)
	if n := len(e.lives()); n != 2 {
		t.Errorf("the log had come to %d, and after a copy was put back has %d lives", last, n)
	}
	h.fresh(e)
}

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

// A job that lies where one did when it was sent is none, whoever asks.
func TestVoidJobIsNone(t *testing.T) {
	t.Parallel()
	h := newHistory(t, single(t))
	e := start(t, h.cfg)
	h.done(e, h.submit(e, 3))
	e.adopting.Lock()
	e.acked.Store(1 << 60) // as if the log had been there
	e.adopting.Unlock()
	if _, err := e.Accept(t.Context(), engine.Job{Secret: []byte("void")}); !errors.Is(err, engine.ErrDown) {
		t.Fatalf("a job in another's place: %v", err)
	}
	awaitLives(t, 2, e)
	for id := range h.given {
		if _, err := e.Get(t.Context(), id+3); err == nil {
			t.Errorf("job %d is void, and found", id+3)
		}
	}
	h.fresh(e)
}
