package e2e

import (
	"fmt"
	"io"
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

// Profiles are on an address of their own, where they are asked for, and for this machine alone.
func TestDebugListen(t *testing.T) {
	t.Parallel()
	i := start(t, "--debug-listen=127.0.0.1:0")
	url, _ := i.log(t, "profiles", 1)["url"].(string)
	if !strings.HasPrefix(url, "http://127.0.0.1:") || strings.Contains(url, i.address) {
		t.Fatalf("profiles are at %q", url)
	}
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

// Without the setting nothing is served, and an address that others reach is none for profiles.
func TestNoDebugListen(t *testing.T) {
	t.Parallel()
	i := start(t)
	i.stop(t)
	if got := i.stderr.Find("profiles"); len(got) > 0 {
		t.Errorf("it serves them: %v", got)
	}
	if got := finish(t, nil, "--debug-listen=0.0.0.0:0"); got.code != 2 || !strings.Contains(got.stderr, "flag --debug-listen") {
		t.Errorf("all interfaces: %+v", got)
	}
	taken := start(t)
	if got := finish(t, nil, "--port=0", "--debug-listen="+taken.address); got.code != 1 || !strings.Contains(got.stderr, "debug-listen: ") {
		t.Errorf("a port that is taken: %+v", got)
	}
	taken.stop(t)
}
