package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/hashd-project/hashd/v2/internal/config"
)

// A setting that nobody reads does nothing, whatever the help says of it.
func TestEachSettingIsUsed(t *testing.T) {
	used := map[string]bool{}
	for _, folder := range []string{"cmd/hashd", "internal/config"} {
		files, err := filepath.Glob(filepath.Join(root, folder, "*.go"))
		if err != nil || len(files) < 5 {
			t.Fatalf("%d files in %s, error %v", len(files), folder, err)
		}
		for _, file := range files {
			// The table of settings writes all of them.
			if base := filepath.Base(file); base != "settings.go" && !strings.HasSuffix(base, "_test.go") {
				noteSelectors(t, file, used)
			}
		}
	}
	for field := range reflect.TypeFor[config.Config]().Fields() {
		if !used[field.Name] {
			t.Errorf("nobody uses the setting %s: hand it to the part that needs it, in cmd/hashd", field.Name)
		}
	}
}

// noteSelectors notes each name that stands behind a dot.
func noteSelectors(t *testing.T, file string, used map[string]bool) {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			used[s.Sel.Name] = true
		}
		return true
	})
}
