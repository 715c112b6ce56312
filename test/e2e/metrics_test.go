package e2e

import (
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// sampled is one line of a scrape: a metric with its labels, and its value.
var sampled = regexp.MustCompile(`^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{.*\})? (\S+)$`)

// figures are the samples of a scrape, by name and labels.
type figures map[string]float64

// scrape reads the metrics as text.
func scrape(t *testing.T, url string) figures {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/metrics", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport, Timeout: patience}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain; version=0.0.4") {
		t.Fatalf("%s %v: %s, error %v", resp.Status, resp.Header, text, err)
	}
	all := figures{}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "#") {
			continue
		}
		m := sampled.FindStringSubmatch(line)
		if m == nil {
			t.Fatalf("no sample: %q", line)
		}
		value, err := strconv.ParseFloat(m[3], 64)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		all[m[1]+m[2]] = value
	}
	return all
}

// own is what is hashd's own of the scrape, but for what tells of scrapes.
func (f figures) own() (names []string) {
	for name := range f {
		if strings.HasPrefix(name, "hashd_") && !strings.Contains(name, `operation="metrics"`) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// want fails the test unless the scrape has these samples.
func (f figures) want(t *testing.T, want figures) {
	t.Helper()
	for name, value := range want {
		if got, there := f[name]; !there || got != value {
			t.Errorf("%s is %v (there: %v), want %v", name, got, there, value)
		}
	}
}

// Metrics of a server under load add up to what was sent to it, on either listener, with each engine that needs no
// cluster.
func TestMetricsUnderLoad(t *testing.T) {
	t.Parallel()
	for engine, args := range map[string][]string{"memory": nil, "file": onDisk(t.TempDir())} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			i, url := ops(t, append(args, "--delay=100ms", "--max-idempotency-keys=10")...)
			c := i.client(t)
			const clients, each = 4, 50
			var group sync.WaitGroup
			for range clients {
				group.Go(func() {
					for range each {
						if a, err := c.try(t.Context(), http.MethodPost, "/hash", submission("angryMonkey")); err != nil || a.status != http.StatusAccepted {
							t.Errorf("%d, error %v", a.status, err)
						}
					}
				})
			}
			group.Go(func() {
				for range 20 {
					scrape(t, url)
				}
			})
			group.Wait()
			for n := range 12 {
				c.do(t, http.MethodPost, "/hash", submission("again"), header("Idempotency-Key", fmt.Sprint(n)))
			}
			c.do(t, http.MethodGet, "/hash/999999", "").want(t, http.StatusNotFound)
			got := i.settled(t, url)
			got.want(t, figures{
				`hashd_jobs_accepted_total`: clients*each + 10, `hashd_jobs_completed_total`: clients*each + 10, `hashd_jobs_pending`: 0,
				`hashd_jobs_oldest_pending_age_seconds`: 0, `hashd_results_kept`: clients*each + 10,
				`hashd_http_requests_total{code="202",operation="submitHash"}`:        clients*each + 10,
				`hashd_http_requests_total{code="503",operation="submitHash"}`:        2,
				`hashd_http_requests_total{code="404",operation="getHash"}`:           1,
				`hashd_http_problems_total{limit="max-idempotency-keys",type="full"}`: 2,
				`hashd_http_problems_total{limit="",type="unknown-job"}`:              1,
				`hashd_limit_used{limit="max-idempotency-keys"}`:                      10,
				`hashd_limit_max{limit="max-idempotency-keys"}`:                       10,
				`hashd_job_lateness_seconds_count`:                                    clients*each + 10,
				`hashd_job_lateness_seconds_bucket{le="+Inf"}`:                        clients*each + 10,
				`hashd_submission_duration_seconds_count`:                             clients*each + 10,
				`hashd_hash_duration_seconds_count{algorithm="sha512"}`:               clients*each + 10,
				`hashd_hash_duration_seconds_count{algorithm="sha256"}`:               0,
				`hashd_http_request_duration_seconds_count{operation="submitHash"}`:   clients*each + 12,
				`hashd_http_request_duration_seconds_count{operation="getHash"}`:      1,
				`hashd_ready`:                                       1,
				`hashd_engine_state{state="ok"}`:                    1,
				`hashd_engine_state{state="down"}`:                  0,
				fmt.Sprintf(`hashd_engine_info{engine=%q}`, engine): 1,
			})
			for _, name := range []string{"go_goroutines", "process_open_fds", "process_resident_memory_bytes", "hashd_connections", "hashd_job_lateness_seconds_sum"} {
				if got[name] <= 0 {
					t.Errorf("%s is %v", name, got[name])
				}
			}
			groups, grouping := got["hashd_store_group_duration_seconds_count"]
			if jobs := got["hashd_jobs_accepted_total"]; grouping != (engine == "file") || grouping && (groups < 13 || groups > jobs || got["hashd_store_fsyncs_total"] < 2*groups) {
				t.Errorf("%v groups of %v jobs, %v fsyncs", groups, jobs, got["hashd_store_fsyncs_total"])
			}
			if _, sized := got["hashd_store_bytes"]; sized != (engine == "file") {
				t.Errorf("a store's size: %v", got["hashd_store_bytes"])
			}
			i.stop(t)
		})
	}
}

// settled scrapes until no job is pending, on both listeners, which tell the same names.
func (i *instance) settled(t *testing.T, url string) figures {
	t.Helper()
	eventually(t, "no job is pending", func() bool {
		got := scrape(t, url)
		return got["hashd_jobs_pending"] == 0
	})
	got := scrape(t, url)
	scrape(t, "http://"+i.address) // counts itself
	after := scrape(t, "http://"+i.address)
	if there := after.own(); !slices.Equal(there, got.own()) {
		t.Errorf("the main listener has %q\nthe other %q", there, got.own())
	}
	after.want(t, figures{`hashd_http_requests_total{code="200",operation="metrics"}`: 1})
	return after
}

// Whatever clients send, no part of it is in the metrics, nor do they grow by it.
func TestMetricsShowNothingOfClients(t *testing.T) {
	t.Parallel()
	const secret = "Zq7xVw93Kp"
	keys := newKeysFile(t)
	good, watcher := keys.add(t, "web", "--rate=5/h"), keys.add(t, "prometheus", "--scope=metrics")
	files := newPair(t)
	i := start(t, append(files.args(), "--delay=0s", "--api-keys="+string(keys))...)
	c := files.client(t, i)
	send := func(n int) {
		tag := secret + strconv.Itoa(n)
		for _, path := range []string{"/hash/" + tag, "/" + tag, "/hash?" + tag + "=1", "/hash/" + strconv.Itoa(n), "/metrics?" + tag, "/docs/" + tag} {
			for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete, http.MethodOptions, "X" + tag} {
				req, err := http.NewRequestWithContext(t.Context(), method, c.base+path, strings.NewReader(submission(tag)))
				if err != nil {
					t.Fatal(err)
				}
				for name, value := range map[string]string{
					"Authorization": "Bearer " + good, "Content-Type": "application/json", "X-Request-Id": tag, "Idempotency-Key": tag, "User-Agent": tag, "X-Forwarded-For": "192.0.2.7",
				} {
					req.Header.Set(name, value)
				}
				resp, err := c.http.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
			}
		}
		c.do(t, http.MethodPost, "/hash", submission(tag), bearer(good))
		c.do(t, http.MethodPost, "/hash", submission(tag), bearer(good[:len(good)-1]+"_"))
	}
	read := func() ([]string, string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.base+"/metrics", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+watcher)
		resp, err := c.http.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s, error %v", resp.Status, text, err)
		}
		return regexp.MustCompile(`(?m)^hashd_[^ ]*`).FindAllString(string(text), -1), string(text)
	}
	for n := range 10 {
		send(n)
	}
	read()
	before, _ := read()
	for n := range 100 {
		send(10 + n)
	}
	after, text := read()
	if !slices.Equal(before, after) || len(after) > 800 {
		t.Errorf("there were %d time series and then %d:\n%s", len(before), len(after), text)
	}
	for _, private := range []string{secret, "hashd_" + good[6:16], good[6:16], "192.0.2.7", "web", "default", hashOf(secret + "1")} {
		if strings.Contains(text, private) {
			t.Errorf("the metrics have %q", private)
		}
	}
	for _, want := range []string{`hashd_file_in_use{setting="api-keys"} 1`, `hashd_file_in_use{setting="tls-cert"} 1`, `type="rate-limited"`, `type="unauthorized"`} {
		if !strings.Contains(text, want) {
			t.Errorf("the metrics do not have %s", want)
		}
	}
	expires := regexp.MustCompile(`(?m)^hashd_tls_certificate_expiry_timestamp_seconds (\S+)`).FindStringSubmatch(text)
	if expires == nil {
		t.Fatal("when the certificate expires is not there")
	}
	at, err := strconv.ParseFloat(expires[1], 64)
	if left := time.Until(time.Unix(int64(math.Round(at)), 0)); err != nil || left <= 0 {
		t.Errorf("the certificate is valid for %v, error %v", left, err)
	}
	i.stop(t)
}

// A file that cannot be used shows in the metrics, and that it can again.
func TestMetricsTellOfFilesNotInUse(t *testing.T) {
	t.Parallel()
	keys := newKeysFile(t)
	keys.add(t, "web")
	i, url := ops(t, "--api-keys="+string(keys))
	good, err := os.ReadFile(string(keys))
	if err != nil {
		t.Fatal(err)
	}
	for step, content := range [][]byte{good, []byte("{"), good} {
		if err := os.WriteFile(string(keys), content, 0o600); err != nil {
			t.Fatal(err)
		}
		want := float64(1)
		if step == 1 {
			want = 0
		}
		eventually(t, fmt.Sprintf("step %d is told", step), func() bool {
			got := scrape(t, url)
			value, there := got[`hashd_file_in_use{setting="api-keys"}`]
			return there && value == want
		})
	}
	i.stop(t)
}
