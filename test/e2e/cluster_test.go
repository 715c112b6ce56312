package e2e

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	wire "github.com/hashd-project/hashd/v2/gen/server"
	"github.com/hashd-project/hashd/v2/internal/engine/jetstream/natstest"
	"github.com/hashd-project/hashd/v2/internal/seal"
)

// natsServer builds the server that these tests start, once. TestMain removes it with the binary.
var natsServer = sync.OnceValues(func() (string, error) {
	dir, err := built()
	if err != nil {
		return "", err
	}
	return natstest.Build(context.Background(), dir)
})

// fleet is several instances of hashd on one NATS server.
type fleet struct {
	servers *natstest.Cluster
	args    []string
}

// newFleet starts a NATS server and makes a ring.
func newFleet(t *testing.T, args ...string) *fleet {
	t.Helper()
	server, err := natsServer()
	if err != nil {
		t.Fatal(err)
	}
	servers, err := natstest.Start(t.Context(), natstest.Config{Binary: server, Dir: t.TempDir(), Nodes: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(servers.Stop)
	ring := filepath.Join(t.TempDir(), "ring.json")
	if err := seal.CreateFile(ring); err != nil {
		t.Fatal(err)
	}
	return &fleet{servers, append([]string{
		"--engine=jetstream", "--nats-replicas=1", "--nats-url=" + strings.Join(servers.URLs(), ","), "--ring-file=" + ring,
	}, args...)}
}

// start starts one instance.
func (f *fleet) start(t *testing.T) *instance {
	t.Helper()
	return start(t, f.args...)
}

// What one instance accepts, the other reads, knows again and cancels.
func TestTwoInstances(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "--delay=1s")
	a, b := f.start(t), f.start(t)
	one, other := a.client(t), b.client(t)
	if name := one.store(t); name != other.store(t) {
		t.Errorf("the store that both share is called %s and %s", name, other.store(t))
	}
	jobs := submitMany(t, one, 50)
	collect(t, other, jobs)()

	body := submission("angryMonkey")
	first := decode[wire.Job](t, one.do(t, "POST", "/hash", body, header("Idempotency-Key", "k")))
	if again := decode[wire.Job](t, other.do(t, "POST", "/hash", body, header("Idempotency-Key", "k"))); again.Id != first.Id {
		t.Errorf("the retry of job %d on the other instance got %d", first.Id, again.Id)
	}
	other.do(t, "POST", "/hash", submission("another"), header("Idempotency-Key", "k")).wantProblem(t, 422, "idempotency-key-reused")

	canceled := path(first.Id)
	other.do(t, "DELETE", canceled, "").want(t, http.StatusNoContent)
	for _, c := range []*client{one, other} {
		c.do(t, "GET", canceled, "").wantProblem(t, http.StatusGone, "job-gone")
	}
	a.stop(t)
	b.stop(t)
}

// An instance that hands over exits at once with 0, and the other does its jobs.
func TestInstanceHandsOver(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "--delay=3s", "--drain=handover")
	a, b := f.start(t), f.start(t)
	jobs := submitMany(t, a.client(t), 50)
	finish := collect(t, b.client(t), jobs)
	a.stop(t)
	finish()
	b.stop(t)
}

// An instance that is killed loses no job that it has answered for.
func TestInstanceKilled(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "--delay=500ms")
	a, b := f.start(t), f.start(t)
	one := a.client(t)
	var jobs []job
	var mu sync.Mutex
	var g sync.WaitGroup
	enough := make(chan struct{})
	for range 4 {
		g.Go(func() {
			for {
				id, err := one.trySubmit(t.Context(), "secret")
				if err != nil {
					return // killed
				}
				mu.Lock()
				jobs = append(jobs, job{id, "secret"})
				if len(jobs) == 300 {
					close(enough)
				}
				mu.Unlock()
			}
		})
	}
	refused := make(chan struct{})
	go func() {
		defer close(refused)
		g.Wait()
	}()
	select {
	case <-enough:
	case <-refused:
		t.Fatal("no more jobs are accepted")
	}
	a.signal(t, syscall.SIGKILL)
	<-refused
	began := time.Now()
	collect(t, b.client(t), jobs)()
	t.Logf("instance killed: acknowledged %d, lost 0, all done after %v", len(jobs), time.Since(began).Round(time.Millisecond))
	b.stop(t)
}

// An instance that is stopped past its lease loses its jobs to the other, and when it goes on it
// changes nothing.
func TestInstanceStopped(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "--delay=1s")
	a, b := f.start(t), f.start(t)
	jobs := submitMany(t, a.client(t), 200)
	a.signal(t, syscall.SIGSTOP)
	collect(t, b.client(t), jobs)()
	a.signal(t, syscall.SIGCONT)
	collect(t, a.client(t), jobs)()
	collect(t, b.client(t), jobs)()
	if st := a.client(t).stats(t); st.Total != 200 {
		t.Errorf("counters are %+v", st)
	}
	a.stop(t)
	b.stop(t)
}

// While the broker is away it is said so, and afterwards all goes on.
func TestBrokerAway(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "--delay=1s")
	a := f.start(t)
	c := a.client(t)
	jobs := submitMany(t, c, 20)
	f.servers.Stop()
	for _, of := range []string{"/readyz", path(jobs[0].id)} {
		got := c.do(t, "GET", of, "").wantProblem(t, http.StatusServiceUnavailable, "down")
		if got.header.Get("Retry-After") == "" {
			t.Errorf("GET %s: no Retry-After", of)
		}
	}
	c.do(t, "POST", "/hash", submission("x")).wantProblem(t, http.StatusServiceUnavailable, "down")
	c.do(t, "GET", "/healthz", "").want(t, http.StatusOK)
	if err := f.servers.Nodes[0].Start(); err != nil {
		t.Fatal(err)
	}
	if err := f.servers.Await(t.Context()); err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); c.do(t, "GET", "/readyz", "").status != http.StatusOK; time.Sleep(20 * time.Millisecond) {
		if time.Since(began) > patience {
			t.Fatal("not ready again")
		}
	}
	collect(t, c, jobs)()
	a.stop(t)
}

// A cluster needs a ring that is there, and none is made up.
func TestClusterNeedsARing(t *testing.T) {
	t.Parallel()
	args := []string{"--engine=jetstream", "--nats-url=nats://127.0.0.1:1"}
	missing := filepath.Join(t.TempDir(), "ring.json")
	for want, run := range map[string]outcome{
		"ring that all instances share": finish(t, nil, args...),
		"no such file":                  finish(t, nil, append(args, "--ring-file="+missing)...),
		"HASHD_RING: not a ring":        finish(t, []string{"HASHD_RING=angryMonkey"}, args...),
	} {
		if run.code != 1 || !strings.Contains(run.stderr, want) || strings.Contains(run.stderr, "angryMonkey") {
			t.Errorf("exit code %d, %q; want 1 and %q", run.code, run.stderr, want)
		}
	}
	if _, err := os.Stat(missing); err == nil {
		t.Error("a ring was made")
	}
}
