package main

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hashd-project/hashd/v2/client"

	"github.com/hashd-project/hashd/v2/internal/needs"
)

// Each way to get no answer of hashd has a hint that names the address and says what to do.
func TestNetworkHints(t *testing.T) {
	p := &program{server: "http://a.example:8080"}
	get := func(err error) error { return &url.Error{Op: "Get", URL: "http://a.example:8080/stats", Err: err} }
	for want, err := range map[string]error{
		"http://a.example:8080 is not a hashd, or something":         client.ErrAnswer,
		"renew the certificate of http://a.example:8080":             get(&tls.CertificateVerificationError{Err: io.EOF}),
		"http://a.example:8080 speaks no TLS":                        get(http.ErrSchemeMismatch),
		"the proxy of HTTP_PROXY or HTTPS_PROXY":                     get(&net.OpError{Op: "proxyconnect", Err: syscall.ECONNREFUSED}),
		"there is no host a.example; check --server":                 get(&net.OpError{Op: "dial", Err: &net.DNSError{Name: "a.example", IsNotFound: true}}),
		"nothing listens at http://a.example:8080: is hashd running": get(&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}),
		"http://a.example:8080 does not answer: is it a hashd":       get(context.DeadlineExceeded),
		"is hashd running at http://a.example:8080?":                 get(io.EOF),
		"run 'hashctl --help'":                                       errors.New("something else"),
	} {
		if o := p.outcomeOf(t.Context(), p.with(t), &runError{err}); !strings.HasPrefix(o.Hint, want) || o.Exit != exitFailed {
			t.Errorf("%v: %d, %s; want %s", err, o.Exit, o.Hint, want)
		}
	}
}

// foreign returns the URL of a server that is none of hashd's.
func foreign(t *testing.T, answer http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(answer)
	t.Cleanup(s.Close)
	return s.URL
}

// A secret goes where it was told to go, and nowhere else: whatever redirection is tried, at whatever
// request, the other place sees nothing.
func TestSecretsFollowNoRedirect(t *testing.T) {
	needs.Processes(t)
	t.Parallel()
	in := filepath.Join(t.TempDir(), "in")
	write(t, in, "topsecret\n")
	for _, status := range []int{301, 302, 303, 307, 308} {
		var seen atomic.Int64
		elsewhere := foreign(t, func(http.ResponseWriter, *http.Request) { seen.Add(1) })
		from := foreign(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere+r.URL.Path, status) })
		late := foreign(t, func(w http.ResponseWriter, r *http.Request) { // only submissions are led away
			if r.Method == http.MethodPost {
				http.Redirect(w, r, elsewhere+r.URL.Path, status)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"status":"ok","store":"s","api":"2.0.0"}`)
		})
		for _, url := range []string{from, late} {
			for _, args := range [][]string{{"submit"}, {"submit", "--wait"}, {"bulk", in}} {
				c := command("", append(args, "--server", url, "--retry-for=1s")...)
				c.cmd.Stdin = strings.NewReader("topsecret")
				c.start(t).end(t, exitFailed)
				text := c.stderr.String()
				if !strings.Contains(text, strconv.Itoa(status)+" "+http.StatusText(status)) || strings.Contains(text, "topsecret") || c.stdout.Len() > 0 {
					t.Errorf("%d %q: it prints %q and says %q", status, args, &c.stdout, text)
				}
				if args[0] == "submit" && !strings.Contains(text, "hint: a redirection is not followed") {
					t.Errorf("%d: it says %q", status, text)
				}
			}
		}
		if seen.Load() > 0 {
			t.Errorf("%d: another server was asked", status)
		}
	}
}

// A proxy named in the environment sees what goes to other machines, and nothing of what stays on this one.
func TestNoProxyForLoopback(t *testing.T) {
	t.Parallel()
	var seen atomic.Int64
	proxy := foreign(t, func(w http.ResponseWriter, _ *http.Request) {
		seen.Add(1)
		w.WriteHeader(http.StatusNotFound)
	})
	c := command(server(t, "--delay=0s"), "submit", "--wait")
	c.cmd.Env = append(c.cmd.Env, "HTTP_PROXY="+proxy, "http_proxy="+proxy, "NO_PROXY=", "no_proxy=")
	c.cmd.Stdin = strings.NewReader("angryMonkey")
	if c.start(t).end(t, exitOK); seen.Load() != 0 {
		t.Error("a secret for this machine went through a proxy")
	}
	c = command("", "status", "--server", "http://hashd.example")
	c.cmd.Env = append(c.cmd.Env, "HTTP_PROXY="+proxy, "http_proxy="+proxy, "NO_PROXY=", "no_proxy=")
	if c.start(t).end(t, exitFailed); seen.Load() != 1 {
		t.Errorf("the proxy was asked %d times", seen.Load())
	}
}

// What answers but is no hashd, as the log-in page of a network does, gives a clear error, and never an id, a
// hash or figures; an answer without end is not read to its end.
func TestForeignAnswersAreErrors(t *testing.T) {
	t.Parallel()
	in := filepath.Join(t.TempDir(), "in")
	write(t, in, "topsecret\n")
	var sent atomic.Int64
	chunk := []byte(`{"id":1,"status":"done","hash":"QUJD","first":1,"count":1,"total":1,"store":"s"}` + strings.Repeat(" ", 1<<20))
	for name, answer := range map[string]http.HandlerFunc{
		"a page": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, "<!doctype html><title>Log in</title>topsecret")
		},
		"other JSON": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"ok":true}`)
		},
		"200 MiB": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			for range 200 {
				n, err := w.Write(chunk)
				if sent.Add(int64(n)); err != nil {
					return
				}
			}
		},
	} {
		url := foreign(t, answer)
		for _, args := range [][]string{{"submit"}, {"submit", "--wait"}, {"get", "1"}, {"wait", "1"}, {"stats"}, {"status"}, {"cancel", "1"}, {"bulk", in}} {
			p, stdout, stderr := newProgram(strings.TrimPrefix(url, "http://"), strings.NewReader("topsecret"))
			code := p.run(t.Context(), args)
			if code != exitFailed || stdout.Len() > 0 || strings.Contains(stderr.String(), "topsecret") ||
				!strings.Contains(stderr.String(), "the answer is not one of hashd") || !strings.Contains(stderr.String(), "hint: "+url+" is not a hashd, or something is in front of it") {
				t.Errorf("%s, %q: exit code %d, stdout %q, stderr %q", name, args, code, stdout, stderr)
			}
		}
	}
	if got := sent.Load(); got > 8*40<<20 {
		t.Errorf("%d bytes were read", got)
	}
}

// A pause that is asked for as a date is kept to.
func TestRetryAfterDate(t *testing.T) {
	t.Parallel()
	proxy := newProxy(t, server(t, "--delay=0s"))
	var refused atomic.Pointer[time.Time]
	proxy.instead(func(w http.ResponseWriter, _ string) bool {
		if refused.Load() != nil {
			return false
		}
		until := time.Now().Add(2 * time.Second).Truncate(time.Second)
		refused.Store(&until)
		w.Header().Set("Retry-After", until.UTC().Format(http.TimeFormat))
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	})
	p, stdout, stderr := newProgram(proxy.address, strings.NewReader("angryMonkey"))
	if code := p.run(t.Context(), []string{"submit", "--wait"}); code != exitOK || !strings.HasPrefix(stdout.String(), "ZEHhWB65") || time.Now().Before(*refused.Load()) {
		t.Errorf("exit code %d, stdout %q, stderr %q", code, stdout, stderr)
	}
}
