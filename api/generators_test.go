package api_test

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// place is a schema in the contract, by the way that leads to it.
type place struct {
	*openapi3.SchemaRef
	way string
}

// places are the schema and all below it. What is only referred to is another's.
func (p place) places() []place {
	list := []place{p}
	if p.Ref != "" {
		return list
	}
	for name, property := range p.Value.Properties {
		list = append(list, place{property, p.way + "." + name}.places()...)
	}
	if p.Value.Items != nil {
		list = append(list, place{p.Value.Items, p.way + "[]"}.places()...)
	}
	return list
}

// schemas are all the schemas of the contract, in its components and where they are used.
func schemas(t *testing.T) (list []place) {
	t.Helper()
	doc, ops := operations(t)
	add := func(way string, s *openapi3.SchemaRef) { list = append(list, place{s, way}.places()...) }
	content := func(way string, c openapi3.Content) {
		for _, body := range c {
			add(way, body.Schema)
		}
	}
	for name, s := range doc.Components.Schemas {
		add(name, s)
	}
	for _, op := range ops {
		for _, p := range op.parameters {
			add(op.name+" "+p.Name, p.Schema)
		}
		if op.RequestBody != nil {
			content(op.name, op.RequestBody.Value.Content)
		}
		for status, response := range op.Responses.Map() {
			content(op.name+" "+status, response.Value.Content)
			for name, header := range response.Value.Headers {
				add(op.name+" "+status+" "+name, header.Value.Schema)
			}
		}
	}
	return list
}

// component reports whether the schema is one of the components itself.
func (p place) component() bool { return regexp.MustCompile(`^[A-Za-z]+$`).MatchString(p.way) }

// Generators make up a name for an enumeration or object that has none, such as Status for the
// member status, and two types of one name do not compile.
func TestTypesHaveNames(t *testing.T) {
	for _, s := range schemas(t) {
		if named := s.Ref != "" || s.component(); !named && (len(s.Value.Enum) > 0 || s.Value.Type.Is("object")) {
			t.Errorf("%s: make it a component", s.way)
		}
		if v := s.Value; len(v.AllOf)+len(v.AnyOf)+len(v.OneOf) > 0 || v.Not != nil {
			t.Errorf("%s: a combination of schemas, of which generators make very different types", s.way)
		}
	}
}

// Schemas and responses have names that differ in more than case: many generators make a type of each.
func TestNamesOfTypesDiffer(t *testing.T) {
	doc, _ := operations(t)
	seen := map[string]string{}
	for kind, names := range map[string][]string{
		"schema": keys(doc.Components.Schemas), "response": keys(doc.Components.Responses),
	} {
		for _, name := range names {
			if other := seen[strings.ToLower(name)]; other != "" {
				t.Errorf("%s %s: there is %s of that name", kind, name, other)
			}
			seen[strings.ToLower(name)] = kind
		}
	}
}

func keys[V any](m map[string]V) (list []string) {
	for k := range m {
		list = append(list, k)
	}
	return list
}

// Generated clients have one return type for an operation: with two, they fail on the answer that
// is not of the first. Lines, which must be asked for, are theirs to read or not.
func TestOneSchemaOfSuccess(t *testing.T) {
	_, ops := operations(t)
	for _, op := range ops {
		var refs []string
		for status, response := range op.Responses.Map() {
			for mediaType, body := range response.Value.Content {
				if strings.HasPrefix(status, "2") && mediaType != "application/x-ndjson" && !slices.Contains(refs, body.Schema.Ref) {
					refs = append(refs, body.Schema.Ref)
				}
			}
		}
		if len(refs) > 1 || slices.Contains(refs, "") {
			t.Errorf("%s: success has the schemas %q, want one, a component", op.name, refs)
		}
	}
}

// Answers are open, so that a later version may add members; requests are closed.
func TestAnswersAreOpen(t *testing.T) {
	_, ops := operations(t)
	for _, op := range ops {
		for status, response := range op.Responses.Map() {
			for _, body := range response.Value.Content {
				for _, s := range deep(body.Schema) {
					if extra := s.AdditionalProperties; extra.Has != nil || extra.Schema != nil {
						t.Errorf("%s %s: it says what else an answer may hold", op.name, status)
					}
				}
			}
		}
	}
}

// deep are the schema and all below it, referred to or not.
func deep(s *openapi3.SchemaRef) []*openapi3.Schema {
	list := []*openapi3.Schema{s.Value}
	for _, property := range s.Value.Properties {
		list = append(list, deep(property)...)
	}
	if s.Value.Items != nil {
		list = append(list, deep(s.Value.Items)...)
	}
	return list
}

// A secret is marked at every level at which a generator may look: clients hide in their logs what
// is for writing only and of the format password.
func TestSecretsAreMarked(t *testing.T) {
	secrets := 0
	for _, s := range schemas(t) {
		v := s.Value
		secret := regexp.MustCompile(`\.passwords?(\[\])?$`).MatchString(s.way)
		if secret {
			secrets++
		}
		if v.WriteOnly != secret || (v.Format == "password") != (secret && v.Type.Is("string")) {
			t.Errorf("%s: writeOnly %t, format %q", s.way, v.WriteOnly, v.Format)
		}
		if secret && v.Default != nil {
			t.Errorf("%s: a secret has no default", s.way)
		}
	}
	if secrets != 3 {
		t.Errorf("%d schemas of secrets, want 3: the password, the passwords and each of them", secrets)
	}
}

// Every kind of problem is told as a value, in words, and by an example of an answer with its status.
func TestProblemTypesAreTold(t *testing.T) {
	doc := load(t)
	schema := doc.Components.Schemas["Problem"].Value.Properties["type"].Value
	values := []string{}
	for _, v := range schema.Extensions["x-extensible-enum"].([]any) {
		values = append(values, v.(string))
	}
	const prefix = "urn:hashd:problem:"
	inWords, examples := map[string]string{}, map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\| (\\d+) \\| \\S.* \\|$").FindAllStringSubmatch(schema.Description, -1) {
		inWords[prefix+row[1]] = row[2]
	}
	for _, response := range doc.Components.Responses {
		for _, e := range response.Value.Content["application/problem+json"].Examples {
			example := e.Value.Value.(map[string]any)
			examples[example["type"].(string)] = fmt.Sprint(example["status"])
		}
	}
	if !reflect.DeepEqual(inWords, examples) {
		t.Errorf("in words %v, in examples %v", inWords, examples)
	}
	told := keys(inWords)
	slices.Sort(told)
	slices.Sort(values)
	if !slices.Equal(told, values) || len(slices.Compact(values)) != len(inWords) {
		t.Errorf("as values %v, in words %v", values, told)
	}
	if len(schema.Enum) > 0 {
		t.Error("the types are a closed list: clients would fail on a new one")
	}
}

// What the contract says is streamed is an iterator in the server's code, and no slice: the overlay
// that makes it one passes over what it does not match.
func TestStreamsAreIterators(t *testing.T) {
	models, err := os.ReadFile("../gen/server/models.gen.go")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, s := range schemas(t) {
		if s.Ref != "" || s.Value.Extensions["x-stream"] == nil {
			continue
		}
		found++
		name, member, _ := strings.Cut(s.way, ".")
		field := `(?m)^type ` + regexp.QuoteMeta(name) + ` struct \{\n(?:[^}].*\n|\n)*?\t\w+ +strict\.Stream\[\w+\] +` + "`json:\"" + regexp.QuoteMeta(member) + `[",]`
		if !regexp.MustCompile(field).Match(models) {
			t.Errorf("%s: x-stream, but no strict.Stream", s.way)
		}
	}
	if found == 0 {
		t.Error("nothing is streamed")
	}
}
