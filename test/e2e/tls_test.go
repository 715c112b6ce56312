package e2e

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	wire "github.com/hashd-project/hashd/v2/gen/server"
	"github.com/hashd-project/hashd/v2/internal/certs/certstest"
)

// pair is a certificate in files, as an orchestrator mounts them: behind links that are swapped.
type pair struct {
	dir     string
	roots   *certstest.Authority
	version int
}

func newPair(t *testing.T) *pair {
	t.Helper()
	p := &pair{dir: t.TempDir(), roots: certstest.NewAuthority(t)}
	p.swap(t)
	if err := errors.Join(os.Symlink("..data/tls.crt", p.cert()), os.Symlink("..data/tls.key", p.key())); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *pair) cert() string { return filepath.Join(p.dir, "tls.crt") }

func (p *pair) key() string { return filepath.Join(p.dir, "tls.key") }

func (p *pair) args() []string { return []string{"--tls-cert=" + p.cert(), "--tls-key=" + p.key()} }

// swap puts a new certificate there.
func (p *pair) swap(t *testing.T) {
	t.Helper()
	p.version++
	version := "..v" + strings.Repeat("i", p.version)
	dir, next := filepath.Join(p.dir, version), filepath.Join(p.dir, "..tmp")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	cert, key := p.roots.Server(t, time.Hour)
	certstest.Write(t, cert, key, filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"))
	if err := errors.Join(os.Symlink(version, next), os.Rename(next, filepath.Join(p.dir, "..data"))); err != nil {
		t.Fatal(err)
	}
}

// transport returns one that knows the certificate's root.
func (p *pair) transport(t *testing.T) *http.Transport {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: p.roots.Pool(), ServerName: "localhost"}, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	return transport
}

// client returns a client of the instance over TLS.
func (p *pair) client(t *testing.T, i *instance) *client {
	t.Helper()
	c := i.client(t)
	c.base = "https://" + strings.TrimPrefix(c.base, "http://")
	c.http.Transport = p.transport(t)
	return c
}

// A server with a certificate speaks TLS, says so, and is found alive by a health check that knows only its
// settings.
func TestServesTLS(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	i := start(t, append(p.args(), "--delay=0s")...)
	if url, _ := i.listening["url"].(string); url != "https://"+i.address {
		t.Errorf("it says %q", url)
	}
	c := p.client(t, i)
	job := c.submit(t, "angryMonkey")
	if _, err := c.await(t.Context(), job.Id); err != nil {
		t.Error(err)
	}
	_, port, _ := net.SplitHostPort(i.address)
	for range 2 {
		if got := finish(t, nil, append(p.args(), "healthcheck", "--port="+port)...); got.code != 0 {
			t.Errorf("health check: %+v", got)
		}
		p.swap(t) // and once more where the server may still show the old one
	}
	i.log(t, "TLS certificate replaced", 1)
	foreign := newPair(t)
	if got := finish(t, nil, append(foreign.args(), "healthcheck", "--port="+port)...); got.code != 1 || !strings.Contains(got.stderr, "certificate") {
		t.Errorf("a health check that expects another certificate: %+v", got)
	}
	i.stop(t)
	if got := finish(t, nil, "--port=0", "--tls-cert="+p.key(), "--tls-key="+p.key()); got.code != 1 || !strings.Contains(got.stderr, "tls-cert") {
		t.Errorf("no certificate: %+v", got)
	}
}

// Only who has a certificate for clients gets in, and the health check.
func TestClientCertificateIsDemanded(t *testing.T) {
	t.Parallel()
	p, clients := newPair(t), certstest.NewAuthority(t)
	ca := writeFile(t, string(clients.PEM))
	args := append(p.args(), "--tls-client-ca="+ca)
	i := start(t, args...)
	c := p.client(t, i)
	if _, err := c.try(t.Context(), http.MethodGet, "/healthz", ""); err == nil {
		t.Error("a client without a certificate is answered")
	}
	cert, key := clients.Client(t)
	own, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	transport := p.transport(t)
	transport.TLSClientConfig.Certificates = []tls.Certificate{own}
	c.http.Transport = transport
	c.do(t, http.MethodGet, "/healthz", "").want(t, http.StatusOK)
	_, port, _ := net.SplitHostPort(i.address)
	if got := finish(t, nil, append(args, "healthcheck", "--port="+port)...); got.code != 0 {
		t.Errorf("health check: %+v", got)
	}
	i.stop(t)
}

// Over TLS too, idle clients keep nobody out: such as say nothing, begin a handshake, or speak HTTP/1 or
// HTTP/2 and then fall silent.
func TestIdleTLSClientsKeepNobodyOut(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	i := start(t, append(p.args(), "--max-connections=20", "--delay=0s")...)
	connect(t, i, 40)
	for _, c := range connect(t, i, 40) {
		_, _ = io.WriteString(c, "\x16\x03\x01\x02\x00\x01\x00")
	}
	for n := range 80 {
		idle := p.transport(t)
		idle.ForceAttemptHTTP2 = n%2 == 0
		resp, err := (&http.Client{Transport: idle, Timeout: patience}).Get("https://" + i.address + "/healthz")
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK || resp.ProtoMajor == 2 != idle.ForceAttemptHTTP2 {
			t.Errorf("%s %s", resp.Proto, resp.Status)
		}
	}
	c := p.client(t, i)
	c.do(t, http.MethodGet, "/healthz", "").want(t, http.StatusOK)
	c.submit(t, "in time")
	i.log(t, "max-connections is reached: closing idle connections", 1).Want(t, "limit", 20)
	i.stop(t)
}

// Readiness tells what an operator should look after: a certificate that expires soon, and one that cannot be
// used.
func TestReadinessWarnsOfTheCertificate(t *testing.T) {
	t.Parallel()
	p := newPair(t) // which expires in an hour
	i := start(t, p.args()...)
	c := p.client(t, i)
	warned := func() bool {
		return slices.Contains(decode[wire.Health](t, c.do(t, http.MethodGet, "/readyz", "").want(t, http.StatusOK)).Warnings, "tls-cert")
	}
	if !warned() {
		t.Error("nothing of a certificate that expires soon")
	}
	cert, key := p.roots.Server(t, 1000*time.Hour)
	certstest.Write(t, cert, key, p.cert(), p.key())
	i.log(t, "TLS certificate replaced", 1)
	if warned() {
		t.Error("a warning without a reason")
	}
	const kept = "the TLS certificate was not replaced: the last good one stays in use"
	before := len(i.stderr.Find(kept)) // of the two files it may have seen one new and one old
	if err := os.WriteFile(p.cert(), []byte("junk"), 0o600); err != nil {
		t.Fatal(err)
	}
	i.log(t, kept, before+1)
	if !warned() {
		t.Error("nothing of a certificate that cannot be used")
	}
	i.stop(t)
}

// Certificates are replaced under load, and no request fails.
func TestCertificateRotation(t *testing.T) {
	t.Parallel()
	const rotations = 4
	p := newPair(t)
	i := start(t, p.args()...)
	_, port, _ := net.SplitHostPort(i.address)
	var sent, failed atomic.Int64
	var seen sync.Map // certificates
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	t.Cleanup(group.Wait)
	for n := range 4 {
		transport := p.transport(t)
		transport.DisableKeepAlives = n%2 == 0 // half of them do a handshake for each request
		client := &http.Client{Transport: transport, Timeout: patience}
		group.Go(func() {
			for ctx.Err() == nil {
				resp, err := client.Post("https://localhost:"+port+"/hash", "application/json", strings.NewReader(submission("angryMonkey")))
				sent.Add(1)
				if err != nil || resp.StatusCode != http.StatusAccepted {
					failed.Add(1)
					t.Errorf("%v %v", resp, err)
					return
				}
				seen.Store(resp.TLS.PeerCertificates[0].SerialNumber.String(), true)
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
			}
		})
	}
	wantSeen := func(certificates int) {
		t.Helper()
		eventually(t, fmt.Sprintf("%d certificates are seen", certificates), func() bool {
			n := 0
			seen.Range(func(any, any) bool { n++; return true })
			return n == certificates || failed.Load() > 0
		})
	}
	for n := range rotations {
		wantSeen(n + 1)
		p.swap(t)
		i.log(t, "TLS certificate replaced", n+1)
	}
	wantSeen(rotations + 1)
	cancel()
	group.Wait()
	t.Logf("%d requests over %d certificates, %d failed", sent.Load(), rotations+1, failed.Load())
	i.stop(t)
}
