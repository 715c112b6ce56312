package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/hashd-project/hashd/v2/client"
)

// server answers as a hashd does that has just hashed job 7, so that these examples need none.
func server() *httptest.Server {
	const due, hash = "2026-11-23T22:16:11.5Z", "ZEHhWB65gUlzdVwtDQArEyx+KVLzp/aTaRaPlBzYRIFj6vjFdqEb0Q5B8zVKCZ0vKbZPZklJz0Fd7su2A+gf7Q=="
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status, kind, text := http.StatusOK, "application/json", `{"id":7,"status":"done","algorithm":"sha512","hash":"`+hash+`"}`
		switch {
		case r.Method == http.MethodDelete && r.URL.Path == "/hash/batch":
			text = `{"canceled":2,"erased":0,"gone":0,"unknown":0}`
		case r.Method == http.MethodDelete:
			w.WriteHeader(http.StatusNoContent)
			return
		case r.URL.Path == "/v/status":
			text = `{"status":"ok","store":"5b8f7c1e2d3a4960"}`
		case r.URL.Path == "/hash" && r.Method == http.MethodGet:
			if text = `{"results":[{"id":7,"status":"done","algorithm":"sha512","hash":"` + hash + `"}],"next":7}`; r.URL.Query().Get("after") != "6" {
				<-r.Context().Done() // nothing more is done
				return
			}
		case r.URL.Path == "/hash/batch" && r.Method == http.MethodGet:
			kind = "application/x-ndjson"
			text = `{"id":8,"status":"done","algorithm":"sha256","hash":"/iKaK4dQuFt0w2h6u20dpZQ7EPaM30pdx/sWN4BXIR8="}` + "\n" + `{"id":9,"status":"gone"}` + "\n"
		case r.URL.Path == "/hash/batch":
			status, text = http.StatusAccepted, `{"first":8,"count":2,"algorithm":"sha256","due":"`+due+`"}`
		case r.Method == http.MethodPost:
			status, text = http.StatusAccepted, `{"id":7,"status":"pending","algorithm":"sha512","due":"`+due+`"}`
		case r.URL.Path == "/hash/9":
			w.Header().Set("Retry-After", "5")
			status, text = http.StatusAccepted, `{"id":9,"status":"pending","algorithm":"sha512","due":"`+due+`"}`
		case r.URL.Path != "/hash/7":
			status, kind = http.StatusNotFound, "application/problem+json"
			text = `{"type":"urn:hashd:problem:unknown-job","title":"Unknown job","status":404,"detail":"No such job.","instance":"urn:hashd:request:1"}`
		}
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		_, _ = io.Copy(w, strings.NewReader(text))
	}))
}

// Submit a secret and wait for its hash.
func ExampleJobs_SubmitAndWait() {
	s := server()
	defer s.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	jobs, err := client.NewJobs(client.Config{Server: s.URL, RetryFor: 10 * time.Second})
	if err != nil {
		fmt.Println(err)
		return
	}
	job, err := jobs.SubmitAndWait(ctx, []byte("angryMonkey"), client.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(job.Hash[:8])
	// Output: ZEHhWB65
}

// A batch is accepted whole or not at all, and its jobs have consecutive ids.
func ExampleJobs_SubmitBatch() {
	s := server()
	defer s.Close()
	jobs, err := client.NewJobs(client.Config{Server: s.URL})
	if err != nil {
		fmt.Println(err)
		return
	}
	secrets := [][]byte{[]byte("angryMonkey"), []byte("calmOtter")}
	batch, err := jobs.SubmitBatch(context.Background(), secrets, client.Options{Algorithm: client.Sha256, Key: "order-1742"})
	fmt.Println(batch.First, batch.Count, err)
	// Output: 8 2 <nil>
}

// Many secrets are submitted in few requests, and their hashes collected in few.
func ExampleJobs_SubmitBatchAndWait() {
	s := server()
	defer s.Close()
	jobs, err := client.NewJobs(client.Config{Server: s.URL})
	if err != nil {
		fmt.Println(err)
		return
	}
	secrets := [][]byte{[]byte("angryMonkey"), []byte("calmOtter")} // or a million
	results, err := jobs.SubmitBatchAndWait(context.Background(), secrets, client.Options{Algorithm: client.Sha256})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, r := range results {
		fmt.Println(r.Id, r.Status)
	}
	// Output:
	// 8 done
	// 9 gone
}

// A range of jobs is waited for in one loop, whichever way they were submitted.
func ExampleJobs_WaitBatch() {
	s := server()
	defer s.Close()
	jobs, err := client.NewJobs(client.Config{Server: s.URL})
	if err != nil {
		fmt.Println(err)
		return
	}
	for r, err := range jobs.WaitBatch(context.Background(), 8, 2) {
		switch {
		case err != nil:
			fmt.Println(err)
		case r.Status == client.ResultStatusDone:
			fmt.Println(r.Id, (*r.Hash)[:8])
		default: // canceled, erased, past its retention, or never there
			fmt.Println(r.Id, r.Status)
		}
	}
	// Output:
	// 8 /iKaK4dQ
	// 9 gone
}

// Whoever keeps the last id goes on after it, in another process too.
func ExampleJobs_Results() {
	s := server()
	defer s.Close()
	jobs, err := client.NewJobs(client.Config{Server: s.URL})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	last := client.JobID(6) // kept from before
	for r, err := range jobs.Results(ctx, last) {
		if changed, ok := errors.AsType[*client.StoreChangedError](err); ok {
			fmt.Println("begin at 0 in store", changed.Now)
		}
		if err != nil {
			break
		}
		last = r.Id
		fmt.Println(r.Id, (*r.Hash)[:8])
		cancel() // enough
	}
	fmt.Println("go on after", last)
	// Output:
	// 7 ZEHhWB65
	// go on after 7
}

// Many jobs are canceled at once.
func ExampleJobs_CancelBatch() {
	s := server()
	defer s.Close()
	jobs, err := client.NewJobs(client.Config{Server: s.URL})
	if err != nil {
		fmt.Println(err)
		return
	}
	ended, err := jobs.CancelBatch(context.Background(), 8, 2)
	fmt.Println(ended.Canceled, "canceled,", ended.Gone, "gone before,", err)
	// Output: 2 canceled, 0 gone before, <nil>
}

// A job that is pending and one that the server does not know are errors of different types.
func ExampleJobs_Get() {
	s := server()
	defer s.Close()
	jobs, err := client.NewJobs(client.Config{Server: s.URL})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, id := range []client.JobID{7, 9, 10} {
		job, err := jobs.Get(context.Background(), id)
		pending, isPending := errors.AsType[*client.PendingError](err)
		problem, isProblem := errors.AsType[*client.ProblemError](err)
		switch {
		case isPending:
			fmt.Println("ask again in", pending.RetryAfter)
		case isProblem && problem.Type == client.UnknownJobType:
			fmt.Println("unknown")
		case err == nil:
			fmt.Println(job.Status)
		}
	}
	// Output:
	// done
	// ask again in 5s
	// unknown
}

// The operations as they are: one request each, without retries.
func ExampleNewOperations() {
	s := server()
	defer s.Close()
	operations, err := client.NewOperations(s.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	r, err := operations.SubmitHashWithResponse(context.Background(), nil, client.HashRequest{Password: "angryMonkey"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(r.StatusCode(), r.JSON202.Id, r.JSON202.Status)
	// Output: 202 7 pending
}
