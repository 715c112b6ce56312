package client

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// fake is a server without a network: each step answers one request, in their order.
type fake struct {
	t     *testing.T
	mu    sync.Mutex
	steps []step
	seen  []seen
	start time.Time
}

// step answers a request.
type step func(*http.Request) (*http.Response, error)

// seen is what was asked and when, from the fake's start.
type seen struct {
	request, key, prefer, body string
	after                      time.Duration
}

// Do implements HttpRequestDoer.
func (f *fake) Do(req *http.Request) (*http.Response, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := seen{
		request: req.Method + " " + req.URL.Path,
		key:     req.Header.Get("Idempotency-Key"), prefer: req.Header.Get("Prefer"), after: time.Since(f.start),
	}
	if req.Body != nil {
		text, _ := io.ReadAll(req.Body)
		_ = req.Body.Close()
		s.body = string(text)
		if req.ContentLength != int64(len(text)) || req.Header.Get("Content-Type") != "application/json" {
			f.t.Errorf("%s announces %d bytes of %s, has %d", s.request, req.ContentLength, req.Header.Get("Content-Type"), len(text))
		}
	}
	f.seen = append(f.seen, s)
	if len(f.seen) > len(f.steps) {
		return nil, errors.New("the test expects no such request")
	}
	return f.steps[len(f.seen)-1](req)
}

// jobs returns a Jobs that talks to the fake.
func (f *fake) jobs(cfg Config) *Jobs {
	f.t.Helper()
	cfg.Server, cfg.HTTP = "http://fake/below/", f
	j, err := NewJobs(cfg)
	if err != nil {
		f.t.Fatal(err)
	}
	return j
}

func newFake(t *testing.T, steps ...step) *fake {
	return &fake{t: t, steps: steps, start: time.Now()}
}

// ended checks that all steps were asked for.
func (f *fake) ended() {
	f.t.Helper()
	if len(f.seen) != len(f.steps) {
		f.t.Errorf("%d requests, want %d: %+v", len(f.seen), len(f.steps), f.seen)
	}
}

// answer is a step; header has pairs of names and values.
func answer(status int, body string, header ...string) step {
	return func(*http.Request) (*http.Response, error) {
		resp := &http.Response{StatusCode: status, Header: make(http.Header), Body: io.NopCloser(strings.NewReader(body))}
		resp.Header.Set("Content-Type", "application/json")
		if status >= 400 {
			resp.Header.Set("Content-Type", "application/problem+json")
		}
		for i := 0; i < len(header); i += 2 {
			resp.Header.Set(header[i], header[i+1])
		}
		return resp, nil
	}
}

// problem is a step that refuses.
func problem(status int, kind string, header ...string) step {
	return answer(status, `{"type":"urn:hashd:problem:`+kind+`","title":"T","status":400,"detail":"D.","instance":"urn:hashd:request:1",`+
		`"errors":[{"pointer":"#/password","detail":"is required"}]}`, header...)
}

// failing is a step without an answer.
func failing(*http.Request) (*http.Response, error) { return nil, errors.New("connection reset") }

// cutting is a step whose answer ends too early.
func cutting(*http.Request) (*http.Response, error) {
	r := io.MultiReader(strings.NewReader(`{"id":`), errReader{})
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(r)}, nil
}

// silent is a step that never answers.
func silent(req *http.Request) (*http.Response, error) {
	<-req.Context().Done()
	return nil, req.Context().Err()
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

const (
	accepted = `{"id":7,"status":"pending","algorithm":"sha512","due":"2026-01-01T00:00:05Z"}`
	pending  = `{"id":7,"status":"pending","algorithm":"sha512","due":"2026-01-01T00:00:05Z"}`
	done     = `{"id":7,"status":"done","algorithm":"sha512","hash":"QUJD"}`
)
