package main

import (
	"context"
	"log/slog"
	"os"
	"time"

	"github.com/hashd-project/hashd/v2/internal/observe"
	"github.com/hashd-project/hashd/v2/internal/server"
	"github.com/hashd-project/hashd/v2/internal/service"
)

// lastSpans is how long the end of the program waits for traces to be sent.
const lastSpans = 3 * time.Second

// startTracing makes traces if the variables of OpenTelemetry ask for them, which it reads itself; nil if they do not.
func startTracing(log *slog.Logger) (*observe.Tracing, error) {
	if !observe.TracingAsked(os.Getenv) {
		return nil, nil //nolint:nilnil // nil makes none
	}
	b, err := build()
	if err != nil {
		return nil, err
	}
	return observe.NewTracing(context.Background(), observe.Build{Version: b.Version}, log)
}

// stopTracing sends what is left, for as long as that may take.
func stopTracing(t *observe.Tracing, log *slog.Logger) {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), lastSpans)
	defer cancel()
	if err := t.Close(ctx); err != nil {
		log.Warn("traces are not sent", "error", err)
	}
}

// trace has the parts make spans, if there are any.
func (m *maker) trace(to *server.Config, from *service.Config) {
	to.Traceparent = observe.Traceparent
	if m.tracing != nil {
		to.Begin, from.Trace = m.tracing.Begin, m.tracing.TraceOf
	}
}
