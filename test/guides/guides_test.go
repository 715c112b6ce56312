// Package guides holds the project's pages to what they speak of: files, tests, targets, variables and
// headings that have gone or were renamed are found in the text that still names them.
package guides

import (
	"io/fs"
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/hashd-project/hashd/v2/internal/auth"
	"github.com/hashd-project/hashd/v2/internal/config"
)

// root is the repository.
const root = "../.."

// pages returns the text of each page that people read, by its path in the repository.
func pages(t *testing.T) map[string]string {
	t.Helper()
	texts := map[string]string{}
	for _, pattern := range []string{"*.md", "docs/*.md", "client/ts/README.md", "api/templates/README.md"} {
		names, err := fs.Glob(os.DirFS(root), pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			texts[name] = read(t, name)
		}
	}
	if len(texts) < 10 {
		t.Fatalf("%d pages", len(texts))
	}
	return texts
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(path.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The questions that hashd was designed by keep their answers.
func TestDesignAnswersEachQuestion(t *testing.T) {
	page := read(t, "docs/design.md")
	for _, question := range []string{
		"A burst of 10,000", "limit the rate?", "use up goroutines or memory?", "Timers and the garbage collector?",
		"channel would block the handler", "`average` in `/stats`?", "SIGTERM do?", "Which exit code?", "must a stop wait for ever?",
		"reject `POST /hash/`", "Validation of parameters?", "Swagger?", "API versioning?", "Only HTTP/1.1 and JSON", "Port 8080",
		"one machine is too small", "`cmd/` and `pkg/`?", "Container or straight binary?", "Linux only?", "Dependency management?",
		"Unit tests and integration tests?", "CORS?",
	} {
		if !regexp.MustCompile(`(?m)^\*\*.*` + regexp.QuoteMeta(question) + `.*\*\* \S`).MatchString(page) {
			t.Errorf("docs/design.md does not answer: %s", question)
		}
	}
}

func TestReadmeIsShort(t *testing.T) {
	if n := strings.Count(read(t, "README.md"), "\n"); n > 130 {
		t.Errorf("the README has %d lines, want 130 at most", n)
	}
}

// Each relative link leads to a file, and to a heading of it if it names one.
func TestLinksLeadSomewhere(t *testing.T) {
	texts := pages(t)
	for name, text := range texts {
		for _, m := range regexp.MustCompile(`\]\(([^)\s]+)\)`).FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
			target, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			file := name
			if target != "" {
				file = path.Join(path.Dir(name), target)
			}
			if _, err := os.Stat(path.Join(root, file)); err != nil {
				t.Errorf("%s: %s leads nowhere", name, m[1])
			} else if page, read := texts[file]; anchor != "" && (!read || !slices.Contains(anchors(page), anchor)) {
				t.Errorf("%s: %s has no such heading", name, m[1])
			}
		}
	}
}

// anchors returns what GitHub makes of a page's headings.
func anchors(page string) (list []string) {
	for _, m := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(page, -1) {
		anchor := regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(strings.ToLower(m[1]), "")
		list = append(list, strings.ReplaceAll(anchor, " ", "-"))
	}
	return list
}

// fenced are blocks of code.
var fenced = regexp.MustCompile("(?ms)^ *```.*?^ *```")

// code returns what a page has between single backquotes.
func code(page string) (list []string) {
	for _, m := range regexp.MustCompile("`([^`\n]+)`").FindAllStringSubmatch(fenced.ReplaceAllString(page, ""), -1) {
		list = append(list, m[1])
	}
	return list
}

// top are the folders of the repository that a path can begin with; a shorter one begins in internal or
// in internal/engine.
var top = regexp.MustCompile(`^(api|client|cmd|deploy|docs|gen|internal|test|server|memory|file|jetstream|enginetest)/[\w./-]*$`)

func TestNamedFilesAreThere(t *testing.T) {
	for name, text := range pages(t) {
		for _, file := range code(text) {
			if !top.MatchString(file) {
				continue
			}
			found := false
			for _, folder := range []string{"", "internal", "internal/engine", "cmd/hashd"} {
				_, err := os.Stat(path.Join(root, folder, file))
				found = found || err == nil
			}
			if !found {
				t.Errorf("%s: there is no %s", name, file)
			}
		}
	}
}

// Each test that a page names is there, and has not only been renamed.
func TestNamedTestsAreThere(t *testing.T) {
	there := tests(t)
	named := 0
	for name, text := range pages(t) {
		for _, test := range code(text) {
			if !regexp.MustCompile(`^(Test|Fuzz)[A-Z]\w+$`).MatchString(test) {
				continue
			}
			named++
			if !there[test] {
				t.Errorf("%s: there is no %s", name, test)
			}
		}
	}
	if named < 30 {
		t.Errorf("the pages name %d tests", named)
	}
}

// The tests of the engines' suite that ARCHITECTURE names are there, too.
func TestNamedTestsOfTheSuiteAreThere(t *testing.T) {
	suite := read(t, "internal/engine/enginetest/enginetest.go")
	_, table, ok := strings.Cut(read(t, "ARCHITECTURE.md"), "## Invariants")
	table, _, _ = strings.Cut(table, "\n## ")
	named := 0
	for _, test := range code(table) {
		if !regexp.MustCompile(`^[A-Z][a-z]*[A-Z]\w+$|^Load$`).MatchString(test) || strings.HasPrefix(test, "Test") || test == "Close" {
			continue
		}
		named++
		if !strings.Contains(suite, `{"`+test+`", `) {
			t.Errorf("the suite has no %s", test)
		}
	}
	if !ok || named < 10 {
		t.Errorf("ARCHITECTURE.md names %d tests of the suite", named)
	}
}

// tests returns the names of all tests of the repository.
func tests(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, entry fs.DirEntry, err error) error {
		if base := path.Base(name); err == nil && entry.IsDir() && (base == "node_modules" || base != "." && base[0] == '.') {
			return fs.SkipDir
		}
		if err != nil || !strings.HasSuffix(name, "_test.go") {
			return err
		}
		for _, m := range regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`).FindAllStringSubmatch(read(t, name), -1) {
			names[m[1]] = true
		}
		return nil
	})
	if err != nil || len(names) < 500 {
		t.Fatalf("%d tests, error %v", len(names), err)
	}
	return names
}

func TestNamedTargetsAreThere(t *testing.T) {
	makefile := read(t, "Makefile")
	for name, text := range pages(t) {
		for _, m := range regexp.MustCompile("(?m)[`(]make ([a-z-]+)[` ]|^make ([a-z-]+)").FindAllStringSubmatch(text, -1) {
			if target := m[1] + m[2]; !strings.Contains(makefile, "\n"+target+":") {
				t.Errorf("%s: there is no make %s", name, target)
			}
		}
	}
}

// Each variable and flag of hashd's that a page names is one.
func TestNamedSettingsAreThere(t *testing.T) {
	settings := config.Markdown()
	known := "HASHD_RING HASHD_SERVER HASHD_API_KEY HASHD_API_KEY_FILE " + read(t, "cmd/hashctl/usage.go") + read(t, "cmd/hashd/key.go")
	for name, text := range pages(t) {
		for _, m := range regexp.MustCompile(`\bHASHD_[A-Z_]+\b`).FindAllString(text, -1) {
			if !strings.Contains(settings, "`"+m+"`") && !strings.Contains(known, m) {
				t.Errorf("%s: there is no variable %s", name, m)
			}
		}
		if name == "CONTRIBUTING.md" || name == "docs/curl.md" || strings.HasPrefix(name, "client/") || strings.HasPrefix(name, "api/") {
			continue // flags of other programs
		}
		for _, m := range regexp.MustCompile("`(?:hashd )?(--[a-z][a-z-]+)").FindAllStringSubmatch(text, -1) {
			if !strings.Contains(settings, "`"+m[1]+"`") && !strings.Contains(known, m[1]) {
				t.Errorf("%s: there is no %s", name, m[1])
			}
		}
	}
}

// docs/api.md has each operation and each algorithm of the contract.
func TestThePageOfTheAPIIsComplete(t *testing.T) {
	var contract struct {
		Paths      map[string]map[string]any
		Components struct {
			Schemas struct {
				Algorithm struct{ Enum []string } `yaml:"Algorithm"`
			}
		}
	}
	if err := yaml.Unmarshal([]byte(read(t, "api/openapi.yaml")), &contract); err != nil {
		t.Fatal(err)
	}
	page := code(read(t, "docs/api.md"))
	for _, where := range slices.Sorted(maps.Keys(contract.Paths)) {
		for method := range contract.Paths[where] {
			if name := strings.ToUpper(method) + " " + where; method != "parameters" && !slices.Contains(page, name) {
				t.Errorf("docs/api.md lacks %s", name)
			}
		}
	}
	if len(contract.Paths) == 0 || len(contract.Components.Schemas.Algorithm.Enum) == 0 {
		t.Fatal("the contract has no operations or no algorithms")
	}
	for _, algorithm := range contract.Components.Schemas.Algorithm.Enum {
		if !slices.Contains(page, algorithm) {
			t.Errorf("docs/api.md lacks %s", algorithm)
		}
	}
}

// docs/keys.md has the token's form and the file's, as the code has them.
func TestThePageOfKeysIsRight(t *testing.T) {
	page := read(t, "docs/keys.md")
	block := func(language string) string {
		m := regexp.MustCompile("(?s)\n```" + language + "\n(.*?)```").FindStringSubmatch(page)
		if m == nil {
			t.Fatalf("docs/keys.md has no block of %s", language)
		}
		return m[1]
	}
	if got := strings.TrimSpace(block("regex")); got != auth.TokenPattern {
		t.Errorf("the pattern of docs/keys.md is %s, want %s", got, auth.TokenPattern)
	}
	keys, err := auth.Parse([]byte(block("json")))
	if err != nil {
		t.Fatal(err)
	}
	for k := range keys.All() {
		if k.Revoked.IsZero() || k.Expires.IsZero() || k.Quota == 0 || k.Rate.String() == "" || k.Tenant == auth.DefaultTenant {
			t.Errorf("the file of docs/keys.md leaves something out: %+v", *k)
		}
	}
	for _, scope := range (auth.DefaultScopes | auth.Admin).Names() {
		if !strings.Contains(page, "\n| `"+scope+"` | ") {
			t.Errorf("docs/keys.md lacks the scope %s", scope)
		}
	}
	for _, m := range regexp.MustCompile(`"((?:api key|the file of api) [^"]*|api keys in use)"`).FindAllStringSubmatch(read(t, "internal/auth/audit.go")+read(t, "internal/auth/source.go"), -1) {
		if !slices.Contains(code(page), m[1]) {
			t.Errorf("docs/keys.md lacks the line of the log: %s", m[1])
		}
	}
}
