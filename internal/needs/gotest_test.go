package needs

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// ran is what became of go test behind .ci/gotest.
type ran struct {
	code             int
	printed, skipped string
}

// runTests runs the tests of a module that has this test file, by a copy of the script.
func runTests(t *testing.T, tests string) ran {
	t.Helper()
	Processes(t)
	python := Tool(t, "python3", Debian("python3"))
	script, err := os.ReadFile("../../.ci/gotest")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range map[string]string{
		".ci/gotest": string(script), "go.mod": "module example.org/x/y/a/b\n\ngo 1.26\n", "c/c_test.go": tests, "d/d.go": "package d\n",
	} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	before := "a/b/c TestGood: on another day\na/b/c TestLeftOut/other: still so\n"
	if err := errors.Join(os.Mkdir(filepath.Join(dir, ".cache"), 0o700), os.WriteFile(filepath.Join(dir, ".cache", "skipped"), []byte(before), 0o600)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), python, ".ci/gotest", "-count", "1", "./...")
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	code := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		code = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	skipped, err := os.ReadFile(filepath.Join(dir, ".cache", "skipped"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return ran{code, string(out), string(skipped)}
}

const header = "package c\n\nimport \"testing\"\n\n"

// Tests that pass, or are skipped, print what go test prints, and those that were skipped are noted.
func TestSkippedTestsAreListed(t *testing.T) {
	got := runTests(t, header+"func TestGood(t *testing.T) { t.Log(\"quiet\") }\n"+
		"func TestLeftOut(t *testing.T) { t.Run(\"part\", func(t *testing.T) { t.Skip(\"no strace: install it\") }) }\n")
	if got.code != 0 || !strings.Contains(got.printed, "ok  \texample.org/x/y/a/b/c") || !strings.Contains(got.printed, "[no test files]") ||
		strings.Contains(got.printed, "quiet") {
		t.Errorf("exit code %d, and it prints:\n%s", got.code, got.printed)
	}
	lines := strings.Split(strings.TrimSpace(got.skipped), "\n")
	if len(lines) != 2 || lines[0] != "a/b/c TestLeftOut/other: still so" ||
		!strings.Contains(lines[1], "TestLeftOut/part: ") || !strings.Contains(lines[1], "no strace: install it") {
		t.Errorf("skipped: %q", got.skipped)
	}
}

// A run that is quiet says what it waits for.
func TestProgressIsTold(t *testing.T) {
	t.Setenv("GOTEST_EVERY", "0.1")
	got := runTests(t, "package c\n\nimport (\n\"testing\"\n\"time\"\n)\n\nfunc TestQuiet(t *testing.T) { time.Sleep(3 * time.Second) }\n")
	if got.code != 0 || !strings.Contains(got.printed, "packages done") || !strings.Contains(got.printed, "c TestQuiet for ") {
		t.Errorf("exit code %d, and it prints:\n%s", got.code, got.printed)
	}
	if !strings.Contains(got.printed, "slowest: c TestQuiet") && !strings.Contains(got.printed, "slowest: a/b/c TestQuiet") {
		t.Errorf("it does not name the slowest:\n%s", got.printed)
	}
}

// A test that fails, panics or does not build ends in go test's own lines and exit code.
func TestFailuresAreShown(t *testing.T) {
	for what, tc := range map[string]struct {
		tests string
		says  []string
	}{
		"a failure": {"func TestBad(t *testing.T) { t.Error(\"wrong\") }\nfunc TestGood(t *testing.T) { t.Log(\"quiet\") }\n",
			[]string{"--- FAIL: TestBad", "wrong", "FAIL\texample.org/x/y/a/b/c"}},
		"a panic":    {"func TestBad(t *testing.T) { panic(\"wrong\") }\n", []string{"panic: wrong", "FAIL\texample.org/x/y/a/b/c"}},
		"no program": {"func TestBad(t *testing.T) { undefined() }\n", []string{"undefined: undefined", "FAIL\texample.org/x/y/a/b/c [build failed]"}},
	} {
		got := runTests(t, header+tc.tests)
		if got.code != 1 || strings.Contains(got.printed, "quiet") {
			t.Errorf("%s: exit code %d, and it prints:\n%s", what, got.code, got.printed)
		}
		for _, text := range tc.says {
			if !strings.Contains(got.printed, text) {
				t.Errorf("%s: it does not print %q:\n%s", what, text, got.printed)
			}
		}
	}
}
