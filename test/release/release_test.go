// Package release makes a release as make release does, of one platform, and looks at what it is made of: the archive,
// the packages, the pages, the completions, and that a second build has the same bytes.
package release

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/hashd-project/hashd/v2/internal/needs"
)

const version = "v2.0.0-rc.1"

// root is the module's folder.
var root = filepath.Join("..", "..")

// tool returns the path of a program that make test installs, in the version that tools.go pins.
func tool(t *testing.T, name, constant string) string {
	t.Helper()
	needs.Processes(t)
	text, err := os.ReadFile(filepath.Join(root, "tools.go"))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^\s*` + constant + `\s*= "(.*?)"`).FindSubmatch(text)
	if m == nil {
		t.Fatalf("tools.go pins no %s", constant)
	}
	path, err := filepath.Abs(filepath.Join(root, ".cache", name+"-"+string(m[1])))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		needs.Missing(t, "NOT CHECKED: no "+filepath.Base(path)+": make test installs it")
	}
	return path
}

// run runs a program in a folder, and returns what it prints.
func run(t *testing.T, dir string, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOTOOLCHAIN=auto", "CYCLONEDX="+tool(t, "cyclonedx-gomod", "cyclonedx"), "GORELEASER_CURRENT_TAG="+version,
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.com")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

func TestConfigurationIsValid(t *testing.T) {
	out := run(t, root, tool(t, "goreleaser", "goreleaser"), "check")
	if strings.Contains(strings.ToLower(out), "deprecat") {
		t.Errorf("goreleaser will not take it much longer:\n%s", out)
	}
}

// tagged makes a repository of the files as they are here, for one platform, with a tag.
func tagged(t *testing.T, dir string) {
	t.Helper()
	for name := range strings.SplitSeq(run(t, root, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate"), "\x00") {
		text, err := os.ReadFile(filepath.Join(root, name))
		if name == "" || errors.Is(err, os.ErrNotExist) { // removed here
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if name == ".goreleaser.yaml" {
			text = regexp.MustCompile(`goos: \[.*\]`).ReplaceAll(text, []byte("goos: ["+runtime.GOOS+"]"))
			text = regexp.MustCompile(`goarch: \[.*\]`).ReplaceAll(text, []byte("goarch: ["+runtime.GOARCH+"]"))
		}
		info, err := os.Stat(filepath.Join(root, name))
		if err := errors.Join(err, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755)); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, info.Mode().Perm()); err != nil {
			t.Fatal(err)
		}
	}
	run(t, dir, "git", "init", "-q")
	run(t, dir, "git", "remote", "add", "origin", "https://github.com/hashd-project/hashd") // which nobody asks
	run(t, dir, "git", "add", "-A")
	run(t, dir, "git", "commit", "-qm", "all")
	run(t, dir, "git", "tag", "-am", "hashd", version)
}

// digests returns the SHA-256 of each file in the folder by name.
func digests(t *testing.T, dir string, names ...string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(text)
		all[name] = hex.EncodeToString(sum[:])
	}
	return all
}

func TestRelease(t *testing.T) {
	if runtime.GOOS != "linux" {
		needs.Missing(t, "NOT CHECKED: packages are of Linux")
	}
	goreleaser := tool(t, "goreleaser", "goreleaser")
	one, two := t.TempDir(), filepath.Join(t.TempDir(), "in", "another", "folder")
	tagged(t, one)
	run(t, one, goreleaser, "release", "--parallelism=1", "--clean", "--skip=publish")
	dist := filepath.Join(one, "dist")
	programs := filepath.Join(dist, "unpacked")
	files := unpack(t, only(t, dist, "*.tar.gz"), programs)

	t.Run("all is listed with its checksum", func(t *testing.T) {
		listed := map[string]string{}
		text, err := os.ReadFile(filepath.Join(dist, "SHA256SUMS"))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			f := strings.Fields(line)
			listed[f[1]] = f[0]
		}
		if got := digests(t, dist, slices.Collect(maps.Keys(listed))...); !maps.Equal(got, listed) {
			t.Errorf("SHA256SUMS has %v, and the files are %v", listed, got)
		}
		platform := runtime.GOOS + "_" + runtime.GOARCH
		for _, name := range []string{
			"hashd_2.0.0-rc.1_" + platform + ".tar.gz", "hashd_2.0.0-rc.1_" + platform + ".cdx.json", "hashctl_2.0.0-rc.1_" + platform + ".cdx.json",
			filepath.Base(only(t, dist, "*.deb")), filepath.Base(only(t, dist, "*.rpm")),
		} {
			if listed[name] == "" {
				t.Errorf("SHA256SUMS has no %s", name)
			}
		}
	})
	t.Run("a second build is the same", func(t *testing.T) {
		run(t, one, "git", "clone", "-q", one, two)
		run(t, two, goreleaser, "release", "--parallelism=1", "--clean", "--skip=publish")
		sums := "SHA256SUMS"
		if first, second := digests(t, dist, sums), digests(t, filepath.Join(two, "dist"), sums); !maps.Equal(first, second) {
			t.Errorf("two builds differ:\n%s", run(t, one, "sh", "-c", `diff dist/SHA256SUMS "$1" || true`, "diff", filepath.Join(two, "dist", sums)))
		}
	})
	t.Run("the programs", func(t *testing.T) { wantPrograms(t, one, programs) })
	t.Run("the archive", func(t *testing.T) {
		for _, name := range []string{
			"LICENSE", "README.md", "CHANGELOG.md", "man/hashd.1", "man/hashctl.1", "completions/hashd.bash", "completions/_hashd", "completions/hashd.fish",
			"completions/hashctl.bash", "completions/_hashctl", "completions/hashctl.fish", "licences/go/LICENSE", "licences/github.com/inconshreveable/mousetrap/LICENSE",
		} {
			if !slices.Contains(files, name) {
				t.Errorf("no %s in %q", name, files)
			}
		}
	})
	t.Run("bills of materials", func(t *testing.T) { wantBills(t, dist) })
	t.Run("man pages", func(t *testing.T) { wantPages(t, programs) })
	t.Run("completions", func(t *testing.T) { wantCompletions(t, programs) })
	t.Run("deb", func(t *testing.T) { wantInstalls(t, only(t, dist, "*.deb")) })
	t.Run("rpm", func(t *testing.T) { wantRPM(t, only(t, dist, "*.rpm"), only(t, dist, "*.deb")) })
}

// only returns the one file that matches.
func only(t *testing.T, dir, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(found) != 1 {
		t.Fatalf("%s: %v, error %v", pattern, found, err)
	}
	return found[0]
}

// unpack writes the files of the archive below the one folder in it, and returns their names.
func unpack(t *testing.T, archive, into string) (names []string) {
	t.Helper()
	f, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return names
		}
		if err != nil {
			t.Fatal(err)
		}
		_, name, _ := strings.Cut(h.Name, "/")
		path := filepath.Join(into, filepath.FromSlash(name))
		text, err := io.ReadAll(r)
		if err := errors.Join(err, os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, text, h.FileInfo().Mode().Perm())); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
}

// wantPrograms fails the test unless both programs know their version and commit, and are what go build makes.
func wantPrograms(t *testing.T, repository, dir string) {
	t.Helper()
	commit := strings.TrimSpace(run(t, repository, "git", "rev-parse", "HEAD"))
	for _, name := range []string{"hashd", "hashctl"} {
		if got, want := run(t, dir, filepath.Join(dir, name), "--version"), name+" "+version+" (commit "+commit+", go"; !strings.HasPrefix(got, want) {
			t.Errorf("%s says %q, want %q", name, got, want)
		}
	}
	// Those that goreleaser did not build: a plain go build with the flags of make build.
	plain := digests(t, filepath.Join(repository, ".cache", "release", "bin"), "hashd", "hashctl")
	if got := digests(t, dir, "hashd", "hashctl"); !maps.Equal(got, plain) {
		t.Errorf("the archive has programs %v, and go build makes %v", got, plain)
	}
}

func wantBills(t *testing.T, dist string) {
	t.Helper()
	for _, name := range []string{"hashd", "hashctl"} {
		text, err := os.ReadFile(only(t, dist, name+"_*.cdx.json"))
		if err != nil {
			t.Fatal(err)
		}
		var bill struct {
			BOMFormat string
			Metadata  struct {
				Component struct{ Name, Version string }
			}
			Components []struct{ Name string }
		}
		if err := json.Unmarshal(text, &bill); err != nil {
			t.Fatal(err)
		}
		if c := bill.Metadata.Component; bill.BOMFormat != "CycloneDX" || c.Version != version || !strings.HasPrefix(c.Name, "github.com/hashd-project/hashd/v2") || len(bill.Components) < 10 {
			t.Errorf("%s: %s", name, text)
		}
	}
}
