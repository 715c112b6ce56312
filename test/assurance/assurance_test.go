// Package assurance checks what hashd is built of: that no part of it has a known vulnerability, that
// each part has a licence that lets hashd be passed on, and that the list of the parts is whole.
package assurance

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hashd-project/hashd/v2/internal/needs"
)

// root is the module's folder.
var root = filepath.Join("..", "..")

// commands are what is passed on.
var commands = []string{"./cmd/hashd", "./cmd/hashctl"}

// environ has the toolchain that the Makefile and the Dockerfile build with.
func environ() []string { return append(os.Environ(), "GOTOOLCHAIN=auto") }

// output runs a program in the module's folder and returns its standard output.
func output(t *testing.T, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir, cmd.Env = root, environ()
	out, err := cmd.Output()
	if err != nil {
		var said []byte
		if exit, ok := err.(*exec.ExitError); ok {
			said = exit.Stderr
		}
		t.Fatalf("%s %q: %v\n%s", name, args, err, said)
	}
	return out
}

// pinned returns the version that tools.go has for the name.
func pinned(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "tools.go"))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^\s*(?:const )?` + name + `\s*= "(.*?)"`).FindSubmatch(text)
	if m == nil {
		t.Fatalf("tools.go pins no %s", name)
	}
	return string(m[1])
}

// tool returns the path of a program that make test installs.
func tool(t *testing.T, file string) string {
	t.Helper()
	needs.Processes(t)
	path, err := filepath.Abs(filepath.Join(root, ".cache", file))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		needs.Missing(t, "NOT CHECKED: no "+file+": make test installs it")
	}
	return path
}

// download returns the folder and the version of a module that is no part of hashd. Go has compared it with the checksum database.
func download(t *testing.T, path, version string) (dir, got string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", path+"@"+version)
	cmd.Dir, cmd.Env = t.TempDir(), append(environ(), "GOFLAGS=-mod=mod")
	out, err := cmd.Output()
	var m struct{ Dir, Version, Error string }
	if json.Unmarshal(out, &m) != nil || err != nil || m.Error != "" {
		needs.Missing(t, "NOT CHECKED: "+path+"@"+version+" cannot be had from the module proxy: "+m.Error)
	}
	return m.Dir, m.Version
}

// A part is a module of the commands.
type part struct{ Path, Version, Dir string }

// parts returns the modules of which the commands have packages, hashd itself left out.
func parts(t *testing.T, commands ...string) (all []part) {
	t.Helper()
	needs.Processes(t)
	const format = "{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}} {{.Dir}}{{end}}{{end}}"
	list := string(output(t, "go", append([]string{"list", "-deps", "-f", format}, commands...)...))
	for _, line := range slices.Compact(slices.Sorted(strings.Lines(list))) {
		if f := strings.Fields(line); len(f) == 3 {
			all = append(all, part{f[0], f[1], f[2]})
		}
	}
	if len(all) < 5 {
		t.Fatalf("%q have the parts %v", commands, all)
	}
	return all
}
