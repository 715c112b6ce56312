package jetstream

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/hashd-project/hashd/v2/internal/digest"
	"github.com/hashd-project/hashd/v2/internal/engine"
	"github.com/hashd-project/hashd/v2/internal/seal"
)

// A job that lies where one did when it was sent is none, whoever asks.
func TestVoidJobIsNone(t *testing.T) {
	t.Parallel()
	h := newHistory(t, single(t))
	e := start(t, h.cfg)
	h.done(e, h.submit(e, 3))
	for err := error(nil); err == nil; { // where the engine has noticed before, the job is in a life of its own
		e.adopting.Lock()
		e.acked.Store(1 << 60) // as if the log had been there
		e.adopting.Unlock()
		if _, err = e.Accept(t.Context(), engine.Job{Secret: []byte("void")}); err != nil && !errors.Is(err, engine.ErrDown) {
			t.Fatalf("a job in another's place: %v", err)
		}
	}
	awaitLives(t, 2, e)
	for id := range h.given {
		if _, err := e.Get(t.Context(), id+3); err == nil {
			t.Errorf("job %d is void, and found", id+3)
		}
	}
	h.fresh(e)
}

// conclude says of each result what it is now: shown, over, or not to be read.
func TestConclude(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	stored := now.Add(-time.Hour)
	c := newCodec(t)
	sum := bytes.Repeat([]byte{7}, digest.SHA512.Size())
	for what, tc := range map[string]struct {
		of        int64 // the job that the result was sealed for
		outcome   outcome
		retention time.Duration
		want      error
		erased    bool
	}{
		"a result":                       {5, isDone, time.Hour + time.Minute, nil, false},
		"a result of which it is over":   {5, isDone, time.Hour, engine.ErrGone, true},
		"a result long after":            {5, isDone, time.Minute, engine.ErrGone, true},
		"a job that was canceled":        {5, isCanceled, 2 * time.Hour, engine.ErrGone, false},
		"a result that was erased":       {5, isErased, 2 * time.Hour, engine.ErrGone, true},
		"a result sealed for other jobs": {6, isDone, 2 * time.Hour, seal.ErrDamaged, false},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			e := &Engine{cfg: Config{Limits: engine.Limits{Retention: tc.retention}}, codec: c, clock: frozen(&now), ledger: newTestLedger()}
			e.clock.note(0, 0)
			e.clock.at(now)
			r := storedResult{outcome: tc.outcome, tenant: 3, stamp: stamp{9}}
			if tc.outcome == isDone {
				r.sum = sum
			}
			sealed, err := c.sealResult(tc.of, &r)
			if err != nil {
				t.Fatal(err)
			}
			s, err := e.conclude(t.Context(), 5, &message{Sequence: 17, Data: sealed, Time: stored})
			if !errors.Is(err, tc.want) || e.erased.has(5) != tc.erased {
				t.Fatalf("%+v, %v; erased: %v", s, err, e.erased.has(5))
			}
			if tc.want != nil {
				if s != (sight{}) {
					t.Errorf("beside %v it shows %+v", err, s)
				}
				return
			}
			if s.ID != 5 || s.State != engine.Done || s.Tenant != 3 || s.stamp != r.stamp || s.result != 17 || !bytes.Equal(s.Sum[:len(sum)], sum) {
				t.Errorf("it shows %+v", s)
			}
		})
	}
}
