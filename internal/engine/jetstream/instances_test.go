package jetstream

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hashd-project/hashd/internal/digest"
	"github.com/hashd-project/hashd/internal/engine"
	"github.com/hashd-project/hashd/internal/engine/jetstream/natstest"
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

func TestInstancesCancelPending(t *testing.T) {
	t.Parallel()
	cfg := config(t, single(t))
	cfg.Delay = time.Hour
	all := instances(t, 2, cfg)
	r := accept(t, all[0], engine.Job{Secret: []byte("secret")})
	ended := make(chan error, 1)
	go func() {
		_, err := all[0].Wait(t.Context(), r.ID)
		ended <- err
	}()
	if err := all[1].Cancel(t.Context(), r.ID); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, engine.ErrGone) {
		t.Errorf("a wait for a job canceled elsewhere: %v", err)
	}
	for _, e := range all {
		if err := e.Cancel(t.Context(), r.ID); !errors.Is(err, engine.ErrGone) {
			t.Errorf("canceled again: %v", err)
		}
	}
	if err := all[0].Drain(t.Context()); err != nil {
		t.Errorf("drain of a job canceled elsewhere: %v", err)
	}
	if st := all[0].Stats(); st.Canceled != 1 || st.Pending != 0 {
		t.Errorf("counters are %+v", st)
	}
	if msg, err := all[0].link().jobs.GetMsg(t.Context(), uint64(r.ID)); !errors.Is(err, jetstream.ErrMsgNotFound) {
		t.Errorf("the canceled job is still in the log: %v, %v", msg, err)
	}
}

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

// The cluster drops a key when its window is over, and with it the last of a job that was done.
func TestLogEmpties(t *testing.T) {
	t.Parallel()
	cfg := config(t, single(t))
	cfg.IdempotencyWindow = time.Second
	e := start(t, cfg)
	for n := range byte(10) {
		wantHash(t, e, accept(t, e, engine.Job{Secret: []byte("secret"), IdempotencyKey: engine.IdempotencyKey{ID: [16]byte{n + 1}}}), "secret")
	}
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		info, err := e.link().jobs.Info(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if info.State.Msgs == 0 {
			return
		}
		if time.Since(began) > patience {
			t.Fatalf("%d messages stay", info.State.Msgs)
		}
	}
}

// An instance with nothing to do, or nothing that is due, says next to nothing.
func TestIdleInstanceIsQuiet(t *testing.T) {
	t.Parallel()
	cfg := config(t, single(t))
	cfg.Delay = time.Hour
	e := start(t, cfg)
	for range 100 {
		accept(t, e, engine.Job{Secret: []byte("secret")})
	}
	before := e.link().conn.Stats().OutMsgs
	time.Sleep(2 * time.Second)
	if sent := e.link().conn.Stats().OutMsgs - before; sent > 20 {
		t.Errorf("%d messages in 2 s with 100 jobs pending", sent)
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

// What all instances hold is bounded, also by one that has accepted nothing.
func TestResultsOfAllAreBounded(t *testing.T) {
	t.Parallel()
	cfg := config(t, single(t))
	e := start(t, cfg)
	b := engine.Batch{Secrets: make([][]byte, 1_200)}
	for n := range b.Secrets {
		b.Secrets[n] = []byte("secret")
	}
	if _, err := e.AcceptBatch(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if err := e.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	cfg.MaxResults = 50
	full := new(engine.FullError)
	_, err := start(t, cfg).Accept(t.Context(), engine.Job{Secret: []byte("secret")})
	if !errors.As(err, &full) || full.Limit != "max-results" {
		t.Errorf("with room for 50 results and 1200 there: %v", err)
	}
	cfg.MaxResults = 5_000
	accept(t, start(t, cfg), engine.Job{Secret: []byte("secret")})
}

// Whoever is second with a result, or with one for a canceled job, is refused, and the job is over.
func TestOneResultOfTwoWorkers(t *testing.T) {
	t.Parallel()
	cfg := config(t, single(t))
	cfg.Delay = time.Hour
	e := start(t, cfg)
	done, canceled := accept(t, e, engine.Job{Secret: []byte("secret")}), accept(t, e, engine.Job{Secret: []byte("secret")})
	if err := e.Cancel(t.Context(), canceled.ID); err != nil {
		t.Fatal(err)
	}
	write := func(id int64, sum byte) error {
		sealed, err := e.codec.sealResult(id, &storedResult{outcome: isDone, sum: bytes.Repeat([]byte{sum}, 64)})
		if err != nil {
			t.Fatal(err)
		}
		_, err = e.commit([]*nats.Msg{e.resultMsg(id, sealed, 0)})
		return err
	}
	if err := write(done.ID, 1); err != nil {
		t.Errorf("the first result: %v", err)
	}
	if err := write(done.ID, 2); !errors.Is(err, errTaken) {
		t.Errorf("the second result: %v", err)
	}
	if err := write(canceled.ID, 1); !errors.Is(err, errTaken) {
		t.Errorf("a result of a canceled job: %v", err)
	}
	if rec, err := e.Get(t.Context(), done.ID); err != nil || rec.Sum[0] != 1 {
		t.Errorf("the result is %+v, %v", rec, err)
	}
	if _, err := e.Get(t.Context(), canceled.ID); !errors.Is(err, engine.ErrGone) {
		t.Errorf("the canceled job: %v", err)
	}
}

// A worker that vanishes with jobs in its hands, before and after it has hashed them, loses none.
func TestJobsOfALostInstance(t *testing.T) {
	t.Parallel()
	cfg := config(t, single(t))
	cfg.Lease, cfg.Delay = time.Second, 100*time.Millisecond
	lost := start(t, cfg)
	var receipts []engine.Receipt
	for range 50 {
		receipts = append(receipts, accept(t, lost, engine.Job{Secret: []byte("secret")}))
	}
	lost.cancel()
	lost.link().conn.Close() // as a crash would: nothing is given back
	other := start(t, cfg)
	for _, r := range receipts {
		wantHash(t, other, r, "secret")
	}
}

// An instance that dies after it has stored the tombstone of a job, and before the job's message is gone, has
// canceled it.
func TestTombstoneAloneCancels(t *testing.T) {
	t.Parallel()
	cfg := config(t, single(t))
	cfg.Delay = 500 * time.Millisecond
	e := start(t, cfg)
	r := accept(t, e, engine.Job{Secret: []byte("secret")})
	if err := e.putTombstone(t.Context(), r.ID, isCanceled, sight{}); err != nil {
		t.Fatal(err)
	}
	if err := e.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if st := e.Stats(); st.Canceled != 1 || st.Completed != 0 {
		t.Errorf("counters are %+v", st)
	}
	if rec, err := e.Get(t.Context(), r.ID); !errors.Is(err, engine.ErrGone) {
		t.Errorf("the canceled job: %+v, %v", rec, err)
	}
}

// A head that is not due for long does not hold up a job behind it that is, such as one that comes again.
func TestHeadHoldsUpNobody(t *testing.T) {
	t.Parallel()
	cfg := config(t, single(t))
	cfg.Lease, cfg.Delay = time.Second, time.Hour
	e := start(t, cfg)
	for range 2 {
		accept(t, e, engine.Job{Secret: []byte("not due")})
	}
	e.cfg.Delay = 0 // each job has its own delay with it
	wantHash(t, e, accept(t, e, engine.Job{Secret: []byte("due")}), "due")
	if st := e.Stats(); st.Completed != 1 || st.Pending != 2 {
		t.Errorf("counters are %+v", st)
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
		if skew := e.clock.skew(); (skew + shift).Abs() > time.Second {
			t.Errorf("a clock wrong by %v is found wrong by %v", shift, -skew)
		}
	}
}
