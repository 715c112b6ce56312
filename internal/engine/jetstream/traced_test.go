package jetstream

import (
	"fmt"
	"testing"
	"time"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// A job that one instance has accepted and another hashes has the trace of its request there.
func TestTraceOfAJobAcrossInstances(t *testing.T) {
	t.Parallel()
	cfg := config(t, single(t))
	cfg.Delay = time.Second
	untold := cfg
	told := make(chan engine.Hashing, 100)
	cfg.Traced = func(h engine.Hashing) { told <- h }
	other := start(t, cfg)
	var last engine.Trace
	for n, hashedThere := 0, false; !hashedThere; n++ {
		last = engine.Trace(fmt.Sprintf("00-0af7651916cd43dd8448eb211c80%04x-b7ad6b7169203331-01", n))
		gone := start(t, untold)
		r := accept(t, gone, engine.Job{Secret: []byte("secret"), Trace: last})
		untraced := accept(t, gone, engine.Job{Secret: []byte("secret")})
		if err := gone.Close(); err != nil {
			t.Fatal(err)
		}
		hashedThere = time.Now().Before(r.Due) // else the one that is gone may have done it
		wantHash(t, other, r, "secret")
		wantHash(t, other, untraced, "secret")
	}
	if err := other.Close(); err != nil { // all is told by then
		t.Fatal(err)
	}
	close(told)
	times := make(map[engine.Trace]int)
	for h := range told {
		times[h.Trace] += h.Jobs
	}
	if times[last] != 1 || times[""] != 0 {
		t.Errorf("told are %v, want %s once", times, last)
	}
}
