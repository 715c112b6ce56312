package server

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/hashd-project/hashd/v2/internal/engine"
	"github.com/hashd-project/hashd/v2/internal/service"
)

const span = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

// spans notes which spans ended, and how.
type spans struct{ ended []string }

type spanKey struct{}

func (s *spans) begin(r *http.Request, method, route string) (context.Context, func(int)) {
	return context.WithValue(r.Context(), spanKey{}, engine.Trace(span)), func(status int) {
		s.ended = append(s.ended, method+" "+route+": "+http.StatusText(status))
	}
}

func traceOf(ctx context.Context) engine.Trace {
	t, _ := ctx.Value(spanKey{}).(engine.Trace)
	return t
}

// traced is a site whose requests have spans, with a log at info.
func traced(t *testing.T, e engine.Engine, accessLog bool) (*site, *spans) {
	all := new(spans)
	s := service.New(service.Config{Engine: e, MaxWait: time.Minute, Trace: traceOf})
	site := newSite(t, s, func(c *Config) {
		c.Begin, c.AccessLog = all.begin, accessLog
		c.Traceparent = func(r *http.Request) string { return string(traceOf(r.Context())) }
		c.Metrics = http.NotFoundHandler()
	})
	site.cfg.Log = slog.New(slog.NewJSONHandler(site.log, nil))
	site.handler = Handler(site.cfg, site.service)
	return site, all
}

// Each request but probes and scrapes has a span, which ends with its status. Its jobs have its trace.
func TestRequestsHaveSpans(t *testing.T) {
	var traces []engine.Trace
	s, all := traced(t, fake{
		accept: func(j engine.Job) { traces = append(traces, j.Trace) }, batch: func(b engine.Batch) { traces = append(traces, b.Trace) },
	}, false)
	s.ask("POST /hash", password).want(202)
	s.ask("POST /hash/batch", `{"passwords":["a"]}`).want(202)
	s.ask("GET /hash/x"+canary, "").want(400)
	s.ask("GET /"+canary, "").want(404)
	s.ask("GET /healthz", "").want(200)
	s.ask("GET /readyz", "").want(200)
	want := []string{"POST /hash: Accepted", "POST /hash/batch: Accepted", "GET /hash/:id: Bad Request", "GET : Not Found"}
	if !slices.Equal(all.ended, want) {
		t.Errorf("the spans are %q", all.ended)
	}
	if !slices.Equal(traces, []engine.Trace{span, span}) {
		t.Errorf("the jobs have the traces %q", traces)
	}
	if s.log.text.Len() > 0 {
		t.Errorf("logged %s", &s.log.text)
	}
	before := len(all.ended)
	if New(s.cfg, s.service); len(all.ended) != before {
		t.Errorf("a new server has the spans %q, without a request", all.ended[before:])
	}
}

// With the access log there is a line for each request at info, by which its trace is found; and so there is for one
// that failed, always.
func TestAccessLogNamesTheTrace(t *testing.T) {
	s, _ := traced(t, fake{}, true)
	a := s.ask("POST /hash", password).want(202)
	failing, _ := traced(t, fake{err: engine.ErrInvalid}, false)
	b := failing.ask("POST /hash", password).want(500)
	for message, one := range map[string]answer{"request": a, "request failed": b} {
		lines := one.log.lines(message)
		if len(lines) != 1 || lines[0]["request"] != one.header.Get("X-Request-Id") || lines[0]["traceparent"] != span || lines[0]["trace_id"] != span[3:35] {
			t.Errorf("%s: %v", message, lines)
		}
	}
	if level := s.log.lines("request")[0]["level"]; level != "INFO" {
		t.Errorf("the access log is at %v", level)
	}
}
