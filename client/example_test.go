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

	"github.com/hashd-project/hashd/client"
)

// server answers as a hashd does that has just hashed job 7, so that these examples need none.
func server() *httptest.Server {
	const due, hash = "2026-11-23T22:16:11.5Z", "ZEHhWB65gUlzdVwtDQArEyx+KVLzp/aTaRaPlBzYRIFj6vjFdqEb0Q5B8zVKCZ0vKbZPZklJz0Fd7su2A+gf7Q=="
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status, kind, text := http.StatusOK, "application/json", `{"id":7,"status":"done","algorithm":"sha512","hash":"`+hash+`"}`
		switch {
		case r.Method == http.MethodDelete:
			w.WriteHeader(http.StatusNoContent)
			return
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
