package main

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashd-project/hashd/v2/client"

	"github.com/hashd-project/hashd/v2/internal/needs"
)

// bulkHere runs a bulk inside the test, in small batches.
func (w work) bulkHere(ctx context.Context, address string, more ...string) (code int, stderr *bytes.Buffer) {
	p, _, stderr := newProgram(address, strings.NewReader(""))
	code = p.run(ctx, append([]string{"bulk", w.in, "--output", w.out, "--batch=10", "--in-flight=2"}, more...))
	return code, stderr
}

// A server that was restored from an earlier copy, or is another one, gives the ids of a bulk to others or
// knows them not, whether its store's name changed with that or not. The bulk that goes on gives no line the
// hash of another's job, and loses none.
func TestBulkGoesOnAtRestoredServer(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		store     string
		strangers int
		told      string
	}{
		"same store, ids unknown":         {"a", 0, "are submitted again\n"},
		"same store, ids of others":       {"a", 45, "are submitted again\n"},
		"same store, some ids of others":  {"a", 3, "are submitted again\n"},
		"another store, ids unknown":      {"b", 0, "are submitted again\n"},
		"another store, ids of others":    {"b", 45, "are submitted again\n"},
		"nothing happened to it, no loss": {"", 0, ""},
	} {
		for _, at := range []int{1, 8, 15, 29} {
			w, f := newWork(t, 45), newFake(t)
			ctx, cancel := context.WithCancel(t.Context())
			f.on(func(hashes int) {
				if hashes == at {
					cancel()
					panic(http.ErrAbortHandler) // else the answer may arrive all the same
				}
			})
			if code, stderr := w.bulkHere(ctx, f.address); code != exitInterrupted || !strings.Contains(stderr.String(), "the same command goes on") {
				t.Fatalf("%s: exit code %d: %s", name, code, stderr)
			}
			if f.on(nil); tt.store != "" {
				f.restore(tt.store)
				f.strangers(tt.strangers)
			}
			code, stderr := w.bulkHere(t.Context(), f.address)
			if code != exitOK || tt.told != "" && strings.Count(stderr.String(), tt.told) != 1 {
				t.Errorf("%s, at %d: exit code %d: %s", name, at, code, stderr)
			}
			w.wantRecords(t, nil)
		}
	}
}

// With --json it is told too, once.
func TestBulkSubmittedAgainIsToldAsJSON(t *testing.T) {
	t.Parallel()
	w, f := newWork(t, 45), newFake(t)
	f.loses = "b"
	code, stderr := w.bulkHere(t.Context(), f.address, "--json")
	if code != exitOK || strings.Count(stderr.String(), `"type":"urn:hashctl:problem:submitted-again"`) != 1 || strings.Count(stderr.String(), "\n") != 1 {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}

// The same while a bulk runs.
func TestBulkServerRestoredMeanwhile(t *testing.T) {
	t.Parallel()
	for _, store := range []string{"a", "b"} {
		for _, strangers := range []int{0, 3, 45} {
			for _, at := range []int{1, 8, 15, 29, 44} {
				w, f := newWork(t, 45), newFake(t)
				f.on(func(hashes int) {
					if hashes == at {
						f.restore(store)
						f.strangers(strangers)
					}
				})
				if code, stderr := w.bulkHere(t.Context(), f.address); code != exitOK {
					t.Errorf("%s %d %d: exit code %d: %s", store, strangers, at, code, stderr)
				}
				w.wantRecords(t, nil)
			}
		}
	}
}

// A server that answers with hashes of other secrets is told of, and no record has one.
func TestBulkWrongHashes(t *testing.T) {
	t.Parallel()
	w, f := newWork(t, 15), newFake(t)
	f.lie(true)
	code, stderr := w.bulkHere(t.Context(), f.address)
	if code != exitFailed || !strings.Contains(stderr.String(), "hashctl: the server answers with hashes of other secrets\n") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	if out := read(t, w.out); out != "" {
		t.Errorf("the output has %q", out)
	}
	f.lie(false)
	if code, stderr = w.bulkHere(t.Context(), f.address); code != exitOK {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	w.wantRecords(t, nil)
}

// What a server hashed in its drain is collected although it ends right after the last hash was fetched: nothing
// more is asked of it.
func TestBulkCollectsFromDrainingServer(t *testing.T) {
	t.Parallel()
	for _, lines := range []int{1, 10, 20} {
		w, f := newWork(t, lines), newFake(t)
		f.leaves = lines // a result that is fetched twice leaves another one uncollected
		if code, stderr := w.bulkHere(t.Context(), f.address, "--retry-for=1s"); code != exitOK {
			t.Errorf("%d lines: exit code %d: %s", lines, code, stderr)
		}
		w.wantRecords(t, nil)
	}
}

// A server that keeps its jobs in memory and is stopped amid a bulk finishes what it has accepted, and stays until
// that is collected: the bulk has all of it, though the server is gone then.
func TestBulkCollectsWhatDrainFinishes(t *testing.T) {
	needs.Processes(t)
	t.Parallel()
	w := newWork(t, 500)
	h, err := launch("--delay=5s")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.kill)
	c := command(h.address, "bulk", w.in, "--output", w.out, "--batch=100", "--retry-for=30s").start(t)
	jobs, err := client.NewJobs(client.Config{Server: "http://" + h.address})
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		s, err := jobs.Stats(t.Context())
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("%+v, %v", s, err)
		}
		if s.Total == int64(w.lines) {
			break
		}
	}
	if err := h.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	c.end(t, exitOK)
	w.wantRecords(t, nil)
	select {
	case <-h.ended:
	case <-time.After(patience):
		t.Fatal("the server does not end")
	}
	if code := h.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("the server ended with %d", code)
	}
}

func TestJudge(t *testing.T) {
	own := func(a client.Algorithm) []record {
		return []record{{Status: statusDone, Hash: hashOf([]byte("a"), a)}, {Status: statusDone, Hash: hashOf([]byte("b"), a)}}
	}
	secrets := [][]byte{[]byte("a"), []byte("b")}
	with := func(status, hash string) []record {
		r := own(client.Sha512)
		r[0].Status, r[0].Hash = status, hash
		return r
	}
	for _, tt := range []struct {
		name    string
		records []record
		a       client.Algorithm
		want    verdict
	}{
		{"own", own(client.Sha512), client.Sha512, allOwn}, {"default", own(client.Sha512), "", allOwn},
		{"sha256", own(client.Sha256), client.Sha256, allOwn}, {"sha3", own(client.Sha3512), client.Sha3512, allOwn},
		{"other function", own(client.Sha256), client.Sha512, someForeign}, {"unknown function", own(client.Sha256), "bcrypt", plausible},
		{"gone", with(statusGone, ""), "", plausible}, {"unknown", with(statusUnknown, ""), "", someUnknown},
		{"foreign", with(statusDone, hashOf([]byte("c"), "")), "", someForeign}, {"empty", with(statusDone, ""), "", someForeign},
	} {
		if got := judge(tt.records, secrets, tt.a); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
	if got, want := hashOf([]byte("angryMonkey"), ""), "ZEHhWB65gUlzdVwtDQArEyx+KVLzp/aTaRaPlBzYRIFj6vjFdqEb0Q5B8zVKCZ0vKbZPZklJz0Fd7su2A+gf7Q=="; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
