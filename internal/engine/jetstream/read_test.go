package jetstream

import (
	"errors"
	"testing"

	"github.com/hashd-project/hashd/internal/engine"
)

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
