package e2e

import (
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// token makes tokens of API keys, with the mark in the part that is secret.
func (m marked) token(n int) string {
	const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	text := fmt.Sprintf("hashd_k%09d_%04d%s%010d", n, n, m.mark, n)
	sum := crc32.ChecksumIEEE([]byte(text))
	digits := make([]byte, 6)
	for i := len(digits) - 1; i >= 0; i-- {
		digits[i] = base62[sum%62]
		sum /= 62
	}
	return text + string(digits)
}

// tokenVisits are the ways in which tokens reach a server.
func tokenVisits() []visit {
	request := func(method, path string, edit func(r *http.Request, token string)) func(*testing.T, *client, marked, int) {
		return func(t *testing.T, c *client, m marked, n int) {
			t.Helper()
			body := ""
			if method == http.MethodPost {
				body = submission("beside")
			}
			if _, err := c.try(t.Context(), method, path, body, func(r *http.Request) { edit(r, m.token(n)) }); err != nil {
				t.Errorf("%s %s: %v", method, path, err)
			}
		}
	}
	bearer := func(r *http.Request, token string) { r.Header.Set("Authorization", "Bearer "+token) }
	return []visit{
		{"read", request(http.MethodGet, "/stats", bearer)},
		{"submission", request(http.MethodPost, "/hash", bearer)},
		{"on connections of their own", request(http.MethodGet, "/stats", func(r *http.Request, token string) {
			bearer(r, token)
			r.Close = true
		})},
		{"wrong scheme", request(http.MethodGet, "/stats", func(r *http.Request, token string) { r.Header.Set("Authorization", "Basic "+token) })},
		{"in other fields", request(http.MethodPost, "/hash", func(r *http.Request, token string) {
			for _, name := range []string{"X-Api-Key", "X-Request-Id", "Idempotency-Key", "Cookie", "Prefer"} {
				r.Header.Set(name, token)
			}
		})},
		{"in the URL", request(http.MethodGet, "/stats", func(r *http.Request, token string) { r.URL.RawQuery = "access_token=" + token })},
		{"in the path", request(http.MethodGet, "/hash/1", func(r *http.Request, token string) { r.URL.Path = "/hash/" + token })},
		{"no such path", request(http.MethodPost, "/hush", bearer)},
	}
}

// rawTokenVisits are more of them over HTTP/1, which no client takes.
func rawTokenVisits() []visit {
	raw := func(status string, text func(token string) string) func(*testing.T, *client, marked, int) {
		return func(t *testing.T, c *client, m marked, n int) {
			t.Helper()
			if answer, err := c.raw(text(m.token(n))); err != nil || !strings.HasPrefix(answer, "HTTP/1.1 "+status) {
				t.Errorf("answer %.100q, %v, want %s", answer, err, status)
			}
		}
	}
	const host, end = "Host: 127.0.0.1\r\n", "Connection: close\r\n\r\n"
	return []visit{
		{"last in a header", raw("200", func(s string) string {
			return "GET /healthz HTTP/1.1\r\n" + host + "Connection: close\r\nAuthorization: Bearer " + s + "\r\n\r\n"
		})},
		{"twice", raw("", func(s string) string {
			return "GET /stats HTTP/1.1\r\n" + host + "Authorization: Bearer " + s + "\r\nAuthorization: Bearer " + s + "\r\n" + end
		})},
		{"in a malformed request", raw("400", func(s string) string {
			return "GET /stats HTTP/1.1\r\n" + host + "Authorization: Bearer " + s + "\r\nBad Name: x\r\n" + end
		})},
		{"without a host", raw("400", func(s string) string { return "GET /stats HTTP/1.1\r\nAuthorization: Bearer " + s + "\r\n" + end })},
		{"in too large a header", raw("431", func(s string) string {
			return "GET /stats HTTP/1.1\r\n" + host + "Authorization: Bearer " + s + "\r\nX: " + strings.Repeat("x", 40<<10) + "\r\n" + end
		})},
		{"as a request", raw("400", func(s string) string { return s + "\r\n\r\n" })},
	}
}

// raw sends a text on a connection of its own and returns what comes back, and sends it again as long as the server is
// overloaded.
func (c *client) raw(text string) (answer string, err error) {
	for end := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		answer, err = c.rawOnce(text)
		if !overloaded(answer) || time.Now().After(end) {
			return answer, err
		}
	}
}

func (c *client) rawOnce(text string) (string, error) {
	_, address, _ := strings.Cut(c.base, "://")
	conn, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		return "", err
	}
	if transport, ok := c.http.Transport.(*http.Transport); ok && strings.HasPrefix(c.base, "https:") {
		conn = tls.Client(conn, transport.TLSClientConfig)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(patience))
	_, failed := io.WriteString(conn, text) // a server that refuses a request may not take all of it
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite() // for bodies that are not whole
	}
	answer, err := io.ReadAll(conn)
	if len(answer) > 0 {
		return string(answer), nil // such a server may also reset the connection then
	}
	return "", errors.Join(failed, err)
}

// No copy of a token outlives its request in the server's memory, but for strays, however it was refused.
func TestTokensLeaveMemory(t *testing.T) {
	t.Parallel()
	i := startPlain(t, "--delay=100ms")
	i.needMemory(t)
	i.visitAll(t, i.client(t), false, append(tokenVisits(), rawTokenVisits()...)...)
	i.stop(t)
}

// visitKeyed visits the instance, which has that file of keys, as those who hold keys or hold none.
func (i *instance) visitKeyed(t *testing.T, c *client, parting bool, file string) {
	t.Helper()
	show := func(status int, scheme string) func(*testing.T, *client, marked, int) {
		return func(t *testing.T, c *client, m marked, n int) {
			t.Helper()
			a, err := c.try(t.Context(), http.MethodGet, "/stats", "", header("Authorization", scheme+m.token(n)))
			if err != nil || a.status != status {
				t.Errorf("status %d, %v, want %d", a.status, err, status)
			}
		}
	}
	keys := func(scope string, status int) func(*testing.T, *client, marked) {
		return func(t *testing.T, c *client, m marked) {
			t.Helper()
			entries := make([]string, *memorySecrets)
			for n := range entries {
				entries[n] = fmt.Sprintf(`{"name": "k%d", "id": "k%09d", "hash": "%x", "scopes": [%q], "created": "2026-01-01T00:00:00Z"}`,
					n, n, sha256.Sum256([]byte(m.token(n))), scope)
			}
			text := `{"format": 1, "keys": [` + strings.Join(entries, ",\n") + "]}"
			if err := os.WriteFile(file+".new", []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(file+".new", file); err != nil {
				t.Fatal(err)
			}
			for deadline := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
				a := c.do(t, http.MethodGet, "/stats", "", header("Authorization", "Bearer "+m.token(0)))
				switch {
				case a.status == status:
					return
				case time.Now().After(deadline):
					t.Fatalf("the keys are not taken over: %d %s", a.status, a.body)
				}
			}
		}
	}
	unknown := func(*testing.T, *client, marked) {}
	for _, v := range []struct {
		visit
		prepare func(*testing.T, *client, marked)
	}{
		{visit{"let in", show(http.StatusOK, "Bearer ")}, keys("stats", http.StatusOK)},
		{visit{"without the scope", show(http.StatusForbidden, "Bearer ")}, keys("read", http.StatusForbidden)},
		{visit{"wrong scheme", show(http.StatusUnauthorized, "Basic ")}, keys("stats", http.StatusOK)},
		{visit{"of no key", show(http.StatusUnauthorized, "Bearer ")}, unknown},
	} {
		m := newMarked()
		v.prepare(t, c, m)
		v.sendAll(t, c, m, parting)
		i.forgets(t, v.name, m)
	}
}

// emptyKeys returns the path of a file without keys.
func emptyKeys(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "keys.json")
	if err := os.WriteFile(file, []byte(`{"format": 1, "keys": []}`), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// Tokens leave memory whether or not a key has them.
func TestTokensOfKeysLeaveMemory(t *testing.T) {
	t.Parallel()
	file := emptyKeys(t)
	i := startPlain(t, "--api-keys="+file)
	i.needMemory(t)
	i.visitKeyed(t, i.client(t), false, file)
	i.stop(t)
}
