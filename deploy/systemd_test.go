package deploy

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/hashd-project/hashd/v2/internal/config"
	"github.com/hashd-project/hashd/v2/internal/needs"
)

const unitFile = "systemd/hashd.service"

// unit returns the settings of a unit, each with its values.
func unit(t *testing.T, file string) map[string][]string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	settings := map[string][]string{}
	for line := range strings.SplitSeq(strings.ReplaceAll(string(data), "\\\n", " "), "\n") {
		if name, value, ok := strings.Cut(line, "="); ok && !strings.HasPrefix(line, "#") {
			settings[name] = append(settings[name], value)
		}
	}
	return settings
}

// The unit starts hashd with settings that it has, opens no door without a lock, and lets no secret out.
func TestUnit(t *testing.T) {
	u := unit(t, unitFile)
	for name, want := range map[string]string{
		"Type": "notify", "MemorySwapMax": "0", "LimitCORE": "0", "LimitMEMLOCK": "infinity", "User": "hashd", "StateDirectory": "hashd", "WatchdogSec": "30s",
	} {
		if got := strings.Join(u[name], " "); got != want {
			t.Errorf("%s=%s, want %s", name, got, want)
		}
	}
	args := strings.Fields(u["ExecStart"][0])[1:]
	fs := pflag.NewFlagSet("hashd", pflag.ContinueOnError)
	config.New(fs)
	if err := fs.Parse(args); err != nil || fs.NArg() > 0 {
		t.Errorf("%q: error %v, %q left", args, err, fs.Args())
	}
	if strings.Contains(u["ExecStart"][0], "insecure") {
		t.Error("the unit opens a door without a lock")
	}
	file := fmt.Sprint(documents(t, "systemd/hashd.yaml")[0])
	for _, credential := range u["LoadCredential"] {
		name, path, _ := strings.Cut(credential, ":")
		if !strings.Contains(file, ":"+path) {
			t.Errorf("who checks the settings in hashd.yaml does not check %s", path)
		}
		if !regexp.MustCompile(`\$\{CREDENTIALS_DIRECTORY\}/` + name + `\b`).MatchString(u["ExecStart"][0]) {
			t.Errorf("the credential %s is not used", name)
		}
	}
}

// The sandbox of the unit is as tight as systemd can tell: 2.0 of 10 at most.
func TestUnitIsShutIn(t *testing.T) {
	analyze := needs.Tool(t, "systemd-analyze", needs.Debian("systemd"))
	out, err := exec.CommandContext(t.Context(), analyze, "security", "--offline=true", "--threshold=20", "--no-pager", unitFile).CombinedOutput()
	if err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	_, level, _ := strings.Cut(string(out), "Overall exposure level")
	t.Logf("exposure%s", level)
}

// The socket of the unit is where hashd listens, and is held for one process that accepts by itself.
func TestSocketUnit(t *testing.T) {
	socket := unit(t, "systemd/hashd.socket")
	port := strings.Join(socket["ListenStream"], " ")
	if listen := at(t, documents(t, "systemd/hashd.yaml")[0], "listen"); listen != ":"+port {
		t.Errorf("the socket is at %s, and hashd at %v", port, listen)
	}
	if socket["Accept"] != nil || socket["FileDescriptorName"] != nil || socket["Service"] != nil {
		t.Errorf("the socket is not hashd's own: %v", socket)
	}
}

// systemd knows each setting of the units.
func TestUnitsAreSystemds(t *testing.T) {
	analyze := needs.Tool(t, "systemd-analyze", needs.Debian("systemd"))
	dir := t.TempDir()
	verify := func(edit func(string) string) string {
		var files []string
		for _, file := range []string{unitFile, "systemd/hashd.socket"} {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			here := strings.Replace(edit(string(text)), "=/usr/bin/hashd", "=/bin/true", 1) // which must be there
			files = append(files, filepath.Join(dir, filepath.Base(file)))
			if err := os.WriteFile(files[len(files)-1], []byte(here), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		out, err := exec.CommandContext(t.Context(), analyze, append([]string{"verify", "--man=no"}, files...)...).CombinedOutput()
		if err != nil {
			t.Errorf("%v: %s", err, out)
		}
		return string(out)
	}
	if got := verify(func(text string) string { return text }); strings.Contains(got, dir) {
		t.Error(got)
	}
	if got := verify(func(text string) string { return strings.Replace(text, "NoDelay", "NoDelays", 1) }); !strings.Contains(got, "NoDelays") {
		t.Errorf("a misspelled setting is taken: %s", got)
	}
}
