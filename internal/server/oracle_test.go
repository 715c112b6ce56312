package server

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/go-json-experiment/json/jsontext"
)

// call is a request that ours and the oracle judge. It is one of four, so that a fuzzer can
// make it of plain values.
type call struct {
	kind   byte   // which operation, modulo their number
	id     string // in the path, where the operation has one
	header string // the operation's own, if it has one
	has    bool   // the header is there
	body   string // of a POST
}

// operations are the methods and paths, and the headers that they have.
var operations = [...]struct{ method, path, header string }{
	{http.MethodPost, "/hash", "Idempotency-Key"}, {http.MethodGet, "/hash", "Prefer"}, {http.MethodDelete, "/hash", ""},
	{http.MethodPost, "/hash/batch", "Idempotency-Key"},
}

const kinds = byte(len(operations))

// posts reports whether the call has a body.
func (c call) posts() bool { return operations[c.kind%kinds].method == http.MethodPost }

// request returns the request, and false if no client can send it or no route leads to it.
func (c call) request() (*http.Request, bool) {
	op := operations[c.kind%kinds]
	target := op.path
	if !c.posts() {
		// An id is one segment of a path; more, fewer or a query are another request.
		if c.id == "" || strings.ContainsAny(c.id, "/?") {
			return nil, false
		}
		target += "/" + c.id
	}
	u, err := url.ParseRequestURI(target)
	if err != nil || strings.Count(u.Path, "/") != strings.Count(target, "/") || !c.posts() && u.Path == batchPath {
		return nil, false
	}
	r := httptest.NewRequest(op.method, "/", strings.NewReader(c.body))
	r.URL = u
	r.Header.Set("Content-Type", "application/json")
	if c.has && op.header != "" {
		r.Header[op.header] = []string{c.header}
	}
	return r, true
}

// accepts reports whether the contract allows the call, as kin-openapi reads it.
func (o oracle) accepts(c call) (bool, error) {
	r, _ := c.request()
	route, params, err := o.FindRoute(r)
	if err != nil {
		return false, err
	}
	if id, ok := params["id"]; ok && "/hash/"+id != r.URL.EscapedPath() {
		return false, errors.New("the oracle's router reads another id: " + id)
	}
	err = openapi3filter.ValidateRequest(context.Background(), &openapi3filter.RequestValidationInput{
		Request: r, PathParams: params, Route: route, Options: &openapi3filter.Options{SkipSettingDefaults: true, AuthenticationFunc: openapi3filter.NoopAuthenticationFunc},
	})
	return err == nil, nil
}

// accepts reports whether the server takes the call. It fails the test for an answer that neither
// takes it nor says that it is invalid.
func (s *site) accepts(c call) bool {
	s.Helper()
	r, _ := c.request()
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	a := s.examine(r, w.Result())
	if a.status == http.StatusAccepted || a.status == http.StatusNoContent {
		return true
	}
	if a.want(http.StatusBadRequest).problem().Type != "urn:hashd:problem:invalid-request" {
		s.Errorf("%+v: %s", c, a.body)
	}
	return false
}

// isStrict reports whether the text is one JSON document as RFC 7493 wants it: in valid UTF-8,
// with no name twice in an object. Its default options are exactly that.
func isStrict(text string) bool {
	d := jsontext.NewDecoder(bytes.NewBufferString(text))
	if _, err := d.ReadValue(); err != nil {
		return false
	}
	_, err := d.ReadToken()
	return err == io.EOF
}

// disagreement says how ours and the oracle differ about the call, or "" if they do not.
func (s *site) disagreement(o oracle, c call) string {
	s.Helper()
	ours := s.accepts(c)
	if c.posts() && !isStrict(c.body) {
		// The oracle reads with encoding/json, which is lax. Such a body is to be refused whatever
		// the oracle says.
		if ours {
			return "the body is not strictly JSON, and we accept it"
		}
		return ""
	}
	if n, err := strconv.ParseInt(c.id, 10, 64); !c.posts() && err == nil && strconv.FormatInt(n, 10) != c.id {
		// The oracle reads numbers with package strconv, which knows several spellings of one.
		if ours {
			return "the id has another spelling, and we accept this one"
		}
		return ""
	}
	theirs, err := o.accepts(c)
	switch {
	case err != nil:
		return err.Error()
	case ours && !theirs:
		return "we accept it, the oracle does not"
	case !ours && theirs:
		return "the oracle accepts it, we do not"
	}
	return ""
}

// seeds are calls on both sides of each bound of the contract.
func seeds(tb testing.TB) (calls []call) {
	for _, b := range corpus(tb) {
		calls = append(calls, call{body: b.body}, call{kind: 3, body: b.body})
	}
	for _, b := range readCorpus(tb, "batches.txt", 50) {
		calls = append(calls, call{body: b.body}, call{kind: 3, body: b.body})
	}
	for _, n := range []int{1, 9_999, 10_000, 10_001} {
		calls = append(calls, call{kind: 3, body: listOf(n, `"x"`)}, call{kind: 3, body: listOf(n, `""`)})
	}
	text := func(n int, character string) string { return strings.Repeat(character, n) }
	for _, n := range []int{0, 1, 2, 1023, 1024, 1025} {
		for _, character := range []string{"x", "é", "€", "🐒", `\u0000`, `\ud83d\udc12`, `\n`} {
			calls = append(calls, call{body: `{"password":"` + text(n, character) + `"}`},
				call{kind: 3, body: `{"passwords":["x","` + text(n, character) + `"]}`})
		}
	}
	const body = `{"password":"x"}`
	for _, key := range []string{
		`"k"`, `"a b"`, `"\""`, `"\\"`, `"\"`, `"k`, `k"`, `"k"k`, `"k";a=b`, `"k" `, `"k", "l"`, `"é"`, `"k\k"`, "\"k\t\"", `"` + text(253, "k") + `"`, `"` + text(254, "k") + `"`,
	} {
		calls = append(calls, call{kind: 0, header: key, has: true, body: body}, call{kind: 3, header: key, has: true, body: passwords})
	}
	for _, n := range []int{0, 1, 2, 254, 255, 256, 1023, 1024, 1025} {
		for _, character := range []string{"k", " ", "é", "🐒", "\xff", ",", `"`} {
			calls = append(calls, call{kind: 0, header: text(n, character), has: true, body: body},
				call{kind: 1, id: "42", header: text(n, character), has: true},
				call{kind: 3, header: text(n, character), has: true, body: passwords})
		}
	}
	for _, id := range []string{
		"1", "42", "7", "10", "9000000000", "9223372036854775807", "+1", "01", "042", "0", "-1", "-0", "9223372036854775808", "-9223372036854775809", text(400, "9"), "007", "00", "+5", "%2B5", "%2b1",
		"%34%32", "4%32", "%2534", "%252531", "%", "%zz", "%00", "%2F", "1%2F2", "1%3F", "1#2", "1;2", "1,2", "1.0", "1e3", "0x1", "1_0", "_1", " 1", "1+1",
		"%201", "1%20", "x", "é", "%C3%A9", "%EF%BC%91", "١", "null", "true", "{id}", ":id", "*", "~", ".", "..", "=1", "id=1", "\"1\"", "'1'", "[1]",
	} {
		calls = append(calls, call{kind: 1, id: id}, call{kind: 2, id: id})
	}
	return append(calls, call{kind: 1, id: "42", header: "wait=1", has: true}, call{kind: 1, id: "0", header: "wait=1", has: true})
}

// listOf returns a batch of n equal items.
func listOf(n int, item string) string {
	return `{"passwords":[` + strings.Repeat(item+",", n-1) + item + `]}`
}

// FuzzAgainstOracle holds what the server accepts to what an independent reader of the same
// contract accepts. Its seeds run as a test.
func FuzzAgainstOracle(f *testing.F) {
	o, err := newOracle()
	if err != nil {
		f.Fatal(err)
	}
	for _, c := range seeds(f) {
		f.Add(c.kind, c.id, c.header, c.has, c.body)
	}
	f.Fuzz(func(t *testing.T, kind byte, id, header string, has bool, body string) {
		c := call{kind, id, header, has, body}
		if _, ok := c.request(); !ok {
			t.Skip("no such request")
		}
		s := newSite(t, on(fake{}))
		if len(body) > s.cfg.MaxBodyBytes && (kind%kinds != 3 || len(body) > s.cfg.MaxBatchBytes) {
			t.Skip("refused for its size, of which the contract's schemas say nothing")
		}
		if why := s.disagreement(o, c); why != "" {
			t.Errorf("%+v: %s", c, why)
		}
	})
}

// The seeds hold calls that are accepted and calls that are refused, of each kind.
func TestSeedsAreOnBothSides(t *testing.T) {
	s := newSite(t, on(fake{}))
	accepted, refused := [kinds]int{}, [kinds]int{}
	for _, c := range seeds(t) {
		if _, ok := c.request(); !ok {
			continue
		}
		if s.accepts(c) {
			accepted[c.kind]++
		} else {
			refused[c.kind]++
		}
	}
	for kind := range kinds {
		if accepted[kind] < 4 || refused[kind] < 10 {
			t.Errorf("kind %d: %d accepted, %d refused", kind, accepted[kind], refused[kind])
		}
	}
}

// With one bound of the oracle's contract changed, the comparison finds the difference: it can
// fail, and each bound is one that it looks at.
func TestDisagreementIsFound(t *testing.T) {
	schema := func(o oracle, name string) *openapi3.Schema { return o.Components.Schemas[name].Value }
	property := func(o oracle, name string) *openapi3.Schema { return schema(o, "HashRequest").Properties[name].Value }
	list := func(o oracle) *openapi3.Schema { return schema(o, "BatchRequest").Properties["passwords"].Value }
	parameter := func(o oracle, name string) *openapi3.Parameter { return o.Components.Parameters[name].Value }
	number := func(n float64) *float64 { return &n }
	length := func(n uint64) *uint64 { return &n }
	open := true
	for name, tt := range map[string]struct {
		change func(oracle)
		call   call // judged alike before the change
	}{
		"password, longest":     {func(o oracle) { property(o, "password").MaxLength = length(3) }, call{body: `{"password":"1234"}`}},
		"password, longest, up": {func(o oracle) { property(o, "password").MaxLength = length(1025) }, call{body: `{"password":"` + strings.Repeat("🐒", 1025) + `"}`}},
		"password, shortest":    {func(o oracle) { property(o, "password").MinLength = 0 }, call{body: `{"password":""}`}},
		"password, required":    {func(o oracle) { schema(o, "HashRequest").Required = nil }, call{body: `{}`}},
		"password, null":        {func(o oracle) { orNull(property(o, "password")) }, call{body: `{"password":null}`}},
		"password, type":        {func(o oracle) { *property(o, "password") = *openapi3.NewInt64Schema() }, call{body: `{"password":"x"}`}},
		"algorithm, one less":   {func(o oracle) { property(o, "algorithm").Enum = []any{"sha512"} }, call{body: `{"password":"x","algorithm":"sha256"}`}},
		"algorithm, one more":   {func(o oracle) { property(o, "algorithm").Enum = []any{"md5"} }, call{body: `{"password":"x","algorithm":"md5"}`}},
		"algorithm, required":   {func(o oracle) { schema(o, "HashRequest").Required = []string{"algorithm"} }, call{body: `{"password":"x"}`}},
		"unknown members": {func(o oracle) {
			schema(o, "HashRequest").AdditionalProperties = openapi3.AdditionalProperties{Has: &open}
		},
			call{body: `{"password":"x","user":1}`}},
		"body, null":      {func(o oracle) { orNull(schema(o, "HashRequest")) }, call{body: `null`}},
		"id, lowest":      {func(o oracle) { schema(o, "JobID").Min = number(2) }, call{kind: 1, id: "1"}},
		"id, lowest, 0":   {func(o oracle) { schema(o, "JobID").Min = number(0) }, call{kind: 2, id: "0"}},
		"id, highest":     {func(o oracle) { schema(o, "JobID").Max = number(41) }, call{kind: 2, id: "42"}},
		"key, longest":    {func(o oracle) { parameter(o, "IdempotencyKey").Schema.Value.MaxLength = length(254) }, call{header: strings.Repeat("é", 255), has: true, body: `{"password":"x"}`}},
		"key, shortest":   {func(o oracle) { parameter(o, "IdempotencyKey").Schema.Value.MinLength = 2 }, call{header: "k", has: true, body: `{"password":"x"}`}},
		"key, in quotes":  {func(o oracle) { parameter(o, "IdempotencyKey").Schema.Value.Pattern = "" }, call{header: `"k`, has: true, body: `{"password":"x"}`}},
		"key, required":   {func(o oracle) { parameter(o, "IdempotencyKey").Required = true }, call{body: `{"password":"x"}`}},
		"prefer, longest": {func(o oracle) { parameter(o, "Prefer").Schema.Value.MaxLength = nil }, call{kind: 1, id: "1", header: strings.Repeat("p", 1025), has: true}},
		"list, fewest":    {func(o oracle) { list(o).MinItems = 0 }, call{kind: 3, body: `{"passwords":[]}`}},
		"list, fewest, 2": {func(o oracle) { list(o).MinItems = 2 }, call{kind: 3, body: listOf(1, `"x"`)}},
		"list, most":      {func(o oracle) { list(o).MaxItems = length(9_999) }, call{kind: 3, body: listOf(10_000, `"x"`)}},
		"list, most, up":  {func(o oracle) { list(o).MaxItems = length(10_001) }, call{kind: 3, body: listOf(10_001, `"x"`)}},
		"list, required":  {func(o oracle) { schema(o, "BatchRequest").Required = nil }, call{kind: 3, body: `{}`}},
		"list, null":      {func(o oracle) { orNull(list(o)) }, call{kind: 3, body: `{"passwords":null}`}},
		"list, open": {func(o oracle) {
			schema(o, "BatchRequest").AdditionalProperties = openapi3.AdditionalProperties{Has: &open}
		}, call{kind: 3, body: `{"passwords":["x"],"user":1}`}},
		"list, unique":   {func(o oracle) { list(o).UniqueItems = true }, call{kind: 3, body: `{"passwords":["x","x"]}`}},
		"item, longest":  {func(o oracle) { list(o).Items.Value.MaxLength = length(1025) }, call{kind: 3, body: listOf(2, `"`+strings.Repeat("é", 1025)+`"`)}},
		"item, shortest": {func(o oracle) { list(o).Items.Value.MinLength = 0 }, call{kind: 3, body: listOf(3, `""`)}},
		"item, type":     {func(o oracle) { *list(o).Items.Value = *openapi3.NewInt64Schema() }, call{kind: 3, body: `{"passwords":[1]}`}},
		"item, null":     {func(o oracle) { orNull(list(o).Items.Value) }, call{kind: 3, body: `{"passwords":["x",null]}`}},
		"body, required": {func(o oracle) { o.Paths.Value("/hash").Post.RequestBody = nil }, call{body: `{}`}},
	} {
		o, err := newOracle()
		if err != nil {
			t.Fatal(err)
		}
		s := newSite(t, on(fake{}))
		if why := s.disagreement(o, tt.call); why != "" {
			t.Errorf("%s: before the change: %s", name, why)
		}
		if tt.change(o); s.disagreement(o, tt.call) == "" {
			t.Errorf("%s: the change is not found", name)
		}
	}
}

// orNull has the schema allow null too.
func orNull(s *openapi3.Schema) { s.Type = &openapi3.Types{(*s.Type)[0], "null"} }

// Bodies on which the two readers of JSON differ are found to be no strict JSON, and others are.
func TestStrictJSON(t *testing.T) {
	for _, b := range corpus(t) {
		lax := strings.Contains(b.refusal, "valid JSON") || strings.Contains(b.refusal, "twice") ||
			strings.Contains(b.refusal, "nothing after") || strings.Contains(b.refusal, "not be empty")
		if isStrict(b.body) == lax {
			t.Errorf("%s: %q is strict: %t", b.name, b.body, !lax)
		}
		if !utf8.ValidString(b.body) && !lax {
			t.Errorf("%s: %q is no UTF-8", b.name, b.body)
		}
	}
}
