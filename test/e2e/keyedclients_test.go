package e2e

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	goclient "github.com/hashd-project/hashd/v2/client"

	"github.com/hashd-project/hashd/v2/internal/auth"
	"github.com/hashd-project/hashd/v2/internal/certs/certstest"
	"github.com/hashd-project/hashd/v2/internal/needs"
)

// keyedTLS is a server with keys and TLS, and a folder with what a client of it needs: ca.pem and the tokens.
type keyedTLS struct {
	*instance
	authority *certstest.Authority
	dir       string
}

func startKeyed(t *testing.T, args ...string) *keyedTLS {
	t.Helper()
	k := &keyedTLS{authority: certstest.NewAuthority(t), dir: t.TempDir()}
	cert, key := k.authority.Server(t, 24*time.Hour)
	certstest.Write(t, cert, key, k.in("cert.pem"), k.in("key.pem"))
	if err := os.WriteFile(k.in("ca.pem"), k.authority.PEM, 0o600); err != nil {
		t.Fatal(err)
	}
	k.key(t, "add", "web")
	k.instance = start(t, append([]string{"--api-keys", k.in("keys.json"), "--tls-cert", k.in("cert.pem"), "--tls-key", k.in("key.pem"), "--delay=200ms"}, args...)...)
	return k
}

func (k *keyedTLS) in(name string) string { return filepath.Join(k.dir, name) }

func (k *keyedTLS) url() string { return "https://" + k.address }

// key runs "hashd key", and keeps the token that it prints in the file that clients read.
func (k *keyedTLS) key(t *testing.T, verb, name string, args ...string) {
	t.Helper()
	o := finish(t, nil, append([]string{"key", verb, name, "--api-keys", k.in("keys.json")}, args...)...)
	if o.code != 0 {
		t.Fatalf("%s %s: exit code %d, %s", verb, name, o.code, o.stderr)
	}
	if o.stdout != "" {
		if err := os.WriteFile(k.in(name+".token"), []byte(o.stdout), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// hashctl runs it with the key of that name, "" for none, and returns its exit code and all that it prints.
func (k *keyedTLS) hashctl(t *testing.T, name, stdin string, args ...string) (code int, out string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	args = append(args, "--server", k.url(), "--ca", k.in("ca.pem"))
	if name != "" {
		args = append(args, "--api-key-file", k.in(name+".token"))
	}
	cmd := exec.CommandContext(ctx, filepath.Join(binaryDir(), "hashctl"), args...)
	cmd.Env = []string{"GORACE=atexit_sleep_ms=0"}
	cmd.Stdin = strings.NewReader(stdin)
	text, err := cmd.CombinedOutput()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		t.Errorf("%q: %v", args, err)
		return -1, ""
	}
	k.wantNoToken(t, string(text))
	return cmd.ProcessState.ExitCode(), string(text)
}

// anyToken is a token of any key.
var anyToken = regexp.MustCompile(auth.TokenPattern)

// wantNoToken checks that the text has no token in it.
func (k *keyedTLS) wantNoToken(t *testing.T, text string) {
	t.Helper()
	if anyToken.MatchString(text) {
		t.Errorf("a token is in\n%s", text)
	}
}

// jobs returns a Go client with the key of that name. It tells of all retries but those of a busy machine.
func (k *keyedTLS) jobs(t *testing.T, name string, onRetry func(error, time.Duration)) *goclient.Jobs {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: k.authority.Pool()}, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	j, err := goclient.NewJobs(goclient.Config{
		Server: k.url(), HTTP: &http.Client{Transport: transport}, APIKey: goclient.KeyFile(k.in(name + ".token")), RetryFor: patience,
		OnRetry: func(err error, after time.Duration) {
			if p, ok := errors.AsType[*goclient.ProblemError](err); onRetry != nil && (!ok || !overloaded(p.Detail)) {
				onRetry(err, after)
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// All three clients and curl speak to a server with keys and TLS, as the pages say.
func TestClientsShowKeysOverTLS(t *testing.T) {
	t.Parallel()
	k := startKeyed(t)
	k.key(t, "add", "reader", "--scope", "read")
	k.key(t, "add", "other", "--tenant", "other")

	t.Run("hashctl", func(t *testing.T) {
		if code, out := k.hashctl(t, "web", "angryMonkey", "submit", "--wait"); code != 0 || out != angryMonkeyHash+"\n" {
			t.Errorf("exit code %d, %s", code, out)
		}
		if code, out := k.hashctl(t, "", "angryMonkey", "submit"); code != 1 || !strings.Contains(out, "401 Unauthorized") || !strings.Contains(out, "--api-key-file") {
			t.Errorf("without a key: exit code %d, %s", code, out)
		}
		k.awaitKey(t, "reader")
		if code, out := k.hashctl(t, "reader", "angryMonkey", "submit"); code != 1 || !strings.Contains(out, "403 Forbidden") || !strings.Contains(out, "scope submit") {
			t.Errorf("with a reader's key: exit code %d, %s", code, out)
		}
	})
	t.Run("Go", func(t *testing.T) {
		mine, err := k.jobs(t, "web", nil).SubmitAndWait(t.Context(), []byte("angryMonkey"), goclient.Options{})
		if err != nil || mine.Hash != angryMonkeyHash {
			t.Fatalf("%+v, error %v", mine, err)
		}
		k.awaitKey(t, "other")
		_, err = k.jobs(t, "other", nil).Get(t.Context(), mine.Id)
		wantKind(t, err, http.StatusNotFound, "unknown-job")
		_, err = k.jobs(t, "reader", nil).Submit(t.Context(), []byte("angryMonkey"), goclient.Options{})
		if !errors.Is(err, goclient.ErrForbidden) || !strings.Contains(err.Error(), "submit") {
			t.Errorf("with a reader's key: %v", err)
		}
	})
	t.Run("Go as docs/go.md has it", func(t *testing.T) {
		program := strings.ReplaceAll(snippets(t, "go.md", "go keys")[0], "https://hashd.example", k.url())
		main, binary := k.in("main.go"), k.in("example")
		if err := os.WriteFile(main, []byte(program), 0o600); err != nil {
			t.Fatal(err)
		}
		build := exec.Command("go", "build", "-o", binary, main) // in this module, whose client it is
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		k.wantPrints(t, "hash: "+angryMonkeyHash+"\n", binary)
	})
	t.Run("curl as docs/curl.md has it", func(t *testing.T) {
		needs.Tool(t, "curl", needs.Debian("curl"))
		needs.Tool(t, "bash", needs.Debian("bash"))
		k.key(t, "add", "limited", "--rate", "6000/m")
		k.awaitKey(t, "limited")
		block := strings.ReplaceAll(snippets(t, "curl.md", "sh keys")[0], "https://hashd.example", k.url())
		out := k.run(t, "bash", "-euc", strings.ReplaceAll(block, "web.", "limited."))
		if !strings.Contains(out, `"status":"pending"`) || !strings.Contains(strings.ToLower(out), `ratelimit-policy: "jobs";q=6000;w=60`) ||
			!strings.Contains(strings.ToLower(out), `ratelimit: "jobs";r=5999;t=1`) {
			t.Errorf("it prints %s", out)
		}
	})
	t.Run("TypeScript as docs/typescript.md has it", func(t *testing.T) {
		project := newTSProject(t)
		project.write(t, "keys.ts", strings.ReplaceAll(snippets(t, "typescript.md", "ts keys")[0], "https://hashd.example", k.url()))
		project.write(t, "tsconfig.json", `{ "compilerOptions": { "module": "nodenext", "target": "es2022", "strict": true, "types": ["node"], "typeRoots": [`+
			fmt.Sprintf("%q", filepath.Join(tsPackage(t), "node_modules", "@types"))+`] } }`)
		project.run(t, "node", filepath.Join(tsPackage(t), "node_modules", "typescript", "bin", "tsc"))
		for name, want := range map[string]string{
			"web": angryMonkeyHash + "\n", "reader": "the key lacks a scope: ", "foreign": "the key is of another server, expired or revoked\n",
		} {
			token := []byte("hashd_0123456789_abcdefghijklmnopqrstuvwxyzABCDEF")
			if name != "foreign" {
				var err error
				if token, err = os.ReadFile(k.in(name + ".token")); err != nil {
					t.Fatal(err)
				}
			}
			project.write(t, "web.token", string(token))
			cmd := exec.Command("node", "keys.js")
			cmd.Dir = string(project)
			cmd.Env = append(os.Environ(), "NODE_EXTRA_CA_CERTS="+k.in("ca.pem"))
			out, err := cmd.CombinedOutput()
			if err != nil || !strings.HasPrefix(string(out), want) {
				t.Errorf("%s: %v, it prints %s", name, err, out)
			}
			k.wantNoToken(t, string(out))
		}
	})
	k.wantNoToken(t, k.stderr.String())
	k.stop(t)
}

// awaitKey waits until the server takes the key, which is soon after it was added.
func (k *keyedTLS) awaitKey(t *testing.T, name string) {
	t.Helper()
	j := k.jobs(t, name, nil)
	for end := time.Now().Add(patience); ; {
		_, err := j.Status(t.Context())
		if err == nil {
			return
		}
		if !errors.Is(err, goclient.ErrUnauthorized) || time.Now().After(end) {
			t.Fatalf("%s: %v", name, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// run runs a command in the folder and returns what it prints.
func (k *keyedTLS) run(t *testing.T, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = k.dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	k.wantNoToken(t, string(out))
	return string(out)
}

func (k *keyedTLS) wantPrints(t *testing.T, want, name string, args ...string) {
	t.Helper()
	if got := k.run(t, name, args...); got != want {
		t.Errorf("%s prints %s, want %s", name, got, want)
	}
}

// Clients keep to the rate of their key without ever being refused, with batches below and above what it allows at once.
func TestClientsKeepToTheRate(t *testing.T) {
	t.Parallel()
	k := startKeyed(t)
	k.key(t, "add", "limited", "--rate", "20/s")
	k.awaitKey(t, "limited")
	for _, size := range []string{"7", "30"} {
		var lines bytes.Buffer
		for n := range 70 {
			fmt.Fprintf(&lines, "secret %d\n", n)
		}
		in := k.in("in")
		if err := os.WriteFile(in, lines.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		code, out := k.hashctl(t, "limited", "", "bulk", in, "--batch", size)
		if code != 0 || strings.Count(out, ",done,") != 70 {
			t.Errorf("batches of %s: exit code %d, %s", size, code, out)
		}
		time.Sleep(3 * time.Second) // so that the next client, which knows nothing yet, finds some of the rate left
	}
	var retries []error
	var mu sync.Mutex
	j := k.jobs(t, "limited", func(err error, _ time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		retries = append(retries, err)
	})
	var all sync.WaitGroup
	for range 45 {
		all.Go(func() {
			if _, err := j.Submit(t.Context(), []byte("s"), goclient.Options{}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if len(retries) > 0 {
		t.Errorf("refused: %v", retries)
	}
	if strings.Contains(k.stderr.String(), "rate-limited") {
		t.Errorf("somebody was refused:\n%s", k.stderr)
	}
	k.wantNoToken(t, k.stderr.String())
	k.stop(t)
}

// A bulk and a Go client go on while their key is rotated, again and again, with no request that fails. The token is
// written in place, so that for a moment the file is empty, and for a while the server does not know what is in it.
func TestClientsSurviveRotation(t *testing.T) {
	t.Parallel()
	k := startKeyed(t)
	k.key(t, "add", "slow", "--rate", "50/s")
	k.awaitKey(t, "slow")
	ctx, stop := context.WithCancel(t.Context())
	var errs []error
	var all sync.WaitGroup
	j := k.jobs(t, "slow", func(err error, _ time.Duration) { errs = append(errs, err) })
	all.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			if _, err := j.Get(context.WithoutCancel(ctx), 1); !isUnknownOrPending(err) {
				errs = append(errs, err)
			}
			time.Sleep(2 * time.Millisecond)
		}
	})
	ended := make(chan struct{})
	all.Go(func() {
		defer close(ended)
		lines := strings.Repeat("secret\n", 300)
		if code, out := k.hashctl(t, "slow", lines, "bulk", "-", "--batch", "10"); code != 0 || strings.Count(out, ",done,") != 300 {
			t.Errorf("exit code %d, %s", code, out)
		}
	})
	for begun := int64(0); begun == 0 && ctx.Err() == nil; time.Sleep(10 * time.Millisecond) {
		s, err := j.Stats(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		begun = s.Total
	}
	rotations := 0
	for running := true; running; rotations++ {
		k.rotate(t, "slow")
		select {
		case <-ended:
			running = false
		case <-time.After(700 * time.Millisecond):
		}
	}
	stop()
	all.Wait()
	if len(errs) > 0 || rotations < 2 {
		t.Errorf("%d rotations, %d errors: %v", rotations, len(errs), slices.Compact(errs))
	}
	k.stop(t)
}

func isUnknownOrPending(err error) bool {
	p, ok := errors.AsType[*goclient.ProblemError](err)
	_, pending := errors.AsType[*goclient.PendingError](err)
	return err == nil || pending || ok && p.Type == goclient.UnknownJobType
}

// rotate has the shell write the new token over the old one, as docs/keys.md does.
func (k *keyedTLS) rotate(t *testing.T, name string) {
	t.Helper()
	k.run(t, "bash", "-euc", `"$0" key rotate "$1" --overlap 1h --api-keys keys.json > "$1.token"`, binary(), name)
}
