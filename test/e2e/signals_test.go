package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hashd-project/hashd/v2/internal/needs"

	"github.com/hashd-project/hashd/v2/internal/transcript"
)

// launchIgnoring starts a server with a signal ignored, as nohup and shells do it.
func launchIgnoring(t *testing.T, sig string, args ...string) *instance {
	t.Helper()
	script := `trap "" ` + sig + `; exec "$0" "$@"`
	args = append([]string{"-c", script, binary(), "--port=0", "--log-format=json"}, args...)
	return started(t, launchCommand(t, nil, exec.Command("/bin/sh", args...)))
}

// A signal that was ignored when the server began stays ignored, so that nohup and a shell's job in the
// background do what they are for. The others still stop it.
func TestIgnoredSignalsStayIgnored(t *testing.T) {
	t.Parallel()
	for name, sig := range map[string]syscall.Signal{"HUP": syscall.SIGHUP, "INT": syscall.SIGINT} {
		i := launchIgnoring(t, name, "--delay=1h")
		for range 3 {
			i.signal(t, sig)
		}
		c := i.client(t)
		id := c.submit(t, "pending").Id // a drain would refuse it
		i.signal(t, syscall.SIGTERM)
		i.log(t, draining, 1).Want(t, "cause", syscall.SIGTERM)
		for range 3 {
			i.signal(t, sig)
		}
		c.do(t, http.MethodDelete, path(id), "").want(t, http.StatusNoContent)
		i.wantExit(t, 0)
		if got := i.stderr.Find(ignored); len(got) > 0 {
			t.Errorf("%s, which is ignored, came through: %v", name, got)
		}
	}
}

// In a container the server is process 1, which has no default for any signal.
func TestSignalsAsProcessOne(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		signals []syscall.Signal
		code    int
	}{
		{[]syscall.Signal{syscall.SIGTERM}, 0},
		{[]syscall.Signal{syscall.SIGINT, syscall.SIGINT}, 130},
	} {
		cmd := asProcessOne(t, "--port=0", "--log-format=json", "--delay=1h")
		i := started(t, launchCommand(t, nil, cmd))
		if len(tt.signals) > 1 {
			i.client(t).submit(t, "pending")
		}
		for _, sig := range tt.signals {
			i.signal(t, sig)
			i.log(t, draining, 1)
		}
		i.wantExit(t, tt.code)
	}
}

// asProcessOne returns hashd as the first process of a namespace, or skips the test where nobody may make
// one.
func asProcessOne(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(binary(), args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWPID,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	probe := exec.Command("/bin/true")
	probe.SysProcAttr = cmd.SysProcAttr
	if err := probe.Run(); err != nil {
		needs.Missing(t, fmt.Sprintf("no namespace of process ids (allow them to users, or run as root): %v", err))
	}
	return cmd
}

// obstacle is what a program waits for in vain. reached returns once the program does.
type obstacle struct {
	place   string
	reached func()
}

// fifo makes a named pipe that nobody writes to.
func fifo(t *testing.T) obstacle {
	t.Helper()
	name := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	return obstacle{name, func() {
		for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
			f, err := os.OpenFile(name, os.O_WRONLY|unix.O_NONBLOCK, 0) // fails until somebody reads
			if err == nil {
				t.Cleanup(func() { _ = f.Close() })
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("nobody reads: %v", err)
			}
		}
	}}
}

// mute accepts connections and says nothing, as a server that hangs.
func mute(t *testing.T) obstacle {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return obstacle{l.Addr().String(), func() {
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
	}}
}

// A signal ends a start at once, whatever that waits for: a file nobody writes, a broker that is away
// or hangs. No job was accepted, so all is well.
func TestSignalEndsStart(t *testing.T) {
	t.Parallel()
	ring := filepath.Join(t.TempDir(), "ring.json")
	if got := finish(t, nil, "ring", "create", ring); got.code != 0 {
		t.Fatal(got)
	}
	for name, start := range map[string]func(t *testing.T) *process{
		"configuration": func(t *testing.T) *process {
			o := fifo(t)
			defer o.reached()
			return launch(t, nil, "--port=0", "--config="+o.place)
		},
		"ring": func(t *testing.T) *process {
			o := fifo(t)
			defer o.reached()
			return launch(t, nil, "--port=0", "--engine=file", "--data-dir="+t.TempDir(), "--ring-file="+o.place)
		},
		"no NATS": func(t *testing.T) *process {
			p := launch(t, nil, "--port=0", "--log-format=json", "--engine=jetstream", "--nats-url=nats://127.0.0.1:1", "--ring-file="+ring)
			p.log(t, "waiting for NATS", 1)
			return p
		},
		"mute NATS": func(t *testing.T) *process {
			o := mute(t)
			defer o.reached()
			return launch(t, nil, "--port=0", "--engine=jetstream", "--nats-url=nats://"+o.place, "--ring-file="+ring)
		},
	} {
		for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
			t.Run(fmt.Sprint(name, " ", sig), func(t *testing.T) {
				t.Parallel()
				p := start(t)
				began := time.Now()
				p.signal(t, sig)
				p.wantExit(t, 0)
				if took := time.Since(began); took > 15*time.Second { // NATS alone would be given 30
					t.Errorf("it takes %v", took)
				}
				if !strings.Contains(p.stderr.String(), "before it was ready") {
					t.Errorf("it does not say so:\n%s", p.stderr)
				}
			})
		}
	}
}

// A command that waits for something ends at a signal too, as shells have it.
func TestSignalEndsCommands(t *testing.T) {
	t.Parallel()
	server, settings, more := mute(t), fifo(t), fifo(t)
	for _, tt := range []struct {
		waitsFor obstacle
		args     []string
	}{
		{server, []string{"healthcheck", "--listen=" + server.place}},
		{settings, []string{"healthcheck", "--config=" + settings.place}},
		{more, []string{"key", "list", "--config=" + more.place}},
	} {
		p := launch(t, nil, tt.args...)
		tt.waitsFor.reached()
		p.signal(t, syscall.SIGTERM)
		p.wantExit(t, 128+int(syscall.SIGTERM))
	}
	// What rotates a ring waits for no file in the first place.
	if got := finish(t, nil, "ring", "rotate", fifo(t).place); got.code != 1 || !strings.Contains(got.stderr, "no file that can be replaced") {
		t.Errorf("a pipe in place of a ring: %+v", got)
	}
	// Nor does what reads and changes keys.
	for _, command := range []string{"list", "add k", "revoke k", "rotate k"} {
		args := append([]string{"key", "--api-keys=" + fifo(t).place}, strings.Fields(command)...)
		if got := finish(t, nil, args...); got.code != 1 || got.stdout != "" {
			t.Errorf("a pipe in place of keys: key %s: %+v", command, got)
		}
	}
}

// launchUnread starts a server, at the level that says most, of whose log was read what comes before it
// listens. log has the rest.
func launchUnread(t *testing.T) (p *process, c *client, log io.Reader) {
	t.Helper()
	from, stderr, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = from.Close() })
	cmd := exec.Command(binary(), "--port=0", "--log-format=json", "--log-level=debug", "--delay=1h")
	cmd.Stderr = stderr
	p = launchCommand(t, nil, cmd)
	_ = stderr.Close()
	first := json.NewDecoder(from)
	var listening struct{ Address string }
	for listening.Address == "" {
		if err := first.Decode(&listening); err != nil {
			t.Fatal(err)
		}
	}
	c = newClient(t, listening.Address)
	for range 3000 { // more lines than anything holds
		c.do(t, http.MethodGet, "/healthz", "").want(t, http.StatusOK)
	}
	return p, c, io.MultiReader(first.Buffered(), from)
}

// A log that nobody reads stops nothing: neither jobs nor health checks nor the end.
func TestUnreadLogStopsNothing(t *testing.T) {
	t.Parallel()
	p, c, _ := launchUnread(t)
	id := c.submit(t, "unread").Id
	c.do(t, http.MethodDelete, path(id), "").want(t, http.StatusNoContent)
	p.signal(t, syscall.SIGTERM)
	p.wantExit(t, 0)
}

// Who reads the log again hears how many lines are missing.
func TestLogThatIsReadAgain(t *testing.T) {
	t.Parallel()
	p, _, from := launchUnread(t)
	log := transcript.New()
	read := make(chan struct{})
	go func() {
		defer close(read)
		_, _ = io.Copy(log, from)
	}()
	got := log.Await(t, p.ended, "log lines dropped: nobody read them in time", 1)
	if fmt.Sprint(got["dropped"]) == "0" {
		t.Errorf("it tells %v", got)
	}
	p.signal(t, syscall.SIGTERM)
	log.Await(t, p.ended, stopped, 1)
	p.wantExit(t, 0)
	<-read
}
