package release

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/hashd-project/hashd/v2/internal/needs"
)

// Each page is good mdoc or man to mandoc, and has each flag and each command that the program has now.
func wantPages(t *testing.T, dir string) {
	t.Helper()
	mandoc := needs.Tool(t, "mandoc", needs.Debian("mandoc"))
	words := regexp.MustCompile(`--[a-z][a-z-]+|HASHD_[A-Z_]+`)
	for name, commands := range map[string][]string{
		"hashd":   {"healthcheck", "config print", "config check", "ring create", "ring rotate", "key add", "key list", "key revoke", "key rotate", "completion", "version"},
		"hashctl": {"submit", "get", "wait", "cancel", "bulk", "tail", "stats", "status", "completion", "version"},
	} {
		page := filepath.Join(dir, "man", name+".1")
		run(t, dir, mandoc, "-T", "lint", "-W", "warning", page)
		shown := regexp.MustCompile(`.\x08`).ReplaceAllString(run(t, dir, mandoc, "-T", "utf8", page), "")
		helps := []string{run(t, dir, filepath.Join(dir, name), "--help")}
		for _, c := range commands {
			if !strings.Contains(shown, name+" "+c) {
				t.Errorf("%s(1) has no command %s", name, c)
			}
			helps = append(helps, run(t, dir, filepath.Join(dir, name), append(strings.Fields(c), "--help")...))
		}
		for _, word := range words.FindAllString(strings.Join(helps, "\n"), -1) {
			if !strings.Contains(shown, word) {
				t.Errorf("%s(1) has no %s", name, word)
			}
		}
	}
}

// The completions of each shell are read by it, and complete.
func wantCompletions(t *testing.T, dir string) {
	t.Helper()
	bash := needs.Tool(t, "bash", needs.Debian("bash"))
	zsh := needs.Tool(t, "zsh", needs.Debian("zsh"))
	fish := needs.Tool(t, "fish", needs.Debian("fish"))
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	t.Setenv("HOME", t.TempDir())
	const (
		inBash = `_init_completion() { words=("${COMP_WORDS[@]}") cword=$COMP_CWORD cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}; }
			compopt() { :; }
			source "$1"; COMP_WORDS=("$2" "$3") COMP_CWORD=1 COMP_LINE="$2 $3" COMP_POINT=${#COMP_LINE} COMP_TYPE=9; "__start_$2"; printf '%s\n' "${COMPREPLY[@]}"`
		inZsh  = `compdef() { print -r -- "$@"; }; source "$1" && "_$2" -h >/dev/null 2>&1; whence -w "_$2"`
		inFish = `source $argv[1]; complete -C "$argv[2] $argv[3]"`
	)
	for name, part := range map[string][2]string{"hashd": {"heal", "healthcheck"}, "hashctl": {"canc", "cancel"}} {
		in := func(file string) string { return filepath.Join(dir, "completions", file) }
		if got := shell(t, dir, bash, "-c", inBash, "bash", in(name+".bash"), name, part[0]); !strings.HasPrefix(got, part[1]) {
			t.Errorf("bash completes %s %s to %q", name, part[0], got)
		}
		if got := shell(t, dir, zsh, "-fc", inZsh, "zsh", in("_"+name), name); !strings.Contains(got, "_"+name+" "+name) || !strings.Contains(got, "_"+name+": function") {
			t.Errorf("zsh completes nothing of %s: %q", name, got)
		}
		if got := shell(t, dir, fish, "--no-config", "-c", inFish, in(name+".fish"), name, part[0]); !strings.HasPrefix(got, part[1]) {
			t.Errorf("fish completes %s %s to %q", name, part[0], got)
		}
	}
}

// shell runs one and returns what it prints.
func shell(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("%s: %v", filepath.Base(name), err)
	}
	return string(out)
}
