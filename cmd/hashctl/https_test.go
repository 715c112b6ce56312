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
	if !strings.Contains(c.stderr.String(), "failed to verify certificate") {
		t.Errorf("it says %q", c.stderr.String())
	}
}
