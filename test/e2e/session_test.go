package e2e

import (
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	wire "github.com/hashd-project/hashd/v2/gen/server"
	"github.com/hashd-project/hashd/v2/internal/strict"
)

// angryMonkey is the example everybody knows, and its hash as the design gives it.
const (
	angryMonkey     = "angryMonkey"
	angryMonkeyHash = "ZEHhWB65gUlzdVwtDQArEyx+KVLzp/aTaRaPlBzYRIFj6vjFdqEb0Q5B8zVKCZ0vKbZPZklJz0Fd7su2A+gf7Q=="
)

// hashOf is what the server must answer for the secret, worked out without its code.
func hashOf(secret string) string {
	sum := sha512.Sum512([]byte(secret))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// TestSession is what a person with curl does.
func TestSession(t *testing.T) {
	t.Parallel()
	i := start(t, "--delay=1s")
	c := i.client(t)

	before := time.Now()
	a := c.do(t, http.MethodPost, "/hash", submission(angryMonkey)).want(t, http.StatusAccepted)
	after := time.Now()
	job := decode[wire.Job](t, a)
	if job.Id != 1 || a.header.Get("Location") != "/hash/1" || a.header.Get("Retry-After") != "1" {
		t.Errorf("the first job is %d at %q, to ask for after %q", job.Id, a.header.Get("Location"), a.header.Get("Retry-After"))
	}
	const slack = 100 * time.Millisecond // the wall clock may be adjusted meanwhile
	if least, most := before.Add(time.Second-slack), after.Add(time.Second+slack); job.Due.Before(least) || job.Due.After(most) {
		t.Errorf("due %v, want a second after acceptance, from %v to %v", job.Due, least, most)
	}
	wantPending(t, c, job, before.Add(time.Second))
	wantHash(t, c, job, before.Add(time.Second))

	if a := c.do(t, http.MethodDelete, "/hash/1", "").want(t, http.StatusNoContent); len(a.body) > 0 {
		t.Errorf("204 with a body: %s", a.body)
	}
	c.do(t, http.MethodGet, "/hash/1", "").wantProblem(t, http.StatusGone, "job-gone")
	c.do(t, http.MethodDelete, "/hash/1", "").wantProblem(t, http.StatusGone, "job-gone")
	c.do(t, http.MethodGet, "/hash/2", "").wantProblem(t, http.StatusNotFound, "unknown-job")

	st := c.stats(t)
	if st.Recent.Accepted != 1 || st.Recent.Completed != 1 || st.Recent.Lateness != st.Lateness {
		t.Errorf("the last minute: %+v", st)
	}
	wantStats(t, st, wire.Stats{Total: 1, Completed: 1})
	i.stop(t)
}

// TestBatchSession is the same with a batch.
func TestBatchSession(t *testing.T) {
	t.Parallel()
	i := start(t, "--delay=1s")
	c := i.client(t)
	c.submit(t, "before")

	secrets := []string{angryMonkey, "calm otter äöü 🐒", strings.Repeat("long", 256), angryMonkey}
	before := time.Now()
	a := c.do(t, http.MethodPost, "/hash/batch", batchOf(secrets...)).want(t, http.StatusAccepted)
	batch := decode[wire.AcceptedBatch](t, a)
	if batch.First != 2 || batch.Count != 4 || a.header.Get("Retry-After") != "1" || a.header.Get("Location") != "/hash/batch?first=2&count=4" {
		t.Errorf("accepted %+v with %v", batch, a.header)
	}
	wantPending(t, c, wire.Job{Id: batch.First + 3, Status: wire.JobStatusPending, Algorithm: batch.Algorithm, Due: strict.Time{Time: batch.Due}}, before.Add(time.Second))
	c.do(t, http.MethodDelete, "/hash/3", "").want(t, http.StatusNoContent)
	for n, secret := range secrets {
		id := batch.First + int64(n)
		if id == 3 {
			c.do(t, http.MethodGet, path(id), "").wantProblem(t, http.StatusGone, "job-gone")
		} else if err := c.checkHash(t.Context(), job{id, secret}); err != nil {
			t.Error(err)
		}
		wantNotEarly(t, before.Add(time.Second))
	}
	if job := c.submit(t, "after"); job.Id != 6 {
		t.Errorf("the job after the batch is %d", job.Id)
	}
	if st := c.stats(t); st.Total != 6 {
		t.Errorf("stats %+v", st)
	}
	i.stop(t)
}

// wantPending asks for a job just submitted, without waiting for it. A machine that pauses may
// find it done, but never before the instant at which it can be due at the earliest.
func wantPending(t *testing.T, c *client, job wire.Job, earliest time.Time) {
	t.Helper()
	for _, tt := range []struct{ prefer, applied string }{
		{"", ""}, {"wait=0", "wait=0"}, {"respond-async", ""}, {"wait=soon", ""},
	} {
		a := c.do(t, http.MethodGet, path(job.Id), "", header("Prefer", tt.prefer))
		if a.status == http.StatusOK {
			wantNotEarly(t, earliest)
			return
		}
		a.want(t, http.StatusAccepted)
		if got := decode[wire.Job](t, a); got != job || got.Status != wire.JobStatusPending {
			t.Errorf("Prefer %q: pending job %+v, want %+v", tt.prefer, got, job)
		}
		if got := a.header.Get("Retry-After"); got != "1" {
			t.Errorf("Prefer %q: Retry-After %q, want 1", tt.prefer, got)
		}
		if got := a.header.Get("Preference-Applied"); got != tt.applied {
			t.Errorf("Prefer %q: applied %q, want %q", tt.prefer, got, tt.applied)
		}
	}
}

// wantHash long-polls for the hash of angryMonkey, and then gets it at once and again.
func wantHash(t *testing.T, c *client, job wire.Job, earliest time.Time) {
	t.Helper()
	for _, prefer := range []string{"wait=20", "", "wait=20"} {
		a := c.do(t, http.MethodGet, path(job.Id), "", header("Prefer", prefer)).want(t, http.StatusOK)
		wantNotEarly(t, earliest)
		want := wire.Job{Id: job.Id, Status: wire.JobStatusDone, Algorithm: wire.Sha512, Hash: angryMonkeyHash}
		if got := decode[wire.Job](t, a); got != want {
			t.Errorf("result %+v, want %+v", got, want)
		}
		if got := a.header.Get("Preference-Applied"); got != prefer {
			t.Errorf("Prefer %q: applied %q", prefer, got)
		}
	}
}

// wantNotEarly is for the moment a hash is seen. It reads the monotonic clock, which the
// processes of a machine share.
func wantNotEarly(t *testing.T, earliest time.Time) {
	t.Helper()
	if early := time.Until(earliest); early > 0 {
		t.Errorf("the hash is there %v before it can be due", early)
	}
}

func TestOperations(t *testing.T) {
	t.Parallel()
	begun := time.Now().Add(-time.Second) // the clock of the answer may be coarser
	i := start(t)
	c := i.client(t)
	for _, path := range []string{"/healthz", "/readyz"} {
		if h := decode[wire.Health](t, c.do(t, http.MethodGet, path, "").want(t, http.StatusOK)); h.Status != wire.HealthStatusOk {
			t.Errorf("%s: %+v", path, h)
		}
	}
	s := decode[wire.Status](t, c.do(t, http.MethodGet, "/v/status", "").want(t, http.StatusOK))
	if s.Status != wire.ServerStatusOk || s.Started.Before(begun) || s.Started.After(time.Now()) {
		t.Errorf("status %+v", s)
	}
	// The version command tells the same of the same binary.
	want := outcome{0, fmt.Sprintf("hashd %s (commit %s, %s, API %s)\n", s.Version, s.Commit, s.Go, s.Api), ""}
	for _, arg := range []string{"version", "--version"} {
		if got := finish(t, nil, arg); got != want {
			t.Errorf("%s is %+v, want %+v", arg, got, want)
		}
	}
	i.stop(t)
}
