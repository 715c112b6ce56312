package observe

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"go.opentelemetry.io/contrib/exporters/autoexport"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// The names of what spans tell, most of them by OpenTelemetry's conventions. No value is a client's.
const (
	spanMethod    = attribute.Key("http.request.method")
	spanRoute     = attribute.Key("http.route")
	spanStatus    = attribute.Key("http.response.status_code")
	spanAlgorithm = attribute.Key("hashd.algorithm")
	spanJobs      = attribute.Key("hashd.jobs")
)

// TracingAsked says whether the environment asks for traces, by OpenTelemetry's own variables: for an exporter, or for a
// place to send them to.
func TracingAsked(lookup func(name string) string) bool {
	if lookup("OTEL_SDK_DISABLED") == "true" {
		return false
	}
	switch lookup("OTEL_TRACES_EXPORTER") {
	case "none":
		return false
	case "":
		return lookup("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != "" || lookup("OTEL_EXPORTER_OTLP_ENDPOINT") != ""
	}
	return true
}

// Tracing makes spans of requests and of the hashes of their jobs. It is safe for concurrent use.
type Tracing struct {
	provider *sdk.TracerProvider
	tracer   trace.Tracer
}

// NewTracing starts what the environment of the process asks for. Close ends it.
func NewTracing(ctx context.Context, b Build, log *slog.Logger) (*Tracing, error) {
	otel.SetErrorHandler(exportErrors{log})
	otel.SetLogger(logr.FromSlogHandler(reasons{log.Handler()}))
	exporter, err := autoexport.NewSpanExporter(ctx)
	if err != nil {
		return nil, fmt.Errorf("traces: %w: look at OTEL_TRACES_EXPORTER and OTEL_EXPORTER_OTLP_PROTOCOL", err)
	}
	t, err := newTracing(ctx, b, sdk.WithBatcher(exporter))
	if err != nil {
		return nil, fmt.Errorf("traces: %w", err)
	}
	return t, nil
}

func newTracing(ctx context.Context, b Build, to sdk.TracerProviderOption) (*Tracing, error) {
	about, err := resource.New(ctx,
		resource.WithAttributes(attribute.String("service.name", "hashd"), attribute.String("service.version", b.Version)),
		resource.WithTelemetrySDK(), resource.WithFromEnv()) // the last one wins
	if err != nil {
		return nil, fmt.Errorf("attributes: %w", err)
	}
	provider := sdk.NewTracerProvider(to, sdk.WithResource(about))
	return &Tracing{provider, provider.Tracer("github.com/hashd-project/hashd", trace.WithInstrumentationVersion(b.Version))}, nil
}

// Close sends what was not sent yet, until ctx ends.
func (t *Tracing) Close(ctx context.Context) error {
	if err := t.provider.Shutdown(ctx); err != nil {
		return fmt.Errorf("traces: %w", err)
	}
	return nil
}

// Begin begins the span of a request, within that of the client if there is one. The caller calls end once it is
// answered. The method must be one of HTTP's, or "other"; the route must not be what a client sent.
func (t *Tracing) Begin(r *http.Request, method, route string) (ctx context.Context, end func(status int)) {
	ctx = trace.ContextWithRemoteSpanContext(r.Context(), given(r.Header))
	ctx, span := t.tracer.Start(ctx, strings.TrimSpace(method+" "+route), trace.WithSpanKind(trace.SpanKindServer),
		trace.WithAttributes(spanMethod.String(method), spanRoute.String(route)))
	return ctx, func(status int) {
		span.SetAttributes(spanStatus.Int(status))
		if status >= http.StatusInternalServerError {
			span.SetStatus(codes.Error, "")
		}
		span.End()
	}
}

// TraceOf returns the trace of the context's span; "" if that is not recorded.
func (t *Tracing) TraceOf(ctx context.Context) engine.Trace {
	if c := trace.SpanContextFromContext(ctx); c.IsSampled() {
		return engine.Trace(written(c))
	}
	return ""
}

// Hashed makes a span of hashes. It belongs to the span of the request that brought the jobs, which has long ended, and
// has a link to it too: some backends show the one, others the other.
func (t *Tracing) Hashed(h engine.Hashing) {
	request := given(http.Header{http.CanonicalHeaderKey(traceparent): {string(h.Trace)}})
	if !request.IsSampled() {
		return
	}
	_, span := t.tracer.Start(trace.ContextWithRemoteSpanContext(context.Background(), request), "hash",
		trace.WithTimestamp(h.Began), trace.WithLinks(trace.Link{SpanContext: request}),
		trace.WithAttributes(spanAlgorithm.String(h.Algorithm.String()), spanJobs.Int(h.Jobs)))
	span.End(trace.WithTimestamp(h.Ended))
}

// traceparent is the field in which a request says to which trace it belongs (W3C Trace Context).
const traceparent = "traceparent"

// given returns the span that a header names. What tracestate says is left out: it may be any text.
func given(h http.Header) trace.SpanContext {
	ctx := propagation.TraceContext{}.Extract(context.Background(), propagation.HeaderCarrier(http.Header{
		http.CanonicalHeaderKey(traceparent): h.Values(traceparent),
	}))
	return trace.SpanContextFromContext(ctx)
}

// written returns a span as traceparent names it; "" if it is none.
func written(c trace.SpanContext) string {
	if !c.IsValid() {
		return ""
	}
	return "00-" + c.TraceID().String() + "-" + c.SpanID().String() + "-" + (c.TraceFlags() & trace.FlagsSampled).String()
}

// Traceparent returns the span of the request as the field of that name does: the server's own, or where it makes none
// that of the client; "" if there is none.
func Traceparent(r *http.Request) string {
	c := trace.SpanContextFromContext(r.Context())
	if !c.IsValid() {
		c = given(r.Header) //nolint:contextcheck // the context is only what the library reads into
	}
	return written(c)
}

// exportErrors logs that traces cannot be sent.
type exportErrors struct{ log *slog.Logger }

// Handle implements otel.ErrorHandler.
func (e exportErrors) Handle(err error) { e.log.Warn("traces are not sent", "error", err) }

// reasons passes on what OpenTelemetry says of itself, but for the values of its settings, some of which are secret.
type reasons struct{ slog.Handler }

// Enabled implements slog.Handler.
func (r reasons) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelWarn }

// Handle implements slog.Handler.
func (r reasons) Handle(ctx context.Context, record slog.Record) error {
	short := slog.NewRecord(time.Now(), record.Level, "traces", 0)
	short.AddAttrs(slog.String("reason", record.Message))
	return r.Handler.Handle(ctx, short) //nolint:wrapcheck // it is slog that asks
}

// WithAttrs implements slog.Handler.
func (r reasons) WithAttrs([]slog.Attr) slog.Handler { return r }
