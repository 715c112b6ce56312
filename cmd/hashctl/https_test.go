package main

import (
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
)

// A server may be behind TLS and below a path. A certificate that is not trusted is no server at
// all, and no reason to try again.
func TestHTTPSBelowPath(t *testing.T) {
	t.Parallel()
	target := &url.URL{Scheme: "http", Host: server(t, "--delay=0s")}
	forward := &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport: &http.Transport{DisableKeepAlives: true},
	}
	s := httptest.NewUnstartedServer(http.StripPrefix("/below", forward))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // it would tell of the certificate too
	s.StartTLS()
	t.Cleanup(s.Close)
	trusted := filepath.Join(t.TempDir(), "ca.pem")
	write(t, trusted, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})))
	for _, slash := range []string{"", "/"} {
		c := command("", "submit", "--wait", "--server", s.URL+"/below"+slash)
		c.cmd.Env = append(c.cmd.Env, "SSL_CERT_FILE="+trusted)
		c.cmd.Stdin = strings.NewReader("angryMonkey")
		if c.start(t).end(t, exitOK); !strings.HasPrefix(c.stdout.String(), "ZEHhWB65") {
			t.Errorf("it prints %q", c.stdout.String())
		}
	}
	c := command("", "status", "--server", s.URL, "--retry-for=0").start(t).end(t, exitFailed)
	if text := c.stderr.String(); !strings.Contains(text, "failed to verify certificate") || !strings.Contains(text, "\nhint: renew the certificate of "+s.URL+", or ") {
		t.Errorf("it says %q", text)
	}
}

// One who mistakes http for https, or https for http, is told at once.
func TestSchemeMismatch(t *testing.T) {
	t.Parallel()
	address := server(t)
	c := command("", "status", "--server", "https://"+address, "--retry-for=0").start(t).end(t, exitFailed)
	if text := c.stderr.String(); !strings.Contains(text, "hint: https://"+address+" speaks no TLS: give its URL with http://") {
		t.Errorf("it says %q", text)
	}
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	plain := "http" + strings.TrimPrefix(s.URL, "https")
	c = command("", "status", "--server", plain, "--retry-for=0").start(t).end(t, exitFailed)
	if text := c.stderr.String(); !strings.Contains(text, "hint: "+plain+" is not a hashd, or it wants https://; check --server") {
		t.Errorf("it says %q", text)
	}
}
