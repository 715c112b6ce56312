package server

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	wire "github.com/hashd-project/hashd/gen/server"
	"github.com/hashd-project/hashd/internal/engine"
	"github.com/hashd-project/hashd/internal/engine/memory"
)

const submitBatch = "POST /hash/batch"

// paddedBatch returns a valid batch of n bytes.
func paddedBatch(n int) string { return strings.Repeat(" ", n-len(passwords)) + passwords }

// unknown returns a body whose length is not known beforehand.
func unknown(body string) io.Reader { return io.MultiReader(strings.NewReader(body)) }

func TestBatchTooLarge(t *testing.T) {
	s := newSite(t, on(fake{}), func(cfg *Config) { cfg.MaxBatchBytes = 100_000 })
	const detail = "The body is over the limit of 100000 bytes (max-batch-bytes); send several smaller batches."
	for _, n := range []int{len(passwords), 16_385, 100_000} {
		s.ask(submitBatch, paddedBatch(n)).want(202)
		s.send(submitBatch, unknown(paddedBatch(n))).want(202)
	}
	for _, n := range []int{100_001, 1 << 20} {
		for _, a := range []answer{s.ask(submitBatch, paddedBatch(n)), s.send(submitBatch, unknown(paddedBatch(n)))} {
			if p := a.wantProblem(413, "body-too-large"); p.Detail != detail {
				t.Errorf("%d bytes: %s", n, p.Detail)
			}
		}
	}
	body := strings.NewReader(paddedBatch(100_001))
	if s.send(submitBatch, body).want(413); body.Len() != 100_001 {
		t.Errorf("a batch that is known to be too large is read: %d bytes are left", body.Len())
	}
	// The one limit is not the other's.
	s.ask("POST /hash", padded(16_385)).wantProblem(413, "body-too-large")
	s = newSite(t, on(fake{}), func(cfg *Config) { cfg.MaxBatchBytes = 1_000 })
	s.ask("POST /hash", padded(1_001)).want(202)
	s.ask(submitBatch, paddedBatch(1_001)).wantProblem(413, "body-too-large")
}

// roomy is a site with room for two batches of 1,000 bytes.
func roomy(t *testing.T, s Service) *site {
	t.Helper()
	return newSite(t, s, func(cfg *Config) { cfg.MaxBatchBytes, cfg.MaxBatchMemory = 4_000, 4_000 })
}

// While batches are being read and stored their memory is taken, and a batch that finds too little
// left is refused, not held. Nothing else is.
func TestBatchMemory(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	s := roomy(t, on(fake{batch: func(b engine.Batch) {
		if len(b.Secrets) == 2 {
			entered <- struct{}{}
			<-leave
		}
	}}))
	answers := make(chan answer)
	hold := func(body io.Reader) {
		go func() { answers <- s.send(submitBatch, body) }()
		select {
		case <-entered:
		case a := <-answers:
			t.Fatalf("a batch that was to be held is answered: %s", a.body)
		}
	}
	other := func(n int) string { return strings.Repeat(" ", n-len(`{"passwords":["x"]}`)) + `{"passwords":["x"]}` }
	full := func(body io.Reader) {
		t.Helper()
		p := s.send(submitBatch, body).want(503, "Retry-After: 1").wantProblem(503, "full")
		if p.Detail != "The limit max-batch-memory is reached. Try again after Retry-After, or send a smaller batch." {
			t.Errorf("detail %s", p.Detail)
		}
	}
	hold(strings.NewReader(paddedBatch(1_000)))
	s.ask(submitBatch, other(1_000)).want(202)
	full(strings.NewReader(other(1_001)))
	full(strings.NewReader(other(4_000)))
	full(unknown(other(100))) // it may become as large as any
	hold(strings.NewReader(paddedBatch(900)))
	s.ask(submitBatch, other(100)).want(202)
	full(strings.NewReader(other(101)))
	s.ask("POST /hash", password).want(202)
	s.ask("GET /hash/7", "").want(202)
	s.ask("GET /hash/batch", "").want(405)
	for range 2 {
		leave <- struct{}{}
		(<-answers).want(202)
	}
	s.ask(submitBatch, other(2_000)).want(202) // all of the room
	// One that is larger than the memory takes all of it, or none could ever pass.
	hold(strings.NewReader(paddedBatch(3_000)))
	full(strings.NewReader(other(100)))
	leave <- struct{}{}
	(<-answers).want(202)
	s.ask(submitBatch, other(2_000)).want(202)
}

// However a batch ends, its memory is free again.
func TestBatchMemoryIsGivenBack(t *testing.T) {
	var fail func() error
	s := roomy(t, stub{batch: func(*wire.BatchRequest) (wire.SubmitBatchResponseObject, error) { return nil, fail() }})
	fail = func() error { return engine.ErrDraining }
	for name, end := range map[string]func(){
		"a refusal":          func() { s.ask(submitBatch, paddedBatch(2_000)).want(503) },
		"an invalid batch":   func() { s.ask(submitBatch, strings.Repeat("x", 2_000)).want(400) },
		"a bad key":          func() { s.ask(submitBatch, paddedBatch(2_000), "Idempotency-Key:").want(400) },
		"another media type": func() { s.ask(submitBatch, paddedBatch(2_000), "Content-Type: text/plain").want(415) },
		"a large batch":      func() { s.ask(submitBatch, paddedBatch(5_000)).want(413) },
		"a larger one":       func() { s.send(submitBatch, unknown(paddedBatch(5_000))).want(413) },
		"a broken batch": func() {
			s.send(submitBatch, io.MultiReader(strings.NewReader(passwords[:9]), brokenReader{})).want(400)
		},
		"an error": func() {
			fail = func() error { return errors.New("broken") }
			s.ask(submitBatch, paddedBatch(2_000)).want(500)
		},
		"a panic": func() {
			fail = func() error { panic(canary) }
			s.ask(submitBatch, paddedBatch(2_000)).want(500)
		},
		"an abort": func() {
			defer func() { _ = recover() }()
			fail = func() error { panic(http.ErrAbortHandler) }
			s.ask(submitBatch, paddedBatch(2_000))
		},
	} {
		for range 3 {
			end()
			fail = func() error { return engine.ErrDraining }
			if p := s.ask(submitBatch, paddedBatch(2_000)).problem(); p.Type != "urn:hashd:problem:draining" {
				t.Errorf("after %s there is no room: %s", name, p.Detail)
			}
		}
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

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
	for _, method := range []string{"GET", "DELETE", "PUT", "PATCH", "HEAD", "HASH"} {
		s.ask(method+" /hash/batch", passwords).want(405, "Allow: OPTIONS, POST").wantProblem(405, "method-not-allowed")
		s.ask(method+" /hash/batch?id=1", passwords).want(405, "Allow: OPTIONS, POST")
	}
	s.ask("OPTIONS /hash/batch", "").want(204, "Allow: OPTIONS, POST")
	s.ask("GET /hash/batch", "", "Prefer:"+strings.Repeat("p", 1025)).want(405, "Allow: OPTIONS, POST")
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
