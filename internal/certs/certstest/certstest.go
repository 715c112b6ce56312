// Package certstest makes certificates for tests: authorities, and what they issue for this machine.
package certstest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"testing"
	"time"
)

// An Authority issues certificates.
type Authority struct {
	PEM  []byte // its own certificate
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// NewAuthority makes an authority of its own root.
func NewAuthority(tb testing.TB) *Authority {
	tb.Helper()
	a := &Authority{}
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a.key = newKey(tb)
	a.cert, a.PEM = sign(tb, template, template, a.key, a.key)
	return a
}

// Pool returns the authority as the only root.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// Server issues a certificate for a server on this machine, valid for that time, and its key.
func (a *Authority) Server(tb testing.TB, valid time.Duration) (cert, key []byte) {
	tb.Helper()
	return a.issue(tb, here(valid), x509.ExtKeyUsageServerAuth)
}

// Elsewhere issues a certificate for the server of that name alone, and its key.
func (a *Authority) Elsewhere(tb testing.TB, name string) (cert, key []byte) {
	tb.Helper()
	return a.issue(tb, &x509.Certificate{DNSNames: []string{name}}, x509.ExtKeyUsageServerAuth)
}

// Client issues a certificate for a client, and its key.
func (a *Authority) Client(tb testing.TB) (cert, key []byte) {
	tb.Helper()
	return a.issue(tb, here(time.Hour), x509.ExtKeyUsageClientAuth)
}

// here is a certificate for this machine.
func here(valid time.Duration) *x509.Certificate {
	return &x509.Certificate{
		Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}, NotAfter: time.Now().Add(valid),
	}
}

func (a *Authority) issue(tb testing.TB, template *x509.Certificate, usage x509.ExtKeyUsage) (cert, key []byte) {
	tb.Helper()
	own := newKey(tb)
	template.KeyUsage, template.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{usage}
	_, cert = sign(tb, template, a.cert, own, a.key)
	der, err := x509.MarshalPKCS8PrivateKey(own)
	if err != nil {
		tb.Fatal(err)
	}
	return cert, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// Write writes a certificate and its key to the files.
func Write(tb testing.TB, cert, key []byte, certPath, keyPath string) {
	tb.Helper()
	if err := errors.Join(os.WriteFile(certPath, cert, 0o600), os.WriteFile(keyPath, key, 0o600)); err != nil {
		tb.Fatal(err)
	}
}

func newKey(tb testing.TB) *ecdsa.PrivateKey {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

func sign(tb testing.TB, template, parent *x509.Certificate, key, by *ecdsa.PrivateKey) (*x509.Certificate, []byte) {
	tb.Helper()
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		tb.Fatal(err)
	}
	template.SerialNumber, template.NotBefore = serial, time.Now().Add(-90*24*time.Hour)
	if template.NotAfter.IsZero() {
		template.NotAfter = time.Now().Add(1000 * time.Hour)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), by)
	if err != nil {
		tb.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		tb.Fatal(err)
	}
	return cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
