package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashd-project/hashd/v2/internal/certs/certstest"
)

const (
	oldToken = "hashd_0123456789_abcdefghijklmnopqrstuvwxyzABCDEF"
	newToken = "hashd_9876543210_ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef"
)

func writeKey(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// guarded is a server that takes one key, which can be changed, and notes what comes with which.
type guarded struct {
	mu   sync.Mutex
	key  string
	seen []string // method, path, key and body
}

func (g *guarded) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	g.mu.Lock()
	defer g.mu.Unlock()
	key := r.Header.Get("Authorization")
	g.seen = append(g.seen, r.Method+" "+r.URL.Path+" "+key+" "+string(body))
	if key != "Bearer "+g.key {
		w.Header().Set("Content-Type", "application/problem+json")
		w.Header().Set("WWW-Authenticate", `Bearer realm="hashd"`)
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, `{"type":"urn:hashd:problem:unauthorized","title":"Unauthorized","status":401,"detail":"Not `+strings.TrimPrefix(key, "Bearer ")+`.","instance":"urn:x"}`)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	switch {
	case r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/batch"):
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, `{"first":7,"count":1,"algorithm":"sha512","due":"2026-01-01T00:00:05Z"}`)
	case r.Method == http.MethodPost:
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, accepted)
	case r.Method == http.MethodDelete:
		w.WriteHeader(http.StatusNoContent)
	case strings.HasSuffix(r.URL.Path, "/batch"):
		w.Header().Set("Content-Type", linesType)
		_, _ = io.WriteString(w, done+"\n")
	case strings.HasSuffix(r.URL.Path, "/status"):
		_, _ = io.WriteString(w, `{"status":"ok","store":"s"}`)
	default:
		_, _ = io.WriteString(w, done)
	}
}

func (g *guarded) change(key string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.key = key
}

// Each request of each method shows the key, in its header alone.
func TestEachRequestShowsTheKey(t *testing.T) {
	server := &guarded{key: oldToken}
	s := httptest.NewServer(server)
	defer s.Close()
	j, err := NewJobs(Config{Server: s.URL + "/below", APIKey: StaticKey(oldToken), RetryFor: time.Nanosecond})
	if err != nil {
		t.Fatal(err)
	}
	operations, err := NewOperations(s.URL+"/below", Authorized(nil, StaticKey(oldToken)))
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	for what, err := range map[string]error{
		"submit": second(j.Submit(ctx, []byte("s"), Options{})), "batch": second(j.SubmitBatch(ctx, [][]byte{[]byte("s")}, Options{})),
		"get": second(j.Get(ctx, 7)), "cancel": j.Cancel(ctx, 7), "status": second(j.Status(ctx)),
		"operation": second(operations.SubmitHashWithResponse(ctx, nil, HashRequest{Password: "s"})),
	} {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	for _, err := range j.WaitBatch(ctx, 7, 1) {
		if err != nil {
			t.Error(err)
		}
	}
	if len(server.seen) < 7 {
		t.Errorf("%d requests", len(server.seen))
	}
}

func second[T any](_ T, err error) error { return err }

// A program that runs while its key file is replaced goes on with the new key, and no request of it fails: a refused one is
// sent once more, whole. A file that is broken meanwhile leaves the last key in use.
func TestKeyFileIsReadAnew(t *testing.T) {
	server := &guarded{key: oldToken}
	s := httptest.NewServer(server)
	defer s.Close()
	path := filepath.Join(t.TempDir(), "key")
	writeKey(t, path, oldToken+"\n")
	j, err := NewJobs(Config{Server: s.URL, APIKey: KeyFile(path), RetryFor: time.Nanosecond})
	if err != nil {
		t.Fatal(err)
	}
	submit := func(want string) {
		t.Helper()
		server.seen = nil
		_, err := j.Submit(t.Context(), []byte("s"), Options{})
		var shown []string
		for _, s := range server.seen {
			method, rest, _ := strings.Cut(s, " Bearer ")
			key, body, _ := strings.Cut(rest, " ")
			if shown = append(shown, strings.TrimPrefix(key, "hashd_")[:4]); method != "POST /hash" || body != `{"password":"s"}` {
				t.Errorf("%s", s)
			}
		}
		if got := fmt.Sprint(shown, errors.Is(err, ErrUnauthorized), err == nil); got != want {
			t.Errorf("it shows %s, want %s: %v", got, want, err)
		}
	}
	submit("[0123] false true")
	writeKey(t, path, newToken+"\r\n")
	server.change(newToken)
	submit("[9876] false true")
	writeKey(t, path, "")
	submit("[9876] false true")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	submit("[9876] false true")
	server.change(oldToken)
	submit("[9876] true false") // once: nothing is gained by the same key
	writeKey(t, path, oldToken)
	submit("[0123] false true")

	// The file is ahead of the server.
	writeKey(t, path, newToken)
	submit("[9876 0123] false true")
	server.change(newToken)
	submit("[9876] false true")
	server.change("another")
	submit("[9876] true false")

	// The file is replaced while the refused request is on its way.
	writeKey(t, path, oldToken)
	var replaced atomic.Bool
	j.client.Client = Authorized(doerFunc(func(r *http.Request) (*http.Response, error) {
		resp, err := http.DefaultClient.Do(r)
		if replaced.CompareAndSwap(false, true) {
			writeKey(t, path, newToken)
		}
		return resp, err
	}), KeyFile(path))
	server.change(newToken)
	submit("[0123 9876] false true")
}

type doerFunc func(*http.Request) (*http.Response, error)

func (f doerFunc) Do(r *http.Request) (*http.Response, error) { return f(r) }

// Without a key nothing is sent, and nothing is tried again; what says so has nothing of what was there instead.
func TestNoKey(t *testing.T) {
	dir := t.TempDir()
	file := func(text string, mode fs.FileMode) KeySource {
		path := filepath.Join(dir, "key"+mode.String()+fmt.Sprint(len(text)))
		writeKey(t, path, text)
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return KeyFile(path)
	}
	failed := errors.New("the vault is sealed")
	for name, c := range map[string]struct {
		source KeySource
		is     error
		says   string
	}{
		"empty":          {StaticKey(""), ErrAPIKey, "one word"},
		"line end":       {StaticKey(oldToken + "\n"), ErrAPIKey, "one word"},
		"another header": {StaticKey(oldToken + "\r\nHost: x"), ErrAPIKey, "one word"},
		"no ASCII":       {StaticKey("hashd_ü"), ErrAPIKey, "one word"},
		"endless":        {StaticKey(strings.Repeat("topsecret", 1000)), ErrAPIKey, "one word"},
		"failing":        {func(context.Context) (string, error) { return "", failed }, failed, "vault"},
		"no file":        {KeyFile(filepath.Join(dir, "none")), fs.ErrNotExist, "none"},
		"empty file":     {file("", 0o600), ErrAPIKey, "key"},
		"several lines":  {file(oldToken+"\ntopsecret\n", 0o600), ErrAPIKey, "key"},
		"a JSON file":    {file(`{"key":"topsecret"}`, 0o600), ErrAPIKey, "key"},
		"open to others": {file(oldToken, 0o644), nil, "chmod 600"},
	} {
		j, err := NewJobs(Config{Server: "http://fake", HTTP: newFake(t), APIKey: c.source})
		if err != nil {
			t.Fatal(err)
		}
		for _, err := range []error{
			second(j.Submit(t.Context(), []byte("s"), Options{})), second(j.Get(t.Context(), 7)), second(j.Status(t.Context())),
		} {
			_, ok := errors.AsType[*APIKeyError](err)
			if !ok || c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) || shows(err) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// shows reports whether the error has something secret in it.
func shows(err error) bool {
	text := fmt.Sprintf("%v %+v %#v", err, err, err)
	return strings.Contains(text, "topsecret") || strings.Contains(text, oldToken[:20]) || strings.Contains(text, newToken[:20])
}

// No error shows the key, whatever the server says.
func TestRefusalsDoNotShowTheKey(t *testing.T) {
	s := httptest.NewServer(&guarded{key: newToken})
	defer s.Close()
	j, err := NewJobs(Config{Server: s.URL, APIKey: StaticKey(oldToken)})
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{second(j.Submit(t.Context(), []byte("s"), Options{})), second(j.Get(t.Context(), 7)), j.Cancel(t.Context(), 7)} {
		p, ok := errors.AsType[*ProblemError](err)
		if !ok || p.Type != UnauthorizedType || !errors.Is(err, ErrUnauthorized) || errors.Is(err, ErrForbidden) || shows(err) || p.Detail != "Not hashd_…." {
			t.Errorf("%v", err)
		}
	}
}

// A key that lacks a scope is told so at once.
func TestForbidden(t *testing.T) {
	f := newFake(t, problem(403, "forbidden"))
	_, err := f.jobs(Config{}).Get(t.Context(), 7)
	p, ok := errors.AsType[*ProblemError](err)
	if f.ended(); !ok || p.Type != ForbiddenType || !errors.Is(err, ErrForbidden) || errors.Is(err, ErrUnauthorized) || errors.Is(err, ErrLimited) {
		t.Errorf("%v", err)
	}
}

// A key or a password in a URL would get into logs. It is refused by an error that does not have it.
func TestNoSecretInURLs(t *testing.T) {
	for _, server := range []string{
		"http://user:topsecret@127.0.0.1:8080", "http://topsecret@127.0.0.1:8080", "https://hashd.example/?key=topsecret",
		"https://hashd.example?" + oldToken, "https://hashd.example/?", "https://hashd.example/#" + oldToken, "https://hashd.example/" + oldToken,
		"https://hashd.example/hashd%5F0123456789_topsecret/below", "https://" + oldToken + "@hashd.example", "https://" + oldToken + ".example",
		"http://127.0.0.1:topsecret", "topsecret", "ftp://topsecret", "http://%zztopsecret", "http:///topsecret", "//topsecret", "",
	} {
		_, one := NewJobs(Config{Server: server})
		_, two := NewOperations(server, nil)
		if one == nil || two == nil || shows(one) || shows(two) {
			t.Errorf("%s: %v and %v", server, one, two)
		}
	}
	for _, server := range []string{"http://127.0.0.1:8080", "https://hashd.example/hashd_prod/below/", "http://[::1]:8080"} {
		if _, err := NewJobs(Config{Server: server}); err != nil {
			t.Errorf("%s: %v", server, err)
		}
	}
}

// A key goes to the server that it is for: no redirect is followed, not even one to the same host.
func TestKeyFollowsNoRedirect(t *testing.T) {
	var elsewhere atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	defer other.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		for _, to := range []string{other.URL + "/hash", "/other"} {
			asked := 0
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked++
				w.Header().Set("Location", to)
				w.WriteHeader(status)
			}))
			for _, doer := range []Doer{nil, http.DefaultClient, Authorized(http.DefaultClient, StaticKey(newToken))} {
				asked = 0
				j, err := NewJobs(Config{Server: s.URL, HTTP: doer, APIKey: StaticKey(oldToken), RetryFor: time.Nanosecond})
				if err != nil {
					t.Fatal(err)
				}
				_, err = j.Submit(t.Context(), []byte("s"), Options{})
				if p, ok := errors.AsType[*ProblemError](err); !ok || p.Status != status || asked != 1 {
					t.Errorf("%d to %s: asked %d times, error %v", status, to, asked, err)
				}
			}
			s.Close()
		}
	}
	if elsewhere.Load() > 0 {
		t.Error("another server was asked")
	}
}

// The server is trusted by the given certificates alone, and the client shows its own. A certificate that one of them
// does not take is no reason to try again.
func TestTLS(t *testing.T) {
	authority := certstest.NewAuthority(t)
	pool := authority.Pool()
	pair := func(cert, key []byte) tls.Certificate {
		pair, err := tls.X509KeyPair(cert, key)
		if err != nil {
			t.Fatal(err)
		}
		return pair
	}
	server, own, other := pair(authority.Server(t, time.Hour)), pair(authority.Client(t)), pair(certstest.NewAuthority(t).Client(t))
	serve := func(wanted tls.ClientAuthType) string {
		s := httptest.NewUnstartedServer(&guarded{key: oldToken})
		s.Config.ErrorLog = log.New(io.Discard, "", 0)
		s.EnableHTTP2 = true
		s.TLS = &tls.Config{Certificates: []tls.Certificate{server}, ClientAuth: wanted, ClientCAs: pool}
		s.StartTLS()
		t.Cleanup(s.Close)
		return s.URL
	}
	url := serve(tls.VerifyClientCertIfGiven)
	get := func(trust *tls.Config) error {
		j, err := NewJobs(Config{Server: url, TLS: trust, APIKey: StaticKey(oldToken)})
		if err != nil {
			t.Fatal(err)
		}
		_, err = j.Get(t.Context(), 7)
		return err
	}
	if err := get(&tls.Config{RootCAs: pool}); err != nil {
		t.Error(err)
	}
	if err := get(nil); !isUntrusted(err) {
		t.Errorf("untrusted: %v", err)
	}
	shown := &tls.Config{RootCAs: pool, GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &other, nil }}
	if err := get(shown); !IsCertificateRefused(err) {
		t.Errorf("another certificate: %v", err)
	}
	url = serve(tls.RequireAndVerifyClientCert)
	if err := get(&tls.Config{RootCAs: pool}); !IsCertificateRefused(err) {
		t.Errorf("no certificate: %v", err)
	}
	if err := get(&tls.Config{RootCAs: pool, Certificates: []tls.Certificate{own}}); err != nil {
		t.Error(err)
	}
	if _, err := NewJobs(Config{Server: url, HTTP: http.DefaultClient, TLS: shown}); err == nil {
		t.Error("both HTTP and TLS are taken")
	}
}

func isUntrusted(err error) bool {
	_, ok := errors.AsType[*tls.CertificateVerificationError](err)
	return ok
}
