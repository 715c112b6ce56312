package jetstream

import (
	"testing"
	"time"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// A job that one instance has accepted and another hashes has the trace of its request there.
func TestTraceOfAJobAcrossInstances(t *testing.T) {
	t.Parallel()
	cfg := config(t, single(t))
	cfg.Delay = time.Second
	gone := start(t, cfg)
	told := make(chan engine.Hashing, 10)
	cfg.Traced = func(h engine.Hashing) { told <- h }
	other := start(t, cfg)
	const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	r := accept(t, gone, engine.Job{Secret: []byte("secret"), Trace: trace})
	untraced := accept(t, gone, engine.Job{Secret: []byte("secret")})
	if err := gone.Close(); err != nil {
		t.Fatal(err)
	}
	wantHash(t, other, r, "secret")
	wantHash(t, other, untraced, "secret")
	if err := other.Close(); err != nil { // all is told by then
		t.Fatal(err)
	}
	if h := <-told; h.Trace != trace || h.Jobs != 1 || len(told) != 0 {
		t.Errorf("told is %+v, and %d more", h, len(told))
	}
}
