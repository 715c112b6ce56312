package server

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	wire "github.com/hashd-project/hashd/v2/gen/server"
	"github.com/hashd-project/hashd/v2/internal/engine"
	"github.com/hashd-project/hashd/v2/internal/guard"
	"github.com/hashd-project/hashd/v2/internal/strict"
)

// counted returns what the server has counted, in short.
func (r *running) counted() (requests, problems []string) {
	r.server.Requests(func(operation string, status int, n int64) {
		requests = append(requests, fmt.Sprint(operation, " ", status, " ", n))
	})
	r.server.Problems(func(kind, limit string, n int64) {
		problems = append(problems, strings.Join(strings.Fields(fmt.Sprint(kind, " ", limit, " ", n)), " "))
	})
	slices.Sort(requests)
	slices.Sort(problems)
	return requests, problems
}

// Each request is counted once, by what the contract calls it, whatever a client makes up.
func TestRequestsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := listen(t, on(fake{}), func(cfg *Config) {
			page := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
			cfg.Pages, cfg.Metrics = map[string]http.Handler{"/docs": page, "/openapi.yaml": page, "/": page, "/page/main.js": page}, page
		})
		send := func(method, target, body string) {
			req, err := http.NewRequestWithContext(t.Context(), method, "http://localhost"+target, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/json")
			res, err := r.client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
		}
		for range 3 {
			send(http.MethodPost, "/hash", password)
		}
		send(http.MethodPost, "/hash", `{}`)
		send(http.MethodGet, "/healthz", "")
		send(http.MethodHead, "/healthz", "")
		send(http.MethodOptions, "/healthz", "")
		send(http.MethodGet, "/docs", "")
		send(http.MethodGet, "/", "")
		send(http.MethodGet, "/page/main.js", "")
		send(http.MethodGet, "/openapi.yaml", "")
		send(http.MethodGet, "/metrics", "")
		for n := range 100 {
			send("MADEUP"+fmt.Sprint(n), "/made/up/"+fmt.Sprint(n), "")
			send(http.MethodGet, "/hash/+"+fmt.Sprint(n), "")
		}
		r.raw("NO REQUEST\r\n\r\n")
		synctest.Wait()
		requests, problems := r.counted()
		want := []string{
			"documentation 200 4", "getHash 400 100", "getHealth 200 2", "metrics 200 1", "none 204 1", "none 400 1", "none 404 100",
			"submitHash 202 3", "submitHash 400 1",
		}
		if !slices.Equal(requests, want) {
			t.Errorf("requests %q\nwant     %q", requests, want)
		}
		if want := []string{"invalid-request 101", "malformed-request 1", "unknown-path 100"}; !slices.Equal(problems, want) {
			t.Errorf("problems %q, want %q", problems, want)
		}
	})
}

// What a limit refuses names it; readiness checks are no requests that are refused.
func TestProblemsAreCountedByLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := listen(t, on(fake{err: &engine.FullError{Limit: "max-pending", RetryAfter: time.Second}}))
		synctest.Wait()
		r.handler = r.server.streams.next
		for range 5 {
			r.ask("POST /hash", password).want(503)
		}
		r.server.parts.refused.note(engine.ErrDown, down, true)
		r.server.parts.refused.note(engine.ErrDown, down, false)
		if _, problems := r.counted(); !slices.Equal(problems, []string{"down 1", "full max-pending 5"}) {
			t.Errorf("problems %q", problems)
		}
	})
}

// What is refused before the router is counted as what it would have been.
func TestOverloadIsCounted(t *testing.T) {
	s := newSite(t, on(fake{}))
	shared := newParts(&s.cfg)
	r := newRefuser(s.cfg, s.service, shared)
	r.log = slog.New(slog.DiscardHandler)
	for _, line := range []string{"POST /hash", "POST /hash/batch", "GET /hash/batch?first=1&count=1", "GET /hash?after=1", "GET /hash/1"} {
		if r.answer(nil, []byte(line+" HTTP/1.1\r\nHost: localhost\r\n\r\n")) == nil {
			t.Errorf("%s has no answer", line)
		}
	}
	got := map[string]int64{}
	shared.requests.each(func(operation string, status int, n int64) { got[fmt.Sprint(operation, " ", status)] += n })
	want := map[string]int64{"submitHash 503": 1, "submitBatch 503": 1, "getBatch 503": 1, "listHashes 503": 1, "getHash 503": 1}
	if !maps.Equal(got, want) || shared.refused.counts[reason{kind: full, limit: maxInFlight}] != 5 {
		t.Errorf("requests %v, refused %v", got, shared.refused.counts)
	}
	shared.refused.close()
}

// The names of operations are those of the contract, each for a route that there is.
func TestOperationsAreThoseOfTheContract(t *testing.T) {
	o, err := sharedOracle()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for path, item := range o.Paths.Map() {
		for method, operation := range item.Operations() {
			want[method+" "+strings.NewReplacer("{", ":", "}", "").Replace(path)] = operation.OperationID
		}
	}
	got := map[string]string{}
	for at, name := range wire.Operations() {
		got[at[0]+" "+at[1]] = name
	}
	if !maps.Equal(got, want) {
		t.Errorf("%v\nwant %v", got, want)
	}
}

// scoped is a guard that lets in whoever has a scope.
type scoped string

func (s scoped) Admit(r *http.Request, anyOf ...strict.Requirement) (context.Context, error) {
	if slices.Contains(anyOf[0].Scopes, string(s)) {
		return r.Context(), nil
	}
	return nil, &guard.ScopeError{Scope: anyOf[0].Scopes[0]}
}

// Figures of the whole server are for a scope of their own: whoever may see those of a tenant may not see others'.
func TestMetricsHaveAScope(t *testing.T) {
	for scope, want := range map[string]int{"metrics": http.StatusOK, "stats": http.StatusForbidden, "": http.StatusForbidden} {
		s := newSite(t, on(fake{}), func(cfg *Config) {
			cfg.Guard = scoped(scope)
			cfg.Metrics = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "figures 1\n") })
		})
		w := httptest.NewRecorder()
		s.handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody))
		if w.Code != want || strings.Contains(w.Body.String(), "figures") != (want == http.StatusOK) || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("scope %q: %d %s", scope, w.Code, w.Body)
		}
		s.ask("POST /metrics", "").want(405)
	}
	newSite(t, on(fake{})).ask("GET /metrics", "").want(404) // a server without
}
