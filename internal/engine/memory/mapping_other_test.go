//go:build !linux || race

package memory

import (
	"bytes"
	"testing"
	"time"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// The system clears what it gets back; on the heap the engine must.
func TestCloseClearsMemory(t *testing.T) {
	e := newEngine(t, engine.Limits{Delay: time.Hour})
	accept(t, e, inline)
	accept(t, e, long4096)
	s, _ := e.segments.at(0)
	c, _ := e.secrets.chunks.at(0)
	slots, secrets := s.mem, c.mem
	if !bytes.Contains(slots, inline) || !bytes.Contains(secrets, long4096) {
		t.Fatal("the secrets are not where this test looks for them")
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(slots, inline) || bytes.Contains(secrets, long4096) {
		t.Error("a secret outlives its engine")
	}
}
