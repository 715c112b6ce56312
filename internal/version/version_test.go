package version

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/hashd-project/hashd/v2/internal/needs"
)

const commit = "0123456789abcdef0123456789abcdef01234567"

func stamped(version, revision string) *debug.BuildInfo {
	info := &debug.BuildInfo{Main: debug.Module{Version: version}}
	if revision != "" {
		info.Settings = []debug.BuildSetting{{Key: "vcs", Value: "git"}, {Key: "vcs.revision", Value: revision}}
	}
	return info
}

func TestWhereAVersionComesFrom(t *testing.T) {
	for what, tc := range map[string]struct {
		info    *debug.BuildInfo
		archive string
		want    Build
	}{
		"a clone at a tag":         {stamped("v2.0.0", commit), archive, Build{"v2.0.0", commit}},
		"go install of a tag":      {stamped("v2.0.0", ""), archive, Build{"v2.0.0", Unknown}},
		"an archive of a tag":      {stamped("(devel)", ""), "v2.0.0 " + commit + "\n", Build{"v2.0.0", commit}},
		"an archive without a tag": {stamped("(devel)", ""), " " + commit + "\n", Build{"(devel)", commit}},
		"an archive in a clone":    {stamped("v9.0.0", "another"), "v2.0.0 " + commit + "\n", Build{"v9.0.0", "another"}},
		"nothing":                  {stamped("(devel)", ""), archive, Build{"(devel)", Unknown}},
		"not even the build":       {new(debug.BuildInfo), "", Build{Unknown, Unknown}},
	} {
		if got := of(tc.info, tc.archive); got != tc.want {
			t.Errorf("%s: %+v, want %+v", what, got, tc.want)
		}
	}
}

// What git puts into an archive is what Read expects, at a tag and behind one.
func TestArchiveNamesItsCommit(t *testing.T) {
	git := needs.Tool(t, "git", needs.Debian("git"))
	dir := t.TempDir()
	run := func(args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), git, append([]string{"-C", dir, "-c", "user.name=a", "-c", "user.email=a@example.com"}, args...)...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("git %q: %v\n%s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	run("init", "-q")
	for name, text := range map[string]string{"archive.txt": archive, ".gitattributes": "archive.txt export-subst\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run("add", ".")
	run("commit", "-qm", "one")
	run("tag", "-am", "x", "v2.0.0-rc.1")
	first := run("rev-parse", "HEAD")
	run("commit", "-qm", "two", "--allow-empty")
	second := run("rev-parse", "HEAD")
	for _, tc := range []struct{ what, version, commit string }{{"v2.0.0-rc.1", "v2.0.0-rc.1", first}, {"HEAD", "v2.0.0-rc.1-1-g", second}} {
		run("archive", "-o", "x.tar", tc.what, "archive.txt")
		text, err := exec.CommandContext(t.Context(), "tar", "-xOf", filepath.Join(dir, "x.tar")).Output()
		if err != nil {
			t.Fatal(err)
		}
		if got := of(stamped("(devel)", ""), string(text)); !strings.HasPrefix(got.Version, tc.version) || got.Commit != tc.commit {
			t.Errorf("archive of %s: %q gives %+v", tc.what, text, got)
		}
	}
	attributes, err := os.ReadFile(filepath.Join("..", "..", ".gitattributes"))
	if err != nil || !strings.Contains(string(attributes), "internal/version/archive.txt export-subst\n") {
		t.Errorf("git is not told to write into the archive: %v", err)
	}
}
