package client

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A submission is repeated with the same key and body until it succeeds, after a growing pause or
// the one that the server asks for.
func TestSubmitRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, failing, problem(400, "incomplete-request"), problem(503, "full", "Retry-After", "7"),
			answer(502, "<p>secret</p>", "Content-Type", "text/html"), silent, answer(202, accepted))
		var pauses []time.Duration
		j := f.jobs(Config{OnRetry: func(_ error, pause time.Duration) { pauses = append(pauses, pause) }})
		job, err := j.Submit(t.Context(), []byte(`a"\ü`+"\x01"), Options{Algorithm: Sha256})
		if err != nil || job.Id != 7 {
			t.Fatalf("got %+v, %v", job, err)
		}
		f.ended()
		for i, s := range f.seen {
			want := seen{request: "POST /below/hash", key: f.seen[0].key, body: `{"password":"a\"\\ü\u0001","algorithm":"sha256"}`, after: s.after}
			if s != want || s.key == "" {
				t.Errorf("request %d is %+v, want %+v", i, s, want)
			}
		}
		for i, least := range []time.Duration{50, 100, 7200, 400, 800} {
			least *= time.Millisecond
			if most := least + 800*time.Millisecond; pauses[i] < least || pauses[i] > most {
				t.Errorf("pause %d is %v, want %v to %v", i, pauses[i], least, most)
			}
		}
		if silentFor := f.seen[5].after - f.seen[4].after - pauses[4]; silentFor != tryTimeout {
			t.Errorf("it gives up a try after %v, want %v", silentFor, tryTimeout)
		}
	})
}

func TestPausesAreBounded(t *testing.T) {
	for n := range 100 {
		if got := backoff(n); got < firstPause/2 || got > longestPause || n > 7 && got < longestPause/2 {
			t.Errorf("pause %d is %v", n, got)
		}
	}
}

// Each submission has a key of its own unless the caller gives one.
func TestKeys(t *testing.T) {
	f := newFake(t, answer(202, accepted), answer(202, accepted), answer(202, accepted))
	j := f.jobs(Config{})
	for _, key := range []string{"", "", "k/1:"} {
		if _, err := j.Submit(t.Context(), []byte("s"), Options{Key: key}); err != nil {
			t.Fatal(err)
		}
	}
	if a, b, c := f.seen[0].key, f.seen[1].key, f.seen[2].key; a == b || len(a) < 20 || c != "k/1:" {
		t.Errorf("keys %q, %q and %q", a, b, c)
	}
	for _, key := range []string{"a b", "ü", "a\n", strings.Repeat("k", 256)} {
		if _, err := j.SubmitBatch(t.Context(), nil, Options{Key: key}); !errors.Is(err, ErrKey) {
			t.Errorf("key %q: %v", key, err)
		}
	}
}

func TestSubmitBatch(t *testing.T) {
	f := newFake(t, answer(202, `{"first":8,"count":2,"algorithm":"sha512","due":"2026-01-01T00:00:05Z"}`))
	got, err := f.jobs(Config{}).SubmitBatch(t.Context(), [][]byte{[]byte("a"), []byte("<b>")}, Options{})
	if err != nil || got.First != 8 || got.Count != 2 || f.seen[0].body != `{"passwords":["a","<b>"]}` || f.seen[0].request != "POST /below/hash/batch" {
		t.Errorf("got %+v, %v for %+v", got, err, f.seen)
	}
}

// What is no UTF-8 is not sent: the server would hash something else.
func TestEncodingRefused(t *testing.T) {
	f := newFake(t)
	j := f.jobs(Config{})
	for _, secret := range []string{"\xff", "a\xed\xa0\x80"} {
		if _, err := j.Submit(t.Context(), []byte(secret), Options{}); !errors.Is(err, ErrEncoding) || strings.Contains(err.Error(), secret) {
			t.Errorf("%q: %v", secret, err)
		}
		if _, err := j.SubmitBatch(t.Context(), [][]byte{{'a'}, []byte(secret)}, Options{}); !errors.Is(err, ErrEncoding) {
			t.Errorf("%q: %v", secret, err)
		}
	}
	if _, err := j.Submit(t.Context(), []byte("a"), Options{Algorithm: "\xff"}); !errors.Is(err, ErrEncoding) {
		t.Errorf("algorithm: %v", err)
	}
	f.ended()
}

// A refusal that another try would only repeat comes back at once, with all that the server says.
func TestProblems(t *testing.T) {
	for _, status := range []int{400, 404, 410, 413, 415, 422, 500} {
		f := newFake(t, problem(status, "some", "Retry-After", "3"))
		_, err := f.jobs(Config{}).Submit(t.Context(), []byte("topsecret"), Options{})
		p, ok := errors.AsType[*ProblemError](err)
		if !ok || p.Status != status || p.Type != "urn:hashd:problem:some" || p.Title != "T" || p.Detail != "D." ||
			p.Instance != "urn:hashd:request:1" || len(p.Errors) != 1 || p.RetryAfter != 3*time.Second {
			t.Errorf("%d: %#v", status, p)
		}
		if text := err.Error(); !strings.Contains(text, " T: D. #/password is required. (urn:hashd:request:1)") || strings.Contains(text, "topsecret") {
			t.Errorf("%d: %s", status, text)
		}
		f.ended()
	}
}

// Of an answer that is not hashd's, nothing but the status is taken: it may repeat the secret.
func TestForeignAnswers(t *testing.T) {
	const secret = "topsecret"
	for _, foreign := range []step{
		answer(400, `{"type":"x","detail":"`+secret+`"}`, "Content-Type", "application/json"),
		answer(400, secret), answer(307, secret, "Location", "http://elsewhere/"), answer(404, secret, "Content-Type", "text/plain"),
		answer(200, secret), answer(202, `"`+secret+`"`), answer(202, secret, "Content-Type", "text/html"), answer(202, `{"id":"`+secret+`"}`),
	} {
		f := newFake(t, foreign)
		_, err := f.jobs(Config{}).Submit(t.Context(), []byte(secret), Options{})
		p, refused := errors.AsType[*ProblemError](err)
		if refused != !errors.Is(err, ErrAnswer) || refused && (p.Type != blankType || p.Title == "" || p.Detail != "") || strings.Contains(err.Error(), secret) {
			t.Errorf("got %v, %#v", err, p)
		}
		f.ended()
	}
}

// JSON that hashd could not have meant as the answer is none: no hash comes of it, nor an id.
func TestForeignJSON(t *testing.T) {
	for _, foreign := range []step{
		answer(200, `{}`), answer(200, `{"ok":true}`), answer(200, `[]`), answer(200, `null`), answer(202, `{}`), answer(202, `{"ok":true}`), answer(202, `null`),
		answer(200, `{"id":8,"status":"done","algorithm":"sha512","hash":"QUJD"}`), answer(202, `{"id":-7,"first":-7,"count":1,"due":"2026-01-01T00:00:05Z"}`),
		answer(200, `{"id":7,"status":"done","hash":""}`), answer(200, `{"id":7,"status":"done","hash":"<no hash>"}`), answer(200, `{"id":7,"status":"pending"}`),
		answer(200, "<!doctype html><title>Log in</title>", "Content-Type", "text/html"), answer(200, ""), answer(206, done), answer(204, ""),
		answer(202, `{"first":7,"count":2,"due":"2026-01-01T00:00:05Z"}`), answer(200, done+strings.Repeat(" ", maxAnswerBytes)),
		answer(404, strings.Repeat(" ", 2*maxAnswerBytes)),
	} {
		for name, do := range map[string]func(*Jobs) error{
			"submit": func(j *Jobs) error { _, err := j.Submit(t.Context(), []byte("s"), Options{}); return err },
			"batch":  func(j *Jobs) error { _, err := j.SubmitBatch(t.Context(), [][]byte{{'s'}}, Options{}); return err },
			"get":    func(j *Jobs) error { _, err := j.Get(t.Context(), 7); return err },
			"wait":   func(j *Jobs) error { _, err := j.Wait(t.Context(), 7); return err },
			"stats":  func(j *Jobs) error { _, err := j.Stats(t.Context()); return err },
			"status": func(j *Jobs) error { _, err := j.Status(t.Context()); return err },
		} {
			f := newFake(t, foreign)
			if err := do(f.jobs(Config{})); !errors.Is(err, ErrAnswer) {
				t.Errorf("%s: %v", name, err)
			}
			f.ended()
		}
	}
}

// RetryFor bounds the tries of one request, also where the server asks for a longer pause.
func TestRetryFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.steps = make([]step, 1000)
		for i := range f.steps {
			f.steps[i] = failing
		}
		if _, err := f.jobs(Config{RetryFor: time.Minute}).Stats(t.Context()); err == nil || !strings.Contains(err.Error(), "connection reset") {
			t.Errorf("got %v", err)
		}
		if took := time.Since(f.start); took != time.Minute || len(f.seen) > 30 {
			t.Errorf("%d tries in %v", len(f.seen), took)
		}

		f = newFake(t, problem(503, "full", "Retry-After", "61"))
		_, err := f.jobs(Config{RetryFor: time.Minute}).Stats(t.Context())
		if p, ok := errors.AsType[*ProblemError](err); !ok || p.RetryAfter != 61*time.Second || time.Since(f.start) != 0 {
			t.Errorf("got %v after %v", err, time.Since(f.start))
		}
		f.ended()
	})
}

// However short RetryFor is, there is a last try at its end.
func TestShortRetryForHasALastTry(t *testing.T) {
	f := newFake(t, failing, answer(200, `{"total":3}`))
	if _, err := f.jobs(Config{RetryFor: time.Nanosecond}).Stats(t.Context()); err != nil {
		t.Error(err)
	}
	f.ended()
}

// The whole of RetryFor is used, whatever pauses the server asks for within it: a server that is
// there again at its very end is still found.
func TestRetryForIsUsedWhole(t *testing.T) {
	for _, retryFor := range []time.Duration{10 * time.Millisecond, time.Second, 10 * time.Second, time.Hour} {
		for name, fail := range map[string]step{
			"no answer": failing, "no pause asked for": problem(503, "full"), "1 s asked for": problem(503, "full", "Retry-After", "1"),
			"4 s asked for": problem(429, "rate", "Retry-After", "4"),
		} {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t)
				back := f.start.Add(retryFor)
				f.steps = make([]step, 5000)
				for i := range f.steps {
					f.steps[i] = func(r *http.Request) (*http.Response, error) {
						if !time.Now().Before(back) {
							return answer(200, `{"total":3}`)(r)
						}
						return fail(r)
					}
				}
				hopeless := strings.HasSuffix(name, "s asked for") && retryFor < time.Second || strings.HasPrefix(name, "4 s") && retryFor < 4*time.Second
				_, err := f.jobs(Config{RetryFor: retryFor}).Stats(t.Context())
				if took := time.Since(f.start); hopeless == (err == nil) || hopeless && took > 0 || !hopeless && took != retryFor {
					t.Errorf("%v, %s: %v after %v", retryFor, name, err, took)
				}
			})
		}
	}
}

// A deadline of the context is used likewise, but for what the last try needs.
func TestDeadlineIsUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.steps = make([]step, 100)
		for i := range f.steps {
			f.steps[i] = failing
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if _, err := f.jobs(Config{}).Stats(ctx); err == nil || !strings.Contains(err.Error(), "connection reset") {
			t.Errorf("got %v", err)
		}
		if took := time.Since(f.start); took < 9*time.Second || took > 10*time.Second || len(f.seen) > 30 {
			t.Errorf("%d tries in %v", len(f.seen), took)
		}
	})
}

// The context ends a pause, and no pause begins that would go beyond its deadline.
func TestContextEndsRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, problem(503, "full", "Retry-After", "9"), problem(503, "full", "Retry-After", "9"))
		j := f.jobs(Config{})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if _, err := j.Status(ctx); !errors.Is(err, context.Canceled) || time.Since(f.start) != time.Second {
			t.Errorf("got %v after %v", err, time.Since(f.start))
		}
		ctx, cancel = context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		_, err := j.Status(ctx)
		if _, ok := errors.AsType[*ProblemError](err); !ok || time.Since(f.start) != time.Second {
			t.Errorf("got %v after %v", err, time.Since(f.start))
		}
		f.ended()
	})
}

// A pending job is asked for with Prefer, and again once Retry-After has passed.
func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, answer(202, pending, "Retry-After", "90"), cutting, answer(202, pending), answer(200, done))
		got, err := f.jobs(Config{}).Wait(t.Context(), 7)
		if err != nil || got != (Job{Id: 7, Status: JobStatusDone, Algorithm: Sha512, Hash: "QUJD"}) {
			t.Errorf("got %+v, %v", got, err)
		}
		f.ended()
		for i, at := range []time.Duration{0, 90 * time.Second, 90 * time.Second, 91 * time.Second} {
			s := f.seen[i]
			if s.request != "GET /below/hash/7" || s.prefer != "wait=30" || s.after.Truncate(time.Second) != at {
				t.Errorf("request %d is %+v, want it at %v", i, s, at)
			}
		}
	})
}

func TestWaitTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, answer(202, pending, "Retry-After", "10"), silent)
		j := f.jobs(Config{})
		for _, prefer := range []string{"wait=5", "wait=1"} {
			timeout := 4500 * time.Millisecond
			if prefer == "wait=1" {
				timeout = 300 * time.Millisecond
			}
			ctx, cancel := context.WithTimeout(t.Context(), timeout)
			start := time.Now()
			_, err := j.Wait(ctx, 7)
			cancel()
			p, ok := errors.AsType[*PendingError](err)
			if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != timeout || ok && p.Job.Id != 7 || ok != (prefer == "wait=5") {
				t.Errorf("got %v after %v", err, time.Since(start))
			}
			if s := f.seen[len(f.seen)-1]; s.prefer != prefer {
				t.Errorf("it prefers %s, want %s", s.prefer, prefer)
			}
		}
		f.ended()
	})
}

func TestGetPending(t *testing.T) {
	f := newFake(t, answer(202, pending, "Retry-After", "4"))
	_, err := f.jobs(Config{}).Get(t.Context(), 7)
	p, ok := errors.AsType[*PendingError](err)
	if !ok || p.Job.Id != 7 || p.RetryAfter != 4*time.Second || err.Error() != "job 7 is pending until 2026-01-01T00:00:05Z" || f.seen[0].prefer != "" {
		t.Errorf("got %v for %+v", err, f.seen)
	}
}

func TestSubmitAndWait(t *testing.T) {
	f := newFake(t, answer(202, accepted), answer(200, done), problem(422, "idempotency-key-reused"))
	j := f.jobs(Config{})
	if got, err := j.SubmitAndWait(t.Context(), []byte("s"), Options{}); err != nil || got.Hash != "QUJD" {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := j.SubmitAndWait(t.Context(), []byte("s"), Options{}); err == nil {
		t.Error("a refusal is no error")
	}
	f.ended()
}

// A job that is gone when an answer was lost is the one that was canceled.
func TestCancelRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, answer(204, ""), failing, problem(410, "job-gone"), problem(503, "draining"), problem(410, "job-gone"), failing, problem(404, "unknown-job"))
		j := f.jobs(Config{})
		f.steps = append(f.steps, answer(200, "<p>", "Content-Type", "text/html"))
		for i, want := range []string{"", "", GoneType, UnknownJobType} {
			err := j.Cancel(t.Context(), 7)
			p, refused := errors.AsType[*ProblemError](err)
			if refused != (want != "") || refused && p.Type != want || !refused && err != nil {
				t.Errorf("%d: %v, want %q", i, err, want)
			}
		}
		if err := j.Cancel(t.Context(), 7); !errors.Is(err, ErrAnswer) {
			t.Errorf("an answer that is not hashd's: %v", err)
		}
		f.ended()
	})
}

func TestStatsAndStatus(t *testing.T) {
	f := newFake(t, answer(200, `{"total":3}`), answer(200, `{"status":"draining","started":"2026-01-01T00:00:05Z","store":"a"}`))
	j := f.jobs(Config{})
	if s, err := j.Stats(t.Context()); err != nil || s.Total != 3 {
		t.Errorf("got %+v, %v", s, err)
	}
	if s, err := j.Status(t.Context()); err != nil || s.Status != ServerStatusDraining {
		t.Errorf("got %+v, %v", s, err)
	}
}

func TestServerURL(t *testing.T) {
	for _, server := range []string{"", "localhost:8080", "ftp://a", "http://", "/hash", "http://[::1", "http://u:topsecret@%/"} {
		if _, err := NewJobs(Config{Server: server}); err == nil || strings.Contains(err.Error(), "topsecret") {
			t.Errorf("%q: %v", server, err)
		}
	}
}

func TestRetryAfterForms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for value, want := range map[string]time.Duration{
			"": 0, "5": 5 * time.Second, "-5": 0, "soon": 0, "99999999999999999999": 0,
			time.Now().Add(time.Minute).UTC().Format(http.TimeFormat):  time.Minute,
			time.Now().Add(-time.Minute).UTC().Format(http.TimeFormat): 0,
		} {
			if got := retryAfter(&http.Response{Header: http.Header{"Retry-After": {value}}}); got != want {
				t.Errorf("%q: %v, want %v", value, got, want)
			}
		}
	})
}

// A body is wiped when its maker and all readers have let go, not before, and never moves.
func TestBodyIsWiped(t *testing.T) {
	secrets := [][]byte{[]byte("\x00\x01\"\\\x7f<>&\u2028\u2029"), []byte(strings.Repeat("\x1f", 1024)), []byte("ü😀")}
	b, err := encodeBatch(secrets, Sha512)
	if err != nil {
		t.Fatal(err)
	}
	text := b.text
	var doc BatchRequest
	if err := json.Unmarshal(text, &doc); err != nil || *doc.Algorithm != Sha512 {
		t.Fatalf("%s: %v", text, err)
	}
	room := 128
	for i, s := range secrets {
		if room += quoted(s) + 1; doc.Passwords[i] != string(s) {
			t.Errorf("secret %d became %q", i, doc.Passwords[i])
		}
	}
	if cap(text) > 2*room {
		t.Errorf("it grew to %d, with room for %d", cap(text), room)
	}
	late, again := b.open(), b.open()
	_ = again.Close()
	_ = again.Close() // net/http may close twice
	b.release()
	if text[0] != '{' {
		t.Error("wiped while a reader holds it")
	}
	_ = late.Close()
	if strings.Trim(string(text), "\x00") != "" {
		t.Errorf("not wiped: %q", text)
	}
}
