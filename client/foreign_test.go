package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// serve is a server on loopback that answers so.
func serve(t *testing.T, answer http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(answer)
	t.Cleanup(s.Close)
	return s.URL
}

// jobsOf returns a Jobs of the server that gives up soon.
func jobsOf(t *testing.T, server string, doer Doer) *Jobs {
	t.Helper()
	j, err := NewJobs(Config{Server: server, HTTP: doer, RetryFor: time.Nanosecond})
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// A secret is sent only where it was told to: no redirect is followed, whoever made the HTTP client.
func TestNoRedirectIsFollowed(t *testing.T) {
	var sent atomic.Int64
	elsewhere := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		t.Errorf("%s %s arrived elsewhere: %s", r.Method, r.URL, body)
		w.WriteHeader(http.StatusTeapot)
	})
	redirects := func(status int, to string) string {
		return serve(t, func(w http.ResponseWriter, r *http.Request) {
			if sent.Add(1); strings.HasSuffix(r.URL.Path, "/other") {
				t.Errorf("%s %s: a redirect was followed", r.Method, r.URL)
			}
			w.Header().Set("Location", to)
			w.WriteHeader(status)
		})
	}
	doers := map[string]Doer{"default": nil, "net/http's default": http.DefaultClient, "another": &http.Client{Transport: &http.Transport{}}}
	n := int64(0)
	for _, status := range []int{300, 301, 302, 303, 307, 308} {
		for _, to := range []string{elsewhere, elsewhere + "/hash", "/other"} {
			from := redirects(status, to)
			for name, doer := range doers {
				j := jobsOf(t, from, doer)
				for what, call := range map[string]func(context.Context) error{
					"submit": func(ctx context.Context) error { _, err := j.Submit(ctx, []byte("topsecret"), Options{}); return err },
					"batch": func(ctx context.Context) error {
						_, err := j.SubmitBatch(ctx, [][]byte{[]byte("topsecret")}, Options{})
						return err
					},
					"get":    func(ctx context.Context) error { _, err := j.Get(ctx, 7); return err },
					"cancel": func(ctx context.Context) error { return j.Cancel(ctx, 7) },
				} {
					err := call(t.Context())
					n++
					if p, ok := errors.AsType[*ProblemError](err); !ok || p.Status != status || strings.Contains(err.Error(), "topsecret") {
						t.Errorf("%d to %s, %s, %s: %v", status, to, name, what, err)
					}
				}
			}
			for name, doer := range doers {
				operations, err := NewOperations(from, doer)
				if err != nil {
					t.Fatal(err)
				}
				r, err := operations.SubmitHashWithResponse(t.Context(), nil, HashRequest{Password: "topsecret"})
				if n++; err != nil || r.StatusCode() != status {
					t.Errorf("%d to %s, %s, operation: %v, error %v", status, to, name, r, err)
				}
			}
		}
	}
	if sent.Load() != n {
		t.Errorf("%d requests for %d calls", sent.Load(), n)
	}
	if http.DefaultClient.CheckRedirect != nil {
		t.Error("the caller's client was changed")
	}
}

// Answers of proxies and of other servers, over a real connection: what is hashd's is read whatever
// its form, what is not is an error, and nothing of it gets into one.
func TestForeignForms(t *testing.T) {
	const detail = `{"type":"urn:hashd:problem:down","title":"Down","status":503,"detail":"D.","instance":"urn:hashd:request:1","later":[1]}`
	for name, tt := range map[string]struct {
		status            int
		contentType, body string
		retryAfter        time.Duration // from now, as a date; 0 for none
		check             func(Job, error) bool
	}{
		"a job with a member of later": {202, "application/json", `{"later":{"a":1},` + accepted[1:], 0,
			func(j Job, err error) bool { return err == nil && j.Id == 7 && j.Status == JobStatusPending }},
		"a job with a charset": {202, "Application/JSON; charset=utf-8", accepted, 0,
			func(j Job, err error) bool { return err == nil && j.Id == 7 }},
		"a problem with a charset": {503, "application/problem+json; charset=utf-8", detail, 0,
			func(_ Job, err error) bool { return isProblem(err, 503, "urn:hashd:problem:down", 0) }},
		"a problem in capitals, later": {503, "Application/Problem+JSON;charset=UTF-8", detail, 40 * time.Second,
			func(_ Job, err error) bool { return isProblem(err, 503, "urn:hashd:problem:down", 40*time.Second) }},
		"a gateway's page, later": {502, "text/html", "<p>topsecret", 40 * time.Second,
			func(_ Job, err error) bool { return isProblem(err, 502, blankType, 40*time.Second) }},
		"a page, all is well": {200, "text/html; charset=utf-8", "<html>topsecret</html>", 0,
			func(_ Job, err error) bool { return errors.Is(err, ErrAnswer) }},
		"a page that says it is JSON":  {202, "application/json", "<html>topsecret</html>", 0, func(_ Job, err error) bool { return errors.Is(err, ErrAnswer) }},
		"cut JSON":                     {202, "application/json", `{"id":7,"topsecret`, 0, func(_ Job, err error) bool { return errors.Is(err, ErrAnswer) }},
		"a cut problem":                {400, "application/problem+json", `{"type":"topsecret`, 0, func(_ Job, err error) bool { return isProblem(err, 400, blankType, 0) }},
		"nothing":                      {202, "application/json", "", 0, func(_ Job, err error) bool { return errors.Is(err, ErrAnswer) }},
		"a list":                       {202, "application/json", "[]", 0, func(_ Job, err error) bool { return errors.Is(err, ErrAnswer) }},
		"a success that nobody asked":  {201, "application/json", accepted, 0, func(_ Job, err error) bool { return errors.Is(err, ErrAnswer) }},
		"a problem that is no failure": {200, "application/problem+json", detail, 0, func(_ Job, err error) bool { return errors.Is(err, ErrAnswer) }},
	} {
		server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", tt.contentType)
			if tt.retryAfter > 0 {
				w.Header().Set("Retry-After", time.Now().Add(tt.retryAfter).UTC().Format(http.TimeFormat))
			}
			w.WriteHeader(tt.status)
			_, _ = io.WriteString(w, tt.body)
		})
		job, err := jobsOf(t, server, nil).Submit(t.Context(), []byte("topsecret"), Options{})
		if !tt.check(job, err) || strings.Contains(fmt.Sprint(err), "topsecret") {
			t.Errorf("%s: job %+v, error %v", name, job, err)
		}
	}
}

// isProblem reports whether the error is that problem, to be tried again at about that time.
func isProblem(err error, status int, kind string, retryAfter time.Duration) bool {
	p, ok := errors.AsType[*ProblemError](err)
	return ok && p.Status == status && p.Type == kind && p.RetryAfter <= retryAfter && p.RetryAfter > retryAfter-30*time.Second
}

// An answer of 200 MiB ends where no answer of hashd's would go on, in memory and on the wire.
func TestEndlessAnswer(t *testing.T) {
	for _, status := range []int{200, 202, 404, 503} {
		var sent atomic.Int64
		server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			for range 200 {
				n, err := w.Write(make([]byte, 1<<20))
				if sent.Add(int64(n)); err != nil {
					return
				}
			}
		})
		if _, err := jobsOf(t, server, nil).Get(t.Context(), 7); !errors.Is(err, ErrAnswer) {
			t.Errorf("%d: %v", status, err)
		}
		if n := sent.Load(); n > 100<<20 {
			t.Errorf("%d: it read on for %d MiB", status, n>>20)
		}
	}
}
