package main

import (
	"net/http"
	"testing"

	goclient "github.com/hashd-project/hashd/gen/client"
)

// TestGoClient takes a job through its life with the generated client.
func TestGoClient(t *testing.T) {
	t.Parallel()
	i := start(t, "--delay=300ms")
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	c, err := goclient.NewClientWithResponses("http://"+i.address, goclient.WithHTTPClient(&http.Client{Transport: transport, Timeout: patience}))
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
	if want := (goclient.HashResult{Id: 1, Hash: "/iKaK4dQuFt0w2h6u20dpZQ7EPaM30pdx/sWN4BXIR8="}); *got.JSON200 != want {
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
