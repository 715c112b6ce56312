package certs

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/hashd-project/hashd/v2/internal/certs/certstest"
	"github.com/hashd-project/hashd/v2/internal/follow"
	"github.com/hashd-project/hashd/v2/internal/transcript"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// place is a folder with the files of TLS.
type place struct {
	*testing.T
	Files
	roots *certstest.Authority
	log   *transcript.Transcript
}

func newPlace(t *testing.T) *place {
	dir := t.TempDir()
	return &place{t, Files{Cert: filepath.Join(dir, "tls.crt"), Key: filepath.Join(dir, "tls.key")}, certstest.NewAuthority(t), transcript.New()}
}

// put writes a new pair that is valid for that time, and returns the certificate.
func (p *place) put(valid time.Duration) []byte {
	p.Helper()
	cert, key := p.roots.Server(p, valid)
	certstest.Write(p, cert, key, p.Cert, p.Key)
	return cert
}

func (p *place) open() *Source {
	p.Helper()
	s, err := Open(p.Files, slog.New(slog.NewJSONHandler(p.log, nil)))
	if err != nil {
		p.Fatal(err)
	}
	p.Cleanup(s.Close)
	return s
}

// shake connects a client with the configuration to the server, and returns what the client learns.
func shake(server, client *tls.Config) (tls.ConnectionState, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return tls.ConnectionState{}, err
	}
	var group sync.WaitGroup
	group.Go(func() {
		far, err := l.Accept()
		if err != nil {
			return
		}
		defer far.Close()
		s := tls.Server(far, server)
		_, _ = io.Copy(s, s)
	})
	defer group.Wait()
	defer l.Close()
	near, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer near.Close()
	c := tls.Client(near, client)
	if err := c.HandshakeContext(context.Background()); err != nil {
		return tls.ConnectionState{}, err
	}
	if _, err := io.WriteString(c, "x"); err != nil {
		return tls.ConnectionState{}, err
	}
	_, err = c.Read(make([]byte, 1)) // of TLS 1.3 a client hears only now that it was refused
	return c.ConnectionState(), err
}

// serial returns the certificate that a client sees.
func (p *place) serial(s *Source) string {
	p.Helper()
	state, err := shake(s.Config(), &tls.Config{RootCAs: p.roots.Pool(), ServerName: "localhost"})
	if err != nil {
		p.Fatal(err)
	}
	return state.PeerCertificates[0].SerialNumber.String()
}

// betweenLooks waits until the source has just looked at its files, and not for a whole number of looks: what a
// test does next, and after any sleep of whole seconds, is done before the next look.
func betweenLooks() { time.Sleep(follow.Interval / 2) }

// What is in the files counts a moment later. What is no good does not, and is logged once.
func TestFilesAreFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t)
		p.put(1000 * time.Hour)
		s := p.open()
		betweenLooks()
		first := p.serial(s)
		p.put(2000 * time.Hour)
		time.Sleep(2 * time.Second)
		second := p.serial(s)
		if first == second || s.Err() != nil || time.Until(s.Expires()) < 1999*time.Hour || len(p.log.Find("TLS certificate replaced")) != 1 {
			t.Errorf("serial %s, before %s, error %v, expires %v", second, first, s.Err(), s.Expires())
		}
		for _, spoil := range []func() error{
			func() error { return os.WriteFile(p.Key, []byte("no key"), 0o600) },
			func() error { return os.Remove(p.Cert) },
			func() error { return os.Chmod(p.Key, 0o644) },
		} {
			before := len(p.log.Find(kept))
			if err := spoil(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
			if n := len(p.log.Find(kept)) - before; s.Err() == nil || p.serial(s) != second || n != 1 {
				t.Errorf("error %v, logged %d times, serial %s", s.Err(), n, p.serial(s))
			}
		}
		if err := os.Chmod(p.Key, 0o600); err != nil {
			t.Fatal(err)
		}
		p.put(time.Hour * 3000)
		time.Sleep(2 * time.Second)
		if s.Err() != nil || p.serial(s) == second {
			t.Errorf("good files are not taken after bad ones: %v", s.Err())
		}
	})
}

// An orchestrator swaps one link for all files.
func TestSwappedLinksAreFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t)
		dir := filepath.Dir(p.Cert)
		at := func(names ...string) string { return filepath.Join(append([]string{dir}, names...)...) }
		swap := func(version string) {
			cert, key := p.roots.Server(t, 1000*time.Hour)
			if err := os.Mkdir(at(version), 0o700); err != nil {
				t.Fatal(err)
			}
			certstest.Write(t, cert, key, at(version, "tls.crt"), at(version, "tls.key"))
			if err := errors.Join(os.Symlink(version, at("..tmp")), os.Rename(at("..tmp"), at("..data"))); err != nil {
				t.Fatal(err)
			}
		}
		swap("..1")
		if err := errors.Join(os.Symlink("..data/tls.crt", p.Cert), os.Symlink("..data/tls.key", p.Key)); err != nil {
			t.Fatal(err)
		}
		s := p.open()
		betweenLooks()
		first := p.serial(s)
		swap("..2")
		time.Sleep(2 * time.Second)
		if p.serial(s) == first || s.Err() != nil {
			t.Errorf("the old certificate is shown; error %v", s.Err())
		}
	})
}

// Two weeks before the end the log begins to say so, once a day, until there is a new certificate.
func TestExpiryIsLogged(t *testing.T) {
	p := newPlace(t)
	p.put(Soon + 36*time.Hour)
	s, now := p.open(), time.Now()
	s.stop() // this test looks instead
	for _, tt := range []struct {
		after                time.Duration
		soonLines, pastLines int
	}{{35 * time.Hour, 0, 0}, {37 * time.Hour, 1, 0}, {60 * time.Hour, 1, 0}, {62 * time.Hour, 2, 0}, {40 * day, 2, 1}, {40*day + time.Hour, 2, 1}, {41 * day, 2, 2}} {
		s.warn(now.Add(tt.after))
		if expiring := s.Expiring(now.Add(tt.after)); expiring != (tt.soonLines > 0) {
			t.Errorf("after %v: expiring %v", tt.after, expiring)
		}
		if n, past := len(p.log.Find(soon)), len(p.log.Find(expired)); n != tt.soonLines || past != tt.pastLines {
			t.Errorf("after %v: %d and %d warnings, want %d and %d", tt.after, n, past, tt.soonLines, tt.pastLines)
		}
	}
	p.put(100 * day)
	s.look()
	s.warn(now.Add(50 * day))
	if n, past := len(p.log.Find(soon)), len(p.log.Find(expired)); n != 2 || past != 2 {
		t.Errorf("%d and %d warnings for the new certificate", n-2, past-2)
	}
}

func TestBadFilesAreRefusedAtTheStart(t *testing.T) {
	p := newPlace(t)
	other := newPlace(t)
	p.put(time.Hour)
	other.put(time.Hour)
	junk := filepath.Join(t.TempDir(), "junk")
	if err := os.WriteFile(junk, []byte("junk"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, files := range map[string]Files{
		"tls-cert":      {Cert: junk, Key: p.Key},
		"tls-key":       {Cert: p.Cert, Key: other.Key},
		"tls-client-ca": {Cert: p.Cert, Key: p.Key, ClientCA: junk},
		"junk":          {Cert: p.Cert, Key: junk},
		"none":          {Cert: p.Cert, Key: junk + "none"},
	} {
		if _, err := Open(files, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestOldVersionsAreRefused(t *testing.T) {
	p := newPlace(t)
	p.put(time.Hour)
	s := p.open()
	for version, good := range map[uint16]bool{tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		_, err := shake(s.Config(), &tls.Config{RootCAs: p.roots.Pool(), ServerName: "localhost", MinVersion: version, MaxVersion: version})
		if (err == nil) != good {
			t.Errorf("%s: error %v", tls.VersionName(version), err)
		}
	}
}

// With tls-client-ca only those get in that show a certificate of it, and the server itself.
func TestClientCertificates(t *testing.T) {
	p := newPlace(t)
	p.put(time.Hour)
	clients := certstest.NewAuthority(t)
	p.ClientCA = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(p.ClientCA, clients.PEM, 0o600); err != nil {
		t.Fatal(err)
	}
	s := p.open()
	foreign, foreignKey := p.roots.Client(t)
	server, serverKey := clients.Server(t, time.Hour)
	own, ownKey := clients.Client(t)
	for name, tt := range map[string]struct {
		cert, key []byte
		good      bool
	}{
		"none": {}, "of another root": {foreign, foreignKey, false}, "for servers": {server, serverKey, false}, "own": {own, ownKey, true},
	} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			c := &tls.Config{RootCAs: p.roots.Pool(), ServerName: "localhost", MaxVersion: version, ClientSessionCache: tls.NewLRUClientSessionCache(1)}
			if tt.cert != nil {
				pair, err := tls.X509KeyPair(tt.cert, tt.key)
				if err != nil {
					t.Fatal(err)
				}
				c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
			}
			for range 2 { // also where there could be a session to resume
				if state, err := shake(s.Config(), c); (err == nil) != tt.good || state.DidResume {
					t.Errorf("%s, %s: error %v, resumed %v", name, tls.VersionName(version), err, state.DidResume)
				}
			}
		}
	}
	if _, err := shake(s.Config(), Self(p.Files)); err != nil {
		t.Errorf("the server itself: %v", err)
	}
}

// A health check expects the certificate in the file, and takes any where the file is no good.
func TestSelf(t *testing.T) {
	p, other := newPlace(t), newPlace(t)
	p.put(time.Hour)
	other.put(time.Hour)
	s, foreign := p.open(), other.open()
	if _, err := shake(s.Config(), Self(p.Files)); err != nil {
		t.Error(err)
	}
	if _, err := shake(foreign.Config(), Self(p.Files)); !errors.Is(err, ErrOther) {
		t.Errorf("another certificate: error %v", err)
	}
	if err := os.WriteFile(p.Cert, []byte("junk"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := shake(s.Config(), Self(p.Files)); err != nil {
		t.Errorf("with a bad file: %v", err)
	}
}
