package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hashd-project/hashd/v2/internal/needs"
)

// prometheus is a Prometheus that scrapes a server and has the rules that come with hashd.
type prometheus struct{ url string }

// scraping says what a Prometheus does.
type scraping struct {
	targets []string
	every   time.Duration
	native  bool // it stores native histograms, and then no classic ones of the same names
}

// unhurried is how often to scrape, and how long that may take: a busy server has that time to answer.
const unhurried = 3 * time.Second

// watch runs one until the test ends.
func watch(t *testing.T, what scraping) prometheus {
	t.Helper()
	path := needs.Tool(t, "prometheus", needs.Debian("prometheus"))
	rules, err := filepath.Abs("../../deploy/prometheus/rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	config := fmt.Sprintf("global: { scrape_interval: %[1]v, scrape_timeout: %[1]v, evaluation_interval: %[1]v }\nrule_files: [%[2]q]\n"+
		"scrape_configs: [{ job_name: hashd, static_configs: [{ targets: [%[3]s] }] }]\n", what.every, rules, strings.Join(what.targets, ", "))
	if err := os.WriteFile(filepath.Join(dir, "prometheus.yml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address=127.0.0.1:0", "--log.format=json")
	if what.native {
		cmd.Args = append(cmd.Args, "--enable-feature=native-histograms")
	}
	p := launchCommand(t, os.Environ(), cmd)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(p.stderr)
		}
	})
	return prometheus{fmt.Sprint("http://", p.log(t, "Listening on", 1)["address"])}
}

// get asks for something, and reports whether there was an answer of success.
func (p prometheus) get(t *testing.T, path string, to any) bool {
	t.Helper()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport, Timeout: patience}).Get(p.url + path)
	if err != nil {
		return false // it is not there yet
	}
	defer resp.Body.Close()
	return resp.StatusCode == http.StatusOK && json.NewDecoder(resp.Body).Decode(to) == nil
}

// vector is the answer to a query.
type vector struct {
	Data struct {
		Result []struct {
			Value     [2]any
			Histogram []any
		}
	}
}

// await returns once the query has that one value: a scrape may come late.
func (p prometheus) await(t *testing.T, query, want string) {
	t.Helper()
	eventually(t, query+" is "+want, func() bool {
		var v vector
		return p.get(t, "/api/v1/query?query="+url.QueryEscape(query), &v) && len(v.Data.Result) == 1 && fmt.Sprint(v.Data.Result[0].Value[1]) == want
	})
}

// A real Prometheus takes what hashd tells, native histograms too, and can evaluate every rule.
func TestPrometheusScrapes(t *testing.T) {
	t.Parallel()
	i, target := ops(t, "--delay=0s")
	p := watch(t, scraping{[]string{strings.TrimPrefix(target, "http://")}, unhurried, true})
	c := i.client(t)
	for range 20 {
		c.do(t, http.MethodPost, "/hash", submission("angryMonkey")).want(t, http.StatusAccepted)
	}
	for query, want := range map[string]string{
		"hashd_jobs_completed_total": "20", `hashd_http_requests_total{operation="submitHash",code="202"}`: "20",
		"histogram_count(hashd_job_lateness_seconds)": "20", "hashd_jobs_pending": "0", `up{job="hashd"}`: "1", `count(hashd_build_info)`: "1",
	} {
		p.await(t, query, want)
	}
	eventually(t, "every rule is evaluated", func() bool {
		var rules struct {
			Data struct {
				Groups []struct {
					Rules []struct{ Name, Health, LastError, State string }
				}
			}
		}
		if !p.get(t, "/api/v1/rules", &rules) || len(rules.Data.Groups) != 1 {
			return false
		}
		for _, r := range rules.Data.Groups[0].Rules {
			if r.Health == "err" || r.State == "firing" {
				t.Fatalf("%+v", r)
			}
			if r.Health != "ok" {
				return false
			}
		}
		return len(rules.Data.Groups[0].Rules) > 0
	})
	adapter, err := os.ReadFile("../../deploy/prometheus/adapter.yaml")
	if err != nil {
		t.Fatal(err)
	}
	series := regexp.MustCompile(`seriesQuery: (\w+)`).FindSubmatch(adapter)
	query := regexp.MustCompile(`metricsQuery: (.*)`).FindSubmatch(adapter)
	if series == nil || query == nil {
		t.Fatalf("adapter.yaml has no query: %s", adapter)
	}
	scaled := strings.NewReplacer("<<.Series>>", string(series[1]), "<<.LabelMatchers>>", `job="hashd"`, "<<.GroupBy>>", "job").Replace(string(query[1]))
	p.await(t, scaled, "0") // what pods are scaled on
	i.stop(t)
}
