package observe

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/hashd-project/hashd/v2/internal/digest"
	"github.com/hashd-project/hashd/v2/internal/engine"
)

const (
	client    = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	unsampled = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
)

// recorded returns what makes spans, and where they are.
func recorded(t *testing.T) (*Tracing, *tracetest.InMemoryExporter) {
	t.Helper()
	to := tracetest.NewInMemoryExporter()
	tracing, err := newTracing(t.Context(), Build{Version: "v2.0.0"}, sdk.WithSyncer(to))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tracing.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return tracing, to
}

func requestWith(fields ...string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/hash?zq7secret=1", strings.NewReader(`{"password":"zq7secret"}`))
	for i := 0; i < len(fields); i += 2 {
		r.Header.Set(fields[i], fields[i+1])
	}
	return r
}

// Nothing is traced unless a variable of OpenTelemetry asks for it.
func TestTracingIsOffUnlessAsked(t *testing.T) {
	for set, want := range map[string]bool{
		"":                             false,
		"OTEL_SERVICE_NAME=a":          false,
		"OTEL_TRACES_EXPORTER=otlp":    true,
		"OTEL_TRACES_EXPORTER=console": true,
		"OTEL_TRACES_EXPORTER=none":    false,
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://a:4318":                           true,
		"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://a":                         true,
		"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=http://":                         false,
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://a:4318 OTEL_TRACES_EXPORTER=none": false,
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://a:4318 OTEL_SDK_DISABLED=true":    false,
	} {
		got := TracingAsked(func(name string) string {
			for one := range strings.FieldsSeq(set) {
				if value, ok := strings.CutPrefix(one, name+"="); ok {
					return value
				}
			}
			return ""
		})
		if got != want {
			t.Errorf("%q: %v", set, got)
		}
	}
}

// The span of a request lies in its client's trace, and the span of the hash below it with a link, at the time of the
// hashing. Their attributes are these and no more.
func TestSpansOfARequestAndItsHash(t *testing.T) {
	tracing, to := recorded(t)
	ctx, end := tracing.Begin(requestWith("Traceparent", client, "Tracestate", "zq7secret=zq7secret", "User-Agent", "zq7secret"), "POST", "/hash")
	job := tracing.TraceOf(ctx)
	end(http.StatusAccepted)
	began := time.Now().Add(5 * time.Second)
	tracing.Hashed(engine.Hashing{Trace: job, Algorithm: digest.SHA3x512, Jobs: 3, Began: began, Ended: began.Add(time.Millisecond)})
	spans := to.GetSpans()
	if len(spans) != 2 {
		t.Fatalf("%d spans", len(spans))
	}
	request, hash := spans[0], spans[1]
	if request.Name != "POST /hash" || request.SpanKind != trace.SpanKindServer || request.Parent.TraceID().String() != client[3:35] || request.Parent.SpanID().String() != client[36:52] {
		t.Errorf("the request's span is %+v", request)
	}
	if hash.Name != "hash" || hash.SpanContext.TraceID() != request.SpanContext.TraceID() || hash.Parent.SpanID() != request.SpanContext.SpanID() ||
		len(hash.Links) != 1 || hash.Links[0].SpanContext.SpanID() != request.SpanContext.SpanID() {
		t.Errorf("the hash's span is %+v", hash)
	}
	if !hash.StartTime.Equal(began) || hash.EndTime.Sub(hash.StartTime) != time.Millisecond {
		t.Errorf("the hash was from %v to %v", hash.StartTime, hash.EndTime)
	}
	var told []string
	for _, s := range spans {
		for _, a := range s.Attributes {
			told = append(told, string(a.Key)+"="+a.Value.String())
		}
		if state := s.SpanContext.TraceState().String(); state != "" {
			t.Errorf("the span has the client's text %q", state)
		}
	}
	want := []string{"http.request.method=POST", "http.route=/hash", "http.response.status_code=202", "hashd.algorithm=sha3-512", "hashd.jobs=3"}
	if !slices.Equal(told, want) {
		t.Errorf("the attributes are %q", told)
	}
	about := request.Resource.String()
	if !strings.Contains(about, "service.name=hashd") || !strings.Contains(about, "service.version=v2.0.0") || strings.Contains(about, "host.name") {
		t.Errorf("the resource is %s", about)
	}
}

// A client that does not want its request recorded gets no span of either kind, and one that says nothing gets a trace.
func TestSampling(t *testing.T) {
	tracing, to := recorded(t)
	ctx, end := tracing.Begin(requestWith("Traceparent", unsampled), "POST", "/hash")
	if job := tracing.TraceOf(ctx); job != "" {
		t.Errorf("its jobs are traced by %q", job)
	}
	end(http.StatusAccepted)
	tracing.Hashed(engine.Hashing{Trace: unsampled, Jobs: 1})
	tracing.Hashed(engine.Hashing{Trace: "no trace", Jobs: 1})
	if n := len(to.GetSpans()); n != 0 {
		t.Errorf("%d spans", n)
	}
	ctx, end = tracing.Begin(requestWith("Traceparent", "00-"+strings.Repeat("0", 32)+"-b7ad6b7169203331-01"), "other", "")
	if job := tracing.TraceOf(ctx); len(job) != len(client) {
		t.Errorf("its jobs are traced by %q", job)
	}
	end(http.StatusInternalServerError)
	if spans := to.GetSpans(); len(spans) != 1 || spans[0].Parent.IsValid() || spans[0].Name != "other" || spans[0].Status.Code != codes.Error {
		t.Errorf("%+v", spans)
	}
}

// What is logged as the trace of a request is its own span, else its client's, and never other text.
func TestTraceparentOfARequest(t *testing.T) {
	tracing, _ := recorded(t)
	r := requestWith("Traceparent", client)
	if got := Traceparent(r); got != client {
		t.Errorf("without a span: %q", got)
	}
	ctx, end := tracing.Begin(r, "POST", "/hash")
	defer end(http.StatusAccepted)
	if got := Traceparent(r.WithContext(ctx)); got[:35] != client[:35] || got == client || got != string(tracing.TraceOf(ctx)) {
		t.Errorf("with a span: %q", got)
	}
	for _, wrong := range []string{"", "zq7secret", client + "0", strings.ToUpper(client), "00-" + strings.Repeat("0", 32) + client[35:], "ff" + client[2:]} {
		if got := Traceparent(requestWith("Traceparent", wrong)); got != "" {
			t.Errorf("%q gives %q", wrong, got)
		}
	}
}

// What is left is sent at the end, and no goroutine stays. A token for the collector is shown to it.
func TestCloseSendsWhatIsLeft(t *testing.T) {
	got := make(chan string, 2)
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got <- r.URL.Path + " " + r.Header.Get("Authorization")
	}))
	defer collector.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL)
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "Authorization=Bearer%20zq7")
	tracing, err := NewTracing(t.Context(), Build{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	_, end := tracing.Begin(requestWith(), "POST", "/hash")
	end(http.StatusAccepted)
	if err := tracing.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if path := <-got; path != "/v1/traces Bearer zq7" || len(got) > 0 {
		t.Errorf("it got %q, and %d more", path, len(got))
	}
}

// An exporter that cannot be made ends the start, with the reason.
func TestTracingOfAnUnknownKind(t *testing.T) {
	t.Setenv("OTEL_TRACES_EXPORTER", "pigeon")
	_, err := NewTracing(t.Context(), Build{}, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "OTEL_TRACES_EXPORTER") {
		t.Errorf("%v", err)
	}
}

// What OpenTelemetry says of itself is logged, but for the values of its settings, such as a header with a token.
func TestReasonsHaveNoValues(t *testing.T) {
	var text strings.Builder
	log := slog.New(slog.NewTextHandler(&text, nil))
	logr.FromSlogHandler(reasons{log.Handler()}).WithValues("input", "Bearer zq7secret").Error(errors.New("zq7secret"), "parse headers", "input", "zq7secret")
	logr.FromSlogHandler(reasons{log.Handler()}).V(1).Info("chatter")
	exportErrors{log}.Handle(errors.New("no route to host"))
	for _, want := range []string{`reason="parse headers"`, "level=ERROR", `error="no route to host"`, "level=WARN"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %s in %s", want, text.String())
		}
	}
	if strings.Contains(text.String(), "zq7secret") || strings.Contains(text.String(), "chatter") {
		t.Errorf("it logs %s", text.String())
	}
}
