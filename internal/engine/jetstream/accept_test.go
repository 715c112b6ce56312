package jetstream

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/hashd-project/hashd/v2/internal/engine"
	"github.com/hashd-project/hashd/v2/internal/engine/jetstream/natstest"
)

// A key finds its job on every instance, and after a restart of all.
func TestKeysAcrossInstances(t *testing.T) {
	t.Parallel()
	cfg := config(t, single(t))
	all := instances(t, 3, cfg)
	job := engine.Job{Secret: []byte("secret"), IdempotencyKey: engine.IdempotencyKey{ID: [16]byte{1}, Fingerprint: [16]byte{2}}}
	other := job
	other.IdempotencyKey.Fingerprint = [16]byte{3}
	first := accept(t, all[0], job)
	check := func(e *Engine) {
		t.Helper()
		if r := accept(t, e, job); r.ID != first.ID || !r.Due.Equal(first.Due) {
			t.Errorf("the retry of %+v got %+v", first, r)
		}
		if _, err := e.Accept(t.Context(), other); !errors.Is(err, engine.ErrIdempotencyKeyReused) {
			t.Errorf("another request with the key: %v", err)
		}
		if !bytes.Equal(e.FingerprintKey(), all[0].FingerprintKey()) || len(e.FingerprintKey()) != fingerprintKeyBytes {
			t.Error("instances make different fingerprints")
		}
	}
	for _, e := range all {
		check(e)
	}
	wantHash(t, all[1], first, "secret")
	for _, e := range all {
		_ = e.Close()
	}
	check(start(t, cfg))
}

// Of requests that race on all instances, one is accepted.
func TestOneKeyOnManyInstances(t *testing.T) {
	t.Parallel()
	all := instances(t, 3, config(t, single(t)))
	for n := range byte(20) {
		var mu sync.Mutex
		ids := make(map[int64]bool)
		var g sync.WaitGroup
		for _, e := range all {
			g.Go(func() {
				r, err := e.Accept(t.Context(), engine.Job{Secret: []byte("s"), IdempotencyKey: engine.IdempotencyKey{ID: [16]byte{n + 1}}})
				mu.Lock()
				defer mu.Unlock()
				if ids[r.ID] = true; err != nil {
					t.Error(err)
				}
			})
		}
		g.Wait()
		if len(ids) != 1 {
			t.Errorf("one key got jobs %v", ids)
		}
	}
}

// After its window a key is as good as new.
func TestIdempotencyWindowEnds(t *testing.T) {
	t.Parallel()
	cfg := config(t, single(t))
	cfg.IdempotencyWindow = 100 * time.Millisecond
	e := start(t, cfg)
	job := engine.Job{Secret: []byte("secret"), IdempotencyKey: engine.IdempotencyKey{ID: [16]byte{1}}}
	first := accept(t, e, job)
	ctx := t.Context()
	for second := first; second.ID == first.ID; second = accept(t, e, job) {
		if ctx.Err() != nil || time.Since(first.Due) > patience {
			t.Fatal("the key is remembered for ever")
		}
	}
	if since := time.Since(first.Due.Add(-cfg.Delay)); since < cfg.IdempotencyWindow {
		t.Errorf("the key is forgotten after %v", since)
	}
}

// A batch is one piece of the log, however many submit meanwhile, also with a key.
func TestBatchIsConsecutive(t *testing.T) {
	t.Parallel()
	all := instances(t, 2, config(t, single(t)))
	batch := engine.Batch{IdempotencyKey: engine.IdempotencyKey{ID: [16]byte{1}, Fingerprint: [16]byte{1}}}
	for n := range engine.MaxBatch {
		batch.Secrets = append(batch.Secrets, fmt.Appendf(nil, "secret %d", n))
	}
	stop := make(chan struct{})
	var g sync.WaitGroup
	for _, e := range all {
		g.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					accept(t, e, engine.Job{Secret: []byte("between")})
				}
			}
		})
	}
	r, err := all[0].AcceptBatch(t.Context(), batch)
	if err != nil {
		t.Error(err)
	}
	again, err := all[1].AcceptBatch(t.Context(), batch)
	close(stop)
	g.Wait()
	if err != nil || again.ID != r.ID || !again.Due.Equal(r.Due) {
		t.Errorf("the retry of %+v got %+v, %v", r, again, err)
	}
	for n := range batch.Secrets {
		wantHash(t, all[n%2], engine.Receipt{ID: r.ID + int64(n), Due: r.Due}, string(batch.Secrets[n]))
	}
}

// A batch that does not fit is refused as a whole.
func TestBatchIsAllOrNothing(t *testing.T) {
	t.Parallel()
	cfg := config(t, single(t))
	cfg.Delay, cfg.MaxPending = time.Hour, 10
	e := start(t, cfg)
	secrets := func(n int) (s [][]byte) {
		for range n {
			s = append(s, []byte("secret"))
		}
		return s
	}
	full := new(engine.FullError)
	if _, err := e.AcceptBatch(t.Context(), engine.Batch{Secrets: secrets(11)}); !errors.As(err, &full) || full.Limit != "max-pending" {
		t.Errorf("11 jobs of 10: %v", err)
	}
	r, err := e.AcceptBatch(t.Context(), engine.Batch{Secrets: secrets(10)})
	if err != nil {
		t.Errorf("10 jobs of 10: %+v, %v", r, err)
	}
	if st := e.Stats(); st.Accepted != 10 || st.Rejected != 11 {
		t.Errorf("counters are %+v", st)
	}
}

// Servers that store fewer messages at once get no larger batches, and it is said so.
func TestServersWithSmallBatches(t *testing.T) {
	t.Parallel()
	e := start(t, config(t, cluster(t, natstest.Config{Nodes: 1, PublishLimit: 1_000})))
	b := engine.Batch{Secrets: make([][]byte, 1_000)}
	for n := range b.Secrets {
		b.Secrets[n] = []byte("secret")
	}
	full := new(engine.FullError)
	if _, err := e.AcceptBatch(t.Context(), b); !errors.As(err, &full) || full.Limit != "jetstream.limits.batch.max_msgs of the NATS servers" {
		t.Errorf("got %v", err)
	}
	b.Secrets = b.Secrets[1:]
	if _, err := e.AcceptBatch(t.Context(), b); err != nil {
		t.Errorf("one less: %v", err)
	}
}

// max-pending is the service's, whoever accepts.
func TestMaxPendingIsShared(t *testing.T) {
	t.Parallel()
	cfg := config(t, single(t))
	cfg.Delay, cfg.MaxPending = time.Hour, 3
	all := instances(t, 2, cfg)
	for n := range 3 {
		accept(t, all[n%2], engine.Job{Secret: []byte("secret")})
	}
	full := new(engine.FullError)
	for _, e := range all {
		if _, err := e.Accept(t.Context(), engine.Job{Secret: []byte("secret")}); !errors.As(err, &full) || full.Limit != "max-pending" {
			t.Errorf("the fourth job: %v", err)
		}
	}
}

// A request's messages are its jobs, and behind them its key, which is kept for the window in whole seconds, never less.
func TestSubmissionOfARequest(t *testing.T) {
	t.Parallel()
	c := newCodec(t)
	accepted := time.Unix(1_000, 5)
	e := &Engine{codec: c, names: c.names, cfg: Config{Limits: engine.Limits{Delay: time.Minute, IdempotencyWindow: time.Hour + time.Nanosecond}}}
	l := oneLife(1)
	e.known.Store(&l)
	b := engine.Batch{Secrets: [][]byte{[]byte("one"), []byte("two")}, Tenant: 4}
	plain, err := e.newSubmission(&b, accepted, 0)
	if err != nil || len(plain.msgs) != 2 || plain.jobs != 2 {
		t.Fatalf("without a key: %+v, %v", plain, err)
	}
	b.IdempotencyKey = engine.IdempotencyKey{ID: [16]byte{1}, Fingerprint: [16]byte{2}}
	s, err := e.newSubmission(&b, accepted, 9)
	if err != nil || len(s.msgs) != 3 || s.jobs != 2 {
		t.Fatalf("with a key: %+v, %v", s, err)
	}
	for n, want := range b.Secrets {
		job, err := c.openJob(s.msgs[n].Data)
		if err != nil || !bytes.Equal(job.secret, want) || job.tenant != 4 || !job.due().Equal(accepted.Add(time.Minute)) || s.msgs[n].Subject != c.names.job() {
			t.Errorf("job %d at %s is %+v, %v", n, s.msgs[n].Subject, job, err)
		}
	}
	msg := s.msgs[2]
	key, err := c.openKey(b.IdempotencyKey.ID, msg.Data)
	if err != nil || key.jobs != 2 || key.fingerprint != b.IdempotencyKey.Fingerprint || !key.accepted.Equal(accepted) {
		t.Errorf("the key is %+v, %v", key, err)
	}
	ttl, err := time.ParseDuration(msg.Header.Get("Nats-TTL"))
	if err != nil || ttl < e.cfg.IdempotencyWindow || ttl > e.cfg.IdempotencyWindow+2*time.Second || ttl%time.Second != 0 {
		t.Errorf("the key stays for %v, %v", ttl, err)
	}
	if got := msg.Header.Get("Nats-Expected-Last-Subject-Sequence"); got != "9" || msg.Subject != c.names.key(b.IdempotencyKey.ID) {
		t.Errorf("the key at %s follows %q", msg.Subject, got)
	}
}
