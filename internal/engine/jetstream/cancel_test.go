package jetstream

import (
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

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

// An instance that dies after it has stored the tombstone of a job, and before the job's message is gone, has
// canceled it.
func TestTombstoneAloneCancels(t *testing.T) {
	t.Parallel()
	cfg := config(t, single(t))
	cfg.Delay = 500 * time.Millisecond
	e := start(t, cfg)
	var r engine.Receipt
	hashed := int64(-1)
	for err := errTaken; errors.Is(err, errTaken); hashed++ { // by who was faster
		r = accept(t, e, engine.Job{Secret: []byte("secret")})
		if err = e.putTombstone(t.Context(), r.ID, isCanceled, sight{}); err != nil && !errors.Is(err, errTaken) {
			t.Fatal(err)
		}
	}
	if err := e.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if st := e.Stats(); st.Canceled != 1 || st.Completed != hashed {
		t.Errorf("counters are %+v", st)
	}
	if rec, err := e.Get(t.Context(), r.ID); !errors.Is(err, engine.ErrGone) {
		t.Errorf("the canceled job: %+v, %v", rec, err)
	}
}
