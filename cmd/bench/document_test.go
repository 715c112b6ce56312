//go:build linux

package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A document keeps what stands around its tables, and only whole tables get into it.
func TestTablesGoIntoADocument(t *testing.T) {
	path := filepath.Join(t.TempDir(), "doc.md")
	before, after := "# Title\n"+beginMark, endMark+"\nthe rest\n"
	write(t, path, before+"old\n"+after)
	if code, _, errs := bench(t, "lateness", "-for", "10ms", "-rate", "0", "-runs", "1", "-into", path); code != 1 {
		t.Errorf("exit status %d: %s", code, errs)
	}
	if got := read(t, path); got != before+"old\n"+after {
		t.Errorf("after a failure the document is\n%s", got)
	}
	code, out, errs := bench(t, "lateness", "-for", "10ms", "-delay", "5ms", "-runs", "1", "-into", path)
	if code != 0 || !strings.Contains(out, "submitted a second") {
		t.Errorf("exit status %d: %s%s", code, out, errs)
	}
	got := read(t, path)
	if !strings.HasPrefix(got, before+"\n### Lateness") || !strings.HasSuffix(got, "\n\n"+after) || strings.Contains(got, "old") {
		t.Errorf("the document is\n%s", got)
	}
	if want := "`go run ./cmd/bench lateness -delay 5ms -for 10ms -runs 1`"; !strings.Contains(got, want) {
		t.Errorf("no %s in\n%s", want, got)
	}
}

func TestDocumentWithoutMarks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "doc.md")
	for _, text := range []string{"", beginMark, endMark + beginMark} {
		write(t, path, text)
		if code, _, errs := bench(t, "flat", "-into", path); code != 1 || !strings.Contains(errs, "lacks a mark") {
			t.Errorf("%q: exit status %d: %s", text, code, errs)
		}
		if got := read(t, path); got != text {
			t.Errorf("%q became %q", text, got)
		}
	}
	if code, _, errs := bench(t, "flat", "-into", path+".not"); code != 1 || !strings.Contains(errs, "-into") {
		t.Errorf("no document: exit status %d: %s", code, errs)
	}
}

// The project's own document can take the tables.
func TestBenchmarksHasMarks(t *testing.T) {
	if _, err := splice(read(t, "../../docs/benchmarks.md"), ""); err != nil {
		t.Error(err)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The commands that the documentation gives for a figure are commands of this program.
func TestDocumentationNamesCommands(t *testing.T) {
	known := map[string]bool{}
	for _, c := range commands() {
		known[c.name] = true
	}
	for _, page := range []string{"../../docs/operate.md", "../../docs/benchmarks.md", "../../docs/scale-out.md", "../../docs/design.md"} {
		for _, m := range regexp.MustCompile(`cmd/bench ([a-z][a-z-]*)`).FindAllStringSubmatch(read(t, page), -1) {
			if !known[m[1]] {
				t.Errorf("%s: there is no bench %s", page, m[1])
			}
		}
	}
}
