package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/hashd-project/hashd/v2/internal/needs"
)

// firstIDOfPages starts a server whose ids are those that the pages show. They could be any, so the
// pages' commands take them from the answers.
const firstIDOfPages = "--first-id=2317604882911425"

// delayOfPages leaves a busy machine the time for what the pages do with a job that is pending, and is shorter than they wait.
const delayOfPages = "--delay=15s"

// TestQuickStartCurl runs docs/curl.md.
func TestQuickStartCurl(t *testing.T) {
	t.Parallel()
	needs.Tool(t, "curl", needs.Debian("curl"))
	runPage(t, "curl.md", start(t, firstIDOfPages, delayOfPages), os.Getenv("PATH"))
}

// TestReadmeSession runs the session of the README.
func TestReadmeSession(t *testing.T) {
	t.Parallel()
	needs.Tool(t, "curl", needs.Debian("curl"))
	runPage(t, "../README.md", start(t, firstIDOfPages), os.Getenv("PATH"))
}

// TestHashctlManual runs docs/hashctl.md.
func TestHashctlManual(t *testing.T) {
	t.Parallel()
	runPage(t, "hashctl.md", start(t, firstIDOfPages, delayOfPages), binaryDir()+string(os.PathListSeparator)+os.Getenv("PATH"))
}

// TestKeysManual runs docs/keys.md, in the folder of the keys of a server that has none yet.
func TestKeysManual(t *testing.T) {
	t.Parallel()
	needs.Tool(t, "curl", needs.Debian("curl"))
	dir := t.TempDir()
	keys := filepath.Join(dir, "keys.json")
	if err := os.WriteFile(keys, []byte(`{"format": 1, "keys": []}`), 0o600); err != nil {
		t.Fatal(err)
	}
	runPageIn(t, dir, "keys.md", start(t, "--api-keys="+keys), binaryDir()+string(os.PathListSeparator)+os.Getenv("PATH"))
}

// runPage runs the blocks of shell on a page of docs/, one after the other in one shell, and holds
// what each prints to the block of text below it.
func runPage(t *testing.T, page string, i *instance, path string) {
	t.Helper()
	runPageIn(t, t.TempDir(), page, i, path)
}

func runPageIn(t *testing.T, dir, page string, i *instance, path string) {
	t.Helper()
	needs.Tool(t, "bash", needs.Debian("bash"))
	const end = "\x1e" // comes after what a block prints
	blocks, want := snippets(t, page, "sh"), snippets(t, page, "text")
	if len(blocks) != len(want) {
		t.Fatalf("%s has %d blocks of shell and %d of what they print", page, len(blocks), len(want))
	}
	script := "set -euo pipefail\nexec 2>&1\n"
	here := strings.NewReplacer("127.0.0.1:8080", i.address, "sleep 2\n", untilKeyWorks(i))
	for _, block := range blocks {
		script += here.Replace(block) + "printf '" + end + "'\n"
	}
	shell := exec.Command("bash", "-c", script)
	shell.Dir = dir
	shell.Env = []string{"PATH=" + path, "HOME=" + shell.Dir, "LC_ALL=C.UTF-8"}
	out, err := shell.CombinedOutput()
	printed := strings.Split(string(out), end)
	if err != nil {
		t.Fatalf("%s: %v in\n%safter %q", page, err, blocks[min(len(printed), len(blocks))-1], printed[len(printed)-1])
	}
	for n, block := range blocks {
		if got := normalized(printed[n]); got != normalized(want[n]) {
			t.Errorf("%s:\n%sprints\n%swant\n%s", page, block, printed[n], want[n])
		}
	}
}

// untilKeyWorks is for the two seconds that a reader gives the server to take a new key over: a busy machine may need more.
func untilKeyWorks(i *instance) string {
	return `for _ in {1..600}; do printf 'Authorization: Bearer %s\n' "$(cat web.token)" | curl -sf -o /dev/null -H @- http://` + i.address +
		"/v/status && break; sleep 0.1; done\n"
}

// normalized replaces what differs from run to run, and leaves out how far a long run has come.
func normalized(text string) string {
	for pattern, with := range map[string]string{
		`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`:             "TIME",
		`urn:hashd:request:[0-9A-Za-z._-]+`:                   "REQUEST",
		`"version":"[^"]+","commit":"[0-9a-z]+","go":"[^"]+"`: "BUILD",
		`"store":"[0-9a-f]+"`:                                 "STORE",
		`"delay":\d+|\bask again in \d+s`:                     "DELAY",
		`(?m)^hashctl: \d+ of \d+ lines submitted.*\n`:        "",
		`\([a-z0-9]{10}\)`:                                    "(KEY)",
		`(?m)^([a-z0-9._-]+ +)[a-z0-9]{10} `:                  "${1}KEY ",
	} {
		text = regexp.MustCompile(pattern).ReplaceAllString(text, with)
	}
	return strings.TrimSpace(text)
}

// TestQuickStartGo does what docs/go.md says, beside a clone that is this one. On a new machine the go command fetches
// what the clone's own build did not need, such as go.mod files of modules that nothing imports.
func TestQuickStartGo(t *testing.T) {
	t.Parallel()
	needs.Tool(t, "bash", needs.Debian("bash"))
	i := start(t, firstIDOfPages)
	commands, program := snippets(t, "go.md", "sh"), snippets(t, "go.md", "go")
	if len(commands) != 2 || len(program) != 1 {
		t.Fatalf("%d blocks of commands and %d programs", len(commands), len(program))
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(root, filepath.Join(dir, "hashd")); err != nil {
		t.Fatal(err)
	}
	main := strings.ReplaceAll(program[0], "127.0.0.1:8080", i.address)
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(main), 0o600); err != nil {
		t.Fatal(err)
	}
	shell := exec.Command("bash", "-euc", commands[0]+"mv ../main.go .\n"+commands[1])
	shell.Dir = dir
	shell.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off")
	var stderr strings.Builder
	shell.Stderr = &stderr
	out, err := shell.Output()
	if want := snippets(t, "go.md", "console-output"); err != nil || len(want) != 1 || normalized(string(out)) != normalized(want[0]) {
		t.Errorf("%v, it prints\n%s%s\nwant\n%s", err, out, &stderr, want)
	}
}
