package jetstream

import (
	"fmt"
	"testing"
	"time"

	"github.com/hashd-project/hashd/v2/internal/engine"
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
