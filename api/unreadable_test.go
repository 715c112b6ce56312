package api_test

import (
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashd-project/hashd/v2/internal/needs"
)

// unreadable are contracts that the templates cannot read: those of things.yaml with the first of each
// pair replaced by the second.
var unreadable = map[string][]string{
	// Strings.
	"format of a string":      {"like, in: query, schema: { type: string", "like, in: query, schema: { type: string, format: hostname"},
	"format with a Go type":   {"code: { type: string", "code: { type: string, format: date-time"},
	"pattern that Go has not": {`^\d+$`, "^(?=a)"},
	"enum and length":         {`enum: [red, "dark blue", "#00f"]`, "enum: [red], maxLength: 5"},
	"enum and pattern":        {`enum: [red, "dark blue", "#00f"]`, "enum: [red], pattern: red"},
	"enum with a number":      {`enum: [red, "dark blue", "#00f"]`, "enum: [red, 1]"},
	"password with a pattern": {"format: password", "format: password, pattern: a"},
	// Numbers.
	"multipleOf of an integer":       {"size: { type: integer", "size: { type: integer, multipleOf: 2"},
	"exclusiveMinimum":               {"size: { type: integer", "size: { type: integer, exclusiveMinimum: true"},
	"exclusiveMaximum":               {"limit, in: query, required: true, schema: { type: integer", "limit, in: query, required: true, schema: { exclusiveMaximum: true, type: integer"},
	"enum of integers":               {"rank: { type: integer", "rank: { type: integer, enum: [1, 2]"},
	"format of an integer":           {"rank: { type: integer", "rank: { type: integer, format: uint8"},
	"bound that is no integer":       {"rank: { type: integer, minimum: 0", "rank: { type: integer, minimum: 0.5"},
	"bound that no integer has":      {"maximum: 9007199254740992", "maximum: 9223372036854775808"},
	"bound that a float cannot tell": {"maximum: 9007199254740992", "maximum: 9007199254740995"},
	"lower bound, the same":          {"minimum: -9007199254740992", "minimum: -9007199254740995"},
	"multipleOf of a number":         {"ratio: { type: number", "ratio: { type: number, multipleOf: 0.5"},
	"exclusive bound of a number":    {"ratio: { type: number", "ratio: { type: number, exclusiveMinimum: true"},
	"format of a number":             {"ratio: { type: number", "ratio: { type: number, format: float"},
	"enum of numbers":                {"ratio: { type: number", "ratio: { type: number, enum: [1.5]"},
	"enum of booleans":               {"deep: { type: boolean", "deep: { type: boolean, enum: [true]"},
	// Arrays and objects.
	"uniqueItems":                   {"tags: { type: array", "tags: { type: array, uniqueItems: true"},
	"items that may be null":        {"items: { type: boolean", "items: { nullable: true, type: boolean"},
	"items of no type":              {"items: { type: boolean }", "items: {}"},
	"open body":                     {"    NewThing:\n      type: object\n      additionalProperties: false", "    NewThing:\n      type: object"},
	"open body, said so":            {"    NewThing:\n      type: object\n      additionalProperties: false", "    NewThing:\n      type: object\n      additionalProperties: true"},
	"open body with a schema":       {"    NewThing:\n      type: object\n      additionalProperties: false", "    NewThing:\n      type: object\n      additionalProperties: { type: string }"},
	"object in a body":              {"deep: { type: boolean", "owner: { $ref: \"#/components/schemas/Owner\" }\n        deep: { type: boolean"},
	"objects in a body":             {"items: { type: boolean }", "items: { $ref: \"#/components/schemas/Owner\" }"},
	"body that holds itself":        {"deep: { type: boolean", "more: { $ref: \"#/components/schemas/NewThing\" }\n        deep: { type: boolean"},
	"arrays in an array":            {"items: { type: boolean }", "items: { type: array, items: { type: boolean } }"},
	"minProperties":                 {"      required: [name, size, color, tags]\n", "      required: [name, size, color, tags]\n      minProperties: 1\n"},
	"maxProperties":                 {"      required: [name, size, color, tags]\n", "      required: [name, size, color, tags]\n      maxProperties: 1\n"},
	"secrets in a type that prints": {"flags: { type: array, maxItems: 2, items: { type: boolean } }", "pins: { type: array, items: { type: string, format: password } }"},
	"secret in a query":             {"like, in: query, schema: { type: string", "like, in: query, schema: { format: password, type: string"},
	"object in a query":             {"like, in: query, schema: { type: string, minLength: 1, maxLength: 4, pattern: \"^[a-zé€]+$\" }", `like, in: query, schema: { $ref: "#/components/schemas/Owner" }`},
	"object in a header":            {"X-Name, in: header, required: true, schema: { type: string, minLength: 1, maxLength: 3 }", `X-Name, in: header, required: true, schema: { $ref: "#/components/schemas/Owner" }`},
	// Any schema.
	"no type":      {"code: { type: string, maxLength: 8, pattern: '^\\d+$' }", "code: { maxLength: 8 }"},
	"nullable":     {"code: { type: string", "code: { nullable: true, type: string"},
	"null":         {"3.0.3", "3.1.0", "code: { type: string", `code: { type: [string, "null"]`},
	"two types":    {"3.0.3", "3.1.0", "code: { type: string", `code: { type: [string, integer]`},
	"const":        {"3.0.3", "3.1.0", "code: { type: string", `code: { const: "", type: string`},
	"oneOf":        {"code: { type: string", "code: { oneOf: [{ maxLength: 1 }], type: string"},
	"anyOf":        {"code: { type: string", "code: { anyOf: [{ maxLength: 1 }], type: string"},
	"allOf":        {"code: { type: string", "code: { allOf: [{ maxLength: 1 }], type: string"},
	"not":          {"code: { type: string", "code: { not: { maxLength: 1 }, type: string"},
	"if":           {"3.0.3", "3.1.0", "code: { type: string", "code: { if: { maxLength: 1 }, then: { minLength: 1 }, type: string"},
	"encoded text": {"3.0.3", "3.1.0", "code: { type: string", "code: { contentEncoding: base32, type: string"},
	"readOnly":     {"code: { type: string", "code: { readOnly: true, type: string"},
	// Parameters.
	"cookie":                       {"after, in: query", "after, in: cookie"},
	"items with commas in a query": {"tag, in: query", "tag, in: query, explode: false"},
	"style":                        {"tag, in: query", "tag, in: query, style: pipeDelimited, explode: false"},
	"style of a path":              {"{ name: name, in: path", "{ name: name, style: label, in: path"},
	"allowReserved":                {"like, in: query", "like, allowReserved: true, in: query"},
	"allowEmptyValue":              {"like, in: query", "like, allowEmptyValue: true, in: query"},
	"content":                      {"deep, in: query, schema: { type: boolean }", "deep, in: query, content: { application/json: { schema: { type: boolean } } }"},
	"header not in canonical form": {"X-Size, in: header", "x-size, in: header"},
	"grammar":                      {"X-Name, in: header, required: true, schema: { type: string", "X-Name, in: header, schema: { x-grammar: Date, type: string"},
	"grammar of a required list":   {"X-Name, in: header, required: true, schema: { type: string", "X-Name, in: header, required: true, schema: { x-grammar: List, type: string"},
	"grammar of what is no text":   {"X-Size, in: header, schema: { type: integer", "X-Size, in: header, schema: { x-grammar: List, type: integer"},
	// Bodies and answers.
	"optional body":           {"        required: true\n        content", "        required: false\n        content"},
	"body of text":            {"content: { application/json: { schema: { $ref: \"#/components/schemas/NewThing\" } } }", "content: { text/plain: { schema: { type: string } } }"},
	"body of another JSON":    {"content: { application/json: { schema: { $ref: \"#/components/schemas/NewThing\" } } }", "content: { application/merge-patch+json: { schema: { $ref: \"#/components/schemas/NewThing\" } } }"},
	"bodies of two types":     {"content: { application/json: {", "content: { text/plain: { schema: { type: string } }, application/json: {"},
	"body that is an array":   {"content: { application/json: { schema: { $ref: \"#/components/schemas/NewThing\" } } }", "content: { application/json: { schema: { type: array, items: { type: string } } } }"},
	"answer in text":          {"\"201\":\n          description: Added", "\"200\":\n          description: Text\n          content: { text/plain: { schema: { type: string } } }\n        \"201\":\n          description: Added"},
	"answer in another JSON":  {"content: { application/json: { schema: { $ref: \"#/components/schemas/Thing\" } } }", "content: { application/hal+json: { schema: { $ref: \"#/components/schemas/Thing\" } } }"},
	"answer in bytes":         {"application/x-ndjson: { schema: { $ref: \"#/components/schemas/Thing\" } }", "application/octet-stream: { schema: { type: string, format: binary } }"},
	"lines of no named type":  {"application/x-ndjson: { schema: { $ref: \"#/components/schemas/Thing\" } }", "application/x-ndjson: { schema: { type: object, properties: { name: { type: string } } } }"},
	"lines of no schema":      {"application/x-ndjson: { schema: { $ref: \"#/components/schemas/Thing\" } }", "application/x-ndjson: {}"},
	"answers with any status": {`"201":`, `"2XX":`},
	"header of a number":      {"X-Rank: { required: true, schema: { type: integer, format: int64 } }", "X-Rank: { required: true, schema: { type: number } }"},
	// Security.
	"scheme that is not there":       {"security: [{ token: [] }]", "security: [{ tokens: [] }]"},
	"scheme that is a key":           {"session: { type: http, scheme: bearer }", "session: { type: apiKey, in: header, name: X-Key }"},
	"scheme that is a password":      {"session: { type: http, scheme: bearer }", "session: { type: http, scheme: basic }"},
	"two schemes at once":            {"security: [{ token: [] }]", "security: [{ token: [], session: [] }]"},
	"nobody or somebody":             {"security: [{ token: [] }]", "security: [{ token: [] }, {}]"},
	"security of the whole document": {"security: []\n", "security: [{ token: [] }]\n"},
	"nobody, of the whole document":  {"security: []\n", "security: [{}]\n"},
	"scope with a space":             {"things:read]", `"things read"]`},
	"scope with a quote":             {"things:read]", `'things"read']`},
	"scope that is empty":            {"things:read]", `""]`},
	"scope that is not ASCII":        {"things:read]", "thíngs]"},
}

// What the templates cannot read fails the build: a bound is never ignored.
func TestUnreadable(t *testing.T) {
	needs.Processes(t)
	c := newChecker(t)
	text, err := os.ReadFile(thingsContract)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.check(string(text)); err != nil {
		t.Fatalf("what they can read does not compile: %v", err)
	}
	for name, pairs := range unreadable {
		contract := string(text)
		for i := 0; i < len(pairs); i += 2 {
			if !strings.Contains(contract, pairs[i]) {
				t.Fatalf("%s: the contract has no %q", name, pairs[i])
			}
			contract = strings.Replace(contract, pairs[i], pairs[i+1], 1)
		}
		err := c.check(contract)
		if err == nil {
			t.Errorf("%s: it compiles", name)
			continue
		}
		t.Logf("%s: %v", name, err)
	}
}

// checker compiles generated code as far as its types.
type checker struct {
	*generator
	types.Importer
	files *token.FileSet
}

func newChecker(t *testing.T) *checker {
	t.Helper()
	g := newGenerator(t)
	cmd := exec.CommandContext(t.Context(), "go", "list", "-export", "-deps", "-f", "{{.ImportPath}} {{.Export}}", "./gen/server", "encoding/json", "net/url", "iter", "fmt", "errors", "bytes")
	cmd.Dir = g.root
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	exports := map[string]string{}
	for line := range strings.Lines(string(out)) {
		path, file, _ := strings.Cut(strings.TrimSpace(line), " ")
		exports[path] = file
	}
	files := token.NewFileSet()
	return &checker{g, importer.ForCompiler(files, "gc", func(path string) (io.ReadCloser, error) {
		if exports[path] == "" {
			return nil, fmt.Errorf("no package %s", path)
		}
		return os.Open(exports[path])
	}), files}
}

// check generates code of the contract and returns why it does not compile.
func (c *checker) check(contract string) error {
	c.Helper()
	file := filepath.Join(c.TempDir(), "contract.yaml")
	c.write(file, contract)
	clear(c.generator.files)
	if err := c.generate(file, "checked"); err != nil {
		return err
	}
	var parsed []*ast.File
	for place, name := range c.generator.files {
		if filepath.Base(place) == "echo5.gen.go" {
			continue // of the same templates
		}
		f, err := parser.ParseFile(c.files, name, nil, 0)
		if err != nil {
			return err
		}
		parsed = append(parsed, f)
	}
	_, err := (&types.Config{Importer: c}).Check("checked", c.files, parsed, nil)
	return err
}
