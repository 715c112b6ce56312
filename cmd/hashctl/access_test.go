package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/hashd-project/hashd/v2/internal/certs/certstest"
)

const (
	oldToken = "hashd_0123456789_abcdefghijklmnopqrstuvwxyzABCDEF"
	newToken = "hashd_9876543210_ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef"
)

// gate is a server of the fake behind keys.
type gate struct {
	*fake
	mu      sync.Mutex
	key     string
	lacks   string // the scope that the key lacks to submit
	refused int
}

func newGate(t *testing.T, key string) *gate {
	t.Helper()
	g := &gate{fake: newFake(t), key: key}
	s := httptest.NewServer(g)
	t.Cleanup(s.Close)
	g.address = strings.TrimPrefix(s.URL, "http://")
	return g
}

func (g *gate) change(key string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.key = key
}

// rotate puts another key into the file and takes no other from now on. No request is judged in between.
func (g *gate) rotate(t *testing.T, path, key string) {
	t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	write(t, path, key+"\n")
	g.key = key
}

// ServeHTTP implements http.Handler.
func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	key, lacks := g.key, g.lacks
	shown := r.Header.Get("Authorization")
	switch {
	case shown != "Bearer "+key:
		g.refused++
		w.Header().Set("WWW-Authenticate", `Bearer realm="hashd"`)
		refuse(w, http.StatusUnauthorized, "unauthorized", "Unauthorized", "This server wants an API key that it knows, not "+shown+".")
	case lacks != "" && r.Method == http.MethodPost:
		refuse(w, http.StatusForbidden, "forbidden", "Forbidden", "The key lacks the scope "+lacks+".")
	default:
		g.mu.Unlock()
		g.fake.ServeHTTP(w, r)
		return
	}
	g.mu.Unlock()
}

func refuse(w http.ResponseWriter, status int, kind, title, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"type":"urn:hashd:problem:%s","title":%q,"status":%d,"detail":%q,"instance":"urn:x"}`, kind, title, status, detail)
}

// runWith runs the command line with these variables, each a name and a value.
func runWith(ctx context.Context, stdin string, env map[string]string, args ...string) (code int, stdout, stderr string) {
	out, errs := new(bytes.Buffer), new(bytes.Buffer)
	p := &program{env: func(name string) string { return env[name] }, stdin: strings.NewReader(stdin), stdout: out, stderr: errs}
	code = p.run(ctx, args)
	return code, out.String(), errs.String()
}

// each is a command line of each command that asks a server.
func each(t *testing.T) [][]string {
	t.Helper()
	dir := t.TempDir()
	in := filepath.Join(dir, "in")
	write(t, in, "topsecret\n")
	return [][]string{
		{"submit"}, {"submit", "--wait"}, {"get", "1"}, {"get", "1-3"}, {"wait", "1"}, {"wait", "1-3"}, {"cancel", "1"}, {"cancel", "1-3"},
		{"stats"}, {"status"}, {"bulk", in}, {"bulk", in, "--output", filepath.Join(dir, "out")}, {"tail", "--once"}, {"tail"},
	}
}

// The key comes from the file, else from the variable, and opens the server.
func TestKeyIsShown(t *testing.T) {
	g := newGate(t, newToken)
	path := filepath.Join(t.TempDir(), "key")
	write(t, path, newToken+"\n")
	for name, tt := range map[string]struct {
		env  string
		args []string
	}{
		"variable": {newToken, nil}, "file": {"", []string{"--api-key-file", path}}, "file before variable": {oldToken, []string{"--api-key-file", path}},
		"file before a broken variable": {"not a key", []string{"--api-key-file", path}},
		"file of a variable":            {"", nil},
	} {
		env := map[string]string{"HASHD_SERVER": "http://" + g.address, "HASHD_API_KEY": tt.env}
		if len(tt.args) == 0 && tt.env == "" {
			env["HASHD_API_KEY_FILE"] = path
		} else if len(tt.args) > 0 {
			env["HASHD_API_KEY_FILE"] = "of no use beside the flag"
		}
		if code, out, errs := runWith(t.Context(), "", env, append([]string{"status"}, tt.args...)...); code != exitOK || out == "" || errs != "" {
			t.Errorf("%s: exit code %d, %q, %q", name, code, out, errs)
		}
	}
}

// Who has no key, or one that the server does not take, is told at once, by every command; and nothing shows the key.
func TestUnauthorizedIsTold(t *testing.T) {
	g := newGate(t, newToken)
	path := filepath.Join(t.TempDir(), "key")
	write(t, path, oldToken)
	for _, args := range each(t) {
		for _, tt := range []struct {
			env  string
			args []string
			hint string
		}{
			{"", nil, "give an API key in --api-key-file or HASHD_API_KEY; "},
			{oldToken, nil, "the server does not take the key of HASHD_API_KEY: "},
			{"", []string{"--api-key-file", path}, "the server does not take the key in " + path + ": "},
		} {
			for _, more := range [][]string{nil, {"--json"}} {
				env := map[string]string{"HASHD_SERVER": "http://" + g.address, "HASHD_API_KEY": tt.env}
				line := append(append(append([]string{}, args...), tt.args...), more...)
				code, out, errs := runWith(t.Context(), "topsecret", env, line...)
				if code != exitFailed || out != "" && !strings.Contains(out, `"canceled":`) || !strings.Contains(errs, tt.hint) || !strings.Contains(errs, "401") ||
					strings.Contains(errs, "trying again") || strings.Contains(errs, oldToken[:20]) {
					t.Errorf("%q: exit code %d, %q, %q", line, code, out, errs)
				}
			}
		}
	}
}

func TestForbiddenNamesTheScope(t *testing.T) {
	g := newGate(t, newToken)
	g.lacks = "submit"
	env := map[string]string{"HASHD_SERVER": "http://" + g.address, "HASHD_API_KEY": newToken}
	code, out, errs := runWith(t.Context(), "topsecret", env, "submit")
	if want := "hashctl: submit: 403 Forbidden: The key lacks the scope submit. (urn:x)\nhint: ask the operator of the server for a key that has the scope\n"; code != exitFailed || out != "" || errs != want {
		t.Errorf("exit code %d, %q, %q", code, out, errs)
	}
}

// What holds no key is refused before anything is sent, and what it holds instead is not shown.
func TestBadKeys(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		write(t, path, text)
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, tt := range []struct {
		env, file string
		code      int
		says      string
	}{
		{"top secret", "", exitUsage, "HASHD_API_KEY has no API key"},
		{newToken + "\n", "", exitUsage, "HASHD_API_KEY has no API key"},
		{"", filepath.Join(dir, "none"), exitFailed, "no such file"},
		{"", dir, exitFailed, "--api-key-file: "},
		{"", file("empty", "", 0o600), exitFailed, "an API key is one word"},
		{"", file("several", newToken+"\ntopsecret\n", 0o600), exitFailed, "an API key is one word"},
		{"", file("open", newToken, 0o644), exitFailed, "chmod 600 it"},
		{"", newToken, exitFailed, "hashd_…: no such file"}, // in place of a file's name
		{newToken, "variable", exitUsage, "HASHD_API_KEY and HASHD_API_KEY_FILE are both set"},
		{"", "variable", exitFailed, "HASHD_API_KEY_FILE: "},
	} {
		env := map[string]string{"HASHD_SERVER": "http://127.0.0.1:1", "HASHD_API_KEY": tt.env}
		args := []string{"status"}
		switch tt.file {
		case "":
		case "variable":
			env["HASHD_API_KEY_FILE"] = dir
		default:
			args = append(args, "--api-key-file", tt.file)
		}
		code, out, errs := runWith(t.Context(), "", env, args...)
		if code != tt.code || out != "" || !strings.Contains(errs, tt.says) || strings.Contains(errs, "secret") || strings.Contains(errs, newToken[:20]) {
			t.Errorf("%+v: exit code %d, %q, %q", tt, code, out, errs)
		}
	}
}

// Whoever puts a key on the command line has shown it to others, but to no log.
func TestKeysOfTheCommandLineAreNotRepeated(t *testing.T) {
	for _, args := range [][]string{
		{"status", "--api-key", newToken}, {"status", "--api-key=" + newToken}, {newToken}, {"status", newToken}, {"get", newToken}, {"bulk", newToken},
		{"status", "--server", "http://" + newToken + "@127.0.0.1:1"}, {"status", "--server", "http://127.0.0.1:1/?key=" + newToken},
		{"status", "--server", "http://127.0.0.1:1/" + newToken}, {"status", "--server", newToken}, {"status", "--retry-for", newToken},
		{"status", "--server", "https://127.0.0.1:1", "--ca", newToken}, {"status", "--server", "https://127.0.0.1:1", "--cert", newToken, "--key", newToken},
		{"submit", "--file", newToken}, {"tail", "--state", filepath.Join(t.TempDir(), newToken, "x"), "--server", "http://127.0.0.1:1"},
	} {
		for _, more := range [][]string{nil, {"--json"}} {
			env := map[string]string{"HASHD_SERVER": "http://127.0.0.1:1"}
			code, out, errs := runWith(t.Context(), "", env, append(append([]string{}, args...), append(more, "--retry-for=1ms")...)...)
			if code == exitOK || strings.Contains(out+errs, newToken[17:30]) {
				t.Errorf("%q: exit code %d, %q, %q", args, code, out, errs)
			}
		}
	}
}

// A bulk and a tail live through a rotation: the old key ends at once, and the file holds the new one by then. No state
// has a key in it.
func TestKeyRotation(t *testing.T) {
	g := newGate(t, oldToken)
	path := filepath.Join(t.TempDir(), "key")
	write(t, path, oldToken+"\n")
	w := newWork(t, 40)
	tokens, rotations := [2]string{newToken, oldToken}, 0
	g.on(func(hashes int) {
		if hashes%10 == 5 {
			g.rotate(t, path, tokens[rotations%2])
			rotations++
			if state, err := os.ReadFile(w.out + stateSuffix); err == nil && bytes.Contains(state, []byte("hashd_")) {
				t.Error("the state has a key in it")
			}
		}
	})
	env := map[string]string{"HASHD_SERVER": "http://" + g.address}
	code, _, errs := runWith(t.Context(), "", env, "bulk", w.in, "--output", w.out, "--batch=2", "--in-flight=3", "--api-key-file", path)
	if code != exitOK || strings.Contains(errs, "401") || rotations < 3 {
		t.Errorf("exit code %d after %d rotations, %q", code, rotations, errs)
	}
	w.check(t)
}

// A bulk whose key ends says so, and goes on with another.
func TestRevokedKeyStopsBulk(t *testing.T) {
	g := newGate(t, oldToken)
	w := newWork(t, 20)
	g.on(func(hashes int) {
		if hashes == 6 {
			g.change(newToken)
		}
	})
	env := map[string]string{"HASHD_SERVER": "http://" + g.address, "HASHD_API_KEY": oldToken}
	bulk := []string{"bulk", w.in, "--output", w.out, "--batch=2", "--in-flight=3"}
	code, _, errs := runWith(t.Context(), "", env, bulk...)
	if code != exitFailed || !strings.Contains(errs, "401 Unauthorized") || !strings.Contains(errs, "hint: with a key that the server takes, the same command goes on") {
		t.Errorf("exit code %d, %q", code, errs)
	}
	env["HASHD_API_KEY"] = newToken
	if code, _, errs := runWith(t.Context(), "", env, bulk...); code != exitOK {
		t.Errorf("exit code %d, %q", code, errs)
	}
	w.check(t)
}

// check checks that there is one record for each line.
func (w work) check(t *testing.T) {
	t.Helper()
	if got := strings.Count(read(t, w.out), ",done,"); got != w.lines {
		t.Errorf("%d records of %d", got, w.lines)
	}
}

func TestPlainKeyIsTold(t *testing.T) {
	for server, want := range map[string]bool{
		"http://127.0.0.1:8080": false, "http://localhost": false, "http://LOCALHOST:1/below": false, "http://[::1]:8080": false, "http://127.1.2.3": false,
		"http://[::ffff:127.0.0.1]": false, "http://hashd.localhost": false, "https://hashd.example": false,
		"http://hashd.example": true, "http://10.0.0.1:8080": true, "HTTP://[fe80::1]": true, "http://127.0.0.1.example": true, "http://localhost.example": true,
	} {
		if got := isPlain(server); got != want {
			t.Errorf("%s: %v", server, got)
		}
	}
	w := newWork(t, 1)
	for _, args := range [][]string{{"status"}, {"bulk", w.in}, {"status", "--json"}} {
		env := map[string]string{"HASHD_SERVER": "http://hashd.invalid", "HASHD_API_KEY": newToken}
		_, _, errs := runWith(t.Context(), "", env, append(args, "--retry-for=1ns")...)
		if strings.Count(errs, "the API key goes to http://hashd.invalid unencrypted") != 1 || strings.Contains(errs, newToken) {
			t.Errorf("%q: %q", args, errs)
		}
		if first, _, _ := strings.Cut(errs, "\n"); args[len(args)-1] == "--json" && !json.Valid([]byte(first)) {
			t.Errorf("%q is no JSON", first)
		}
		env["HASHD_API_KEY"] = ""
		if _, _, errs := runWith(t.Context(), "", env, append(args, "--retry-for=1ns")...); strings.Contains(errs, "unencrypted") {
			t.Errorf("%q without a key: %q", args, errs)
		}
	}
}

// A server of https is trusted by --ca alone, and is shown the certificate of --cert.
func TestCertificates(t *testing.T) {
	authority, other := certstest.NewAuthority(t), certstest.NewAuthority(t)
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	write(t, in("ca"), string(authority.PEM))
	write(t, in("other"), string(other.PEM))
	write(t, in("empty"), "")
	cert, key := authority.Client(t)
	certstest.Write(t, cert, key, in("cert"), in("key"))
	cert, key = other.Client(t)
	certstest.Write(t, cert, key, in("foreign"), in("foreign-key"))
	write(t, in("open-key"), string(key))
	if err := os.Chmod(in("open-key"), 0o644); err != nil {
		t.Fatal(err)
	}
	anyone := serveTLS(t, authority, tls.NoClientCert)
	known := serveTLS(t, authority, tls.RequireAndVerifyClientCert)
	for _, tt := range []struct {
		server string
		args   []string
		code   int
		says   string
	}{
		{anyone, []string{"--ca", in("ca")}, exitOK, ""},
		{anyone, nil, exitFailed, "name a file of certificates to trust with --ca"},
		{anyone, []string{"--ca", in("other")}, exitFailed, "hint: renew the certificate of " + anyone},
		{anyone, []string{"--ca", in("empty")}, exitFailed, "has no certificate"},
		{anyone, []string{"--ca", in("none")}, exitFailed, "--ca: open "},
		{known, []string{"--ca", in("ca")}, exitFailed, "hint: " + known + " wants a certificate of yours"},
		{known, []string{"--ca", in("ca"), "--cert", in("foreign"), "--key", in("foreign-key")}, exitFailed, "hint: " + known + " wants a certificate of yours"},
		{known, []string{"--ca", in("ca"), "--cert", in("cert"), "--key", in("key")}, exitOK, ""},
		{known, []string{"--ca", in("ca"), "--cert", in("cert"), "--key", in("foreign-key")}, exitFailed, "--cert and --key: "},
		{known, []string{"--ca", in("ca"), "--cert", in("foreign"), "--key", in("open-key")}, exitFailed, "chmod 600 it"},
		{known, []string{"--ca", in("ca"), "--cert", in("cert")}, exitUsage, "--cert and --key belong together"},
		{"http://127.0.0.1:1", []string{"--ca", in("ca")}, exitUsage, "are for servers of https"},
	} {
		env := map[string]string{"HASHD_SERVER": tt.server, "HASHD_API_KEY": newToken}
		code, out, errs := runWith(t.Context(), "", env, append([]string{"status"}, tt.args...)...)
		if code != tt.code || (out == "") != (tt.code != exitOK) || !strings.Contains(errs, tt.says) || strings.Contains(errs, "PRIVATE") {
			t.Errorf("%s %q: exit code %d, %q, %q", tt.server, tt.args, code, out, errs)
		}
	}
}

// serveTLS is the fake behind a key and TLS.
func serveTLS(t *testing.T, authority *certstest.Authority, wanted tls.ClientAuthType) string {
	t.Helper()
	cert, key := authority.Server(t, 24*3600e9)
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(newGate(t, newToken))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.EnableHTTP2 = true
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(authority.PEM)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: wanted, ClientCAs: pool}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.URL
}
