package e2e

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// keysFile is a file of keys, which the binary itself makes.
type keysFile string

func newKeysFile(t *testing.T) keysFile {
	t.Helper()
	return keysFile(filepath.Join(t.TempDir(), "keys.json"))
}

// add adds a key and returns its token.
func (f keysFile) add(t *testing.T, name string, args ...string) string {
	t.Helper()
	return f.run(t, append([]string{"add", name}, args...)...)
}

// run runs a command on the file and returns what it prints.
func (f keysFile) run(t *testing.T, args ...string) string {
	t.Helper()
	o := finish(t, nil, append([]string{"key", "--api-keys=" + string(f)}, args...)...)
	if o.code != 0 {
		t.Fatalf("key %q: exit code %d: %s", args, o.code, o.stderr)
	}
	return strings.TrimSpace(o.stdout)
}

// bearer has a request show the token.
func bearer(token string) func(*http.Request) { return header("Authorization", "Bearer "+token) }
