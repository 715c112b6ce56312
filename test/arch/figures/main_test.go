package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Each figure that is not as the house wants it is marked, and named.
func TestFiguresFindWhatTheyAreFor(t *testing.T) {
	long := "package p\n\nfunc f() {\n" + strings.Repeat("\t_ = 1\n", 80) + "}\n"
	for what, tc := range map[string]struct{ source, marked string }{
		"all is well":         {"package p\n\n// F does nothing.\nfunc F() {}\n", ""},
		"a long function":     {long, "! function, longest: 82 lines, p.go f"},
		"a long file":         {"package p\n\nfunc f() {}\n" + strings.Repeat("// x\n", 500), "! file, longest: 503 lines, p.go"},
		"a silent function":   {"package p\n\nfunc F() {}\n", "! exported names without a comment: 1 p.go F"},
		"a silent method":     {"package p\n\n// T is it.\ntype T int\n\nfunc (T) M() {}\n", "! exported names without a comment: 1 p.go M"},
		"a method of nobody":  {"package p\n\ntype t int\n\nfunc (t) M() {}\n", ""},
		"a silent type":       {"package p\n\nfunc f() {}\n\n// Group.\ntype (\n\tT int\n)\n", "! exported names without a comment: 1 p.go T"},
		"a silent constant":   {"package p\n\nfunc f() {}\n\nconst C = 1\n", "! exported names without a comment: 1 p.go C"},
		"a commented group":   {"package p\n\nfunc f() {}\n\n// All.\nconst (\n\tC = 1\n)\n", ""},
		"a generated package": {"package p\n\nfunc f() {}\n", ""},
	} {
		dir := t.TempDir()
		for name, text := range map[string]string{"p.go": tc.source, "p_test.go": "package p\n", "gen/g.go": long, ".x/x.go": long} {
			path := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		f, err := measure(dir)
		if err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		good := f.print(&out)
		text := strings.ReplaceAll(out.String(), dir+"/", "")
		marks := strings.Count(strings.ReplaceAll(text, "! function, median", ""), "! ") // a long function alone is the median too
		if good != (tc.marked == "") || !strings.Contains(text, tc.marked) || marks > 1 {
			t.Errorf("%s: good %v, and it prints:\n%s", what, good, text)
		}
	}
}
