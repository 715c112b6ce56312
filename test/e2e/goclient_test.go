package e2e

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	goclient "github.com/hashd-project/hashd/v2/client"
)

// TestGoClient takes a job through its life with the generated operations.
func TestGoClient(t *testing.T) {
	t.Parallel()
	i := start(t, "--delay=300ms")
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	c, err := goclient.NewOperations("http://"+i.address, &http.Client{Transport: transport, Timeout: patience})
	if err != nil {
		t.Fatal(err)
	}
	key, sha256 := "once", goclient.Sha256
	params := &goclient.SubmitHashParams{IdempotencyKey: &key}
	var id goclient.JobID
	for range 2 { // the second is a retry
		r, err := c.SubmitHashWithResponse(t.Context(), params, goclient.HashRequest{Password: "angryMonkey", Algorithm: &sha256})
		if err != nil || r.JSON202 == nil {
			t.Fatalf("submit: %+v, %v", r, err)
		}
		if id = r.JSON202.Id; id != 1 {
			t.Fatalf("a retry made job %d", id)
		}
	}
	reused, err := c.SubmitHashWithResponse(t.Context(), params, goclient.HashRequest{Password: "another"})
	if err != nil || reused.ApplicationproblemJSON422 == nil {
		t.Errorf("the key for another secret: %+v, %v", reused, err)
	}

	batch, err := c.SubmitBatchWithResponse(t.Context(), nil, goclient.BatchRequest{Passwords: []string{"angryMonkey", "another"}, Algorithm: &sha256})
	if err != nil || batch.JSON202 == nil || batch.JSON202.First != 2 || batch.JSON202.Count != 2 {
		t.Fatalf("submit a batch: %+v, %v", batch, err)
	}
	none, err := c.SubmitBatchWithResponse(t.Context(), nil, goclient.BatchRequest{})
	if err != nil || none.ApplicationproblemJSON400 == nil {
		t.Errorf("submit no batch: %+v, %v", none, err)
	}

	wait := "wait=20"
	got, err := c.GetHashWithResponse(t.Context(), id, &goclient.GetHashParams{Prefer: &wait})
	if err != nil || got.JSON200 == nil {
		t.Fatalf("get: %+v, %v", got, err)
	}
	if want := (goclient.Job{Id: 1, Status: goclient.JobStatusDone, Algorithm: goclient.Sha256, Hash: "/iKaK4dQuFt0w2h6u20dpZQ7EPaM30pdx/sWN4BXIR8="}); *got.JSON200 != want {
		t.Errorf("result %+v, want %+v", *got.JSON200, want)
	}
	second, err := c.GetHashWithResponse(t.Context(), batch.JSON202.First, &goclient.GetHashParams{Prefer: &wait})
	if err != nil || second.JSON200 == nil || second.JSON200.Hash != got.JSON200.Hash {
		t.Errorf("get the first of the batch: %+v, %v", second, err)
	}
	if r, err := c.CancelHashWithResponse(t.Context(), id); err != nil || r.StatusCode() != http.StatusNoContent {
		t.Errorf("cancel: %+v, %v", r, err)
	}
	gone, err := c.GetHashWithResponse(t.Context(), id, nil)
	if err != nil || gone.ApplicationproblemJSON410 == nil || gone.ApplicationproblemJSON410.Type != "urn:hashd:problem:job-gone" {
		t.Errorf("get an erased hash: %+v, %v", gone, err)
	}
	if st, err := c.GetStatsWithResponse(t.Context()); err != nil || st.JSON200 == nil || st.JSON200.Total != 3 {
		t.Errorf("stats: %+v, %v", st, err)
	}
	i.stop(t)
}

// jobs returns a Jobs of the instance.
func (i *instance) jobs(t *testing.T, onRetry func(error, time.Duration)) *goclient.Jobs {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	j, err := goclient.NewJobs(goclient.Config{
		Server: "http://" + i.address + "/", HTTP: &http.Client{Transport: transport}, RetryFor: patience, OnRetry: onRetry,
	})
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// wantKind checks that the error is a problem of that status and kind, and names no secret.
func wantKind(t *testing.T, err error, status int, kind string) *goclient.ProblemError {
	t.Helper()
	p, ok := errors.AsType[*goclient.ProblemError](err)
	if !ok || p.Status != status || p.Type != "urn:hashd:problem:"+kind || p.Title == "" || p.Detail == "" || !strings.HasPrefix(p.Instance, "urn:hashd:request:") {
		t.Fatalf("got %v (%#v), want %d %s", err, p, status, kind)
	}
	wantNoCanary(t, kind, err.Error())
	return p
}

// TestGoClientJobs takes jobs through their lives with the client's convenience.
func TestGoClientJobs(t *testing.T) {
	t.Parallel()
	i := start(t, "--delay=300ms")
	j, ctx, none := i.jobs(t, nil), t.Context(), goclient.Options{}
	result, err := j.SubmitAndWait(ctx, []byte("angryMonkey"), goclient.Options{Algorithm: goclient.Sha256})
	if want := (goclient.Job{Id: 1, Status: goclient.JobStatusDone, Algorithm: goclient.Sha256, Hash: "/iKaK4dQuFt0w2h6u20dpZQ7EPaM30pdx/sWN4BXIR8="}); err != nil || result != want {
		t.Errorf("got %+v, %v, want %+v", result, err, want)
	}
	batch, err := j.SubmitBatch(ctx, [][]byte{[]byte("angryMonkey"), []byte("\u2028\x01\"<ü>😀")}, none)
	if err != nil || batch.First != 2 || batch.Count != 2 {
		t.Fatalf("batch %+v, %v", batch, err)
	}
	for id, want := range map[int64]string{2: hashOf("angryMonkey"), 3: hashOf("\u2028\x01\"<ü>😀")} {
		if got, err := j.Wait(ctx, id); err != nil || got.Hash != want {
			t.Errorf("job %d: %+v, %v, want %s", id, got, err, want)
		}
	}
	if err := j.Cancel(ctx, 3); err != nil {
		t.Error(err)
	}
	_, err = j.Get(ctx, 3)
	wantKind(t, err, http.StatusGone, "job-gone")
	wantKind(t, j.Cancel(ctx, 3), http.StatusGone, "job-gone")
	_, err = j.Wait(ctx, 99)
	wantKind(t, err, http.StatusNotFound, "unknown-job")
	_, err = j.Submit(ctx, []byte(strings.Repeat(canaryPart, 200)), none)
	if p := wantKind(t, err, http.StatusBadRequest, "invalid-request"); len(p.Errors) != 1 || p.Errors[0].Pointer != "#/password" {
		t.Errorf("errors %+v", p.Errors)
	}
	first, err := j.Submit(ctx, []byte(canary), goclient.Options{Key: "k"})
	again, err2 := j.Submit(ctx, []byte(canary), goclient.Options{Key: "k"})
	if errors.Join(err, err2) != nil || first != again {
		t.Errorf("got %+v and %+v: %v, %v", first, again, err, err2)
	}
	_, err = j.Submit(ctx, []byte(canary+"2"), goclient.Options{Key: "k"})
	wantKind(t, err, http.StatusUnprocessableEntity, "idempotency-key-reused")
	if st, err := j.Stats(ctx); err != nil || st.Total != 4 {
		t.Errorf("stats %+v, %v", st, err)
	}
	if st, err := j.Status(ctx); err != nil || st.Status != goclient.ServerStatusOk {
		t.Errorf("status %+v, %v", st, err)
	}
	i.stop(t)
}

// A full server is tried again once it has room, and a wait ends with its context.
func TestGoClientJobsWait(t *testing.T) {
	t.Parallel()
	i := start(t, "--delay=1h", "--drain-timeout=1h", "--max-pending=1")
	retried := make(chan error, 100)
	j := i.jobs(t, func(err error, _ time.Duration) { retried <- err })
	first, err := j.Submit(t.Context(), []byte("angryMonkey"), goclient.Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = j.Get(t.Context(), first.Id)
	if p, ok := errors.AsType[*goclient.PendingError](err); !ok || p.Job.Id != first.Id || !p.Job.Due.Equal(first.Due) || p.RetryAfter < time.Minute {
		t.Errorf("get: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := j.Wait(ctx, first.Id); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("wait: %v", err)
	}
	// A limit that eases only with the first job, an hour on, is not waited for.
	_, err = j.Submit(t.Context(), []byte(canary), goclient.Options{})
	if p := wantKind(t, err, http.StatusServiceUnavailable, "full"); p.RetryAfter < time.Minute || len(retried) > 0 {
		t.Errorf("retry after %v, %d retries", p.RetryAfter, len(retried))
	}
	if err := j.Cancel(t.Context(), first.Id); err != nil {
		t.Fatal(err)
	}
	second, err := j.Submit(t.Context(), []byte(canary), goclient.Options{})
	if err != nil || second.Id <= first.Id {
		t.Errorf("submit: %+v, %v", second, err)
	}
	if err := j.Cancel(t.Context(), second.Id); err != nil {
		t.Fatal(err)
	}
	i.stop(t)
}

// A server that is full for a moment is tried again, with the same key, when it says.
func TestGoClientJobsRetry(t *testing.T) {
	t.Parallel()
	i := start(t, "--delay=5s", "--max-pending=1")
	refusals := make(chan error, 100)
	j := i.jobs(t, func(err error, _ time.Duration) { refusals <- err })
	for n := range int64(2) {
		if job, err := j.Submit(t.Context(), []byte(canary), goclient.Options{}); err != nil || job.Id != n+1 {
			t.Fatalf("submission %d: %+v, %v", n, job, err)
		}
	}
	if len(refusals) == 0 {
		t.Fatal("it was not refused")
	}
	if p := wantKind(t, <-refusals, http.StatusServiceUnavailable, "full"); p.RetryAfter < time.Second || p.RetryAfter > 5*time.Second {
		t.Errorf("retry after %v", p.RetryAfter)
	}
	i.stop(t)
}
