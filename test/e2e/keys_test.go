package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashd-project/hashd/v2/internal/auth"
)

// newKey adds or rotates a key by hashd key, and returns the token.
func newKey(t *testing.T, file string, args ...string) string {
	t.Helper()
	got := finish(t, []string{"HASHD_API_KEYS=" + file}, append([]string{"key"}, args...)...)
	if got.code != 0 || !regexp.MustCompile(`^`+auth.TokenPattern+`\n$`).MatchString(got.stdout) {
		t.Fatalf("key %q: %+v", args, got)
	}
	return strings.TrimSpace(got.stdout)
}

// as shows a token.
func as(token string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
}

// until waits for the status with which the server answers who shows the token.
func (c *client) until(t *testing.T, token string, status int) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		a := c.do(t, http.MethodGet, "/v/status", "", as(token))
		if a.status == status {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("status %d, want %d: %s", a.status, status, a.body)
		}
	}
}

// Keys are added, rotated, revoked and expire while the server runs, with nothing but a change of the file.
// The log says so, and never which token.
func TestKeysWhileRunning(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "keys.json")
	first := newKey(t, file, "add", "first")
	i := start(t, "--api-keys="+file, "--delay=0s")
	c := i.client(t)
	c.do(t, http.MethodGet, "/v/status", "").want(t, http.StatusUnauthorized)
	c.do(t, http.MethodGet, "/v/status", "", as(first)).want(t, http.StatusOK)

	second := newKey(t, file, "add", "second", "--tenant=other", "--scope=read")
	c.until(t, second, http.StatusOK)
	c.do(t, http.MethodPost, "/hash", `{"password":"angryMonkey"}`, as(second)).want(t, http.StatusForbidden)
	rotated := newKey(t, file, "rotate", "first", "--overlap=1h")
	c.until(t, rotated, http.StatusOK)
	c.do(t, http.MethodGet, "/v/status", "", as(first)).want(t, http.StatusOK)
	if got := finish(t, nil, "key", "revoke", "first", "--api-keys="+file); got.code != 0 {
		t.Fatal(got)
	}
	c.until(t, first, http.StatusUnauthorized)
	c.until(t, rotated, http.StatusUnauthorized)
	c.until(t, newKey(t, file, "add", "brief", "--expires=20s"), http.StatusOK)
	i.log(t, "api key expired", 1)

	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	write := func(content string) {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(second)
	i.log(t, "the file of api keys is not in use: the last good one stays", 1)
	c.do(t, http.MethodGet, "/v/status", "", as(second)).want(t, http.StatusOK)
	if a := c.do(t, http.MethodGet, "/readyz", "").want(t, http.StatusOK); !strings.Contains(string(a.body), `"api-keys"`) {
		t.Errorf("/readyz does not tell: %s", a.body)
	}
	write(string(good))
	i.log(t, "the file of api keys is in use again", 1)
	if a := c.do(t, http.MethodGet, "/readyz", ""); strings.Contains(string(a.body), "api-keys") {
		t.Errorf("/readyz goes on to tell: %s", a.body)
	}
	i.stop(t)
	for _, line := range []string{"api key added", "api key rotated", "api key changed", "api key revoked"} {
		i.log(t, line, 1)
	}
	if regexp.MustCompile(`hashd_[a-z0-9]{10}_`).MatchString(i.stderr.String()) {
		t.Errorf("the log has a token:\n%s", i.stderr)
	}
}

// A server does not start with a file of keys that is not good, and says what is wrong.
func TestBadKeysRefuseTheStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	good := filepath.Join(dir, "good.json")
	token := newKey(t, good, "add", "ci")
	content, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		content string
		mode    os.FileMode
		want    string
	}{
		"empty":   {"", 0o600, "it is empty"},
		"token":   {token, 0o600, "line 1"},
		"cut":     {string(content[:100]), 0o600, "no JSON"},
		"exposed": {string(content), 0o644, "chmod 600"},
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(tt.content), tt.mode); err != nil {
			t.Fatal(err)
		}
		got := finish(t, nil, "--port=0", "--api-keys="+path)
		if got.code != 1 || !strings.Contains(got.stderr, tt.want) || !strings.Contains(got.stderr, path) || strings.Contains(got.stderr, token) {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := finish(t, nil, "--port=0", "--api-keys="+filepath.Join(dir, "none")); got.code != 1 || !strings.Contains(got.stderr, "no such file") {
		t.Errorf("no file: %+v", got)
	}
}

// While a key is rotated again and again, nobody who takes the new token over in time is refused.
func TestRotationsRefuseNobody(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "keys.json")
	var mu sync.Mutex
	token := newKey(t, file, "add", "ci")
	c := start(t, "--api-keys="+file, "--delay=0s").client(t)
	var g sync.WaitGroup
	done := make(chan struct{})
	var requests [4]int
	for n := range requests {
		g.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				mu.Lock()
				shown := token
				mu.Unlock()
				a, err := c.try(t.Context(), http.MethodPost, "/hash", `{"password":"angryMonkey"}`, as(shown))
				if err != nil || a.status != http.StatusAccepted {
					t.Errorf("status %d, error %v: %s", a.status, err, a.body)
					return
				}
				requests[n]++
			}
		})
	}
	for range 5 {
		next := newKey(t, file, "rotate", "ci", "--overlap=1m")
		c.until(t, next, http.StatusOK)
		mu.Lock()
		token = next
		mu.Unlock()
	}
	close(done)
	g.Wait()
	if fmt.Sprint(requests) == "[0 0 0 0]" {
		t.Error("nobody asked for anything")
	}
}
