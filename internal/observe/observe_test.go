package observe

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	"go.uber.org/goleak"

	"github.com/hashd-project/hashd/v2/internal/digest"
	"github.com/hashd-project/hashd/v2/internal/engine"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// watched is an engine that is in some state.
type watched struct {
	stats      engine.Stats
	latenesses engine.Histogram
	hashTimes  engine.HashTimes
	due        time.Time
	ready      error
	full       string
}

func (w *watched) Stats() engine.Stats          { return w.stats }
func (w *watched) Latenesses() engine.Histogram { return w.latenesses }
func (w *watched) HashTimes() engine.HashTimes  { return w.hashTimes }
func (w *watched) NextDue() time.Time           { return w.due }
func (w *watched) Ready(context.Context) error  { return w.ready }
func (w *watched) Full() string                 { return w.full }

// took is a histogram of one duration.
func took(d time.Duration) (h engine.Histogram) {
	h.Add(d)
	return h
}

// everything returns sources in which each metric has something to tell.
func everything(w *watched) Sources {
	if w.hashTimes == nil {
		w.hashTimes = engine.NewHashTimes()
	}
	return Sources{
		Engine: w, EngineName: "memory", Delay: 5 * time.Second,
		Uses:    func() []engine.Use { return []engine.Use{{Name: "max-pending", Limit: 10, Used: 3}} },
		Answers: func() (int64, time.Duration) { return 4, 2 * time.Second },
		Requests: func(tell func(string, int, int64)) {
			tell("submitHash", 202, 7)
			tell("submitHash", 503, 8)
		},
		Problems:    func(tell func(string, string, int64)) { tell("full", "max-pending", 8); tell("unknown-job", "", 2) },
		Connections: func() int { return 5 },
		Draining:    func() bool { return false },
		Files:       func(tell func(string, bool)) { tell("api-keys", true); tell("tls-cert", false) },
		Expires:     func() time.Time { return time.Unix(1_800_000_000, 0) },
		StoreBytes:  func() int64 { return 4096 },
		Durations:   func(tell func(string, engine.Histogram)) { tell("submitHash", took(time.Millisecond)) },
		Groups:      func() engine.Histogram { return took(2 * time.Millisecond) },
		Fsyncs:      func() int64 { return 6 },
		RoundTrips:  func() engine.Histogram { return took(time.Millisecond) },
		ClockOffset: func() time.Duration { return -250 * time.Millisecond },
	}
}

func made(s Sources) *Metrics {
	m := New(Build{Version: "v2.0.0", Commit: "0123", Go: "go1.26.8", API: "2.0.0"})
	m.Watch(s)
	return m
}

func gather(t *testing.T, m *Metrics) map[string]*dto.MetricFamily {
	t.Helper()
	list, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	families := make(map[string]*dto.MetricFamily, len(list))
	for _, f := range list {
		families[f.GetName()] = f
	}
	return families
}

// Names, units and help are as Prometheus wants them.
func TestMetricsKeepTheConventions(t *testing.T) {
	problems, err := testutil.GatherAndLint(made(everything(&watched{})).registry)
	if err != nil || len(problems) > 0 {
		t.Errorf("%v, error %v", problems, err)
	}
}

// What is read is what is told.
func TestMetricsTellWhatTheSourcesDo(t *testing.T) {
	w := &watched{stats: engine.Stats{Accepted: 10, Pending: 3, Completed: 6, Canceled: 1, Rejected: 2, Kept: 5}, due: time.Now().Add(-time.Minute)}
	const want = `
# HELP hashd_jobs_accepted_total Jobs given an id since the start.
# TYPE hashd_jobs_accepted_total counter
hashd_jobs_accepted_total 10
# HELP hashd_jobs_canceled_total Jobs canceled before they were hashed.
# TYPE hashd_jobs_canceled_total counter
hashd_jobs_canceled_total 1
# HELP hashd_jobs_completed_total Jobs hashed since the start.
# TYPE hashd_jobs_completed_total counter
hashd_jobs_completed_total 6
# HELP hashd_jobs_rejected_total Jobs refused because the engine was full or draining.
# TYPE hashd_jobs_rejected_total counter
hashd_jobs_rejected_total 2
# HELP hashd_jobs_pending Jobs accepted and neither done nor canceled.
# TYPE hashd_jobs_pending gauge
hashd_jobs_pending 3
# HELP hashd_results_kept Results that can be fetched.
# TYPE hashd_results_kept gauge
hashd_results_kept 5
# HELP hashd_limit_used How much of each limit is used, in the unit of the limit.
# TYPE hashd_limit_used gauge
hashd_limit_used{limit="max-pending"} 3
# HELP hashd_http_requests_total Requests answered, by operation of the contract and status.
# TYPE hashd_http_requests_total counter
hashd_http_requests_total{code="202",operation="submitHash"} 7
hashd_http_requests_total{code="503",operation="submitHash"} 8
# HELP hashd_file_in_use 1 if what is in the file of that setting is in use, 0 if it could not be used and what was in it before still is.
# TYPE hashd_file_in_use gauge
hashd_file_in_use{setting="api-keys"} 1
hashd_file_in_use{setting="tls-cert"} 0
# HELP hashd_submission_duration_seconds How long it took to answer single submissions that were accepted, without the wait that a client asked for.
# TYPE hashd_submission_duration_seconds summary
hashd_submission_duration_seconds_sum 2
hashd_submission_duration_seconds_count 4
# HELP hashd_store_fsyncs_total How many times the disk was asked to have what was written to the store's file.
# TYPE hashd_store_fsyncs_total counter
hashd_store_fsyncs_total 6
# HELP hashd_nats_clock_offset_seconds How far the clock of the stream's leader is before that of this machine.
# TYPE hashd_nats_clock_offset_seconds gauge
hashd_nats_clock_offset_seconds -0.25
`
	m := made(everything(w))
	err := testutil.GatherAndCompare(m.registry, strings.NewReader(want), jobsAccepted, jobsCanceled, jobsCompleted, jobsRejected,
		jobsPending, resultsKept, limitUsed, requests, fileInUse, submission, fsyncs, natsClockOffset)
	if err != nil {
		t.Error(err)
	}
	if age := gather(t, m)[oldestAge].GetMetric()[0].GetGauge().GetValue(); age < 65 || age > 600 {
		t.Errorf("the oldest job that was due a minute ago, after 5 s, is %v s old", age)
	}
}

// The age of what is not known is not told, and that of nothing is 0.
func TestOldestPendingAge(t *testing.T) {
	w := &watched{}
	m := made(everything(w))
	if f := gather(t, m)[oldestAge]; f.GetMetric()[0].GetGauge().GetValue() != 0 {
		t.Errorf("nothing is pending: %v", f)
	}
	w.stats.Pending = 1
	if f := gather(t, m)[oldestAge]; f != nil {
		t.Errorf("it is not known: %v", f)
	}
}

func TestEngineState(t *testing.T) {
	for name, tt := range map[string]struct {
		w        watched
		draining bool
		state    string
		ready    float64
	}{
		"well":         {watched{}, false, "ok", 1},
		"full":         {watched{full: "max-results"}, false, "full", 1},
		"stopping":     {watched{}, true, "draining", 0},
		"draining":     {watched{ready: engine.ErrDraining}, true, "draining", 0},
		"closed":       {watched{ready: engine.ErrClosed}, true, "draining", 0},
		"down":         {watched{ready: fmt.Errorf("ask: %w", engine.ErrDown)}, false, "down", 0},
		"down at stop": {watched{ready: engine.ErrDown}, true, "down", 0},
		"no answer":    {watched{ready: context.DeadlineExceeded}, false, "down", 0},
	} {
		s := everything(&tt.w)
		s.Draining = func() bool { return tt.draining }
		families := gather(t, made(s))
		for _, one := range families[engineState].GetMetric() {
			if state := one.GetLabel()[0].GetValue(); one.GetGauge().GetValue() != number(state == tt.state) {
				t.Errorf("%s: %s is %v", name, state, one.GetGauge().GetValue())
			}
		}
		if got := families[ready].GetMetric()[0].GetGauge().GetValue(); got != tt.ready {
			t.Errorf("%s: ready is %v", name, got)
		}
	}
}

// What took as long as it did is in the histogram of its operation or algorithm, in both kinds of buckets: a hash of a
// fraction of a microsecond too.
func TestDurationsByLabel(t *testing.T) {
	w := &watched{hashTimes: engine.NewHashTimes()}
	w.hashTimes[digest.SHA256].Add(300 * time.Nanosecond)
	w.hashTimes[digest.SHA256].Add(3 * time.Microsecond)
	families := gather(t, made(everything(w)))
	for name, want := range map[string]struct {
		label           string
		count           uint64
		below, from, to float64 // count - 1 are below the first
	}{
		hashDuration:    {"sha256", 2, 0.0000005, 0.0000025, 0.000005},
		requestDuration: {"submitHash", 1, 0, 0.001, 0.0025},
		groupDuration:   {"", 1, 0, 0.001, 0.0025},
		natsRoundTrip:   {"", 1, 0, 0.001, 0.0025},
	} {
		found := false
		for _, m := range families[name].GetMetric() {
			if want.label != "" && m.GetLabel()[0].GetValue() != want.label {
				continue
			}
			found = true
			h := m.GetHistogram()
			if h.GetSampleCount() != want.count || len(h.GetPositiveDelta()) != int(want.count) || h.GetSampleSum() <= 0 {
				t.Errorf("%s: %v", name, h)
			}
			for _, b := range h.GetBucket() {
				least := want.count
				if b.GetUpperBound() < want.to {
					least--
				}
				if b.GetUpperBound() < want.below {
					least = 0
				}
				if end := b.GetUpperBound(); end != want.from && b.GetCumulativeCount() != least {
					t.Errorf("%s: %d up to %v, want %d", name, b.GetCumulativeCount(), end, least)
				}
			}
		}
		if !found {
			t.Errorf("%s has no %q: %v", name, want.label, families[name])
		}
	}
	if n := len(families[hashDuration].GetMetric()); n != len(digest.All()) {
		t.Errorf("%d algorithms", n)
	}
}

// However late jobs are, the buckets of both kinds hold each once, where it belongs, and are few.
func TestLatenessHistogramIsBounded(t *testing.T) {
	var h engine.Histogram
	var latest []time.Duration
	for d := time.Duration(1); d < engine.MaxTime; d += d/16 + 1 {
		h.Add(d)
		latest = append(latest, d)
	}
	h.Add(0)
	got := gather(t, made(everything(&watched{latenesses: h})))[lateness].GetMetric()[0].GetHistogram()
	if n := uint64(len(latest) + 1); got.GetSampleCount() != n || got.GetSampleSum() != h.Sum().Seconds() {
		t.Errorf("count %d of %d, sum %v", got.GetSampleCount(), n, got.GetSampleSum())
	}
	for _, b := range got.GetBucket() {
		most := 1 + uint64(countUpTo(latest, b.GetUpperBound()))
		least := 1 + uint64(countUpTo(latest, b.GetUpperBound()*8/9))
		if n := b.GetCumulativeCount(); n > most || n < least {
			t.Errorf("up to %v s: %d, want %d to %d", b.GetUpperBound(), n, least, most)
		}
	}
	native := int64(got.GetZeroCount())
	count, buckets := int64(0), 0
	deltas := got.GetPositiveDelta()
	for _, span := range got.GetPositiveSpan() {
		for range span.GetLength() {
			count += deltas[buckets]
			native += count
			buckets++
		}
	}
	if native != int64(got.GetSampleCount()) || buckets >= 200 || buckets < 100 {
		t.Errorf("%d in %d native buckets", native, buckets)
	}
}

func countUpTo(list []time.Duration, seconds float64) (n int) {
	for _, d := range list {
		if d.Seconds() <= seconds {
			n++
		}
	}
	return n
}

// A native bucket ends at most a fifth above what is in it, beside the eighth that the engine itself is off.
func TestNativeBucketOfALateness(t *testing.T) {
	for _, d := range []time.Duration{1500 * time.Nanosecond, time.Millisecond, time.Second, time.Hour} {
		var h engine.Histogram
		h.Add(d)
		got := gather(t, made(everything(&watched{latenesses: h})))[lateness].GetMetric()[0].GetHistogram()
		end := math.Exp2(float64(got.GetPositiveSpan()[0].GetOffset()) / perDouble)
		if end < d.Seconds() || end > d.Seconds()*1.125*1.19 {
			t.Errorf("%v is in the bucket up to %v s", d, end)
		}
	}
}

// Prometheus is answered in its own format, in which native histograms are, and others in text.
func TestHandlerFormats(t *testing.T) {
	h := made(everything(&watched{})).Handler(slog.New(slog.DiscardHandler))
	const proto = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
	for accept, want := range map[string]string{"": "text/plain", "*/*": "text/plain", proto + ";q=0.6,text/plain;version=0.0.4;q=0.3": "application/vnd.google.protobuf"} {
		r := httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody)
		r.Header.Set("Accept", accept)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if got := w.Header().Get("Content-Type"); w.Code != http.StatusOK || !strings.HasPrefix(got, want) {
			t.Errorf("%q: %d %s", accept, w.Code, got)
		}
	}
}

// A source that fails costs its own metrics, which the log tells, and not the process.
func TestSourceThatPanics(t *testing.T) {
	s := everything(&watched{})
	s.Uses = func() []engine.Use { panic("torn") }
	var log strings.Builder
	w := httptest.NewRecorder()
	made(s).Handler(slog.New(slog.NewTextHandler(&log, nil))).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody))
	if body, _ := io.ReadAll(w.Body); w.Code != http.StatusOK || !strings.Contains(string(body), "go_goroutines") || !strings.Contains(log.String(), "level=ERROR") {
		t.Errorf("%d, log %s", w.Code, log.String())
	}
}

// row is a metric in the table of docs/operate.md.
var row = regexp.MustCompile("(?m)^\\| `(hashd_[a-z_]+)` \\| ([a-z]+) \\| ([^|]*) \\| [^|]+ \\|$")

// The operator's guide has each metric once, with its type and labels, and no other.
func TestEveryMetricIsDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/operate.md")
	if err != nil {
		t.Fatal(err)
	}
	_, by, _ := strings.Cut(string(text), "\n### What to do by them\n")
	by, _, _ = strings.Cut(by, "\n## ")
	documented := make(map[string]string)
	for _, m := range row.FindAllStringSubmatch(string(text), -1) {
		if documented[m[1]] != "" {
			t.Errorf("%s is there twice", m[1])
		}
		documented[m[1]] = m[2] + " " + m[3]
	}
	for name, f := range gather(t, made(everything(&watched{}))) {
		if !strings.HasPrefix(name, "hashd_") {
			if !strings.HasPrefix(name, "go_") && !strings.HasPrefix(name, "process_") {
				t.Errorf("%s has another prefix", name)
			}
			continue
		}
		var labels []string
		for _, l := range f.GetMetric()[0].GetLabel() {
			labels = append(labels, "`"+l.GetName()+"`")
		}
		slices.Sort(labels)
		if !strings.Contains(by, "`"+name+"`") {
			t.Errorf("the guide does not say what to do by %s, under \"What to do by them\"", name)
		}
		if want := strings.ToLower(f.GetType().String()) + " " + strings.Join(labels, ", "); documented[name] != want {
			t.Errorf("%s: the guide has %q, want %q", name, documented[name], want)
		}
		delete(documented, name)
	}
	for name := range documented {
		t.Errorf("%s is documented and does not exist", name)
	}
}

// Each metric that is described has a value, so that a table of them is complete.
func TestEveryMetricHasAValue(t *testing.T) {
	families := gather(t, made(everything(&watched{})))
	for name := range described() {
		if families[name] == nil {
			t.Errorf("%s has no value", name)
		}
	}
	descs := make(chan *prometheus.Desc, 100)
	(&collector{all: described()}).Describe(descs)
	if len(descs) != len(described()) {
		t.Errorf("%d are described", len(descs))
	}
}
