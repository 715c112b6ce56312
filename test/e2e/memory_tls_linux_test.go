package e2e

import (
	"crypto/tls"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/hashd-project/hashd/v2/internal/certs/certstest"
)

// startSecure starts a server with TLS, and makes a client of it that speaks HTTP/1 or HTTP/2.
func startSecure(t *testing.T, http2 bool, args ...string) (*instance, *client) {
	t.Helper()
	authority, dir := certstest.NewAuthority(t), t.TempDir()
	cert, key := authority.Server(t, time.Hour)
	certFile, keyFile := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	certstest.Write(t, cert, key, certFile, keyFile)
	i := startPlain(t, append([]string{"--tls-cert=" + certFile, "--tls-key=" + keyFile}, args...)...)
	c := i.client(t)
	c.base = "https://" + i.address
	var protocols http.Protocols
	protocols.SetHTTP1(!http2)
	protocols.SetHTTP2(http2)
	transport := &http.Transport{Protocols: &protocols, TLSClientConfig: &tls.Config{RootCAs: authority.Pool(), ServerName: "localhost"}}
	t.Cleanup(transport.CloseIdleConnections)
	c.http.Transport = transport
	return i, c
}

func TestSecretsLeaveMemoryOverTLS(t *testing.T) {
	t.Parallel()
	i, c := startSecure(t, false, "--delay=100ms", "--retention=1h")
	i.needMemory(t)
	i.visitAll(t, c, false, append(visits(), rawVisits()...)...)
	i.stop(t)
}

func TestSecretsLeaveMemoryOverHTTP2(t *testing.T) {
	t.Parallel()
	i, c := startSecure(t, true, "--delay=100ms", "--retention=1h")
	i.needMemory(t)
	i.visitAll(t, c, false, visits()...)
	i.stop(t)
}

func TestTokensLeaveMemoryOverTLS(t *testing.T) {
	t.Parallel()
	i, c := startSecure(t, false, "--delay=100ms")
	i.needMemory(t)
	i.visitAll(t, c, false, append(tokenVisits(), rawTokenVisits()...)...)
	i.stop(t)

}

func TestTokensLeaveMemoryOverHTTP2(t *testing.T) {
	t.Parallel()
	i, c := startSecure(t, true, "--delay=100ms")
	i.needMemory(t)
	i.visitAll(t, c, true, tokenVisits()...)
	i.stop(t)
}

func TestTokensOfKeysLeaveMemoryOverHTTP2(t *testing.T) {
	t.Parallel()
	file := emptyKeys(t)
	i, c := startSecure(t, true, "--api-keys="+file)
	i.needMemory(t)
	i.visitKeyed(t, c, true, file)
	i.stop(t)
}
