// Package arch checks what holds of the source as a whole: which package may import which, and what
// lies where.
package arch

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

const module = "github.com/hashd-project/hashd/v2/"

// root is the module's folder.
var root = filepath.Join("..", "..")

// mistyped, version and filelock know nobody and nothing of hashd: each program may import them.
const (
	mistyped = module + "internal/mistyped"
	version  = module + "internal/version"
	filelock = module + "internal/filelock"
	private  = module + "internal/private" // who may read a file of keys is the same for all
)

// A rule says which packages must not be imported by whom. A folder stands for itself and all
// below it, one that ends in a slash only for what is below. The importers in except are spared,
// and so is the import of what is in but.
type rule struct {
	who, except, mayNot, but []string
	because                  string
}

var rules = []rule{
	{who: []string{""}, except: []string{"gen", "internal/server", "cmd/bench"}, mayNot: []string{"github.com/labstack/echo"},
		because: "Echo stays where it can be replaced"},
	{who: []string{""}, except: []string{"internal/server", "internal/service", "client", "cmd"}, mayNot: []string{module + "gen"},
		because: "generated code is for the server, the service and clients"},
	{who: []string{"api", "client", "gen", "internal"}, mayNot: []string{module + "cmd"},
		because: "nothing is below a command"},
	{who: []string{"api", "client", "gen", "internal"}, except: []string{"internal/server"}, mayNot: []string{module + "internal/server"},
		because: "imports run one way: cmd, server, service, engine"},
	{who: []string{"api", "client", "gen", "internal"}, except: []string{"internal/server", "internal/service"}, mayNot: []string{module + "internal/service"},
		because: "imports run one way: cmd, server, service, engine"},
	{who: []string{"internal/server", "internal/service"}, mayNot: []string{module + "internal/engine/"},
		because: "the engine is known by its interface alone"},
	{who: []string{"internal/engine"}, mayNot: []string{"net/http", module + "api", module + "internal/strict"},
		because: "the engine knows nothing of HTTP or the contract"},
	{who: []string{"internal/strict", "gen"}, mayNot: []string{module + "internal/engine", module + "internal/config"},
		because: "reading requests needs no jobs and no settings"},
	{who: []string{""}, except: []string{"client"}, mayNot: []string{module + "gen/client"},
		because: "everybody else imports client, which follows no redirect"},
	{who: []string{"client"}, mayNot: []string{module}, but: []string{module + "gen/client", private},
		because: "the Go client is for others to import, and knows hashd by its contract alone"},
	{who: []string{"gen/client"}, mayNot: []string{module},
		because: "what is generated for others to import knows nobody"},
	{who: []string{"cmd/hashctl"}, mayNot: []string{module + "api", module + "internal", module + "gen/server"}, but: []string{mistyped, private, version, filelock},
		because: "hashctl knows hashd by the Go client alone"},
	{who: []string{"internal/server", "internal/service", "internal/engine"}, mayNot: []string{module + "internal/config"},
		because: "settings are handed down by the command"},
	{who: []string{"api", "internal/digest", "internal/secret", "internal/header", "internal/mistyped", "internal/wake", "internal/follow", "internal/version", "internal/filelock"}, mayNot: []string{module},
		because: "these packages know nobody"},
	{who: []string{"internal/auth"}, mayNot: []string{"net/http", module + "api", module + "gen", module + "internal/engine", module + "internal/config"},
		because: "keys know nothing of jobs, nor how a token arrives"},
	{who: []string{"internal/guard"}, mayNot: []string{module + "api", module + "gen", module + "internal/server", module + "internal/service", module + "internal/config"},
		because: "who may call what does not depend on what is done"},
	{who: []string{""}, except: []string{"internal/observe"}, mayNot: []string{"github.com/prometheus"},
		because: "metrics are read from what others count anyway"},
	{who: []string{""}, except: []string{"internal/observe"}, mayNot: []string{"go.opentelemetry.io"},
		because: "a trace is text to all others"},
	{who: []string{"internal/observe"}, mayNot: []string{module}, but: []string{module + "internal/engine", module + "internal/digest"},
		because: "what is observed does not depend on how requests are answered"},
	{who: []string{"internal/config"}, mayNot: []string{module}, but: []string{mistyped},
		because: "settings know nobody who reads them"},
	{who: []string{"internal/page", "internal/asset"}, mayNot: []string{module}, but: []string{module + "internal/asset", module + "internal/header"},
		because: "the live page is a client of the API like any other"},
	{who: []string{"internal/docs"}, mayNot: []string{module + "api", module + "gen", module + "internal/server", module + "internal/service", module + "internal/engine"},
		because: "the pages know the contract's text but not what it says"},
}

// violation says why the package in the folder must not import what it does, or "" if it may.
func violation(folder, imported string) string {
	for _, r := range rules {
		if within(folder, r.who) && !within(folder, r.except) && within(imported, r.mayNot) && !within(imported, r.but) {
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
	files := sources(t)
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		for _, i := range imports(t, name) {
			if why := violation(path.Dir(name), i.path); why != "" {
				t.Errorf("%s imports %s: %s", name, i.path, why)
			}
		}
	}
}

// Both generated packages have names that many have: each goes by one name of its own.
func TestGeneratedPackagesHaveOneName(t *testing.T) {
	names := map[string]string{module + "gen/server": "wire", module + "gen/client": "gen"}
	for _, name := range sources(t) {
		for _, i := range imports(t, name) {
			if want := names[i.path]; want != "" && i.name != want {
				t.Errorf("%s imports %s as %q, want %q", name, i.path, i.name, want)
			}
		}
	}
}

// sources returns all Go files, tests too.
func sources(t *testing.T) (names []string) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if base := entry.Name(); entry.IsDir() && name != "." && (base[0] == '.' || base == "testdata" || base == "node_modules") {
			return fs.SkipDir
		}
		if !entry.IsDir() && path.Ext(name) == ".go" {
			names = append(names, name)
		}
		return nil
	})
	if err != nil || len(names) < 100 {
		t.Fatalf("%d files, error %v", len(names), err)
	}
	return names
}

// An imported is a package that a file imports, under a name of the file's or "".
type imported struct{ path, name string }

func imports(t *testing.T, name string) (found []imported) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, filepath.FromSlash(name)), nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	for _, spec := range file.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		i := imported{path: p}
		if spec.Name != nil {
			i.name = spec.Name.Name
		}
		found = append(found, i)
	}
	return found
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
		{"internal/docs", module + "api"}, {"internal/page", module + "internal/engine"}, {"internal/page", module + "api"},
		{"gen/server", module + "internal/service"}, {"internal/strict", module + "internal/engine"},
		{"gen/client", module + "internal/secret"}, {"client", module + "internal/secret"}, {"client", module + "gen/server"},
		{"cmd/hashctl", module + "gen/client"}, {"cmd/hashd", module + "gen/client"}, {"cmd/hashctl", module + "internal/config"}, {"cmd/hashctl", module + "gen/server"},
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
		{"internal/page", module + "internal/asset"}, {"cmd/hashctl", mistyped}, {"cmd/hashctl", private}, {"client", private}, {"internal/config", mistyped}, {"cmd/hashctl", module + "client"}, {"client", module + "gen/client"}, {"cmd/hashd", module + "internal/engine/memory"}, {"internal/strict", module + "internal/secret"}, {"internal/strict", "net/http"},
	} {
		if why := violation(edge.folder, edge.imported); why != "" {
			t.Errorf("%s may not import %s: %s", edge.folder, edge.imported, why)
		}
	}
}
