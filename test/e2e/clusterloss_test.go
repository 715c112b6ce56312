package e2e

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	wire "github.com/hashd-project/hashd/v2/gen/server"
	"github.com/hashd-project/hashd/v2/internal/engine/jetstream/natstest"
)

// awaitReadiness waits until /readyz has that status.
func awaitReadiness(t *testing.T, c *client, status int) {
	t.Helper()
	for began := time.Now(); c.do(t, http.MethodGet, "/readyz", "").status != status; time.Sleep(20 * time.Millisecond) {
		if time.Since(began) > patience {
			t.Fatalf("/readyz is not %d within %v", status, patience)
		}
	}
}

// change does something to the streams behind hashd's back.
func (f *fleet) change(t *testing.T, do func(context.Context, jetstream.JetStream) error) {
	t.Helper()
	if err := f.servers.With(func(js jetstream.JetStream) error { return do(t.Context(), js) }); err != nil {
		t.Fatal(err)
	}
}

// A consumer that somebody removes keeps no job from being done: it was for ever, with readyz at 200.
func TestConsumerRemovedUnderServer(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "--delay=1s")
	a := f.start(t)
	c := a.client(t)
	before := submitMany(t, c, 10)
	f.change(t, func(ctx context.Context, js jetstream.JetStream) error {
		return js.DeleteConsumer(ctx, "hashd_jobs", "hash")
	})
	a.log(t, "the consumer is gone and made anew", 1)
	collect(t, c, append(before, submitMany(t, c, 10)...))()
	awaitReadiness(t, c, http.StatusOK)
	a.stop(t)
}

// A jobs stream that is lost under a server is seen from outside, and so is that it is back. Nothing of
// the ids known so far shows another secret's hash, and the store has another name.
func TestJobsStreamLostUnderServer(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "--delay=200ms")
	a := f.start(t)
	c := a.client(t)
	name := c.store(t)
	kept := submitMany(t, c, 5)
	collect(t, c, kept)()
	backups := make(map[string]*natstest.Backup)
	for _, stream := range []string{"hashd_jobs", "hashd_results"} {
		var err error
		if backups[stream], err = f.servers.Backup(t.Context(), stream); err != nil {
			t.Fatal(err)
		}
	}
	lost := submitMany(t, c, 5)
	collect(t, c, lost)()
	f.change(t, func(ctx context.Context, js jetstream.JetStream) error { return js.DeleteStream(ctx, "hashd_jobs") })
	awaitReadiness(t, c, http.StatusServiceUnavailable)
	a.log(t, "NATS: down: new jobs are refused until this is repaired", 1)
	c.do(t, "POST", "/hash", submission("x")).wantProblem(t, http.StatusServiceUnavailable, "down")
	a.stop(t)
	if refused := finish(t, nil, append([]string{"--port=0"}, f.args...)...); refused.code != 1 ||
		!strings.Contains(refused.stderr, "stream hashd_jobs is gone: restore it from a backup") {
		t.Errorf("a start without the jobs stream: exit code %d, %s", refused.code, refused.stderr)
	}

	f.change(t, func(ctx context.Context, js jetstream.JetStream) error {
		return errors.Join(js.DeleteStream(ctx, "hashd_results"), js.DeleteStream(ctx, "hashd_life"))
	})
	for stream, b := range backups {
		if err := f.servers.Restore(t.Context(), stream, b); err != nil {
			t.Fatal(err)
		}
	}
	a = f.start(t)
	c = a.client(t)
	if restored := c.store(t); restored == name {
		t.Errorf("the restored store is called %s, as before", restored)
	}
	collect(t, c, kept)()
	fresh := submitMany(t, c, 20)
	for _, j := range fresh {
		if j.id <= lost[len(lost)-1].id {
			t.Errorf("id %d is given again", j.id)
		}
	}
	for _, j := range lost {
		c.do(t, "GET", path(j.id), "").wantProblem(t, http.StatusNotFound, "unknown-job")
	}
	collect(t, c, fresh)()
	a.stop(t)
}

// A stop is no loss of the connection to NATS.
func TestStopLogsNoLossOfNATS(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "--delay=0s")
	a := f.start(t)
	c := a.client(t)
	collect(t, c, submitMany(t, c, 5))()
	if got := decode[wire.Status](t, c.do(t, "GET", "/v/status", "").want(t, http.StatusOK)); got.Store == "" {
		t.Error("the store has no name")
	}
	a.stop(t)
	for _, level := range []string{`"WARN"`, `"ERROR"`} {
		if strings.Contains(a.stderr.String(), level) {
			t.Errorf("a normal stop is logged as\n%s", a.stderr)
		}
	}
}
