package e2e

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashd-project/hashd/v2/internal/needs"
)

// TestTypeScriptQuickStart compiles the page's code with the page's settings for Node, and with
// those for a bundler, and runs it.
func TestTypeScriptQuickStart(t *testing.T) {
	t.Parallel()
	project := newTSProject(t)
	i := start(t, firstIDOfPages, "--delay=300ms")
	code := strings.ReplaceAll(snippets(t, "typescript.md", "ts")[0], "http://127.0.0.1:8080", "http://"+i.address)
	project.write(t, "quickstart.ts", code)
	project.write(t, "tsconfig.json", snippets(t, "typescript.md", "json")[0])
	tsc := filepath.Join(tsPackage(t), "node_modules", "typescript", "bin", "tsc")
	project.run(t, "node", tsc)
	project.run(t, "node", tsc, "--noEmit", "--module", "esnext", "--moduleResolution", "bundler")
	got := project.run(t, "node", "quickstart.js")
	want := angryMonkeyHash + "\n" +
		"2317604882911426 /iKaK4dQuFt0w2h6u20dpZQ7EPaM30pdx/sWN4BXIR8=\n" +
		"2317604882911427 0MSARGopjzoZIFGypraXlY23mW9paTGzCDsJ9qCTFvY=\n" +
		"2317604882911428 /iKaK4dQuFt0w2h6u20dpZQ7EPaM30pdx/sWN4BXIR8=\n" +
		"2317604882911429 0MSARGopjzoZIFGypraXlY23mW9paTGzCDsJ9qCTFvY=\n" +
		"urn:hashd:problem:unknown-job\n"
	if got != want {
		t.Errorf("it prints:\n%s\nwant:\n%s", got, want)
	}
	i.stop(t)
}

// tsProject is the folder of a reader's project, with the packed client installed in it.
type tsProject string

func newTSProject(t *testing.T) tsProject {
	t.Helper()
	client := tsPackage(t)
	p := tsProject(t.TempDir())
	p.write(t, "package.json", `{"private": true, "type": "module"}`)
	packed := p.run(t, "npm", "pack", client, "--silent", "--ignore-scripts")
	p.run(t, "npm", "install", "--offline", "--no-audit", "--no-fund", "./"+strings.TrimSpace(packed))
	return p
}

// tsPackage returns the folder of the built client. Without it, or npm, the test is skipped,
// except in CI.
func tsPackage(t *testing.T) string {
	t.Helper()
	needs.Tool(t, "npm", "install Node 20 or later for this test")
	client, err := filepath.Abs(filepath.Join("..", "..", "client", "ts"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(client, "dist", "index.js")); err != nil {
		needs.Missing(t, "client/ts/dist is missing: make build-ts before this test")
	}
	return client
}

func (p tsProject) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(string(p), name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// run runs a command in the project and returns what it printed.
func (p tsProject) run(t *testing.T, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*patience) // npm and the compiler take all of a processor
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	var stdout, stderr bytes.Buffer
	cmd.Dir, cmd.Stdout, cmd.Stderr = string(p), &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %q: %v\n%s%s", name, args, err, &stdout, &stderr)
	}
	return stdout.String()
}
