package config

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// printed returns what Print writes for these sources.
func printed(t *testing.T, environ []string, args ...string) string {
	t.Helper()
	fs := pflag.NewFlagSet("hashd", pflag.ContinueOnError)
	s := New(fs)
	if err := fs.Parse(args); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := s.Print(&b, environ); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// What is printed is a configuration file with the same meaning, whatever the sources were.
func TestPrintedIsAFile(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "hashd.yaml")
	if err := os.WriteFile(file, []byte("delay: 3s\nmax-pending: 7\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		environ []string
		args    []string
	}{
		{},
		{nil, []string{"--listen=[::1]:99", "--hosts=a,[::1]:2", "--anonymous-rate=100/s"}},
		{[]string{"HASHD_DELAY=1m", "HASHD_WORKERS=3", "HASHD_LOG_LEVEL=debug"}, []string{"--workers=0"}},
		{[]string{"PORT=8123"}, []string{"--insecure-no-auth"}},
		{nil, []string{"--engine=file", "--data-dir=" + folder + "/a #b: c", "--sync=never"}},
		{[]string{"HASHD_CONFIG=" + file}, []string{"--max-pending=8"}},
	} {
		want, err := load(t, tt.environ, tt.args...)
		if err != nil {
			t.Fatal(err)
		}
		text := printed(t, tt.environ, tt.args...)
		again := filepath.Join(t.TempDir(), "again.yaml")
		if err := os.WriteFile(again, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := load(t, nil, "--config="+again)
		if err != nil || portOf(got) != portOf(want) {
			t.Errorf("%q %q: error %v, got %+v, want %+v", tt.environ, tt.args, err, got, want)
		}
		if got.Port, want.Port, got.File, want.File = nil, nil, "", ""; got != want {
			t.Errorf("%q %q: got %+v, want %+v", tt.environ, tt.args, got, want)
		}
	}
}

// portOf returns the port, which is a pointer.
func portOf(c Config) int {
	if c.Port == nil {
		return -1
	}
	return *c.Port
}

// Each setting is there once, with its source; a ring is not.
func TestPrintTellsTheSource(t *testing.T) {
	text := printed(t, []string{"HASHD_DELAY=7s", RingVariable + "=aVerySecretRing"}, "--workers=5")
	for _, want := range []string{"delay: 7s # environment HASHD_DELAY\n", "workers: 5 # flag --workers\n", "drain-timeout: 37s # default, delay + 30s\n", "# api-keys: none\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
	for _, row := range table() {
		if n := strings.Count("\n"+text, "\n"+row.name+": ") + strings.Count("\n"+text, "\n# "+row.name+": "); n != 1 {
			t.Errorf("%s is there %d times", row.name, n)
		}
	}
	if strings.Contains(text, "aVerySecretRing") || !strings.Contains(text, RingVariable) {
		t.Errorf("the ring:\n%s", text)
	}
}
