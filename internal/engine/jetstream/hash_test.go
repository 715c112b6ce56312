package jetstream

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hashd-project/hashd/v2/internal/digest"
	"github.com/hashd-project/hashd/v2/internal/engine"
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
	awaitEmptyLog(t, e)
}

// awaitEmptyLog waits until no message is in the log: whoever hashed the jobs has said so.
func awaitEmptyLog(t *testing.T, e *Engine) {
	t.Helper()
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
	before, began := e.link().conn.Stats().OutMsgs, time.Now()
	time.Sleep(2 * time.Second)
	sent, took := e.link().conn.Stats().OutMsgs-before, time.Since(began)
	if float64(sent) > 20+10*took.Seconds() {
		t.Errorf("%d messages in %v with 100 jobs pending", sent, took)
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
	var r engine.Receipt
	for err := errTaken; errors.Is(err, errTaken); { // by the job's own, which was faster
		r = accept(t, e, engine.Job{Secret: []byte("secret")})
		var wrong []byte
		wrong, err = e.codec.sealResult(r.ID, &storedResult{outcome: isDone, sum: make([]byte, 64), stamp: stamp{1}})
		if err == nil {
			_, err = e.commit([]*nats.Msg{e.resultMsg(r.ID, wrong, 0)})
		}
		if err != nil && !errors.Is(err, errTaken) {
			t.Fatal(err)
		}
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

// A queue is in the order in which its jobs are due, and those due at once stay in the order of the log.
func TestQueueIsSortedByDueTime(t *testing.T) {
	t.Parallel()
	at := time.Unix(100, 0)
	queue := sorted([]*task{{id: 1, at: at.Add(2)}, {id: 2, at: at.Add(1)}, {id: 3, at: at.Add(2)}, {id: 4, at: at}, {id: 5, at: at.Add(1)}})
	var got []int64
	for _, one := range queue {
		got = append(got, one.id)
	}
	if want := []int64{4, 2, 5, 1, 3}; !slices.Equal(got, want) {
		t.Errorf("order %v, want %v", got, want)
	}
}

// A job of another life is void where its sender knew of its place, or once it was looked at often enough.
func TestMisplaced(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		sequence, delivered uint64
		want                error
	}{
		{51, 1, errUnsure}, {51, 9, errUnsure}, {51, 10, errVoid}, {50, 1, errVoid}, {49, 1, errVoid},
	} {
		at := &jetstream.MsgMetadata{NumDelivered: tc.delivered}
		at.Sequence.Stream = tc.sequence
		if err := misplaced(at, origin{after: 50}); !errors.Is(err, tc.want) {
			t.Errorf("message %d behind 50, delivered %d times: %v, want %v", tc.sequence, tc.delivered, err, tc.want)
		}
	}
}

// leasedMsg counts what is said of it.
type leasedMsg struct {
	jetstream.Msg
	renewed, given int
}

func (m *leasedMsg) InProgress() error { m.renewed++; return errors.New("no connection") }
func (m *leasedMsg) Nak() error        { m.given++; return errors.New("no connection") }

// Only what is leased is renewed, also where one renewal fails. A release gives all back and wipes the secrets.
func TestLeases(t *testing.T) {
	t.Parallel()
	var l leases
	l.release() // of none
	tasks := make([]*task, 3)
	for n := range tasks {
		tasks[n] = &task{msg: new(leasedMsg), storedJob: storedJob{secret: []byte("secret")}}
	}
	l.add(tasks)
	l.remove(tasks[:1])
	l.each(func(m jetstream.Msg) error { return m.InProgress() })
	l.release()
	l.each(func(m jetstream.Msg) error { return m.InProgress() })
	for n, one := range tasks {
		want := min(n, 1)
		if m := one.msg.(*leasedMsg); m.renewed != want || m.given != want {
			t.Errorf("task %d is renewed %d times and given back %d times, want %d", n, m.renewed, m.given, want)
		}
		if wiped := !bytes.ContainsFunc(one.secret, func(r rune) bool { return r != 0 }); wiped != (n > 0) {
			t.Errorf("task %d wiped: %v", n, wiped)
		}
	}
}
