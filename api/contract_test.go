package api_test

import (
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/hashd-project/hashd/v2/api"
)

// load returns the contract, which must be valid, as must all its examples and defaults.
func load(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData([]byte(api.Contract()))
	if err != nil {
		t.Fatalf("load: %v", err)
	}
	err = doc.Validate(t.Context(), openapi3.EnableExamplesValidation(), openapi3.EnableSchemaDefaultsValidation(),
		openapi3.EnableSchemaPatternValidation(), openapi3.EnableMultiError())
	if err != nil {
		t.Fatalf("validate: %v", err)
	}
	return doc
}

// operation is an operation with what it inherits from its path.
type operation struct {
	*openapi3.Operation
	name       string // method and path
	parameters []*openapi3.Parameter
}

func operations(t *testing.T) (doc *openapi3.T, list []operation) {
	t.Helper()
	doc = load(t)
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			o := operation{Operation: op, name: method + " " + path}
			for _, p := range slices.Concat(item.Parameters, op.Parameters) {
				o.parameters = append(o.parameters, p.Value)
			}
			list = append(list, o)
		}
	}
	if len(list) == 0 {
		t.Fatal("no operations")
	}
	return doc, list
}

func TestContractIsTheFile(t *testing.T) {
	file, err := os.ReadFile("openapi.yaml")
	if err != nil || api.Contract() != string(file) {
		t.Errorf("the embedded contract is not openapi.yaml; error %v", err)
	}
}

func TestVersion(t *testing.T) {
	got, err := api.Version()
	if want := load(t).Info.Version; err != nil || got != want {
		t.Errorf("version %q, error %v, want %q", got, err, want)
	}
	// As semver.org has it, without build metadata.
	const number, word = `(0|[1-9][0-9]*)`, `(0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)`
	if !regexp.MustCompile(`^` + number + `\.` + number + `\.` + number + `(-` + word + `(\.` + word + `)*)?$`).MatchString(got) {
		t.Errorf("%q is no semantic version", got)
	}
}

// Each operation can be found and understood.
func TestOperationsAreDescribed(t *testing.T) {
	doc, ops := operations(t)
	ids := map[string]string{}
	for _, op := range ops {
		if !regexp.MustCompile(`^[a-z]+[A-Z][A-Za-z]+$`).MatchString(op.OperationID) || ids[op.OperationID] != "" {
			t.Errorf("%s: operationId %q is not of the form verbNoun, or that of %s too", op.name, op.OperationID, ids[op.OperationID])
		}
		ids[op.OperationID] = op.name
		if op.Summary == "" || strings.HasSuffix(op.Summary, ".") {
			t.Errorf("%s: summary %q", op.name, op.Summary)
		}
		if len(op.Tags) != 1 || doc.Tags.Get(op.Tags[0]) == nil {
			t.Errorf("%s: tags %v, want one of those declared", op.name, op.Tags)
		}
	}
}

// headersOf are the headers that every answer of a status has, beside its X-Request-Id.
var headersOf = map[string][]string{"202": {"Retry-After"}, "405": {"Allow"}, "503": {"Retry-After"}}

// Each body of success has an example, and each answer of failure is a problem with one.
func TestResponses(t *testing.T) {
	doc, ops := operations(t)
	problem := doc.Components.Schemas["Problem"].Value
	for _, op := range ops {
		for _, status := range []string{"405", "421", "500", "default"} {
			if op.Responses.Value(status) == nil {
				t.Errorf("%s: no response %s", op.name, status)
			}
		}
		for status, response := range op.Responses.Map() {
			name, content := op.name+" "+status, response.Value.Content
			if response.Value.Description == nil || *response.Value.Description == "" {
				t.Errorf("%s: no description", name)
			}
			for _, header := range append([]string{"X-Request-Id"}, headersOf[status]...) {
				if h := response.Value.Headers[header]; h == nil || !h.Value.Required {
					t.Errorf("%s: header %s is not always there", name, header)
				}
			}
			if strings.HasPrefix(status, "2") {
				if body := content["application/json"]; status != "204" && (body == nil || len(body.Examples) == 0 || len(content) != 1 && content["application/x-ndjson"] == nil) {
					t.Errorf("%s: want a body in JSON, with examples, and no other but one in lines", name)
				}
				continue
			}
			body := content["application/problem+json"]
			if body == nil || len(content) != 1 || body.Schema.Value != problem || len(body.Examples) == 0 {
				t.Errorf("%s: want one body, a Problem, with examples", name)
				continue
			}
			for _, example := range body.Examples {
				if got := fmt.Sprint(example.Value.Value.(map[string]any)["status"]); got != status && status != "default" {
					t.Errorf("%s: an example has status %v", name, got)
				}
			}
		}
	}
}

// What a client sends can be refused for each of the reasons that there are for it.
func TestRefusalsAreListed(t *testing.T) {
	_, ops := operations(t)
	for _, op := range ops {
		var want []int
		if len(op.parameters) > 0 || op.RequestBody != nil {
			want = append(want, http.StatusBadRequest)
		}
		if op.RequestBody != nil {
			want = append(want, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusServiceUnavailable)
		}
		if strings.Contains(op.name, "{id}") {
			want = append(want, http.StatusNotFound, http.StatusGone, http.StatusServiceUnavailable)
		}
		for _, status := range want {
			if op.Responses.Status(status) == nil {
				t.Errorf("%s: no response %d", op.name, status)
			}
		}
	}
}

// Header names are compared as they stand when they are read, which is cheaper than bringing them into
// canonical form for each request. Those of answers are sent in that form, whatever the contract says.
func TestHeaderNamesAreCanonical(t *testing.T) {
	_, ops := operations(t)
	check := func(where, name string) {
		if canonical := http.CanonicalHeaderKey(name); name != canonical {
			t.Errorf("%s: header %q must be written %q", where, name, canonical)
		}
	}
	for _, op := range ops {
		for _, p := range op.parameters {
			if p.In == openapi3.ParameterInHeader {
				check(op.name, p.Name)
			}
		}
	}
}

// Nothing that a client sends is without bounds.
func TestRequestsAreBounded(t *testing.T) {
	_, ops := operations(t)
	for _, op := range ops {
		for _, p := range op.parameters {
			if p.Description == "" {
				t.Errorf("%s: %s has no description", op.name, p.Name)
			}
			wantBounds(t, op.name+" "+p.Name, p.Schema.Value)
		}
		if op.RequestBody == nil {
			continue
		}
		if !op.RequestBody.Value.Required {
			t.Errorf("%s: the body is optional", op.name)
		}
		for mediaType, body := range op.RequestBody.Value.Content {
			if mediaType != "application/json" || len(body.Examples) == 0 {
				t.Errorf("%s: body of type %s with %d examples", op.name, mediaType, len(body.Examples))
			}
			wantBounds(t, op.name+" body", body.Schema.Value)
		}
	}
}

// wantBounds reports each part of the schema that allows values of any size.
func wantBounds(t *testing.T, where string, s *openapi3.Schema) {
	t.Helper()
	if why := unbounded(s); why != "" {
		t.Errorf("%s: %s", where, why)
	}
	for name, property := range s.Properties {
		wantBounds(t, where+"."+name, property.Value)
	}
	if s.Items != nil {
		wantBounds(t, where+"[]", s.Items.Value)
	}
}

// unbounded says why the schema allows values of any size, or "" if it does not.
func unbounded(s *openapi3.Schema) string {
	switch {
	case s.Type.Is("string"):
		if s.MaxLength == nil && len(s.Enum) == 0 {
			return "a string has neither maxLength nor enum"
		}
	case s.Type.Is("array"):
		if s.MaxItems == nil {
			return "an array has no maxItems"
		}
	case s.Type.Is("integer"):
		if s.Min == nil || s.Max == nil && s.Format != "int64" && s.Format != "int32" {
			return "an integer has no minimum, or neither maximum nor a format of fixed size"
		}
	case s.Type.Is("object"):
		if s.AdditionalProperties.Has == nil || *s.AdditionalProperties.Has {
			return "an object takes members that are not in the contract"
		}
	case !s.Type.Is("boolean"):
		return "its type is not one of those that this test knows"
	}
	return ""
}

// The check for bounds finds what it is for.
func TestUnboundedIsFound(t *testing.T) {
	for name, s := range map[string]*openapi3.Schema{
		"string": openapi3.NewStringSchema().WithMinLength(1), "array": openapi3.NewArraySchema(), "integer": openapi3.NewInt64Schema(),
		"integer of any size": openapi3.NewIntegerSchema().WithMin(1), "object": openapi3.NewObjectSchema(), "anything": openapi3.NewSchema(),
	} {
		if unbounded(s) == "" {
			t.Errorf("%s: not found", name)
		}
	}
}
