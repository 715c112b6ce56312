package server

import (
	"go/parser"
	"go/token"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
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

// What answers to GET answers to HEAD, whichever version of Echo routes it, and each route is told.
func TestRoutesOfGetAreRoutesOfHead(t *testing.T) {
	r := newRouter()
	r.page("/page", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Method) }))
	if got, want := r.routes(), []route{{"GET", "/page"}, {"HEAD", "/page"}}; !sameRoutes(got, want) {
		t.Errorf("routes %v, want %v", got, want)
	}
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		w := httptest.NewRecorder()
		r.ServeHTTP(w, httptest.NewRequest(method, "/page", nil))
		if w.Code != http.StatusOK || w.Body.String() != method {
			t.Errorf("%s: %d, %q", method, w.Code, w.Body)
		}
	}
}

func sameRoutes(got, want []route) bool {
	slices.SortFunc(got, func(a, b route) int { return strings.Compare(a.method+a.path, b.method+b.path) })
	return slices.Equal(got, want)
}
