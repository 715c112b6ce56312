// Package observe shows what the server does to those who operate it: as metrics for Prometheus, nearly all of
// which are read from what the engine and the server count anyway, when they are asked for; and as traces by OpenTelemetry.
// It must not know how a request is answered.
//
// No label or attribute has anything that a client sends: each has a number, or a value of a short list, such as the
// operations of the contract.
package observe

import (
	"log/slog"
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Build says what is running.
type Build struct {
	Version, Commit, Go, API string
}

// Metrics is the registry of a server. It is safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry
}

// New returns the metrics of the build, of Go's runtime and of the process.
func New(b Build) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry()}
	m.registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		builtAs(b),
	)
	return m
}

// builtAs is a metric that is always 1, with the build in its labels.
func builtAs(b Build) prometheus.Collector {
	g := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: buildInfo, Help: "What is running, in the labels; always 1.",
		ConstLabels: prometheus.Labels{"version": b.Version, "commit": b.Commit, "goversion": b.Go, "api": b.API},
	})
	g.Set(1)
	return g
}

// Watch adds the metrics of a server. It may be called once.
func (m *Metrics) Watch(s Sources) { m.registry.MustRegister(&collector{s, described()}) }

// What a handler allows at one time: each scrape takes the engine's lock for some microseconds.
const maxScrapes = 4

// Handler answers requests with all metrics, in the form that the client prefers: as text, or as protocol buffers, in
// which histograms have native buckets too.
func (m *Metrics) Handler(log *slog.Logger) http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorLog: errorLog{log}, ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: maxScrapes,
	})
}

// errorLog logs what promhttp reports.
type errorLog struct{ log *slog.Logger }

// Println implements promhttp.Logger.
func (l errorLog) Println(v ...any) {
	for _, one := range v {
		if err, ok := one.(error); ok {
			l.log.Error("metrics", "error", strings.TrimSpace(err.Error()))
		}
	}
}
