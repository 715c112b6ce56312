package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
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
)

// What surrounds the process is often not as on a developer's machine: each test takes something away.

// openFiles returns how many the process has.
func openFiles(t *testing.T, p *process) int {
	t.Helper()
	entries, err := os.ReadDir(procPath(p, "fd"))
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// A process that may open no more files goes on with what it has, and takes connections again once some
// are closed. It loses no job over it.
func TestTooManyOpenFiles(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{"memory": nil, "file": onDisk(t.TempDir())} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testTooManyOpenFiles(t, args)
		})
	}
}

func testTooManyOpenFiles(t *testing.T, args []string) {
	i := start(t, append(args, "--delay=500ms")...)
	c := i.client(t)
	c.http.Transport.(*http.Transport).MaxConnsPerHost = 1 // for more there is no room afterwards either
	jobs := submitMany(t, c, 20)
	c.http.CloseIdleConnections()
	limit := uint64(openFiles(t, i.process) + 4)
	if err := unix.Prlimit(i.cmd.Process.Pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: limit, Max: limit}, nil); err != nil {
		t.Fatal(err)
	}
	var taken []net.Conn
	for range 60 {
		conn, err := (&net.Dialer{Timeout: patience}).DialContext(t.Context(), "tcp", i.address)
		if err != nil {
			t.Fatal(err) // the kernel's queue takes them
		}
		taken = append(taken, conn)
	}
	eventually(t, "the limit is reached", func() bool { return openFiles(t, i.process) >= int(limit)-1 })
	time.Sleep(time.Second) // in which it must neither end nor fill the log
	for _, conn := range taken {
		_ = conn.Close()
	}
	wantHashes(t, c, jobs)
	wantHashes(t, c, submitMany(t, c, 5))
	c.do(t, http.MethodGet, "/readyz", "").want(t, http.StatusOK)
	if lines := strings.Count(i.stderr.String(), "\n"); lines > 100 {
		t.Errorf("it logs %d lines", lines)
	}
	i.stop(t)
}

// As process 1 it drains as any other.
func TestDrainsAsProcessOne(t *testing.T) {
	t.Parallel()
	i := started(t, launchCommand(t, nil, asProcessOne(t, "--port=0", "--log-format=json", "--delay=1s")))
	jobs := submitMany(t, i.client(t), 3)
	finish := collect(t, i.client(t), jobs)
	i.signal(t, syscall.SIGTERM)
	finish()
	i.wantExit(t, 0)
	i.log(t, stopped, 1).Want(t, "completed", len(jobs), "left", 0)
}

// freeAddress returns one of loopback that nobody uses, nor is given: its port is below those from which the system
// gives one to whoever asks for any, as other tests do meanwhile.
func freeAddress(t *testing.T) string {
	t.Helper()
	for {
		address := fmt.Sprint("127.0.0.1:", 10_000+rand.IntN(20_000))
		l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", address)
		switch {
		case err == nil:
			_ = l.Close()
			return address
		case !errors.Is(err, syscall.EADDRINUSE):
			t.Fatal(err)
		}
	}
}

// awaitAlive waits for a server that says nothing.
func awaitAlive(t *testing.T, p *process, c *client) {
	t.Helper()
	eventually(t, "it is alive", func() bool {
		select {
		case <-p.ended:
			t.Fatalf("it ended with code %d", p.code)
		default:
		}
		_, err := c.try(t.Context(), http.MethodGet, "/healthz", "")
		return err == nil
	})
}

// Without standard input, output and error no file of the store gets their numbers, and so none of what
// is printed.
func TestClosedStdio(t *testing.T) {
	t.Parallel()
	dir, address := t.TempDir(), freeAddress(t)
	args := onDisk(dir, "--listen="+address, "--delay=200ms", "--log-level=debug")
	p := launchCommand(t, []string{"PATH=" + os.Getenv("PATH")}, viaShell("exec <&- >&- 2>&-; ", append([]string{binary()}, args...)...))
	c := newClient(t, address)
	awaitAlive(t, p, c)
	jobs := submitMany(t, c, 10)
	wantHashes(t, c, jobs)
	p.stop(t)
	for _, name := range []string{"hashd.db", "hashd.lock", "ring.json"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || bytes.Contains(b, []byte("listening")) || bytes.Contains(b, []byte("level=")) {
			t.Errorf("%s holds what was printed, or error %v", name, err)
		}
	}
	i := start(t, onDisk(dir)...)
	wantHashes(t, i.client(t), jobs)
	i.stop(t)
}

// Neither a home, nor a user's name, nor a folder to write in is needed to serve, to ask for health, and
// to print the version.
func TestNoHome(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	if err := os.Chmod(folder, 0o500); err != nil {
		t.Fatal(err)
	}
	in := func(args ...string) *process {
		cmd := exec.Command(binary(), args...)
		cmd.Dir = folder
		return launchCommand(t, nil, cmd)
	}
	i := started(t, in("--port=0", "--log-format=json", "--delay=0s"))
	wantHashes(t, i.client(t), submitMany(t, i.client(t), 2))
	for _, p := range []*process{in("healthcheck", "--listen="+i.address), in("version"), in("--help")} {
		p.wantExit(t, 0)
	}
	i.stop(t)
	if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
		t.Errorf("it left %v, error %v", left, err)
	}
}

// contents returns what the files in the folder hold.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]string)
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all[e.Name()] = string(b)
	}
	return all
}

// A second process on a data folder ends, and changes nothing in it. When the first one dies the next
// one takes over.
func TestSecondProcessChangesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	i := start(t, onDisk(dir, "--delay=1h", "--drain=handover")...)
	jobs := submitMany(t, i.client(t), 10)
	before := contents(t, dir)
	for range 3 {
		got := finish(t, nil, onDisk(dir, "--port=0")...)
		if got.code != 1 || !strings.Contains(got.stderr, "in use by another process") {
			t.Errorf("a second server on the folder: %+v", got)
		}
	}
	after := contents(t, dir)
	if len(after) != len(before) {
		t.Errorf("of %d files there are %d", len(before), len(after))
	}
	for name, content := range before {
		if after[name] != content {
			t.Errorf("%s has changed", name)
		}
	}
	wantAllPending(t, i.client(t), jobs)
	i.kill(t)
	i = start(t, onDisk(dir, "--delay=1h", "--drain=handover")...)
	wantAllPending(t, i.client(t), jobs)
	i.stop(t)
}
