package assurance

import (
	"bytes"
	"debug/buildinfo"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/hashd-project/hashd/v2/internal/binaries"
)

// schema returns the schema of a CycloneDX version, from the module of the program's authors.
func schema(t *testing.T, version string) *jsonschema.Schema {
	t.Helper()
	dir, _ := download(t, "github.com/CycloneDX/cyclonedx-go", pinned(t, "cyclonedxGo"))
	c := jsonschema.NewCompiler()
	for url, file := range map[string]string{
		"http://cyclonedx.org/schema/spdx.schema.json":                "spdx.schema.json",
		"http://cyclonedx.org/schema/jsf-0.82.schema.json":            "jsf-0.82.schemax.json",
		"http://cyclonedx.org/schema/bom-" + version + ".schema.json": "bom-" + version + ".schema.json",
	} {
		text, err := os.ReadFile(filepath.Join(dir, "schema", file))
		if err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := c.AddResource(url, doc); err != nil {
			t.Fatal(err)
		}
	}
	s, err := c.Compile("http://cyclonedx.org/schema/bom-" + version + ".schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The list of make sbom is CycloneDX by its schema, and has each module of the binary, with its version and checksum, and Go.
func TestBillOfMaterials(t *testing.T) {
	generator := tool(t, "cyclonedx-gomod-"+pinned(t, "cyclonedx"))
	script, err := filepath.Abs(filepath.Join(root, ".ci", "sbom"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := binaries.Build(t.Context(), dir, "github.com/hashd-project/hashd/v2/cmd/hashd", "github.com/hashd-project/hashd/v2/cmd/hashctl"); err != nil {
		t.Fatal(err)
	}
	valid := schema(t, "1.6")
	for _, name := range []string{"hashd", "hashctl"} {
		binary := filepath.Join(dir, name)
		cmd := exec.CommandContext(t.Context(), script, binary)
		cmd.Env = append(environ(), "CYCLONEDX="+generator)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		wantBill(t, valid, binary, parts(t, "./cmd/"+name))
	}
}

// wantBill fails the test unless the list beside the binary is valid and has these parts and no others.
func wantBill(t *testing.T, valid *jsonschema.Schema, binary string, parts []part) {
	t.Helper()
	text, err := os.ReadFile(binary + ".cdx.json")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := valid.Validate(doc); err != nil {
		t.Errorf("%s: %v", binary, err)
	}
	var bill struct {
		Components []struct {
			Name, Version, Purl string
			Hashes              []struct{ Alg, Content string }
		}
	}
	if err := json.Unmarshal(text, &bill); err != nil {
		t.Fatal(err)
	}
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"std": info.GoVersion}
	for _, p := range parts {
		want[p.Path] = p.Version
	}
	got := make(map[string]string)
	for _, c := range bill.Components {
		got[c.Name] = c.Version
		if c.Purl == "" || c.Name != "std" && (len(c.Hashes) != 1 || len(c.Hashes[0].Content) != 64) {
			t.Errorf("%s: %+v", binary, c)
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("%s is of %v, and its list has %v", binary, slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got)))
	}
	if doc.(map[string]any)["bomFormat"] = "another"; valid.Validate(doc) == nil {
		t.Error("the schema takes anything")
	}
}
