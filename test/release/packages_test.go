package release

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/hashd-project/hashd/v2/internal/needs"
)

// The deb is really installed and removed, on a layer over this machine's files.
func wantInstalls(t *testing.T, deb string) {
	t.Helper()
	needs.Tool(t, "dpkg", "NOT CHECKED: no Debian")
	needs.Tool(t, "openssl", needs.Debian("openssl"))
	command := []string{needs.Tool(t, "unshare", needs.Debian("util-linux")), "--mount", "sh", "install.sh", deb, t.TempDir()}
	if os.Geteuid() != 0 {
		if exec.CommandContext(t.Context(), "sudo", "-n", "true").Run() != nil {
			needs.Missing(t, "NOT CHECKED: only root can install a package")
		}
		command = append([]string{"sudo", "-n"}, command...)
	}
	got := run(t, ".", command[0], command[1:]...)
	want := []string{
		"user: /var/lib/hashd:/usr/sbin/nologin",
		"/etc/hashd root:hashd 750", "/etc/hashd/hashd.yaml root:hashd 640", "/usr/bin/hashd root:root 755", "/usr/bin/hashctl root:root 755",
		"/usr/lib/systemd/system/hashd.service root:root 644", "/usr/lib/systemd/system/hashd.socket root:root 644",
		"version: hashd " + version + " (", "version: hashctl " + version + " (",
		"kept: # changed", "checked: the settings are good", "removed: 0",
		"left: hashd.yaml keys.json ring.json tls.crt tls.key ", "left: keys.json ring.json tls.crt tls.key ", "installed: 0",
	}
	lines := strings.Split(strings.TrimSuffix(got, "\n"), "\n")
	if !slices.EqualFunc(lines, want, strings.HasPrefix) {
		t.Errorf("installing and removing tells\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}

// The rpm is whole, has the files of the deb, and its scripts.
func wantRPM(t *testing.T, rpm, deb string) {
	t.Helper()
	reader := needs.Tool(t, "rpm", needs.Debian("rpm"))
	dpkg := needs.Tool(t, "dpkg-deb", "NOT CHECKED: no Debian")
	run(t, t.TempDir(), reader, "--checksig", "--nosignature", rpm)
	query := func(args ...string) string {
		t.Helper()
		return run(t, t.TempDir(), reader, append(append([]string{"--query", "--package"}, args...), rpm)...)
	}
	if got := query("--queryformat", "%{NAME} %{VERSION}-%{RELEASE} %{LICENSE}"); got != "hashd 2.0.0~rc.1-1 Apache-2.0" {
		t.Errorf("it is %s", got)
	}
	if got := query("--configfiles"); got != "/etc/hashd/hashd.yaml\n" {
		t.Errorf("its configuration files are %q", got)
	}
	for _, part := range []string{"preinstall scriptlet", "useradd --system", "postinstall scriptlet", "try-restart", "preuninstall scriptlet", "disable --now", "postuninstall scriptlet"} {
		if got := query("--scripts"); !strings.Contains(got, part) {
			t.Errorf("its scripts have no %s:\n%s", part, got)
		}
	}
	var files []string
	for line := range strings.Lines(run(t, t.TempDir(), dpkg, "--contents", deb)) {
		f := strings.Fields(line)
		if name := strings.TrimPrefix(f[5], "."); !strings.HasSuffix(name, "/") {
			files = append(files, strings.Replace(name, "/vendor-completions/", "/site-functions/", 1))
		}
	}
	got := strings.Fields(query("--list"))
	for _, name := range files {
		if !slices.Contains(got, name) {
			t.Errorf("it has no %s", name)
		}
	}
}
