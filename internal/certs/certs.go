// Package certs owns the server's certificate: it reads the pair, follows the files, and makes the
// configuration of TLS from them. It must not know what is served.
package certs

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/hashd-project/hashd/v2/internal/follow"
	"github.com/hashd-project/hashd/v2/internal/private"
)

// Soon is how long before its certificate expires the log begins to warn, once a day.
const Soon = 14 * 24 * time.Hour

const day = 24 * time.Hour

// Files are the paths of what TLS is made from, all in PEM.
type Files struct {
	Cert     string // the server's certificate, and those between it and its root
	Key      string // its private key: a private file (see package private)
	ClientCA string // the roots of the certificates that clients must show; "" if they need none
}

// A Source gives the certificate that is in the files now, or the last one that was good. It is safe for
// concurrent use. Close ends it.
type Source struct {
	files Files
	log   *slog.Logger

	now    atomic.Pointer[state]
	reason atomic.Pointer[error] // why the files are not in use; nil if they are

	follower *follow.Follower
	warned   time.Time // when the log last said that the certificate expires; for the goroutine that looks
	stop     func()
}

// state is what one look at the files gave. It never changes.
type state struct {
	config *tls.Config
	leaf   *x509.Certificate
	before []byte // the leaf of the pair before: a health check may have read it just before it was replaced
}

// Open reads the files, and follows them until Close: what is in them counts within about a second.
func Open(files Files, log *slog.Logger) (*Source, error) {
	s := &Source{files: files, log: log, follower: follow.New(files.read)}
	content, _, err := s.follower.Next()
	if err == nil {
		err = s.take(content)
	}
	if err != nil {
		return nil, err
	}
	s.warn(time.Now())
	s.stop = follow.Every(follow.Interval, s.look)
	return s, nil
}

// Close ends the following.
func (s *Source) Close() { s.stop() }

// Leaf returns the server's certificate in use, which the caller leaves as it is.
func (s *Source) Leaf() *x509.Certificate { return s.now.Load().leaf }

// Expires returns when the certificate in use expires.
func (s *Source) Expires() time.Time { return s.now.Load().leaf.NotAfter }

// Expiring says whether the certificate in use expires within Soon, or has expired.
func (s *Source) Expiring(now time.Time) bool { return now.After(s.Expires().Add(-Soon)) }

// Err returns why the files are not in use as they are now, nil if they are.
func (s *Source) Err() error {
	if reason := s.reason.Load(); reason != nil {
		return *reason
	}
	return nil
}

// Config returns a configuration that uses whatever the files hold when a client connects.
func (s *Source) Config() *tls.Config {
	c := base()
	c.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return s.now.Load().config, nil }
	return c
}

// base is what all configurations have: the suites for TLS 1.2 that HTTP/2 allows.
func base() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"h2", "http/1.1"},
		CipherSuites: []uint16{
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		},
	}
}

// look takes new files, and warns of an end that is near.
func (s *Source) look() {
	content, changed, err := s.follower.Next()
	if changed {
		if err == nil {
			err = s.take(content)
		}
		s.note(err)
	}
	clear(content)
	s.warn(time.Now())
}

// What the log says of the certificate.
const (
	kept    = "the TLS certificate was not replaced: the last good one stays in use"
	soon    = "the TLS certificate expires soon: replace the files of tls-cert and tls-key"
	expired = "the TLS certificate has expired: replace the files of tls-cert and tls-key"
)

// note keeps and logs what became of changed files.
func (s *Source) note(err error) {
	if err != nil {
		s.reason.Store(&err)
		s.log.Error(kept, "error", err)
		return
	}
	s.reason.Store(nil)
	s.log.Info("TLS certificate replaced", "expires", s.Expires(), "serial", s.now.Load().leaf.SerialNumber.Text(16))
}

// warn logs once a day that the certificate expires soon, or has expired.
func (s *Source) warn(now time.Time) {
	expires := s.Expires()
	if !s.Expiring(now) {
		s.warned = time.Time{}
		return
	}
	if !s.warned.IsZero() && now.Sub(s.warned) < day {
		return
	}
	s.warned = now
	what := soon
	if now.After(expires) {
		what = expired
	}
	s.log.Warn(what, "expires", expires, "file", s.files.Cert)
}

// separator stands between the files in what read returns. No PEM file has it.
const separator = "\x00"

// read returns the files one after the other. They belong together, and are replaced one by one: so it
// reads until they stay as they are.
func (f Files) read() ([]byte, error) {
	content, err := f.readOnce()
	for range 3 {
		again, errAgain := f.readOnce()
		same := bytes.Equal(content, again) && fmt.Sprint(err) == fmt.Sprint(errAgain)
		clear(content)
		content, err = again, errAgain
		if same {
			break
		}
	}
	return content, err
}

func (f Files) readOnce() ([]byte, error) {
	key, err := private.Read(f.Key)
	if err != nil {
		return nil, fmt.Errorf("tls-key: %w", err)
	}
	defer clear(key)
	cert, err := os.ReadFile(f.Cert)
	if err != nil {
		return nil, fmt.Errorf("tls-cert: %w", err)
	}
	var roots []byte
	if f.ClientCA != "" {
		if roots, err = os.ReadFile(f.ClientCA); err != nil {
			return nil, fmt.Errorf("tls-client-ca: %w", err)
		}
	}
	return slices.Concat(cert, []byte(separator), roots, []byte(separator), key), nil // in memory of its own
}

// take puts what the files hold to use.
func (s *Source) take(content []byte) error {
	next, err := s.files.parse(content)
	if err != nil {
		return err
	}
	if last := s.now.Load(); last != nil {
		next.before = last.leaf.Raw
	}
	s.now.Store(next)
	return nil
}

func (f Files) parse(content []byte) (*state, error) {
	cert, rest, _ := bytes.Cut(content, []byte(separator))
	roots, key, _ := bytes.Cut(rest, []byte(separator))
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("tls-cert %s and tls-key %s: %w", f.Cert, f.Key, err)
	}
	next := &state{config: base(), leaf: pair.Leaf}
	next.config.Certificates = []tls.Certificate{pair}
	if f.ClientCA == "" {
		return next, nil
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(roots) {
		return nil, fmt.Errorf("tls-client-ca %s: no certificate is in it", f.ClientCA)
	}
	next.demand(pool)
	return next, nil
}

// errForeign says that a client's certificate is none of those that are let in.
var errForeign = errors.New("the client's certificate is not issued for clients by one of tls-client-ca")

// demand has clients show a certificate. Who shows the server's own holds its key, and is its health check:
// it is let in too, for such a certificate is seldom issued for clients. No session is resumed, so that
// each client is checked against what the files hold now.
func (s *state) demand(roots *x509.CertPool) {
	s.config.ClientAuth, s.config.ClientCAs, s.config.SessionTicketsDisabled = tls.RequireAnyClientCert, roots, true
	s.config.VerifyConnection = func(c tls.ConnectionState) error {
		leaf := c.PeerCertificates[0]
		if bytes.Equal(leaf.Raw, s.leaf.Raw) || bytes.Equal(leaf.Raw, s.before) {
			return nil
		}
		between := x509.NewCertPool()
		for _, one := range c.PeerCertificates[1:] {
			between.AddCert(one)
		}
		_, err := leaf.Verify(x509.VerifyOptions{
			Roots: roots, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		})
		if err != nil {
			return fmt.Errorf("%w: %w", errForeign, err)
		}
		return nil
	}
}
