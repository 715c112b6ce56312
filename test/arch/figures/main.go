// Command figures prints the house figures of the code, generated files and tests left out: how long
// functions and files are, and which exported names have no comment. Run it in the module's folder.
package main

import (
	"bufio"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// What the house wants; past it the figure is marked and the exit code is 1.
const (
	medianLines   = 10
	functionLines = 70
	fileLines     = 500
)

func main() {
	out := bufio.NewWriter(os.Stdout)
	f, err := measure(".")
	if err != nil {
		fmt.Fprintln(os.Stderr, "figures:", err)
		os.Exit(2)
	}
	good := f.print(out)
	if err := out.Flush(); err != nil || !good {
		os.Exit(1)
	}
}

// sized is a function or a file, with its lines.
type sized struct {
	name  string
	lines int
}

// figures are what was measured.
type figures struct {
	files, tests, functions []sized
	silent                  []string // exported names without a comment
}

// measure reads all Go files below the folder.
func measure(root string) (*figures, error) {
	var f figures
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := entry.Name(); entry.IsDir() {
			if path != root && (name[0] == '.' || name == "testdata" || name == "node_modules" || name == "gen") {
				return fs.SkipDir
			}
			return nil
		}
		if filepath.Ext(path) == ".go" {
			return f.add(path)
		}
		return nil
	})
	return &f, err
}

// add measures a file.
func (f *figures) add(path string) error {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	size := sized{path, set.File(file.Pos()).LineCount()}
	if strings.HasSuffix(path, "_test.go") {
		f.tests = append(f.tests, size)
		return nil
	}
	f.files = append(f.files, size)
	for _, d := range file.Decls {
		if function, ok := d.(*ast.FuncDecl); ok {
			lines := set.Position(function.End()).Line - set.Position(function.Pos()).Line + 1
			f.functions = append(f.functions, sized{path + " " + function.Name.Name, lines})
		}
		for _, name := range undocumented(d) {
			f.silent = append(f.silent, path+" "+name)
		}
	}
	return nil
}

// undocumented returns the exported names of the declaration that have no comment of their own, nor one
// that stands for their group.
func undocumented(d ast.Decl) (names []string) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Name.IsExported() && d.Doc == nil && exportedReceiver(d) {
			names = append(names, d.Name.Name)
		}
	case *ast.GenDecl:
		for _, s := range d.Specs {
			names = append(names, silent(d, s)...)
		}
	}
	return names
}

// silent returns what undocumented does, of one part of a declaration.
func silent(d *ast.GenDecl, s ast.Spec) (names []string) {
	switch s := s.(type) {
	case *ast.TypeSpec:
		if s.Name.IsExported() && s.Doc == nil && (d.Lparen.IsValid() || d.Doc == nil) {
			names = append(names, s.Name.Name)
		}
	case *ast.ValueSpec:
		for _, n := range s.Names {
			if n.IsExported() && s.Doc == nil && s.Comment == nil && d.Doc == nil {
				names = append(names, n.Name)
			}
		}
	}
	return names
}

// exportedReceiver reports whether the function is none of a type that only its package knows.
func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	t := d.Recv.List[0].Type
	for {
		switch of := t.(type) {
		case *ast.StarExpr:
			t = of.X
		case *ast.IndexExpr:
			t = of.X
		case *ast.Ident:
			return of.IsExported()
		default:
			return true
		}
	}
}

// print writes the figures and reports whether all are as the house wants them.
func (f *figures) print(w io.Writer) bool {
	long := func(a, b sized) int { return b.lines - a.lines }
	slices.SortFunc(f.functions, long)
	slices.SortFunc(f.files, long)
	slices.SortFunc(f.tests, long)
	n := len(f.functions)
	if n == 0 || len(f.files) == 0 || len(f.tests) == 0 {
		_, _ = fmt.Fprintln(w, "there is no code here, or no tests: run this in the module's folder")
		return false
	}
	good := true
	say := func(ok bool, format string, args ...any) {
		mark := "  "
		if !ok {
			mark, good = "! ", false
		}
		_, _ = fmt.Fprintf(w, mark+format+"\n", args...)
	}
	median := f.functions[n/2].lines
	say(median <= medianLines, "function, median: %d lines of %d functions (at most %d)", median, n, medianLines)
	say(f.functions[0].lines <= functionLines, "function, longest: %d lines, %s (at most %d)", f.functions[0].lines, f.functions[0].name, functionLines)
	say(f.files[0].lines <= fileLines, "file, longest: %d lines, %s (at most %d)", f.files[0].lines, f.files[0].name, fileLines)
	say(f.tests[0].lines <= fileLines, "test file, longest: %d lines, %s (at most %d)", f.tests[0].lines, f.tests[0].name, fileLines)
	say(len(f.silent) == 0, "exported names without a comment: %d %s", len(f.silent), strings.Join(f.silent, ", "))
	code, tests := total(f.files), total(f.tests)
	say(true, "code: %d lines; tests: %d, %.1f times the code", code, tests, float64(tests)/float64(code))
	return good
}

func total(of []sized) (lines int) {
	for _, s := range of {
		lines += s.lines
	}
	return lines
}
