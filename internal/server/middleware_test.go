package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	wire "github.com/hashd-project/hashd/v2/gen/server"
	"github.com/hashd-project/hashd/v2/internal/engine"
	"github.com/hashd-project/hashd/v2/internal/strict"
)

func TestRequestID(t *testing.T) {
	s := newSite(t, on(fake{}))
	for _, id := range []string{"x", "0", "._-", "AZaz09._-", "8e03978e-40d5-43e8-bc93-6894a57f9324", strings.Repeat("x", 64)} {
		s.ask("GET /healthz", "", "X-Request-Id:"+id).want(200, "X-Request-Id: "+id)
		s.ask("GET /nowhere", "", "X-Request-Id:"+id).want(404, "X-Request-Id: "+id)
	}
	for _, id := range []string{
		"", strings.Repeat("x", 65), "a b", "a\tb", "a\r\nSet-Cookie: b", "é", "\x00", "\xff", "a,b", "a/b", "a\"b", "<a>", "${jndi}", "%0a", "@", "`", "[", "{",
	} {
		got := s.ask("GET /healthz", "", "X-Request-Id:"+id).want(200).header.Get("X-Request-Id")
		if got == id || !isRequestID(got) || len(got) < 12 {
			t.Errorf("sent %q, got %q", id, got)
		}
	}
}

// By its ids a client cannot tell how many requests came between: no part of one stays from one to the next.
func TestRequestIDsTellNothingOfOthers(t *testing.T) {
	s := newSite(t, on(fake{}))
	const requests = 40
	var digits [16]map[byte]bool
	for range requests {
		id := s.ask("GET /healthz", "").header.Get("X-Request-Id")
		if len(id) != len(digits) {
			t.Fatalf("id %q", id)
		}
		for i := range digits {
			if digits[i] == nil {
				digits[i] = map[byte]bool{}
			}
			digits[i][id[i]] = true
		}
	}
	for i, seen := range digits {
		if len(seen) < 10 { // of 32, by chance once in 10^12 runs
			t.Errorf("place %d has %d digits in %d ids", i, len(seen), requests)
		}
	}
}

// Ids are unique within a server and among servers.
func TestRequestIDsAreUnique(t *testing.T) {
	const servers, clients, requests = 2, 4, 100
	var (
		mu   sync.Mutex
		seen = map[string]bool{}
	)
	for range servers {
		s := newSite(t, on(fake{}))
		var group sync.WaitGroup
		for range clients {
			group.Go(func() {
				for range requests {
					id := s.ask("GET /healthz", "").header.Get("X-Request-Id")
					mu.Lock()
					seen[id] = true
					mu.Unlock()
				}
			})
		}
		group.Wait()
	}
	if len(seen) != servers*clients*requests {
		t.Errorf("%d ids for %d requests", len(seen), servers*clients*requests)
	}
}

// At debug there is a line for each request. It has the route, and nothing that the client chose
// but its request id.
func TestDebugLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, on(fake{accept: func(engine.Job) { time.Sleep(3 * time.Millisecond) }}))
		took := map[string]float64{"POST /hash": 3e6}
		for what, want := range map[string]struct {
			route  string
			status int
		}{
			"POST /hash":                       {"/hash", 202},
			"GET /hash/42":                     {"/hash/:id", 202},
			"GET /hash/" + canary:              {"/hash/:id", 400},
			"DELETE /hash/42":                  {"/hash/:id", 204},
			"DELETE /hash/42?x=" + canary:      {"/hash/:id", 400},
			"PUT /hash/42":                     {"/hash/:id", 405},
			"GET /" + canary:                   {"", 404},
			"GET /hash/42/" + canary:           {"/hash/:id", 404},
			"GET /v/status?password=" + canary: {"/v/status", 400},
		} {
			a := s.ask(what, password, "User-Agent:"+canary, "Prefer: wait=0, "+canary, "Idempotency-Key:"+canary, "Cookie:"+canary).want(want.status)
			lines := s.log.lines("request")
			line := lines[len(lines)-1]
			method, _, _ := strings.Cut(what, " ")
			expected := map[string]any{
				"time": line["time"], "level": "DEBUG", "msg": "request", "request": a.header.Get("X-Request-Id"),
				"client": "192.0.2.1", "method": method, "route": want.route, "status": float64(want.status), "took": took[what],
			}
			if fmt.Sprint(line) != fmt.Sprint(expected) {
				t.Errorf("%s:\nlogged %v\nwant   %v", what, line, expected)
			}
		}
		if n := len(s.log.lines("request")); n != 9 || len(s.log.lines("request failed")) != 0 {
			t.Errorf("%d lines for 9 requests:\n%s", n, &s.log.text)
		}
	})
}

// Above debug the log is silent unless something fails.
func TestInfoLogIsSilent(t *testing.T) {
	quiet := func(s *site) *site {
		s.cfg.Log = slog.New(slog.NewJSONHandler(s.log, nil))
		s.handler = Handler(s.cfg, s.service)
		return s
	}
	s := quiet(newSite(t, on(fake{})))
	for _, what := range []string{"POST /hash", "GET /hash/1", "GET /hash/x", "DELETE /hash/1", "GET /nowhere", "PUT /stats"} {
		s.ask(what, password)
	}
	if s.log.text.Len() > 0 {
		t.Errorf("logged %s", &s.log.text)
	}
	s = quiet(newSite(t, on(fake{err: engine.ErrInvalid})))
	s.ask("POST /hash", password).want(500)
	if lines := slices.Collect(strings.Lines(s.log.text.String())); len(lines) != 1 {
		t.Errorf("logged %s", &s.log.text)
	}
}

// What the statistics call the average is over the answers that accepted a job, from the
// request's arrival to the end of its answer.
func TestAnswersAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var answered []time.Duration
		takes := 2 * time.Millisecond
		refuse := false
		s := newSite(t, stub{
			answered: &answered,
			submit: func(*wire.HashRequest) (wire.SubmitHashResponseObject, error) {
				time.Sleep(takes)
				if refuse {
					return nil, engine.ErrDraining
				}
				return wire.SubmitHash202JSONResponse{
					Body:    wire.Job{Id: 1, Status: wire.JobStatusPending, Algorithm: wire.Sha512, Due: strict.Time{Time: time.Now().UTC()}},
					Headers: wire.SubmitHash202ResponseHeaders{Location: "/hash/1", RetryAfter: 1},
				}, nil
			},
		})
		s.ask("POST /hash", password).want(http.StatusAccepted)
		takes = 5 * time.Millisecond
		s.ask("POST /hash", password).want(http.StatusAccepted)
		refuse = true
		s.ask("POST /hash", password).want(503)
		s.ask("POST /hash", `{}`).want(400)
		s.ask("POST /hash", password, "Content-Type:").want(415)
		s.ask("POST /hash/42", password).want(405)
		s.ask("POST /hash/", password).want(404)
		s.ask("GET /healthz", "").want(200)
		if want := []time.Duration{2 * time.Millisecond, 5 * time.Millisecond}; !slices.Equal(answered, want) {
			t.Errorf("counted %v, want %v", answered, want)
		}
	})
	// A pending job that is looked at is answered with 202 as well.
	var answered []time.Duration
	s := newSite(t, counting{on(fake{}), &answered})
	s.ask("GET /hash/1", "").want(http.StatusAccepted)
	if len(answered) != 0 {
		t.Errorf("counted %v", answered)
	}
	// A batch is one answer, however many its jobs.
	s.ask("POST /hash/batch", passwords).want(http.StatusAccepted)
	s.ask("POST /hash/batch", `{"passwords":[]}`).want(http.StatusBadRequest)
	s.ask("GET /hash/batch?first=7&count=2", "").want(http.StatusOK)
	// The wait that a client prefers is no part of the time: the service counts it.
	s.ask("POST /hash", password, "Prefer: wait=1").want(http.StatusAccepted)
	if len(answered) != 1 {
		t.Errorf("counted %v", answered)
	}
}

type counting struct {
	Service
	answered *[]time.Duration
}

func (c counting) Answered(_ context.Context, took time.Duration) {
	*c.answered = append(*c.answered, took)
}

// panics returns a service that panics with what the function makes of the request.
func panics(value func(*wire.HashRequest) any) stub {
	return stub{submit: func(body *wire.HashRequest) (wire.SubmitHashResponseObject, error) { panic(value(body)) }}
}

// A panic is answered as an internal error and logged with its place, but never with its value,
// which could be anything that was at hand.
func TestPanic(t *testing.T) {
	type custom struct{ text string }
	for logged, value := range map[string]func(*wire.HashRequest) any{
		"panic: string":                         func(*wire.HashRequest) any { return canary },
		"panic: *errors.errorString":            func(*wire.HashRequest) any { return errors.New(canary) },
		"panic: *fmt.wrapError":                 func(*wire.HashRequest) any { return fmt.Errorf("%s: %w", canary, http.ErrAbortHandler) },
		"panic: []uint8":                        func(b *wire.HashRequest) any { return b.Password.Bytes() },
		"panic: secret.Secret":                  func(b *wire.HashRequest) any { return b.Password },
		"panic: *server.HashRequest":            func(b *wire.HashRequest) any { return b },
		"panic: server.custom":                  func(*wire.HashRequest) any { return custom{canary} },
		"panic: map[string]int":                 func(*wire.HashRequest) any { return map[string]int{canary: 1} },
		"panic: func()":                         func(*wire.HashRequest) any { return func() {} },
		"panic: " + outOfRange:                  func(b *wire.HashRequest) any { return b.Password.Bytes()[len(canary):][3] },
		"panic: " + wrongType:                   func(*wire.HashRequest) any { return any(canary).(int) },
		"panic: assignment to entry in nil map": func(*wire.HashRequest) any { none[canary] = 1; return none },
		"panic: panic called with nil argument": func(*wire.HashRequest) any { return nil },
	} {
		s := newSite(t, panics(value))
		a := s.ask("POST /hash", password)
		a.wantProblem(500, "internal")
		lines := s.log.lines("request failed")
		if len(lines) != 1 {
			t.Fatalf("%s: %d lines in the log", logged, len(lines))
		}
		line := lines[0]
		if line["error"] != logged || line["level"] != "ERROR" || line["route"] != "/hash" || line["request"] != a.header.Get("X-Request-Id") {
			t.Errorf("logged %v, want %s", line, logged)
		}
		if stack, _ := line["stack"].(string); !strings.Contains(stack, "server.stub.SubmitHash") || !strings.Contains(stack, "failures_test.go") {
			t.Errorf("%s: the stack does not lead to the panic:\n%s", logged, stack)
		}
		s.ask("GET /healthz", "").want(200)
	}
}

// http.ErrAbortHandler is a request to net/http, not a failure.
func TestAbort(t *testing.T) {
	s := newSite(t, panics(func(*wire.HashRequest) any { return http.ErrAbortHandler }))
	defer func() {
		if v := recover(); v != http.ErrAbortHandler {
			t.Errorf("recovered %v", v)
		}
		if s.log.text.Len() > 0 {
			t.Errorf("logged %s", &s.log.text)
		}
	}()
	r := httptest.NewRequest(http.MethodPost, "/hash", strings.NewReader(password))
	r.Header.Set("Content-Type", "application/json")
	s.handler.ServeHTTP(httptest.NewRecorder(), r)
}
