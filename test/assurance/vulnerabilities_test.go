package assurance

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashd-project/hashd/v2/internal/needs"
)

// accepted are vulnerabilities that are not hashd's, by their number in https://pkg.go.dev/vuln, and why not. The reasons are tested below.
var accepted = map[string]string{
	"GO-2026-6872": "hashd does not call Echo's Context.RealIP",
	"GO-2026-6875": "hashd does not use Echo's proxy, which is middleware",
}

// fewest is how many entries a database has at least for any Go program: those of the standard library alone are more.
const fewest = 100

// newEnough is the age from which on a database is said to be old.
const newEnough = 30 * 24 * time.Hour

// A finding is a vulnerability of a package that the commands were built of.
type finding struct{ ID, Package, Version, Fixed string }

// report is one of the values that govulncheck writes.
type report struct {
	OSV     *struct{ ID string }
	Finding *struct {
		OSV          string
		FixedVersion string `json:"fixed_version"`
		Trace        []struct{ Version, Package string }
	}
}

// scan returns what a database has against the packages. A scan that was none is an error.
func scan(t *testing.T, database string, packages ...string) ([]finding, error) {
	t.Helper()
	args := append([]string{"-format", "json", "-db", "file://" + database}, packages...)
	cmd := exec.CommandContext(t.Context(), tool(t, "govulncheck-"+pinned(t, "govulncheck")), args...)
	var said bytes.Buffer
	cmd.Dir, cmd.Env, cmd.Stderr = root, environ(), &said
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("govulncheck: %w: %s", err, said.Bytes())
	}
	var entries int
	var found []finding
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var r report
		if err := d.Decode(&r); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		if r.OSV != nil {
			entries++
		}
		if f := r.Finding; f != nil && len(f.Trace) > 0 && f.Trace[0].Package != "" {
			found = append(found, finding{f.OSV, f.Trace[0].Package, f.Trace[0].Version, f.FixedVersion})
		}
	}
	slices.SortFunc(found, func(a, b finding) int { return strings.Compare(a.ID+a.Package, b.ID+b.Package) })
	if entries < fewest {
		return slices.Compact(found), fmt.Errorf("the database in %s has only %d entries for the modules of hashd and for Go", database, entries)
	}
	return slices.Compact(found), nil
}

// No package of the commands, nor of the Go that they are built with, has a vulnerability that was known when the
// pinned database was made. VULNDB=latest takes the newest database instead.
func TestNoKnownVulnerabilities(t *testing.T) {
	needs.Processes(t)
	version := pinned(t, "vulndb")
	if v := os.Getenv("VULNDB"); v != "" {
		version = v
	}
	dir, version := download(t, "golang.org/x/vulndb", version)
	found, err := scan(t, filepath.Join(dir, "data", "osv"), commands...)
	if err != nil {
		t.Fatal(err)
	}
	unused := make(map[string]bool)
	for id := range accepted {
		unused[id] = true
	}
	for _, f := range found {
		delete(unused, f.ID)
		if accepted[f.ID] == "" {
			t.Errorf("%s, in %s of %s, is mended by %s: https://pkg.go.dev/vuln/%s", f.ID, f.Package, f.Version, f.Fixed, f.ID)
		}
	}
	for id := range unused {
		t.Errorf("%s is accepted (%s) and is not found any more: take it out", id, accepted[id])
	}
	t.Run("published since", func(t *testing.T) {
		m := regexp.MustCompile(`^v0\.0\.0-(\d{14})-`).FindStringSubmatch(version)
		if m == nil {
			t.Fatalf("the database's version %s has no time", version)
		}
		made, err := time.Parse("20060102150405", m[1])
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("the database is of %s", made.Format(time.DateOnly))
		if age := time.Since(made); age > newEnough {
			t.Skipf("NOT CHECKED: vulnerabilities published since %s: make vulncheck does it with the newest database", made.Format(time.DateOnly))
		}
	})
}

// The scan finds what a database has, and takes a database without entries for no answer.
func TestVulnerabilitiesAreFound(t *testing.T) {
	database := t.TempDir()
	if found, err := scan(t, database, "./internal/header"); err == nil {
		t.Errorf("nothing is known of nothing: %v", found)
	}
	const entry = `{"schema_version": "1.3.1", "id": "GO-0000-0001", "modified": "2026-01-01T00:00:00Z", "published": "2026-01-01T00:00:00Z",
		"affected": [{"package": {"name": "stdlib", "ecosystem": "Go"}, "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}]}],
		"ecosystem_specific": {"imports": [{"path": "strings"}]}}]}`
	for i := range fewest {
		id := fmt.Sprintf("GO-0000-%04d", i+1)
		if err := os.WriteFile(filepath.Join(database, id+".json"), []byte(strings.ReplaceAll(entry, "GO-0000-0001", id)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	found, err := scan(t, database, "./internal/header")
	if err != nil || len(found) != fewest || found[0].ID != "GO-0000-0001" || found[0].Package != "strings" {
		t.Errorf("found %v, error %v", found, err)
	}
}

// Of Echo, hashd has the router alone, on which the accepted vulnerabilities rest.
func TestEchoIsTheRouterAlone(t *testing.T) {
	needs.Processes(t)
	for pkg := range strings.FieldsSeq(string(output(t, "go", append([]string{"list", "-deps"}, commands...)...))) {
		if strings.HasPrefix(pkg, "github.com/labstack/echo/") && strings.Contains(pkg, "/middleware") {
			t.Errorf("hashd is built of %s", pkg)
		}
	}
	call := regexp.MustCompile(`\.(RealIP|IPExtractor)\b`)
	read := 0
	for _, pattern := range []string{"internal/server/*.go", "gen/server/*.go", "cmd/bench/*.go"} {
		files, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if read++; call.Match(text) {
				t.Errorf("%s takes a client's address from Echo", file)
			}
		}
	}
	if read < 10 {
		t.Errorf("only %d files were read", read)
	}
}
