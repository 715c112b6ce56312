package server

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	wire "github.com/hashd-project/hashd/v2/gen/server"
	"github.com/hashd-project/hashd/v2/internal/engine"
	"github.com/hashd-project/hashd/v2/internal/strict"
)

// sample is a body of package strict's corpus, whose head tells the format.
type sample struct {
	name, body      string
	secret, refusal string // the one or the other
}

func corpus(tb testing.TB) []sample { return readCorpus(tb, "bodies.txt", 100) }

// readCorpus reads the file, which has at least so many samples.
func readCorpus(tb testing.TB, name string, least int) (samples []sample) {
	tb.Helper()
	text, err := os.ReadFile("../strict/testdata/" + name)
	if err != nil {
		tb.Fatal(err)
	}
	literal := func(s string) string {
		s, err := strconv.Unquote(s)
		if err != nil {
			tb.Fatal(err)
		}
		return s
	}
	for line := range strings.Lines(string(text)) {
		column := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		switch column[0] {
		case "accept":
			samples = append(samples, sample{name: column[1], body: literal(column[2]), secret: literal(column[3])})
		case "refuse":
			samples = append(samples, sample{name: column[1], body: literal(column[2]), refusal: column[3]})
		}
	}
	if len(samples) < least {
		tb.Fatalf("%d samples", len(samples))
	}
	return samples
}

// What package strict decides about a body is what a client gets to see, and the engine only
// ever sees what was accepted.
func TestBodies(t *testing.T) {
	var secrets []string
	s := newSite(t, on(fake{
		accept: func(job engine.Job) { secrets = append(secrets, string(job.Secret)) },
		batch:  func(batch engine.Batch) { secrets = append(secrets, string(bytes.Join(batch.Secrets, []byte("|")))) },
	}))
	what := map[bool]string{false: "POST /hash", true: "POST /hash/batch"}
	alone := len(corpus(t))
	for n, b := range append(corpus(t), readCorpus(t, "batches.txt", 50)...) {
		secrets = nil
		a := s.ask(what[n >= alone], b.body)
		if b.refusal == "" {
			if a.want(202); len(secrets) != 1 || secrets[0] != b.secret {
				t.Errorf("%s: the engine got %q, want %q", b.name, secrets, b.secret)
			}
			continue
		}
		a.want(400)
		p := a.problem()
		var told []string
		for _, e := range *p.Errors {
			told = append(told, strict.FieldError(e).String())
		}
		if got := strings.Join(told, "; "); got != b.refusal || p.Type != "urn:hashd:problem:invalid-request" || len(secrets) > 0 {
			t.Errorf("%s: %s %s, want %s; the engine got %q", b.name, p.Type, got, b.refusal, secrets)
		}
	}
}

func TestContentType(t *testing.T) {
	s := newSite(t, on(fake{}))
	for _, contentType := range []string{
		"application/json", "Application/JSON", "application/json;", " application/json ",
		"application/json; charset=utf-8", "application/json;charset=UTF-8", `application/json; charset="utf-8"`,
		"application/json; charset=Utf-8; version=1", "application/json; version=1",
	} {
		s.ask("POST /hash", password, "Content-Type:"+contentType).want(202)
	}
	for _, contentType := range []string{
		"", "text/plain", "text/json", "application/x-json", "application/problem+json", "application/json+x", "application/json-seq",
		"application/jsonx", "application/ json", "json", "*/*", "application/*", "application/json, text/plain", "application/json text/plain",
		"application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/octet-stream",
		"application/json; charset=latin1", "application/json; charset=iso-8859-1", "application/json; charset=utf-16", "application/json; charset=utf8",
		"application/json; charset=", "application/json; charset", "application/json; charset=utf-8; charset=latin1",
		canary, "text/" + canary, "application/json; charset=" + canary,
	} {
		s.ask("POST /hash", password, "Content-Type:"+contentType).wantProblem(415, "unsupported-media-type")
	}
	s.ask("POST /hash", password, "Content-Encoding:").want(202)
	for _, coding := range []string{"gzip", "identity", "br", "deflate, gzip", canary} {
		s.ask("POST /hash", password, "Content-Encoding:"+coding).wantProblem(415, "unsupported-media-type")
	}
}

// padded returns a valid body of n bytes.
func padded(n int) string { return strings.Repeat(" ", n-len(password)) + password }

func TestBodyTooLarge(t *testing.T) {
	s := newSite(t, on(fake{}))
	unknown := func(body string) io.Reader { return io.MultiReader(strings.NewReader(body)) } // its length
	for _, n := range []int{16383, 16384} {
		s.ask("POST /hash", padded(n)).want(202)
		s.send("POST /hash", unknown(padded(n))).want(202)
	}
	for _, n := range []int{16385, 1 << 20} {
		s.ask("POST /hash", padded(n)).wantProblem(413, "body-too-large")
		s.send("POST /hash", unknown(padded(n))).wantProblem(413, "body-too-large")
	}
	s.ask("POST /hash", strings.Repeat(canary, 2000)).wantProblem(413, "body-too-large")
	body := strings.NewReader(padded(16385))
	s.send("POST /hash", body).want(413)
	if body.Len() != 16385 {
		t.Errorf("a body that is known to be too large is read: %d bytes are left", body.Len())
	}
	small := newSite(t, on(fake{}), func(cfg *Config) { cfg.MaxBodyBytes = 30 })
	if p := (&handler{cfg: small.cfg}).problemOf(tooLarge(t, small), "/hash"); !strings.Contains(p.detail, "limit of 30 bytes (max-body-bytes)") {
		t.Errorf("detail %s", p.detail)
	}
}

// tooLarge returns the error for a body over the site's limit.
func tooLarge(t *testing.T, s *site) error {
	c := newRouter().NewContext(httptest.NewRequest(http.MethodPost, "/hash", strings.NewReader(padded(100))), httptest.NewRecorder())
	c.Request().Header.Set("Content-Type", "application/json")
	err := binder{&s.cfg}.read(c, new(wire.SubmitHashJSONRequestBody))
	if err == nil {
		t.Fatal("no error")
	}
	return err
}

// A body that breaks off on the way is neither valid nor the client's mistake.
func TestBodyBreaksOff(t *testing.T) {
	s := newSite(t, on(fake{}))
	for _, err := range []error{io.ErrUnexpectedEOF, errors.New("broken by " + canary), os.ErrDeadlineExceeded} {
		for n := range len(password) {
			body := io.MultiReader(strings.NewReader(password[:n]), iotest.ErrReader(err))
			s.send("POST /hash", body).wantProblem(400, "incomplete-request")
		}
	}
	if failed := s.log.lines("request failed"); len(failed) > 0 {
		t.Errorf("logged as failures of the server: %v", failed)
	}
}

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
	s.ask("GET /hash/batch?first=7&count=2", "").want(200)
	s.ask("DELETE /hash/batch?first=7&count=2", "").want(200)
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
