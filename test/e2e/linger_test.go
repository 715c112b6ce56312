package e2e

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// What the log says about results that nobody has collected.
const (
	lingering   = "all jobs are done: waiting until their results are collected"
	uncollected = "results that were hashed while draining were not collected: they end with the process"
)

// A server that keeps its jobs in memory does not end before what its drain has hashed was collected,
// and then ends at once, however long it could wait.
func TestDrainWaitsUntilResultsAreCollected(t *testing.T) {
	t.Parallel()
	i := start(t, "--delay=8s", "--linger=1h")
	c := i.client(t)
	jobs := append(submitBatch(t, c, 1_000), submitMany(t, c, 100)...)
	i.signal(t, syscall.SIGTERM)
	i.log(t, lingering, 1).Want(t, "level", "INFO", "results", len(jobs)) // nobody has asked yet
	c.do(t, http.MethodGet, "/readyz", "").wantProblem(t, http.StatusServiceUnavailable, "draining")
	c.do(t, http.MethodPost, "/hash", submission("late")).wantProblem(t, http.StatusServiceUnavailable, "draining")
	c.do(t, http.MethodDelete, path(jobs[0].id), "").want(t, http.StatusNoContent) // as good as collected
	for _, j := range jobs[1 : len(jobs)-1] {
		if err := c.checkHash(t.Context(), j); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case <-i.ended:
		t.Fatalf("it ended before the last result was collected:\n%s", i.stderr)
	default:
	}
	if err := c.checkHash(t.Context(), jobs[len(jobs)-1]); err != nil {
		t.Error(err)
	}
	i.wantExit(t, 0)
	i.log(t, stopped, 1).Want(t, "completed", len(jobs), "left", 0)
	if got := i.stderr.Find(uncollected); len(got) > 0 {
		t.Errorf("it logs %v", got)
	}
}

// Where nobody collects, the stop ends all the same, well, and says what was not collected: after
// linger, at drain-timeout, or at once.
func TestDrainOfResultsThatNobodyCollects(t *testing.T) {
	t.Parallel()
	for what, args := range map[string][]string{
		"linger":        {"--linger=1s"},
		"no linger":     {"--linger=0s"},
		"drain-timeout": {"--linger=1h", "--drain-timeout=12s"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			i := start(t, append([]string{"--delay=5s"}, args...)...)
			c := i.client(t)
			jobs := submitMany(t, c, 10)
			i.signal(t, syscall.SIGTERM)
			i.wantExit(t, 0)
			i.log(t, uncollected, 1).Want(t, "level", "WARN", "results", len(jobs))
			i.log(t, stopped, 1).Want(t, "completed", len(jobs), "left", 0)
			if lingered := len(i.stderr.Find(lingering)); (lingered == 0) != (what == "no linger") {
				t.Errorf("it says %d times that it waits", lingered)
			}
		})
	}
}

// A second SIGINT ends the waiting at once.
func TestInterruptEndsLinger(t *testing.T) {
	t.Parallel()
	i := start(t, "--delay=5s", "--linger=1h", "--drain-timeout=1h")
	submitMany(t, i.client(t), 3)
	i.signal(t, syscall.SIGINT)
	i.log(t, lingering, 1)
	i.signal(t, syscall.SIGINT)
	i.wantExit(t, 130)
	i.log(t, uncollected, 1).Want(t, "results", 3)
}

// An engine whose results outlive the process does not wait for anybody.
func TestDurableEngineDoesNotLinger(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	i := start(t, onDisk(dir, "--delay=1s", "--linger=1h")...)
	jobs := submitMany(t, i.client(t), 10)
	before := time.Now()
	i.stop(t)
	if took := time.Since(before); took > patience/2 {
		t.Errorf("it took %v", took)
	}
	for _, message := range []string{lingering, uncollected} {
		if got := i.stderr.Find(message); len(got) > 0 {
			t.Errorf("it logs %v", got)
		}
	}
	i = start(t, onDisk(dir, "--delay=1s")...)
	wantHashes(t, i.client(t), jobs)
	i.stop(t)
}

// A bulk of 20,000 lines that waits when the server is stopped gets every hash: the server's results
// would end with it.
func TestBulkGetsAllFromADrainingMemoryServer(t *testing.T) {
	t.Parallel()
	const lines = 20_000
	hashctl := filepath.Join(binaryDir(), "hashctl")
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in"), filepath.Join(dir, "out.csv")
	var text strings.Builder
	for n := range lines {
		fmt.Fprintf(&text, "secret-%d\n", n)
	}
	if err := os.WriteFile(in, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	i := start(t, "--delay=15s", "--linger=2m", "--drain-timeout=3m")
	c := i.client(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience) // it waits for a server for ever
	t.Cleanup(cancel)
	bulk := exec.CommandContext(ctx, hashctl, "bulk", in, "--output", out, "--server", "http://"+i.address)
	var said bytes.Buffer
	bulk.Stdout, bulk.Stderr = &said, &said
	if err := bulk.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- bulk.Wait() }()
	for c.stats(t).Total < lines {
		select {
		case err := <-ended:
			t.Fatalf("the bulk ended early: %v: %s", err, &said)
		case <-time.After(50 * time.Millisecond):
		}
	}
	i.signal(t, syscall.SIGTERM)
	if err := <-ended; err != nil {
		t.Fatalf("%v: %s", err, &said)
	}
	i.wantExit(t, 0)
	rows, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(rows), ",done,"); n != lines {
		t.Errorf("%d of %d lines have a hash", n, lines)
	}
	if got := i.stderr.Find(uncollected); len(got) > 0 {
		t.Errorf("it logs %v", got)
	}
}
