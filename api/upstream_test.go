package api_test

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// upstream are the hashes of the templates of oapi-codegen that ours replace, as they were when ours were
// last compared with them.
var upstream = map[string]string{
	"echo/echo-interface.tmpl":     "dc45f7922985afd921ff43b054ff3d8a4ea45a4bf904538bc752c20ef8cd2533",
	"echo/echo-wrappers.tmpl":      "fae047710524b5d7ca2aa48b681e014c60b96927f808dff6c58c664b31d37cee",
	"echo/v5/echo-interface.tmpl":  "5b2b2ce4566fdbb0305a0da1b5ebcaff36ca08471778bb6e068af80369f27a02",
	"echo/v5/echo-wrappers.tmpl":   "16da303f3d163f2577fd481eaca1a7e72705333e50068bf4d069687e7587feb2",
	"imports.tmpl":                 "e79731c9a8e0d7104fac1f84e536919fface08f77bfe21d390a1f3f5e87f95d5",
	"request-bodies.tmpl":          "454074b0068ad26217d958c4e15f0a310e7eb5735d427809034ff59255451748",
	"strict/strict-echo.tmpl":      "1a4358c1b7cdae31f9144e19da2f8ac0ebe6401e193230a8eaaadca1ad23501e",
	"strict/strict-echo5.tmpl":     "5f7318681acd6375e09585912cad2529aaf7bff5bb9fa688a5393047e673981f",
	"strict/strict-interface.tmpl": "c6ed32c25f5ce254d7f602088d255207365159419529f7b9959c6c5fb393c306",
	"strict/strict-responses.tmpl": "da184656b1be15fddd64462e782aa71ffadf5bbbf1a00da97863b4a90a37d8ea",
}

// A new version of oapi-codegen may put into its templates what ours lack: a fix, or another name for what
// they call. Then both are compared before the hash is changed here.
func TestUpstreamTemplatesAreKnown(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/oapi-codegen/oapi-codegen/v2").Output()
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(strings.TrimSpace(string(out)), "pkg", "codegen", "templates")
	replaced := newGenerator(t).config.OutputOptions.UserTemplates
	for name := range replaced {
		text, err := os.ReadFile(filepath.Join(folder, filepath.FromSlash(name)))
		if os.IsNotExist(err) && name == "schema.tmpl" {
			continue // ours alone
		}
		if err != nil {
			t.Errorf("%s replaces no template of upstream's: %v", name, err)
			continue
		}
		sum := sha256.Sum256(text)
		if got := hex.EncodeToString(sum[:]); got != upstream[name] {
			t.Errorf("upstream's %s has changed: do as api/templates/README.md tells, then put %s here", name, got)
		}
	}
	for name := range upstream {
		if replaced[name] == "" {
			t.Errorf("%s is not replaced: take its hash away", name)
		}
	}
}

// keywords are those of a schema that schema.tmpl reads, refuses, or passes over because they bind nobody.
const keywords = `Extensions Origin OneOf AnyOf AllOf Not Type Title Format Description Enum Default Example ExternalDocs
	UniqueItems ExclusiveMin ExclusiveMax Nullable ReadOnly WriteOnly AllowEmptyValue Deprecated XML Min Max MultipleOf
	MinLength MaxLength Pattern MinItems MaxItems Items Required Properties MinProps MaxProps AdditionalProperties Discriminator
	Const Examples PrefixItems Contains MinContains MaxContains PatternProperties DependentSchemas PropertyNames UnevaluatedItems
	UnevaluatedProperties If Then Else DependentRequired Always Defs SchemaDialect Comment SchemaID Anchor DynamicRef DynamicAnchor
	ContentMediaType ContentEncoding ContentSchema`

// A keyword that kin-openapi has learnt may be a bound that schema.tmpl would ignore.
func TestKeywordsAreKnown(t *testing.T) {
	known := map[string]bool{}
	for k := range strings.FieldsSeq(keywords) {
		known[k] = true
	}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[openapi3.Schema]()) {
		if !known[f.Name] {
			t.Errorf("schema.tmpl does not know %s: have it read or refused there, then list it here", f.Name)
		}
	}
}
