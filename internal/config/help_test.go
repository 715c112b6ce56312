package config

import (
	"flag"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/pflag"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares got with the file of that name in testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	name = "testdata/" + name
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; if that is meant, run the test with -update. Got:\n%s", name, got)
	}
}

func TestUsage(t *testing.T) {
	got := New(pflag.NewFlagSet("test", pflag.ContinueOnError)).Usage()
	golden(t, "usage.txt", got)
	for line := range strings.Lines(got) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 100 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	for _, row := range table() {
		if !strings.Contains(got, "--"+row.name) || !strings.Contains(got, row.env()+"]") {
			t.Errorf("%s is missing", row.name)
		}
	}
}

// The table of docs/settings.md is this one.
func TestMarkdown(t *testing.T) {
	got := Markdown()
	page, err := os.ReadFile("../../docs/settings.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), got) {
		t.Errorf("docs/settings.md lacks the table of settings as it is now:\n%s", got)
	}
	for line := range strings.Lines(got) {
		if n := strings.Count(line, "|"); n != 6 {
			t.Errorf("%d bars, want 6: %s", n, line)
		}
	}
}
