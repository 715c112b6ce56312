package recipes

import (
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashd-project/hashd/v2/internal/needs"
)

// root is the repository.
const root = "../.."

// patience bounds each command. None is expected to take anywhere near it.
const patience = 10 * time.Minute

// edit replaces a text, wherever it is in the file, by another.
type edit struct{ old, with string }

// step is what a recipe does to one file. A step without edits is a command's, or is left out here.
type step struct {
	file  string
	edits []edit
}

// files returns the files of the steps, in their order.
func files(steps []step) (list []string) {
	for _, s := range steps {
		list = append(list, s.file)
	}
	return list
}

// wantRecipe checks that CONTRIBUTING.md names the same files in the same order.
func wantRecipe(t *testing.T, heading string, steps []step) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "CONTRIBUTING.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(text), "\n### "+heading+"\n")
	section, _, _ = strings.Cut(section, "\n### ")
	var named []string
	for _, m := range regexp.MustCompile("(?m)^[0-9]+\\. `([^`]+)`").FindAllStringSubmatch(section, -1) {
		named = append(named, m[1])
	}
	if got := files(steps); !ok || !slices.Equal(got, named) {
		t.Errorf("CONTRIBUTING.md, %s: it names\n%q\nand what is needed is\n%q", heading, named, got)
	}
}

// scratch is the folder of a copy of the repository.
type scratch string

// newScratch copies the files that are worked on.
func newScratch(t *testing.T) scratch {
	t.Helper()
	needs.Processes(t)
	dir := t.TempDir()
	from := os.DirFS(root)
	err := fs.WalkDir(from, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := entry.Name()
		if entry.IsDir() {
			if name != "." && base[0] == '.' || slices.Contains([]string{"node_modules", "bin", "dist", "build"}, base) {
				return fs.SkipDir
			}
			return os.MkdirAll(filepath.Join(dir, name), 0o755)
		}
		if !entry.Type().IsRegular() {
			return nil
		}
		text, err := fs.ReadFile(from, name)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, name), text, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
	return scratch(dir)
}

// do does the steps.
func (s scratch) do(t *testing.T, steps ...step) {
	t.Helper()
	for _, one := range steps {
		for _, e := range one.edits {
			s.edit(t, one.file, e)
		}
	}
}

func (s scratch) edit(t *testing.T, file string, e edit) {
	t.Helper()
	file = filepath.Join(string(s), file)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), e.old) {
		t.Fatalf("%s has changed, so that this test does not know how to edit it. It lacks:\n%s", file, e.old)
	}
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(string(text), e.old, e.with)), 0o644); err != nil {
		t.Fatal(err)
	}
}

// run runs a command in the copy, and returns what it prints and whether it succeeds.
func (s scratch) run(t *testing.T, command ...string) (string, bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c := exec.CommandContext(ctx, command[0], command[1:]...)
	c.Dir = string(s)
	c.WaitDelay = time.Minute
	c.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off")
	out, err := c.CombinedOutput()
	return string(out), err == nil
}

// wantMissing runs a command that must fail and name each of what is still missing.
func (s scratch) wantMissing(t *testing.T, command []string, missing ...string) {
	t.Helper()
	out, ok := s.run(t, command...)
	if ok {
		t.Errorf("%q succeeds, and should miss %q", command, missing)
	}
	for _, m := range missing {
		if !strings.Contains(out, m) {
			t.Errorf("%q does not tell that %q is missing:\n%s", command, m, out)
		}
	}
}

// wantDone runs a command that must succeed.
func (s scratch) wantDone(t *testing.T, command ...string) {
	t.Helper()
	if out, ok := s.run(t, command...); !ok {
		t.Errorf("%q:\n%s", command, out)
	}
}

// generate does what make generate does for Go, as the Makefile has it.
func (s scratch) generate(t *testing.T) {
	t.Helper()
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	commands := regexp.MustCompile(`(?m)^\t@\$\(CODEGEN\) (.+)$`).FindAllStringSubmatch(string(makefile), -1)
	if len(commands) < 2 {
		t.Fatalf("the Makefile generates otherwise: %q", commands)
	}
	for _, c := range commands {
		args := strings.Fields(strings.ReplaceAll(c[1], "$(1)", "gen"))
		s.wantDone(t, append([]string{"go", "run", "github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen"}, args...)...)
	}
}
