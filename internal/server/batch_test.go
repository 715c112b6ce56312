package server

import (
	"strings"
	"testing"
	"time"

	wire "github.com/hashd-project/hashd/v2/gen/server"
	"github.com/hashd-project/hashd/v2/internal/engine"
	"github.com/hashd-project/hashd/v2/internal/engine/memory"
)

const submitBatch = "POST /hash/batch"

// A panic over a batch tells nothing of it.
func TestPanicOverABatch(t *testing.T) {
	for logged, value := range map[string]func(*wire.BatchRequest) any{
		"panic: secret.List":          func(b *wire.BatchRequest) any { return b.Passwords },
		"panic: [][]uint8":            func(b *wire.BatchRequest) any { return b.Passwords.Slices() },
		"panic: *server.BatchRequest": func(b *wire.BatchRequest) any { return b },
		"panic: string":               func(b *wire.BatchRequest) any { return string(b.Passwords.Slices()[0]) },
	} {
		s := newSite(t, stub{batch: func(b *wire.BatchRequest) (wire.SubmitBatchResponseObject, error) { panic(value(b)) }})
		s.ask(submitBatch, passwords).wantProblem(500, "internal")
		if lines := s.log.lines("request failed"); len(lines) != 1 || lines[0]["error"] != logged || lines[0]["route"] != "/hash/batch" {
			t.Errorf("logged %v, want %s", lines, logged)
		}
	}
}

// The path of batches is one of its own, whatever its look says of an id; its neighbours are not.
func TestPathOfBatches(t *testing.T) {
	s := newSite(t, on(fake{}))
	const allow = "Allow: OPTIONS, DELETE, GET, HEAD, POST"
	for _, method := range []string{"PUT", "PATCH", "HASH"} {
		s.ask(method+" /hash/batch", passwords).want(405, allow).wantProblem(405, "method-not-allowed")
		s.ask(method+" /hash/batch?id=1", passwords).want(405, allow)
	}
	s.ask("OPTIONS /hash/batch", "").want(204, allow)
	s.ask("PUT /hash/batch", "", "Prefer:"+strings.Repeat("p", 1025)).want(405, allow)
	const id = `path parameter "id" must be an integer from 1 to 9223372036854775807`
	for _, near := range []string{"batches", "Batch", "batc", "batch%20", "batch;x"} {
		s.ask("GET /hash/"+near, "").wantProblem(400, "invalid-request", id)
		s.ask("POST /hash/"+near, passwords).wantProblem(405, "method-not-allowed")
	}
	for _, beyond := range []string{"/hash/batch/", "/hash/batch/1", "/batch", "/hash/batch%2F", "/hash//batch"} {
		s.wantUnknown("POST " + beyond)
		s.wantUnknown("GET " + beyond)
	}
}

// A batch over HTTP, with the engine that hashes: each of its jobs is one like any other.
func TestLifeOfABatch(t *testing.T) {
	e, err := memory.New(engine.Limits{
		FirstID: 1,
		Delay:   50 * time.Millisecond, Retention: time.Hour, MaxPending: 5, MaxResults: 100, MaxSecretBytes: 1 << 20, Workers: 2,
		IdempotencyWindow: time.Hour, MaxIdempotencyKeys: 10,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	served := on(e)
	s := newSite(t, served)
	var batch wire.AcceptedBatch
	for range 2 { // the second is a retry
		s.ask(submitBatch, `{"passwords":["angryMonkey","`+canary+`","angryMonkey"]}`, "Idempotency-Key: once").want(202, "Retry-After: 1").into(&batch)
		if batch.First != 1 || batch.Count != 3 || time.Until(batch.Due) > 50*time.Millisecond {
			t.Errorf("accepted %+v", batch)
		}
	}
	s.ask(submitBatch, `{"passwords":["angryMonkey","`+canary+`"]}`, "Idempotency-Key: once").wantProblem(422, "idempotency-key-reused")
	s.ask("POST /hash", `{"password":"angryMonkey"}`, "Idempotency-Key: once").wantProblem(422, "idempotency-key-reused")
	s.ask(submitBatch, listOf(6, `"x"`)).wantProblem(503, "full")
	const hash = `"status":"done","algorithm":"sha512","hash":"ZEHhWB65gUlzdVwtDQArEyx+KVLzp/aTaRaPlBzYRIFj6vjFdqEb0Q5B8zVKCZ0vKbZPZklJz0Fd7su2A+gf7Q=="}` + "\n"
	for id, want := range map[string]string{"1": `{"id":1,` + hash, "3": `{"id":3,` + hash} {
		if a := s.ask("GET /hash/"+id, "", "Prefer: wait=60").want(200); a.body != want || time.Now().Before(batch.Due) {
			t.Errorf("result %s", a.body)
		}
	}
	s.ask("DELETE /hash/2", "").want(204)
	s.ask("GET /hash/2", "").wantProblem(410, "job-gone")
	s.ask("GET /hash/4", "").wantProblem(404, "unknown-job")
	if err := served.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.ask(submitBatch, passwords).wantProblem(503, "draining")
	var st wire.Stats
	s.ask("GET /stats", "").into(&st)
	if st.Total != 3 || st.Completed+st.Canceled != 3 || st.Rejected != 8 || st.Kept != 2 || st.Pending != 0 {
		t.Errorf("stats %+v", st)
	}
}
