package e2e

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/hashd-project/hashd/v2/internal/config"
)

// The highest source that gives a setting decides what the server does.
func TestPrecedence(t *testing.T) {
	t.Parallel()
	file := writeFile(t, "delay: 20s\nmax-pending: 2\nretention: 20m\nlisten: 127.0.0.1:1\nlog-format: text\n")
	environ := []string{"HASHD_CONFIG=" + file, "HASHD_DELAY=30s", "HASHD_MAX_PENDING=3", "HASHD_LOG_FORMAT=json"}
	i := started(t, launch(t, environ, "--delay=40s", "--port=0"))
	i.listening.Want(t,
		"delay", 40*time.Second, // flag over environment and file
		"max_pending", 3, // environment over file
		"retention", "20m0s", // file over default
		"max_results", 20_000_000, // default
	)
	c := i.client(t)
	before := time.Now()
	if job := c.submit(t, "first"); job.Due.Before(before.Add(35*time.Second)) || job.Due.After(time.Now().Add(45*time.Second)) {
		t.Errorf("due %v, not 40s after %v", job.Due, before)
	}
	for range 2 {
		c.submit(t, "next")
	}
	a := c.do(t, http.MethodPost, "/hash", submission("too many")).wantProblem(t, http.StatusServiceUnavailable, "full")
	if !strings.Contains(string(a.body), "max-pending") {
		t.Errorf("the refusal does not name the limit: %s", a.body)
	}
}

func writeFile(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "hashd.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// What cannot be a configuration ends with exit code 2 and a message that names what is wrong,
// on stderr alone.
func TestRefusedCommandLines(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		environ string
		args    []string
		want    []string // in stderr
	}{
		{"", []string{"--delay=soon"}, []string{"flag --delay", `"soon"`, "0s to 24h"}},
		{"", []string{"--port", "99999"}, []string{"flag --port", "0 to 65535"}},
		{"HASHD_DELAY=-1s", nil, []string{"environment HASHD_DELAY", `"-1s"`}},
		{"HASHD_DELAI=1s", nil, []string{"environment HASHD_DELAI", "HASHD_DELAY"}},
		{"HASHD_CONFIG=" + writeFile(t, "delay: 25h\n"), nil, []string{"key delay, line 1", `"25h"`}},
		{"HASHD_CONFIG=" + writeFile(t, "delya: 5s\n"), nil, []string{"key delya, line 1", "the nearest is delay"}},
		{"", []string{"--config=/does/not/exist"}, []string{"flag --config", "no such file"}},
		{"", []string{"--delay=10s", "--drain-timeout=9s"}, []string{"flag --drain-timeout", "shorter than delay"}},
		{"HASHD_LOG_LEVEL=loud", []string{"--workers=-1"}, []string{"environment HASHD_LOG_LEVEL", "flag --workers"}},
		{"HASHD_DELAY=soon", []string{"healthcheck"}, []string{"environment HASHD_DELAY"}},
		{"", []string{"--dealy=5s"}, []string{"unknown flag: --dealy; the nearest is --delay\n"}},
		{"", []string{"healthcheck", "--prot=1"}, []string{"unknown flag: --prot; the nearest is --port\n"}},
		{"", []string{"-p8080"}, []string{"all others begin with two hyphens"}},
		{"", []string{"--nonsense"}, []string{"unknown flag: --nonsense\n"}},
		{"", []string{"--delay"}, []string{"--delay"}},
		{"", []string{"sevre"}, []string{`unknown command "sevre"`}},
		{"", []string{"versio"}, []string{`unknown command "versio" for "hashd"; the nearest is version` + "\n"}},
		{"", []string{"ring", "rotat", "ring.json"}, []string{`unknown command "rotat" for "hashd ring"; the nearest is rotate` + "\n"}},
		{"", []string{"version", "now"}, []string{`unknown command "now"`}},
		{"", []string{"healthcheck", "now"}, []string{`unknown command "now"`}},
		{"", []string{"--listen=0.0.0.0:0"}, []string{"flag --listen", "no authentication", "insecure-no-auth"}},
		{"HASHD_LISTEN=:0", nil, []string{"environment HASHD_LISTEN", "no authentication", "insecure-no-auth"}},
		{"", []string{"--listen=[::]:0", "--insecure-no-auth=false"}, []string{"flag --listen", "no authentication"}},
	} {
		var environ []string
		if tt.environ != "" {
			environ = []string{tt.environ}
		}
		got := finish(t, environ, tt.args...)
		if got.code != 2 || got.stdout != "" {
			t.Errorf("%s %q: exit code %d, stdout %q", tt.environ, tt.args, got.code, got.stdout)
		}
		for _, want := range append(tt.want, "hashd: ", "Run 'hashd --help' for every setting.\n") {
			if !strings.Contains(got.stderr, want) {
				t.Errorf("%s %q: stderr has no %q:\n%s", tt.environ, tt.args, want, got.stderr)
			}
		}
	}
}

func TestHelp(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"--help"}, {"-h"}, {"help"}, {"healthcheck", "--help"}, {"--delay=soon", "--help"}} {
		got := finish(t, nil, args...)
		if got.code != 0 || got.stderr != "" {
			t.Errorf("%q: exit code %d, stderr %q", args, got.code, got.stderr)
		}
		fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
		config.New(fs)
		fs.VisitAll(func(f *pflag.Flag) {
			variable := "HASHD_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
			if !strings.Contains(got.stdout, "  --"+f.Name) || !strings.Contains(got.stdout, variable+"]") {
				t.Errorf("%q does not show %s and %s", args, f.Name, variable)
			}
		})
		for _, code := range []int{0, 1, 2, 130} {
			if !regexp.MustCompile(fmt.Sprintf(`\b%d [a-z]`, code)).MatchString(got.stdout) {
				t.Errorf("%q does not tell exit code %d", args, code)
			}
		}
	}
}

// A server beyond loopback needs an explicit word; then the health check still finds it.
func TestListenBeyondLoopback(t *testing.T) {
	t.Parallel()
	for _, listen := range []string{"0.0.0.0:0", ":0"} {
		i := start(t, "--listen="+listen, "--insecure-no-auth")
		host, port, err := net.SplitHostPort(i.address)
		if err != nil || !net.ParseIP(host).IsUnspecified() {
			t.Errorf("%s: it listens on %s (%v)", listen, i.address, err)
		}
		i.client(t).do(t, http.MethodGet, "/healthz", "").want(t, http.StatusOK)
		environ := []string{"HASHD_LISTEN=" + listen, "HASHD_PORT=" + port, "HASHD_INSECURE_NO_AUTH=true"}
		if got := finish(t, environ, "healthcheck"); got != (outcome{}) {
			t.Errorf("%s: health check: %+v", listen, got)
		}
		i.stop(t)
	}
}

// The health check finds the server by the settings that the server has, from any source.
func TestHealthcheck(t *testing.T) {
	t.Parallel()
	i := start(t)
	_, port, _ := net.SplitHostPort(i.address)
	file := writeFile(t, "listen: "+i.address+"\n")
	for _, tt := range []struct{ environ, flag string }{
		{"", "--port=" + port},
		{"", "--listen=" + i.address},
		{"", "--config=" + file},
		{"HASHD_LISTEN=" + i.address, ""},
		{"HASHD_PORT=" + port, "--listen=localhost:1"},
	} {
		args := []string{"healthcheck"}
		if tt.flag != "" {
			args = append(args, tt.flag)
		}
		if got := finish(t, strings.Fields(tt.environ), args...); got != (outcome{}) {
			t.Errorf("%+v: %+v", tt, got)
		}
	}
	// Where nothing listens it fails. The port is the server's, so that nobody takes it meanwhile.
	nowhere := "127.0.0.2:" + port
	if got := finish(t, nil, "healthcheck", "--listen="+nowhere); got.code != 1 || !strings.Contains(got.stderr, nowhere) {
		t.Errorf("at %s: %+v", nowhere, got)
	}
	i.stop(t)
}

// Whatever else is at the address is not healthy.
func TestHealthcheckFails(t *testing.T) {
	t.Parallel()
	failing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/healthz" {
			t.Errorf("the health check asks for %s", r.URL.Path)
		}
		w.WriteHeader(http.StatusInternalServerError)
	}))
	defer failing.Close()
	silent, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0") // accepts and never answers
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	for _, tt := range []struct{ address, want string }{
		{failing.Listener.Addr().String(), "500 Internal Server Error"},
		{silent.Addr().String(), "no answer within 3s"},
	} {
		got := finish(t, nil, "healthcheck", "--listen="+tt.address)
		want := outcome{1, "", "hashd: healthcheck: http://" + tt.address + "/healthz: " + tt.want + "\n"}
		if got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
}

// The line that says where it listens can be clicked, and names the documentation.
func TestListeningNamesURL(t *testing.T) {
	t.Parallel()
	for _, listen := range []string{"--listen=127.0.0.1:0", "--listen=:0", "--listen=0.0.0.0:0"} {
		i := start(t, listen, "--insecure-no-auth")
		_, port, _ := net.SplitHostPort(i.address)
		home, _ := i.listening["url"].(string)
		if want := "http://127.0.0.1:" + port; home != want {
			t.Errorf("%s: url %s, want %s", listen, home, want)
		}
		i.listening.Want(t, "docs", home+"/docs")
		if page := exchange(t, i, "GET /docs HTTP/1.1\r\nHost: localhost\r\n\r\n"); !strings.Contains(page, "swagger-ui") {
			t.Errorf("there are no docs: %s", page)
		}
		i.stop(t)
	}
}

// A hosting platform's PORT is listened on, and the health check finds it there.
func TestPlatformPort(t *testing.T) {
	t.Parallel()
	environ := func(port string) []string {
		return []string{"PORT=" + port, "HASHD_INSECURE_NO_AUTH=true", "HASHD_LOG_FORMAT=json"}
	}
	i := started(t, launch(t, environ("0")))
	host, port, _ := net.SplitHostPort(i.address)
	if !net.ParseIP(host).IsUnspecified() || port == "8080" {
		t.Errorf("it listens on %s", i.address)
	}
	if got := finish(t, environ(port), "healthcheck"); got != (outcome{}) {
		t.Errorf("health check: %+v", got)
	}
	i.stop(t)
}

func TestPortTaken(t *testing.T) {
	t.Parallel()
	i := start(t)
	got := finish(t, nil, "--listen="+i.address)
	if got.code != 1 || !strings.Contains(got.stderr, "hashd: listen: ") || !strings.Contains(got.stderr, "address already in use") || !strings.Contains(got.stderr, "--port") {
		t.Errorf("a second server on %s: %+v", i.address, got)
	}
	i.client(t).do(t, http.MethodGet, "/healthz", "").want(t, http.StatusOK)
}
