package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashd-project/hashd/v2/internal/binaries"
	"github.com/hashd-project/hashd/v2/internal/needs"
)

// patience bounds every wait of these tests. Nothing is expected to take anywhere near it.
const patience = 60 * time.Second

// TestMain puts hashctl on the path, which is what scripts and the tests of processes run, and
// removes the binaries in the end.
func TestMain(m *testing.M) {
	if flag.Parse(); testing.Short() {
		os.Exit(m.Run()) // without the tests that need binaries
	}
	dir, err := built()
	code := 1
	if err == nil {
		err = os.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	}
	if err == nil {
		code = m.Run()
	} else {
		fmt.Fprintln(os.Stderr, err)
	}
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// built builds hashctl and the server that it talks to, once, and returns the folder they are in.
var built = sync.OnceValues(func() (dir string, err error) {
	return binaries.BuildAsTested(context.Background(), "hashctl", "hashd")
})

// noRaceSleep keeps a binary with the race detector from sleeping a second before it exits.
const noRaceSleep = "GORACE=atexit_sleep_ms=0"

// hashd is a server that runs as a process.
type hashd struct {
	address string
	cmd     *exec.Cmd
	ended   chan struct{}
}

func (h *hashd) kill() {
	_ = h.cmd.Process.Kill()
	<-h.ended
}

// launch starts a server on a free loopback port.
func launch(args ...string) (*hashd, error) {
	dir, _ := built() // TestMain has seen to errors
	cmd := exec.Command(filepath.Join(dir, "hashd"), append([]string{"--port=0", "--log-format=json", "--first-id=1"}, args...)...)
	cmd.Env = []string{noRaceSleep}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	h := &hashd{cmd: cmd, ended: make(chan struct{})}
	lines := bufio.NewScanner(stderr)
	for h.address == "" && lines.Scan() {
		var line struct{ Msg, Address string }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "listening" {
			h.address = line.Address
		}
	}
	go func() {
		defer close(h.ended)
		_, _ = io.Copy(io.Discard, stderr)
		_ = cmd.Wait()
	}()
	if h.address == "" {
		h.kill()
		return nil, fmt.Errorf("hashd %q does not listen", args)
	}
	return h, nil
}

// startServer starts a server and returns its address and what kills it.
func startServer(args ...string) (address string, kill func(), err error) {
	h, err := launch(args...)
	if err != nil {
		return "", nil, err
	}
	return h.address, h.kill, nil
}

// server starts a server for a test and returns its address.
func server(t *testing.T, args ...string) string {
	t.Helper()
	needs.Processes(t)
	address, kill, err := startServer(args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kill)
	return address
}

// ctl is a hashctl that runs as a process. It never outlives its test.
type ctl struct {
	cmd            *exec.Cmd
	stdout, stderr bytes.Buffer
	started, ended chan struct{}
}

// command prepares a hashctl that talks to the server.
func command(address string, args ...string) *ctl {
	c := &ctl{cmd: exec.Command("hashctl", args...), started: make(chan struct{}), ended: make(chan struct{})}
	c.cmd.Env = append(os.Environ(), noRaceSleep, "HASHD_SERVER=http://"+address)
	c.cmd.Stdout, c.cmd.Stderr = &c.stdout, &c.stderr
	return c
}

func (c *ctl) start(t *testing.T) *ctl {
	t.Helper()
	needs.Processes(t)
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c.watch()
	t.Cleanup(c.kill)
	return c
}

// watch waits for the end of the process that was started.
func (c *ctl) watch() {
	close(c.started)
	go func() {
		defer close(c.ended)
		_ = c.cmd.Wait()
	}()
}

func (c *ctl) kill() { c.endBy(syscall.SIGKILL) }

// endBy sends a signal and waits for the end. It may be called in any goroutine.
func (c *ctl) endBy(signal syscall.Signal) {
	<-c.started
	_ = c.cmd.Process.Signal(signal) // fails if it has ended
	<-c.ended
}

// end waits for the end and checks the exit code: -1 if a signal killed it.
func (c *ctl) end(t *testing.T, code int) *ctl {
	t.Helper()
	select {
	case <-c.ended:
	case <-time.After(patience):
		c.endBy(syscall.SIGQUIT)
		t.Fatalf("%q does not end:\n%s", c.cmd.Args, &c.stderr)
	}
	if got := c.cmd.ProcessState.ExitCode(); got != code {
		t.Errorf("%q: exit code %d, want %d:\n%s", c.cmd.Args, got, code, &c.stderr)
	}
	if strings.Contains(c.stderr.String(), "DATA RACE") {
		t.Errorf("%s", &c.stderr)
	}
	return c
}
