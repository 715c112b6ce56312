package enginetest

import (
	"sync"
	"time"

	"github.com/hashd-project/hashd/v2/internal/digest"
	"github.com/hashd-project/hashd/v2/internal/engine"
)

// hashesAreTraced has jobs with and without traces hashed. Each hash of a traced request is told once, with its
// algorithm and a time that is not before it was due; and no other is.
func hashesAreTraced(x *trial) {
	const single, batch, canceled, retried = "single", "batch", "canceled", "retried"
	const jobs = 300
	var mu sync.Mutex
	var told []engine.Hashing
	e := x.engine(engine.Limits{Delay: short, Traced: func(h engine.Hashing) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, h)
	}})
	due := make(map[engine.Trace]time.Time)
	accept := func(b engine.Batch) engine.Receipt {
		r, err := e.AcceptBatch(x.context(), b)
		if err != nil {
			x.Fatal(err)
		}
		if due[b.Trace].IsZero() {
			due[b.Trace] = r.Due
		}
		return r
	}
	secrets := make([][]byte, jobs)
	for i := range secrets {
		secrets[i] = []byte("secret")
	}
	r, err := e.Accept(x.context(), engine.Job{Secret: []byte("secret"), Algorithm: digest.SHA256, Trace: single})
	if err != nil {
		x.Fatal(err)
	}
	due[single] = r.Due
	e.accept("not traced")
	accept(engine.Batch{Secrets: secrets, Algorithm: digest.SHA3x512, Trace: batch})
	x.wantErr("cancel", e.Cancel(x.context(), accept(engine.Batch{Secrets: secrets[:1], Trace: canceled}).ID), nil)
	again := engine.Batch{Secrets: secrets[:2], Trace: retried, IdempotencyKey: engine.IdempotencyKey{ID: [16]byte{1}}}
	accept(again)
	accept(again)
	x.wantErr("drain", e.Drain(x.context()), nil)
	hashed := int(1 - e.Stats().Canceled) // of the canceled one, which may have been hashed before
	x.wantErr("close", e.Close(), nil)
	got := make(map[engine.Trace]int)
	algorithms := map[engine.Trace]digest.Algorithm{single: digest.SHA256, batch: digest.SHA3x512}
	for _, h := range told {
		got[h.Trace] += h.Jobs
		if h.Algorithm != algorithms[h.Trace] || h.Ended.Before(h.Began) || h.Began.Before(due[h.Trace].Add(-time.Millisecond)) {
			x.Errorf("%+v of jobs due at %v", h, due[h.Trace])
		}
	}
	if got[single] != 1 || got[batch] != jobs || got[retried] != 2 || got[canceled] != hashed || len(got) > 3+hashed {
		x.Errorf("of a single job, a batch of %d, one of 2 and %d canceled jobs that were hashed, told are %v", jobs, hashed, got)
	}
}
