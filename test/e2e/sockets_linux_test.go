package e2e

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	wire "github.com/hashd-project/hashd/v2/gen/server"
)

// handover is a service manager's: it has sockets open and hands them to each hashd that it starts.
type handover struct {
	names []string
	files []*os.File
}

// open opens a socket and returns its address.
func (h *handover) open(t *testing.T, name string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	h.names, h.files = append(h.names, name), append(h.files, f)
	return l.Addr().String()
}

// launch starts hashd with the sockets.
func (h *handover) launch(t *testing.T, args ...string) *process {
	t.Helper()
	cmd := exec.Command("/bin/sh", append([]string{"-c", `LISTEN_PID=$$ exec "$0" "$@"`, binary(), "--log-format=json"}, args...)...)
	cmd.ExtraFiles = h.files
	return launchCommand(t, []string{fmt.Sprintf("LISTEN_FDS=%d", len(h.files)), "LISTEN_FDNAMES=" + strings.Join(h.names, ":")}, cmd)
}

// newcomers submit jobs without end, each on a connection of its own. Whoever is told that hashd drains comes again.
type newcomers struct {
	client *client
	mu     sync.Mutex
	jobs   []job
	again  int
	group  sync.WaitGroup
}

// come begins, and returns what ends it.
func (n *newcomers) come(t *testing.T, many int) (end func()) {
	ctx, cancel := context.WithCancel(t.Context())
	for k := range many {
		n.group.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				n.submit(t, fmt.Sprintf("%d of %d", i, k)) //nolint:contextcheck // one that has begun is waited for
			}
		})
	}
	return func() {
		cancel()
		n.group.Wait()
	}
}

// promptly is how soon after it connects a client has to send its request: a server that stops gives it 250 ms, and the test
// may be paused for longer.
const promptly = 200 * time.Millisecond

func (n *newcomers) submit(t *testing.T, secret string) {
	var sent atomic.Int64
	began := time.Now()
	a, err := n.client.try(t.Context(), http.MethodPost, "/hash", submission(secret), func(r *http.Request) { r.Close = true },
		whenWritten(func() { sent.Store(int64(time.Since(began))) }))
	late := time.Duration(cmp.Or(sent.Load(), int64(time.Since(began)))) > promptly
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case err != nil && late:
		n.again++
	case err != nil:
		t.Errorf("a client that connects is not answered: %v", err)
	case a.status == http.StatusAccepted:
		n.jobs = append(n.jobs, job{decode[wire.Job](t, a).Id, secret})
	case a.status == http.StatusServiceUnavailable && a.header.Get("Retry-After") != "":
		n.again++
	default:
		t.Errorf("a client is answered %d: %s", a.status, a.body)
	}
}

// await returns once there are that many jobs more.
func (n *newcomers) await(t *testing.T, more int) {
	t.Helper()
	count := func() int {
		n.mu.Lock()
		defer n.mu.Unlock()
		return len(n.jobs)
	}
	for first, deadline := count(), time.Now().Add(patience); count() < first+more; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d jobs, and no %d more", count(), more)
		}
	}
}

// With the sockets of a service manager hashd is replaced again and again while clients connect: none is refused or
// cut off, those that come while no hashd is there wait, and no job is lost.
func TestUpgradeRefusesNobody(t *testing.T) {
	t.Parallel()
	var h handover
	address, ops := h.open(t, "hashd.socket"), h.open(t, "ops")
	args := onDisk(t.TempDir(), "--listen="+address, "--ops-listen="+ops, "--delay=300ms", "--drain=handover")
	i := started(t, h.launch(t, args...))
	if i.address != address || i.log(t, "operations", 1)["address"] != ops {
		t.Errorf("it listens on %s, and has %s from the service manager", i.address, address)
	}
	n := &newcomers{client: i.client(t)}
	end := n.come(t, 8)
	for range 4 {
		n.await(t, 50)
		i.signal(t, syscall.SIGTERM)
		i.wantExit(t, 0)
		waiting := make(chan struct{})
		go func() { // now nobody is there
			defer close(waiting)
			n.submit(t, "waiting")
		}()
		i = started(t, h.launch(t, args...))
		<-waiting
	}
	n.await(t, 50)
	end()
	t.Logf("%d jobs, %d clients were told to come again", len(n.jobs), n.again)
	for some := range slices.Chunk(n.jobs, 20) { // all at a time would be too many requests
		wantHashes(t, i.client(t), some)
	}
	i.stop(t)
}

// A socket that is not where the settings say is refused: with it others could connect than the settings have in mind.
func TestForeignSocketIsRefused(t *testing.T) {
	t.Parallel()
	var one, two, ops, unix handover
	one.open(t, "hashd.socket")
	address := two.open(t, "a")
	two.names, two.files = append(two.names, "b"), append(two.files, two.files[0])
	ops.open(t, "ops")
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f, err := l.(*net.UnixListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	unix.names, unix.files = []string{"u"}, []*os.File{f}
	for _, tt := range []struct {
		h    handover
		arg  string
		says string
	}{
		{one, "--listen=127.0.0.1:1", "the service manager's socket hashd.socket: it is at 127.0.0.1:"},
		{one, "--listen=127.0.0.2:0", "and listen is 127.0.0.2:0: make them the same"},
		{two, "--listen=" + address, "socket b: there are two sockets for listen"},
		{ops, "--port=0", "and there is no ops-listen"},
		{unix, "--port=0", "and listen is 127.0.0.1:0"},
	} {
		p := tt.h.launch(t, tt.arg)
		p.wantExit(t, 1)
		if !strings.Contains(p.stderr.String(), tt.says) {
			t.Errorf("%s: it says %s", tt.arg, p.stderr)
		}
	}
}
