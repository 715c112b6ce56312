package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashd-project/hashd/v2/internal/auth"
)

// said is what a run of hashd said.
type said struct {
	code           int
	stdout, stderr string
}

func hashd(environ []string, args ...string) said {
	var stdout, stderr bytes.Buffer
	code := execute(args, environ, &stdout, &stderr, make(chan os.Signal))
	return said{code, stdout.String(), stderr.String()}
}

// newToken adds a key, or rotates one, and returns its token.
func newToken(t *testing.T, args ...string) string {
	t.Helper()
	got := hashd(nil, append([]string{"key"}, args...)...)
	if got.code != 0 || !regexp.MustCompile(`^`+auth.TokenPattern+`\n$`).MatchString(got.stdout) {
		t.Fatalf("%q: %+v, want a token alone", args, got)
	}
	token := strings.TrimSpace(got.stdout)
	if strings.Contains(got.stderr, token) {
		t.Errorf("stderr has the token: %s", got.stderr)
	}
	return token
}

// finds returns the name of the key that the file has for the token, "" for none.
func finds(t *testing.T, file, token string) *auth.Key {
	t.Helper()
	keys, err := auth.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	k, _ := keys.Find(token, time.Now())
	return k
}

func TestKeyLife(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "keys.json")
	plain := newToken(t, "add", "ci", "--api-keys", file)
	full := newToken(t, "add", "batch.job_1", "--api-keys="+file, "--tenant=acme", "--scope=read,submit", "--scope=admin", "--rate=100/s", "--quota=7", "--expires=90d")
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, error %v", info, err)
	}
	if k := finds(t, file, plain); k == nil || k.Scopes != auth.DefaultScopes || k.Tenant != "default" || !k.Expires.IsZero() || k.Rate != (auth.Rate{}) || k.Quota != 0 {
		t.Errorf("%+v", k)
	}
	if k := finds(t, file, full); k == nil || k.Scopes != auth.Read|auth.Submit|auth.Admin || k.Tenant != "acme" ||
		k.Expires.Sub(k.Created) != 90*24*time.Hour || k.Rate != (auth.Rate{Jobs: 100, Per: time.Second}) || k.Quota != 7 {
		t.Errorf("%+v", k)
	}

	next := newToken(t, "rotate", "batch.job_1", "--api-keys", file)
	if old := finds(t, file, full); old == nil || time.Until(old.Expires) > 24*time.Hour || time.Until(old.Expires) < 23*time.Hour {
		t.Errorf("the rotated key: %+v", old)
	}
	if k := finds(t, file, next); k == nil || k.Tenant != "acme" || k.Quota != 7 || k.Expires.Sub(k.Created) != 90*24*time.Hour {
		t.Errorf("the new key: %+v", k)
	}
	last := newToken(t, "rotate", "batch.job_1", "--overlap=0s", "--api-keys", file)
	if finds(t, file, full) != nil || finds(t, file, next) != nil || finds(t, file, last) == nil {
		t.Error("an overlap of nothing leaves an old token valid")
	}

	list := hashd([]string{"HASHD_API_KEYS=" + file}, "key", "list")
	if list.code != 0 || list.stderr != "" || strings.Count(list.stdout, "\n") != 5 || strings.Count(list.stdout, "expired") != 2 {
		t.Errorf("the list: %+v", list)
	}
	keys, _ := auth.ReadFile(file)
	for k := range keys.All() {
		if !strings.Contains(list.stdout, k.ID) || strings.Contains(list.stdout, string(k.Hash[:])) {
			t.Errorf("the list:\n%s", list.stdout)
		}
	}
	if regexp.MustCompile(`[0-9a-f]{64}|[0-9A-Za-z]{32}`).MatchString(list.stdout) {
		t.Errorf("the list has a secret:\n%s", list.stdout)
	}
	if got := hashd([]string{"HASHD_API_KEYS=" + file}, "key", "revoke", "ci"); got.code != 0 || !strings.HasPrefix(got.stdout, "revoked key ci (") {
		t.Errorf("%+v", got)
	}
	if finds(t, file, plain) != nil || finds(t, file, last) == nil {
		t.Error("the wrong key is revoked")
	}
	if again := newToken(t, "add", "ci", "--api-keys", file); finds(t, file, again) == nil {
		t.Error("a name cannot be used again")
	}
}

// Each mistake is told in words that quote no token, and leaves the file as it is.
func TestKeyMistakes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, broken, exposed := filepath.Join(dir, "keys.json"), filepath.Join(dir, "broken.json"), filepath.Join(dir, "exposed.json")
	token := newToken(t, "add", "ci", "--api-keys", file)
	content, err := os.ReadFile(file)
	if err = errors.Join(err, os.WriteFile(broken, []byte(`{"format": 1, "`+token), 0o600), os.WriteFile(exposed, content, 0o644)); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args string
		code int
		want string
	}{
		{"key", 2, "say what"}, {"key ad x", 2, "the nearest is add"}, {"key add", 2, "give one name"}, {"key add a b", 2, "give one name"},
		{"key list x", 2, "unknown command"}, {"key add x --tenat=y", 2, "the nearest is --tenant"}, {"key revoke x --scope=read", 2, "unknown flag: --scope"},
		{"key add ci", 1, "rotate or revoke it"}, {"key revoke cj", 1, "the nearest is ci"}, {"key rotate nobody", 1, "there is no valid key nobody"},
		{"key add x --scope=", 2, "the scopes are"}, {"key add x --scope=write", 2, "the scopes are"}, {"key add x --rate=1", 2, "a rate is"},
		{"key add x --quota=0", 2, "a quota is"}, {"key add x --expires=0s", 2, "1s at least"}, {"key add x --expires=soon", 2, "90d"},
		{"key add X", 2, "a name has"}, {"key add x --tenant=../y", 2, "a name has"}, {"key rotate ci --overlap=-1s", 2, "24h"},
		{"key add TOKEN", 2, "a name has"}, {"key revoke TOKEN", 2, "a name has"}, {"key TOKEN", 2, "hashd_"}, {"TOKEN", 2, "hashd_"},
		{"key revoke a TOKEN", 2, "give one name"}, {"key list TOKEN", 2, "unknown command"}, {"key add x --scope=TOKEN", 2, "the scopes are"},
		{"key add x --rate=TOKEN", 2, "a rate is"}, {"key add x --quota=TOKEN", 2, "a quota is"}, {"key add x --tenant=TOKEN", 2, "a name has"},
		{"key add x --expires=TOKEN", 2, "90d"}, {"key rotate ci --overlap=TOKEN", 2, "24h"}, {"key add x --TOKEN", 2, "unknown flag"},
		{"--listen=TOKEN", 2, "flag --listen"}, {"key list --api-keys=TOKEN", 1, "no such file"},
		{"key list --api-keys=" + broken, 1, "line 1"}, {"key add x --api-keys=" + broken, 1, "line 1"},
		{"key list --api-keys=" + exposed, 1, "chmod 600"}, {"key revoke ci --api-keys=" + exposed, 1, "chmod 600"},
		{"key list --api-keys=" + dir, 1, "not a regular file"}, {"key add x --api-keys=" + dir + "/no/keys.json", 1, "no such file"},
	} {
		got := hashd([]string{"HASHD_API_KEYS=" + file}, strings.Fields(strings.ReplaceAll(tt.args, "TOKEN", token))...)
		if got.code != tt.code || got.stdout != "" || !strings.Contains(got.stderr, tt.want) {
			t.Errorf("%s: %+v, want code %d and %q", tt.args, got, tt.code, tt.want)
		}
		if secret := token[len("hashd_0123456789_"):]; strings.Contains(got.stderr, secret) {
			t.Errorf("%s: stderr has the token:\n%s", tt.args, got.stderr)
		}
		if now, err := os.ReadFile(file); err != nil || !bytes.Equal(now, content) {
			t.Fatalf("%s changes the file, error %v", tt.args, err)
		}
	}
	if got := hashd([]string{"HASHD_API_KEYS=" + file, "HASHD_DELAY=soon", "HASHD_LISTEN=:80"}, "key", "list"); got.code != 0 {
		t.Errorf("where other settings are wrong: %+v", got)
	}
	if got := hashd(nil, "key", "list"); got.code != 2 || !strings.Contains(got.stderr, "--api-keys FILE, or HASHD_API_KEYS") {
		t.Errorf("without a file: %+v", got)
	}
}

// brokenPipe takes nothing.
type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, syscall.EPIPE }

// Where the token cannot be printed, the command fails and says what to do.
func TestKeyTokenNotPrinted(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "keys.json")
	var stderr bytes.Buffer
	code := execute([]string{"key", "add", "ci", "--api-keys", file}, nil, brokenPipe{}, &stderr, make(chan os.Signal))
	if code != exitFailed || !strings.Contains(stderr.String(), "revoke the key") || regexp.MustCompile(auth.TokenPattern).MatchString(stderr.String()) {
		t.Errorf("code %d: %s", code, &stderr)
	}
}

// Of many that add keys at once none undoes what another did, also where none finds a file.
func TestKeysAddedAtOnce(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "keys.json")
	var tokens [12]string
	var g sync.WaitGroup
	for n := range tokens {
		g.Go(func() {
			got := hashd(nil, "key", "add", "k"+string(rune('a'+n)), "--api-keys", file)
			if tokens[n] = strings.TrimSpace(got.stdout); got.code != 0 {
				t.Errorf("%+v", got)
			}
		})
	}
	g.Wait()
	for n, token := range tokens {
		if k := finds(t, file, token); k == nil || k.Name != "k"+string(rune('a'+n)) {
			t.Errorf("%d: %+v", n, k)
		}
	}
	if names, err := os.ReadDir(filepath.Dir(file)); err != nil || len(names) != 1 {
		t.Errorf("left behind: %v, error %v", names, err)
	}
}

func TestKeyHelp(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"key", "--help"}, {"key", "add", "-h"}, {"help", "key"}, {"key", "rotate", "--help"}} {
		if got := hashd(nil, args...); got.code != 0 || got.stdout != keyHelp || got.stderr != "" {
			t.Errorf("%q: %+v", args, got)
		}
	}
	c := (&keyring{}).command()
	for _, sub := range c.Commands() {
		for line := range strings.SplitSeq(sub.Flags().FlagUsages(), "\n") {
			if flag := strings.Fields(line); len(flag) > 0 && !strings.Contains(keyHelp, "\n  "+flag[0]+" ") {
				t.Errorf("the help lacks %s", flag[0])
			}
		}
	}
}
