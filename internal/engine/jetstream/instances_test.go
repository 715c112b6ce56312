package jetstream

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/hashd-project/hashd/v2/internal/digest"
	"github.com/hashd-project/hashd/v2/internal/engine"
)

// instances starts several engines of one service.
func instances(t *testing.T, n int, cfg Config) (all []*Engine) {
	t.Helper()
	for range n {
		all = append(all, start(t, cfg))
	}
	return all
}

func accept(t *testing.T, e *Engine, job engine.Job) engine.Receipt {
	t.Helper()
	r, err := e.Accept(t.Context(), job)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// wantHash waits for the job and checks its digest, and that it is not early.
func wantHash(t *testing.T, e *Engine, r engine.Receipt, secret string) {
	t.Helper()
	rec, err := e.Wait(t.Context(), r.ID)
	if now := time.Now(); now.Before(r.Due) {
		t.Errorf("job %d is done %v early", r.ID, r.Due.Sub(now))
	}
	var want [digest.MaxSize]byte
	digest.SHA512.Sum(&want, []byte(secret))
	if err != nil || rec.State != engine.Done || rec.Sum != want {
		t.Errorf("job %d: state %d, digest %x, error %v", r.ID, rec.State, rec.Digest(), err)
	}
}

// What one instance accepts, every instance knows, waits for, reads and cancels.
func TestInstancesShareJobs(t *testing.T) {
	t.Parallel()
	all := instances(t, 3, config(t, single(t)))
	var g sync.WaitGroup
	for n, e := range all {
		r := accept(t, e, engine.Job{Secret: []byte("secret"), Tenant: uint16(n)})
		for _, other := range all {
			g.Go(func() { wantHash(t, other, r, "secret") })
		}
		g.Wait()
		other := all[(n+1)%len(all)]
		if err := other.Cancel(t.Context(), r.ID); err != nil {
			t.Errorf("erase elsewhere: %v", err)
		}
		for _, e := range all {
			if _, err := e.Get(t.Context(), r.ID); !errors.Is(err, engine.ErrGone) {
				t.Errorf("erased job %d: %v", r.ID, err)
			}
		}
	}
}

// Clocks that are wrong by seconds, either way, make no job early.
func TestWrongClocks(t *testing.T) {
	t.Parallel()
	const wrong = 3 * time.Second
	cfg := config(t, single(t))
	cfg.Delay = 500 * time.Millisecond
	for _, shift := range []time.Duration{wrong, -wrong} {
		cfg.Prefix = newPrefix()
		e, err := newOn(t.Context(), newClock(func() time.Time { return time.Now().Add(shift) }), cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = e.Close() })
		began := time.Now()
		r := accept(t, e, engine.Job{Secret: []byte("secret")})
		if rec, err := e.Wait(t.Context(), r.ID); err != nil || rec.State != engine.Done {
			t.Errorf("%v: %+v, %v", shift, rec, err)
		}
		if took := time.Since(began); took < cfg.Delay || took > patience {
			t.Errorf("with a clock wrong by %v the delay took %v", shift, took)
		}
		e.clock.mu.Lock()
		open := e.clock.leads - e.clock.lags[(e.clock.next+measures-1)%measures] // what the answer's way leaves open
		e.clock.mu.Unlock()
		if skew := e.clock.skew(); (skew + shift).Abs() > open+100*time.Millisecond {
			t.Errorf("a clock wrong by %v is found wrong by %v, with %v left open", shift, -skew, open)
		}
	}
}
