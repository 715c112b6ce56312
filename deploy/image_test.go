package deploy

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hashd-project/hashd/v2/internal/needs"
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

// inDockerfile returns the one match in the Dockerfile.
func inDockerfile(t *testing.T, pattern string) []string {
	t.Helper()
	text, err := os.ReadFile("../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(pattern).FindAllStringSubmatch(string(text), -1)
	if len(m) != 1 {
		t.Fatalf("the Dockerfile has %d of %s", len(m), pattern)
	}
	return m[0]
}

// The image's binary knows the commit that it was built from: what is sent to the builder is a clone without
// what .dockerignore leaves out, and the build is the Dockerfile's.
func TestImageKnowsItsCommit(t *testing.T) {
	needs.Processes(t)
	needs.Tool(t, "git", needs.Debian("git"))
	if _, err := os.Stat("../.git"); err != nil {
		needs.Missing(t, "no commit: clone the repository for this test")
	}
	src := filepath.Join(t.TempDir(), "src")
	command(t, "..", nil, "git", "clone", "--quiet", "--no-hardlinks", ".", src)
	ignored, err := os.ReadFile(filepath.Join(src, ".dockerignore"))
	if err != nil {
		t.Fatal(err)
	}
	for pattern := range strings.Lines(string(ignored)) {
		if pattern = strings.TrimSpace(pattern); pattern != "" && !strings.HasPrefix(pattern, "#") {
			if err := os.RemoveAll(filepath.Join(src, pattern)); err != nil {
				t.Fatal(err)
			}
		}
	}
	binary := filepath.Join(t.TempDir(), "hashd")
	build := strings.ReplaceAll(inDockerfile(t, `(?m)^RUN CGO_ENABLED=0 (go build .*)$`)[1], "/hashd ", binary+" ")
	command(t, src, []string{"CGO_ENABLED=0", "GOFLAGS=-buildvcs=auto"}, strings.Fields(build)...)
	got := command(t, src, nil, binary, "version")
	if commit := command(t, src, nil, "git", "rev-parse", "HEAD"); !strings.Contains(got, "commit "+commit) || strings.Contains(got, "dirty") {
		t.Errorf("at commit %s it says %q", commit, got)
	}
}

// The image has the licence of each part of the binary.
func TestImageHasLicences(t *testing.T) {
	needs.Processes(t)
	script := inDockerfile(t, `(?m)^RUN (\.ci/licences) /licences$`)[1]
	inDockerfile(t, `(?m)^COPY --from=build /licences /licences$`)
	to := t.TempDir()
	command(t, "..", nil, script, to)
	list := command(t, "..", nil, "go", "list", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", "./cmd/hashd")
	parts := slices.Compact(slices.Sorted(strings.FieldsSeq(list)))
	if len(parts) < 10 {
		t.Fatalf("the binary has the parts %q", parts)
	}
	for _, part := range append(parts, "go", "swagger-ui") {
		files, err := filepath.Glob(filepath.Join(to, part, "[Ll][Ii][Cc][Ee][Nn]*"))
		if err != nil || len(files) == 0 {
			t.Errorf("%s has no licence, error %v", part, err)
		}
	}
}

// What builds the image and runs the checks is named by what it is, not by a tag that can be moved.
func TestPinned(t *testing.T) {
	inDockerfile(t, `(?m)^FROM golang:[0-9.]+@sha256:[0-9a-f]{64} AS build$`)
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
