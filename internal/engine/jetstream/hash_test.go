package jetstream

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hashd-project/hashd/internal/digest"
	"github.com/hashd-project/hashd/internal/engine"
)

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

// A result in a job's place that is another job's gives way to the job's own.
func TestResultOfAnotherJobGivesWay(t *testing.T) {
	t.Parallel()
	cfg := config(t, single(t))
	cfg.Delay = time.Second
	e := start(t, cfg)
	r := accept(t, e, engine.Job{Secret: []byte("secret")})
	wrong, err := e.codec.sealResult(r.ID, &storedResult{outcome: isDone, sum: make([]byte, 64), stamp: stamp{1}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.commit([]*nats.Msg{e.resultMsg(r.ID, wrong, 0)}); err != nil {
		t.Fatal(err)
	}
	if err := e.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		rec, err := e.Get(t.Context(), r.ID)
		if err != nil {
			t.Fatal(err)
		}
		if rec.Sum != [digest.MaxSize]byte{} {
			break
		}
		if time.Since(began) > patience {
			t.Fatal("the result of another job stays")
		}
	}
	wantHash(t, e, r, "secret")
}
