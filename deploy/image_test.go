package deploy

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// command runs a command in the folder and returns what it prints.
func command(t *testing.T, dir string, environ []string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), environ...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%q: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func dockerfile(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// inDockerfile returns the one match in the Dockerfile.
func inDockerfile(t *testing.T, pattern string) []string {
	t.Helper()
	m := regexp.MustCompile(pattern).FindAllStringSubmatch(dockerfile(t), -1)
	if len(m) != 1 {
		t.Fatalf("the Dockerfile has %d of %s", len(m), pattern)
	}
	return m[0]
}

// What builds the image and runs the checks is named by what it is, not by a tag that can be moved.
func TestPinned(t *testing.T) {
	inDockerfile(t, `(?m)^FROM --platform=\$BUILDPLATFORM golang:[0-9.]+@sha256:[0-9a-f]{64} AS build$`)
	uses := regexp.MustCompile(`(?m)^\s*-?\s*uses:\s*(.*)$`)
	pinned := regexp.MustCompile(`^[\w.-]+/[\w./-]+@[0-9a-f]{40} # v[0-9.]+$`)
	seen := 0
	err := filepath.WalkDir("../.github", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range uses.FindAllStringSubmatch(string(text), -1) {
			if seen++; !pinned.MatchString(m[1]) {
				t.Errorf("%s uses %s", path, m[1])
			}
		}
		return err
	})
	if err != nil || seen == 0 {
		t.Errorf("%d actions, error %v", seen, err)
	}
}
