package jetstream

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hashd-project/hashd/v2/internal/engine"
	"github.com/hashd-project/hashd/v2/internal/engine/jetstream/natstest"
)

// certificate is a certificate with its key, in files.
type certificate struct {
	*x509.Certificate
	key        *ecdsa.PrivateKey
	file, keys string
}

// issue makes a certificate, signed by the parent or, without one, by itself.
func issue(t *testing.T, name string, parent *certificate) *certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &certificate{key: key, Certificate: &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: parent == nil, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}}
	if parent == nil {
		parent = c
	}
	der, err := x509.CreateCertificate(rand.Reader, c.Certificate, parent.Certificate, &key.PublicKey, parent.key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	c.file = store(t, name+".pem", "CERTIFICATE", der)
	c.keys = store(t, name+"-key.pem", "EC PRIVATE KEY", secret)
	return c
}

func store(t *testing.T, name, kind string, der []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Servers that want TLS and a client's certificate get both; one that is missing or strange is an error.
func TestTLS(t *testing.T) {
	t.Parallel()
	ca := issue(t, "ca", nil)
	server, client := issue(t, "server", ca), issue(t, "client", ca)
	servers := cluster(t, natstest.Config{
		Nodes:   1,
		Extra:   fmt.Sprintf("tls { cert_file: %q, key_file: %q, ca_file: %q, verify: true }", server.file, server.keys, ca.file),
		Options: []nats.Option{nats.RootCAs(ca.file), nats.ClientCert(client.file, client.keys)},
	})
	cfg := config(t, servers)
	cfg.CA, cfg.Cert, cfg.Key = ca.file, client.file, client.keys
	e := start(t, cfg)
	wantHash(t, e, accept(t, e, engine.Job{Secret: []byte("secret")}), "secret")

	cfg.Patience = 100 * time.Millisecond
	stranger := issue(t, "stranger", nil)
	for what, spoil := range map[string]func(*Config){
		"no certificate of the client": func(c *Config) { c.Cert, c.Key = "", "" },
		"another root":                 func(c *Config) { c.CA = stranger.file },
		"a stranger's certificate":     func(c *Config) { c.Cert, c.Key = stranger.file, stranger.keys },
		"no such root":                 func(c *Config) { c.CA = "/does/not/exist" },
		"no such certificate":          func(c *Config) { c.Cert = "/does/not/exist" },
		"no such credentials":          func(c *Config) { c.Credentials = "/does/not/exist" },
	} {
		other := cfg
		spoil(&other)
		if e, err := New(t.Context(), other); err == nil {
			t.Errorf("%s: no error", what)
			_ = e.Close()
		}
	}
}
