package e2e

import (
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	traces "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	spans "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// collector takes what is exported by OTLP over HTTP.
type collector struct {
	url string

	mu    sync.Mutex
	spans []*spans.Span
	text  strings.Builder // of all, whatever field it is in
}

func newCollector(t *testing.T) *collector {
	t.Helper()
	c := new(collector)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var request traces.ExportTraceServiceRequest
		if err != nil || r.URL.Path != "/v1/traces" || proto.Unmarshal(body, &request) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.text.WriteString(protojson.Format(&request))
		for _, of := range request.GetResourceSpans() {
			for _, scope := range of.GetScopeSpans() {
				c.spans = append(c.spans, scope.GetSpans()...)
			}
		}
	}))
	t.Cleanup(s.Close)
	c.url = s.URL
	return c
}

// environ is what has a server send its traces here.
func (c *collector) environ() []string {
	return []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + c.url, "OTEL_BSP_SCHEDULE_DELAY=50"}
}

// named returns the spans of that name.
func (c *collector) named(name string) (found []*spans.Span) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.spans {
		if s.GetName() == name {
			found = append(found, s)
		}
	}
	return found
}

const traceID, parentSpan = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"

// A server whose environment names a collector sends it a span for each request, within the client's trace, and one for
// the hashes of its jobs, which refers to that. The log names the trace; neither has a secret, a key or an id.
func TestTracesReachACollector(t *testing.T) {
	t.Parallel()
	const secret = "Zq7xVw93Kp"
	for engine, args := range map[string][]string{"memory": nil, "file": onDisk(t.TempDir())} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			to := newCollector(t)
			i := started(t, launch(t, to.environ(), append([]string{"--port=0", "--log-format=json", "--first-id=987654321", "--delay=100ms", "--access-log"}, args...)...))
			c := i.client(t)
			parent := header("Traceparent", "00-"+traceID+"-"+parentSpan+"-01")
			c.do(t, http.MethodPost, "/hash", submission(secret), parent, header("Idempotency-Key", secret)).want(t, http.StatusAccepted)
			c.do(t, http.MethodPost, "/hash/batch", fmt.Sprintf(`{"passwords":[%q,"b","c"],"algorithm":"sha256"}`, secret), parent).want(t, http.StatusAccepted)
			c.do(t, http.MethodGet, "/hash/987654321", "", header("Prefer", "wait=10")).want(t, http.StatusOK)
			c.do(t, http.MethodGet, "/"+secret, "").want(t, http.StatusNotFound)
			line := i.log(t, "request", 1)
			i.stop(t) // sends all that is left
			single, batch, hashes := to.named("POST /hash"), to.named("POST /hash/batch"), to.named("hash")
			if len(single) != 1 || len(batch) != 1 || len(hashes) != 2 || len(to.named("GET /hash/:id")) != 1 {
				t.Fatalf("the spans are %v", to.spans)
			}
			for n, request := range []*spans.Span{single[0], batch[0]} {
				if hex.EncodeToString(request.GetTraceId()) != traceID || hex.EncodeToString(request.GetParentSpanId()) != parentSpan {
					t.Errorf("the span of a request is %v", request)
				}
				jobs, found := []int64{1, 3}[n], false
				for _, h := range hashes {
					if string(h.GetParentSpanId()) != string(request.GetSpanId()) {
						continue
					}
					found = true
					if l := h.GetLinks(); len(l) != 1 || string(l[0].GetSpanId()) != string(request.GetSpanId()) || string(h.GetTraceId()) != string(request.GetTraceId()) {
						t.Errorf("the hash of a request has the links %v", l)
					}
					for _, a := range h.GetAttributes() {
						if a.GetKey() == "hashd.jobs" && a.GetValue().GetIntValue() != jobs {
							t.Errorf("%d jobs were hashed, it says %v", jobs, a)
						}
					}
					if waited := h.GetStartTimeUnixNano() - request.GetStartTimeUnixNano(); waited < 100_000_000 {
						t.Errorf("it was hashed after %d ns", waited)
					}
				}
				if !found {
					t.Errorf("no hash of %v among %v", request, hashes)
				}
			}
			if line["trace_id"] != traceID || line["traceparent"] != fmt.Sprintf("00-%s-%x-01", traceID, single[0].GetSpanId()) || line["level"] != "INFO" {
				t.Errorf("the log has %v", line)
			}
			for _, private := range []string{secret, "987654321", "987654322", "127.0.0.1", hashOf(secret)} {
				if strings.Contains(to.text.String(), private) {
					t.Errorf("the traces have %q: %s", private, to.text.String())
				}
			}
		})
	}
}

// A collector that cannot be reached changes nothing but the log, not even how long a stop takes.
func TestCollectorThatIsNotThere(t *testing.T) {
	t.Parallel()
	environ := []string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://" + freeAddress(t), "OTEL_BSP_SCHEDULE_DELAY=20", "OTEL_EXPORTER_OTLP_TIMEOUT=300"}
	i := started(t, launch(t, environ, "--port=0", "--log-format=json", "--delay=0s"))
	i.client(t).do(t, http.MethodPost, "/hash", submission("a")).want(t, http.StatusAccepted)
	i.log(t, "traces are not sent", 1)
	i.stop(t)
}

// A wrong variable of OpenTelemetry ends the start, with its name.
func TestWrongTracesVariable(t *testing.T) {
	t.Parallel()
	if got := finish(t, []string{"OTEL_TRACES_EXPORTER=pigeon"}, "--port=0"); got.code != 1 || !strings.Contains(got.stderr, "OTEL_TRACES_EXPORTER") {
		t.Errorf("exit code %d: %s", got.code, got.stderr)
	}
}
