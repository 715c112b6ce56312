package api_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/hashd-project/hashd/"

// rules say which packages must not be imported by whom. A folder stands for itself and all
// below it, one that ends in a slash only for what is below; those in except are spared.
var rules = []struct {
	who, except, mayNot []string
	because             string
}{
	{[]string{""}, []string{"gen", "internal/server", "cmd/bench"}, []string{"github.com/labstack/echo"},
		"Echo stays where it can be replaced"},
	{[]string{""}, []string{"internal/server", "internal/service", "cmd"}, []string{module + "gen"},
		"generated code is for the server, the service and clients"},
	{[]string{"api", "gen", "internal"}, nil, []string{module + "cmd"},
		"nothing is below a command"},
	{[]string{"api", "gen", "internal"}, []string{"internal/server"}, []string{module + "internal/server"},
		"imports run one way: cmd, server, service, engine"},
	{[]string{"api", "gen", "internal"}, []string{"internal/server", "internal/service"}, []string{module + "internal/service"},
		"imports run one way: cmd, server, service, engine"},
	{[]string{"internal/server", "internal/service"}, nil, []string{module + "internal/engine/"},
		"the engine is known by its interface alone"},
	{[]string{"internal/engine"}, nil, []string{"net/http", module + "api", module + "internal/strict"},
		"the engine knows nothing of HTTP or the contract"},
	{[]string{"internal/strict", "gen"}, nil, []string{module + "internal/engine", module + "internal/config"},
		"reading requests needs no jobs and no settings"},
	{[]string{"gen/client"}, nil, []string{module},
		"the Go client is for others to import, and knows hashd by its contract alone"},
	{[]string{"cmd/hashctl"}, nil, []string{module + "api", module + "internal", module + "gen/server"},
		"hashctl knows hashd by the Go client alone"},
	{[]string{"internal/server", "internal/service", "internal/engine"}, nil, []string{module + "internal/config"},
		"settings are handed down by the command"},
	{[]string{"api", "internal/digest", "internal/secret", "internal/config", "internal/header", "internal/mistyped", "internal/wake"}, nil, []string{module},
		"these packages know nobody"},
	{[]string{"internal/docs"}, nil, []string{module + "api", module + "gen", module + "internal/server", module + "internal/service", module + "internal/engine"},
		"the pages know the contract's text but not what it says"},
}

// mistyped knows nobody and nothing of hashd: whatever reads names that people type may import it.
const mistyped = module + "internal/mistyped"

// violation says why the package in the folder must not import what it does, or "" if it may.
func violation(folder, imported string) string {
	if imported == mistyped && within(folder, []string{"cmd", "internal/config"}) {
		return ""
	}
	for _, r := range rules {
		if within(folder, r.who) && !within(folder, r.except) && within(imported, r.mayNot) {
			return r.because
		}
	}
	return ""
}

// within reports whether the path is in one of the folders.
func within(p string, folders []string) bool {
	for _, f := range folders {
		if f == "" || p == f || strings.HasPrefix(p, strings.TrimSuffix(f, "/")+"/") {
			return true
		}
	}
	return false
}

func TestImportsRunOneWay(t *testing.T) {
	files, root := 0, os.DirFS("..")
	err := fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if base := entry.Name(); entry.IsDir() && name != "." && (base[0] == '.' || base == "testdata" || base == "node_modules") {
			return fs.SkipDir
		}
		if entry.IsDir() || path.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		files++
		for _, imported := range imports(t, name) {
			if why := violation(path.Dir(name), imported); why != "" {
				t.Errorf("%s imports %s: %s", name, imported, why)
			}
		}
		return nil
	})
	if err != nil || files < 10 {
		t.Errorf("%d files, error %v", files, err)
	}
}

func imports(t *testing.T, name string) (paths []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", filepath.FromSlash(name)), nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	for _, spec := range file.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, p)
	}
	return paths
}

// The rules forbid what they are for and allow what there is.
func TestRules(t *testing.T) {
	const echo = "github.com/labstack/echo/v4"
	for _, edge := range []struct{ folder, imported string }{
		{"internal/service", echo}, {"cmd/hashd", echo}, {"internal/strict", echo + "/middleware"}, {".", echo},
		{"internal/service", module + "internal/server"}, {"internal/engine", module + "internal/service"},
		{"internal/engine/memory", module + "gen/server"}, {"internal/engine/memory", "net/http"},
		{"internal/engine/memory", "net/http/httptest"}, {"internal/service", module + "internal/engine/memory"},
		{"internal/digest", module + "internal/secret"}, {"internal/config", module + "api"}, {"internal/config", module + "gen/server"},
		{"internal/docs", module + "api"},
		{"gen/server", module + "internal/service"}, {"internal/strict", module + "internal/engine"},
		{"gen/client", module + "internal/secret"}, {"cmd/hashctl", module + "internal/config"}, {"cmd/hashctl", module + "gen/server"},
		{"internal/mistyped", module + "internal/config"}, {"internal/digest", mistyped},
		{"internal/server", module + "cmd/hashd"}, {"internal/server", module + "internal/config"},
	} {
		if violation(edge.folder, edge.imported) == "" {
			t.Errorf("%s may import %s", edge.folder, edge.imported)
		}
	}
	for _, edge := range []struct{ folder, imported string }{
		{"gen/server", echo}, {"internal/server", echo}, {"cmd/bench", echo}, {"internal/server", module + "internal/service"},
		{"internal/server", module + "internal/engine"}, {"internal/service", module + "internal/engine"},
		{"internal/engine/memory", module + "internal/engine"}, {"internal/engine", module + "internal/digest"},
		{"cmd/hashctl", mistyped}, {"internal/config", mistyped}, {"cmd/hashctl", module + "gen/client"}, {"cmd/hashd", module + "internal/engine/memory"}, {"internal/strict", module + "internal/secret"}, {"internal/strict", "net/http"},
	} {
		if why := violation(edge.folder, edge.imported); why != "" {
			t.Errorf("%s may not import %s: %s", edge.folder, edge.imported, why)
		}
	}
}
