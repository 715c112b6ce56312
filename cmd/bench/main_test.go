//go:build linux

package main

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/hashd-project/hashd/v2/internal/needs"
)

// TestMain lets the test binary be the fresh process that a sub-command starts.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (os.Args[1] == childName || os.Args[1] == thawName) {
		main()
	}
	// The race detector would hold up each fresh process for a second at its exit.
	_ = os.Setenv("GORACE", "atexit_sleep_ms=0")
	goleak.VerifyTestMain(m)
}

// bench runs a command line and returns its exit status and what it wrote.
func bench(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), args, &out, &errs)
	return code, out.String(), errs.String()
}

func TestEachCommandPrintsItsTable(t *testing.T) {
	needs.Processes(t)
	for _, tc := range []struct {
		args string
		rows []string
	}{
		{"accept -jobs 3000 -runs 1", []string{
			"time a job, submitters: 1 ", "time a job, submitters: 64 ", "CPU time a job, submitters: 1 ", "memory alone, a job's, touched again ", "allocations a job, submitters: 8 ",
			"memory a job, pending ", "memory in all, hashed and kept ",
		}},
		{"flat -jobs 3000 -passes 1 -runs 1", []string{"with 3 pending ", "with 3000 pending "}},
		{"drain -jobs 3000 -raw 5ms -runs 1", []string{"raw sha512.Sum512", "hashed until drained ", "share of raw ", "share of raw, by CPU time "}},
		{"lateness -rate 20000 -for 50ms -delay 20ms -runs 2", []string{"submitted a second ", "p99 ", "early "}},
		{"batch -jobs 3000 -size 100 -clients 2 -runs 1", []string{
			"time a job, engine", "time a job, handler chain in process", "jobs over loopback, 2 clients",
		}},
		{"file -jobs 3000 -rate 1000 -for 100ms -runs 1", []string{
			"accepted in process, submitters: 1 ", "submitters: 64, of what the disk allows ", "idle: written for a job ", "clients: 64 ",
			"full cycle of 3000 jobs", "lateness p99 ", "ready with 3000 pending ", "on disk: a kept result ", "data on ",
		}},
		{"jetstream -jobs 500 -for 100ms -rate 1000 -runs 1", []string{
			"1 server, fsync always: accepted a second, clients: 1 ", "3 servers: accepted a second, clients: 1024 ",
			"on the disk a pending job ", "lateness p99 ", "3 servers: early ",
		}},
		{"burst -jobs 12000 -delay 100ms -runs 1", []string{
			"10000 jobs: accepted a second ", "12000 jobs: peak memory ", "12000 jobs: wrong ",
		}},
		{"http-burst -jobs 3000 -size 100 -delay 300ms -runs 1", []string{
			"all in ", "all out ", "way out, times as fast as the way in ", "server's CPU time a result ", "server's memory, peak ", "early ", "lost ", "wrong ",
		}},
		{"overload -keep 20 -leave 20 -warm 20ms -for 100ms -delay 20ms -runs 1", []string{
			"served, 64 clients that wait ", "server's CPU time to refuse", "kept, 10x: goodput, of the peak ", "give up, 10x: p99 of the accepted ",
			"give up, 10x: accepted for nobody ", "kept, 10x: health, the longest ",
		}},
		{"capacity -jobs 3000 -runs 1", []string{
			"memory: memory of a pending job ", "file: memory of a result ", "CPU time to accept and hash, sha3-512 ", "with an idempotency key ", "file: POST /hash over loopback, one client, p99 ", "jetstream: memory of a result ",
		}},
	} {
		t.Run(tc.args, func(t *testing.T) {
			code, out, errs := bench(t, strings.Fields(tc.args)...)
			if code != 0 {
				t.Fatalf("exit status %d: %s", code, errs)
			}
			for _, want := range append(tc.rows, "GOMAXPROCS", "time.Since takes", "what ", " goal ") {
				if !strings.Contains(out, want) {
					t.Errorf("no %q in\n%s", want, out)
				}
			}
		})
	}
}

// No machine is too slow to be right.
func TestBurstFindsNothingWrong(t *testing.T) {
	needs.Processes(t)
	_, out, errs := bench(t, "burst", "-jobs", "500", "-delay", "50ms", "-runs", "1")
	for line := range strings.Lines(out) {
		for _, fault := range []string{"early", "lost", "wrong"} {
			if strings.Contains(line, "jobs: "+fault) && !strings.HasSuffix(strings.TrimSpace(line), "ok") {
				t.Error(line)
			}
		}
	}
	if strings.Count(out, "jobs: wrong") != 2 {
		t.Errorf("not two bursts:\n%s%s", out, errs)
	}
}

func TestExitStatus(t *testing.T) {
	for _, tc := range []struct {
		args string
		code int
		want string // in what is written
	}{
		{"", 2, "usage: bench NAME"},
		{"-h", 0, "usage: bench NAME"},
		{"nonsense", 2, `no sub-command "nonsense"`},
		{"flat -nonsense", 2, "usage: bench flat"},
		{"flat -runs 0", 2, "must be positive"},
		{"flat 7", 2, "no arguments"},
		{"flat -jobs 0", 1, "-jobs 0 is not within 1 and"},
		{"batch -jobs 0", 1, "-jobs 0 is not within 1 and"},
		{"batch -size 0", 1, "-size 0 is not within 1 and 10000"},
		{"batch -clients 0", 1, "-clients 0"},
		{"flat -jobs 10 -timeout 1ns", 1, "gave up after -timeout 1ns"},
		{"child flat {", 1, "read the case"},
		{"child all {}", 1, "no such case"},
	} {
		code, out, errs := bench(t, strings.Fields(tc.args)...)
		if code != tc.code || !strings.Contains(out+errs, tc.want) {
			t.Errorf("bench %s: exit status %d, want %d with %q:\n%s%s", tc.args, code, tc.code, tc.want, out, errs)
		}
	}
}

func TestEachCommandExplainsItself(t *testing.T) {
	for _, c := range commands() {
		code, _, errs := bench(t, c.name, "-h")
		for _, want := range []string{"usage: bench " + c.name, c.summary, "-runs", "-timeout"} {
			if code != 0 || !strings.Contains(errs, want) {
				t.Errorf("bench %s -h: exit status %d, want 0 with %q:\n%s", c.name, code, want, errs)
			}
		}
	}
}

// A case that fails in its process fails the command.
func TestChildFails(t *testing.T) {
	needs.Processes(t)
	var progress bytes.Buffer
	s := &session{command: "accept", runs: 1, progress: &progress}
	_, err := fresh[acceptResult](t.Context(), s, acceptTask{Design: hashd, Jobs: 0, Submitters: 1})
	if err == nil || !strings.Contains(progress.String(), "memory engine") {
		t.Errorf("got error %v and %q", err, progress.String())
	}
}

// Outside the module there is nothing to build a NATS server from, and the command says so.
func TestJetStreamNeedsTheModule(t *testing.T) {
	t.Chdir(t.TempDir())
	code, out, errs := bench(t, "jetstream", "-runs", "1")
	if want := "needs Go, and a clone of the repository as the working directory"; code != 1 || out != "" || !strings.Contains(errs, want) {
		t.Errorf("exit status %d, want 1 with %q:\n%s%s", code, want, out, errs)
	}
}

// A limit on jobs lowers those of sub-commands that have more, and no other's.
func TestLower(t *testing.T) {
	for _, tc := range []struct{ n, want int64 }{{5, 5}, {100, 100}, {1000, 100}} {
		fs := flag.NewFlagSet("", flag.ContinueOnError)
		jobs := fs.Int64("jobs", 100, "")
		if err := lower(fs.Lookup("jobs"), tc.n); err != nil || *jobs != tc.want {
			t.Errorf("lowered to %d: %d, error %v, want %d", tc.n, *jobs, err, tc.want)
		}
		if err := lower(fs.Lookup("none"), tc.n); err != nil {
			t.Error(err)
		}
	}
}

func TestInvocation(t *testing.T) {
	fs := flag.NewFlagSet("", flag.ContinueOnError)
	for _, name := range []string{"timeout", "into", "jobs", "kept"} {
		fs.String(name, "1", "")
	}
	if err := fs.Parse([]string{"-timeout", "2", "-into", "f", "-jobs", "7", "-kept", "1"}); err != nil {
		t.Fatal(err)
	}
	if got := invocation("flat", fs, 3); got != "go run ./cmd/bench flat -jobs 7 -runs 3" {
		t.Error(got)
	}
}

func TestBaselineHasFewerJobs(t *testing.T) {
	for jobs, want := range map[int64]int64{1: 1, 4: 1, 10: 2, 10_000_000: 2_000_000} {
		if got := fewer(jobs); got != want {
			t.Errorf("beside %d jobs the baseline has %d, want %d", jobs, got, want)
		}
		if got, err := hashable(jobs); err != nil || got < 1 || got > jobs {
			t.Errorf("of %d jobs the baseline hashes %d, error %v", jobs, got, err)
		}
	}
}
