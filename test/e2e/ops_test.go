package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
)

// fetch returns the status and the body of an answer that is no part of the contract.
func fetch(t *testing.T, url, host string) (status int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = host
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport, Timeout: patience}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// ops starts a server with a listener for operators, and returns the URL of that.
func ops(t *testing.T, args ...string) (*instance, string) {
	t.Helper()
	i := start(t, append(args, "--ops-listen=127.0.0.1:0")...)
	url, _ := i.log(t, "operations", 1)["url"].(string)
	if !strings.HasPrefix(url, "http://127.0.0.1:") || strings.Contains(url, i.address) {
		t.Fatalf("operators are answered at %q", url)
	}
	return i, url
}

// Profiles are on an address of their own, where they are asked for, and for this machine alone.
func TestOpsListenHasProfiles(t *testing.T) {
	t.Parallel()
	i, base := ops(t)
	url := base + "/debug/pprof/"
	for _, name := range []string{"goroutine?debug=1", "heap?debug=1", "cmdline"} {
		if status, text := fetch(t, url+name, ""); status != http.StatusOK || text == "" {
			t.Errorf("%s: %d %s", name, status, text)
		}
	}
	if _, text := fetch(t, url+"goroutine?debug=1", "localhost"); !strings.Contains(text, "goroutine profile: total") {
		t.Errorf("it says %s", text)
	}
	if status, _ := fetch(t, url, "hash.example.com"); status != http.StatusMisdirectedRequest {
		t.Errorf("a foreign host is answered with %d", status)
	}
	i.client(t).do(t, http.MethodGet, "/debug/pprof/", "").wantProblem(t, http.StatusNotFound, "unknown-path")

	// A profile that takes a minute holds no stop up.
	tracing := make(chan error, 1)
	go func() {
		resp, err := http.Get(url + "trace?seconds=60")
		if err == nil {
			tracing <- nil
			_, err = io.Copy(io.Discard, resp.Body)
			err = fmt.Errorf("%w %w", err, resp.Body.Close())
		}
		tracing <- err
	}()
	<-tracing
	i.signal(t, syscall.SIGTERM)
	i.wantExit(t, 0)
	<-tracing
}

// Another machine gets health there, and no profile.
func TestOpsListenBeyondLoopback(t *testing.T) {
	t.Parallel()
	address := ""
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		if ip, ok := a.(*net.IPNet); ok && !ip.IP.IsLoopback() && ip.IP.To4() != nil {
			address = ip.IP.String()
		}
	}
	if address == "" {
		t.Skip("this machine has no address beyond loopback")
	}
	i := start(t, "--ops-listen="+net.JoinHostPort(address, "0"))
	url, _ := i.log(t, "operations", 1)["url"].(string)
	if status, text := fetch(t, url+"/healthz", ""); status != http.StatusOK {
		t.Errorf("health: %d %s", status, text)
	}
	for _, host := range []string{"", "localhost"} {
		if status, _ := fetch(t, url+"/debug/pprof/", host); status != http.StatusForbidden {
			t.Errorf("a profile: %d", status)
		}
	}
	i.stop(t)
}

// Health is there too, as it is on the main listener, also while that is full or speaks TLS; and nothing
// of the API is.
func TestOpsListenHasHealth(t *testing.T) {
	t.Parallel()
	files := newPair(t)
	i, url := ops(t, append(files.args(), "--delay=1h")...)
	for _, path := range []string{"/healthz", "/readyz"} {
		if status, text := fetch(t, url+path, ""); status != http.StatusOK || !strings.Contains(text, "ok") {
			t.Errorf("%s: %d %s", path, status, text)
		}
	}
	for _, path := range []string{"/", "/stats", "/hash/1", "/v/status", "/docs"} {
		if status, text := fetch(t, url+path, ""); status != http.StatusNotFound {
			t.Errorf("%s: %d %s", path, status, text)
		}
	}
	port := url[strings.LastIndexByte(url, ':')+1:]
	if got := finish(t, nil, "healthcheck", "--port=1", "--ops-listen=127.0.0.1:"+port); got.code != 0 {
		t.Errorf("a health check by ops-listen: %+v", got)
	}
	c := files.client(t, i)
	job := c.submit(t, "angryMonkey")
	i.signal(t, syscall.SIGTERM)
	i.log(t, "draining", 1)
	if status, _ := fetch(t, url+"/readyz", ""); status != http.StatusServiceUnavailable {
		t.Errorf("readiness in a drain: %d", status)
	}
	c.do(t, http.MethodDelete, path(job.Id), "").want(t, http.StatusNoContent) // which ends the drain
	i.wantExit(t, 0)
}

// Without the setting nothing is served, and an address that is taken is told.
func TestNoOpsListen(t *testing.T) {
	t.Parallel()
	i := start(t)
	i.stop(t)
	if got := i.stderr.Find("operations"); len(got) > 0 {
		t.Errorf("it serves them: %v", got)
	}
	taken := start(t)
	if got := finish(t, nil, "--port=0", "--ops-listen="+taken.address); got.code != 1 || !strings.Contains(got.stderr, "ops-listen: ") {
		t.Errorf("a port that is taken: %+v", got)
	}
	taken.stop(t)
}
