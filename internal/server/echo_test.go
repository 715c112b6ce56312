package server

import (
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// Echo is imported by one file for each of its versions, and nowhere else in this package.
func TestEchoIsInOneFilePerVersion(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	versions := map[string]string{"echo4.go": "", "echo5.go": ""}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range file.Imports {
			imported := strings.Trim(spec.Path.Value, `"`)
			if _, ok := versions[name]; strings.HasPrefix(imported, "github.com/labstack/echo") && !ok {
				t.Errorf("%s imports %s: what depends on it belongs into echo4.go and echo5.go", name, imported)
			} else if ok && strings.HasPrefix(imported, "github.com/labstack/") {
				versions[name] = imported
			}
		}
	}
	if versions["echo4.go"] != "github.com/labstack/echo/v4" || versions["echo5.go"] != "github.com/labstack/echo/v5" {
		t.Errorf("versions %v", versions)
	}
}
