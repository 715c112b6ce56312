package things_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	"github.com/hashd-project/hashd/v2/api/templates/testdata/things"
	"github.com/hashd-project/hashd/v2/internal/strict"
)

// service keeps the request that it got last.
type service struct {
	got   any
	lines iter.Seq2[[]things.Thing, error]
}

var anna = things.Thing{Name: "anna", Owners: []things.Owner{{Name: "bo"}, {Name: "cy", Age: new(int64(7))}}}

func (s *service) AddThing(_ context.Context, r things.AddThingRequestObject) (things.AddThingResponseObject, error) {
	s.got = *r.Body
	return things.AddThing201JSONResponse{Body: anna, Headers: things.AddThing201ResponseHeaders{Location: "/things/1", XRank: 3}}, nil
}

func (s *service) SetThing(_ context.Context, r things.SetThingRequestObject) (things.SetThingResponseObject, error) {
	s.got = *r.Body
	return things.SetThing204Response{}, nil
}

func (s *service) ListThings(_ context.Context, r things.ListThingsRequestObject) (things.ListThingsResponseObject, error) {
	s.got = r.Params
	if r.MediaType == "application/x-ndjson" {
		return things.ListThings200NDJSONResponse{Body: s.lines}, nil
	}
	return things.ListThings200JSONResponse{Body: things.Things{Things: []things.Thing{anna, {Name: "none"}}}}, nil
}

func (s *service) FindThing(_ context.Context, r things.FindThingRequestObject) (things.FindThingResponseObject, error) {
	s.got = r
	return things.FindThing200JSONResponse{Body: []things.Thing{anna}}, nil
}

// guard lets in who shows "yes", and keeps what was asked of it.
type guard struct{ asked []strict.Requirement }

type callerKey struct{}

func (g *guard) Admit(r *http.Request, anyOf ...strict.Requirement) (context.Context, error) {
	g.asked = anyOf
	if r.Header.Get("Authorization") != "yes" {
		return nil, errors.New("who are you?")
	}
	return context.WithValue(r.Context(), callerKey{}, "anna"), nil
}

// site is the generated server, and kin-openapi, which judges each request too.
type site struct {
	*testing.T
	service service
	guard   guard
	http.Handler
	routers.Router
}

func newSite(t *testing.T) *site {
	t.Helper()
	text, err := os.ReadFile("../things.yaml")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context(), openapi3.EnableSchemaPatternValidation()); err != nil {
		t.Fatal(err)
	}
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		t.Fatal(err)
	}
	s := &site{T: t, Router: router}
	s.Handler = handler(&s.service, &s.guard, failed)
	return s
}

func failed(w http.ResponseWriter, err error) {
	status := http.StatusInternalServerError
	if _, ok := errors.AsType[*strict.Error](err); ok {
		status = http.StatusBadRequest
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, err.Error())
}

// ask sends a request such as "GET /things?limit=1", with header lines.
func (s *site) ask(what, body string, lines ...string) (status int, answer string, header http.Header) {
	s.Helper()
	w := httptest.NewRecorder()
	s.ServeHTTP(w, request(what, body, lines))
	return w.Code, w.Body.String(), w.Header()
}

func request(what, body string, lines []string) *http.Request {
	method, target, _ := strings.Cut(what, " ")
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	r.Header.Set("Authorization", "yes")
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
	}
	return r
}

// accepted says whether kin-openapi takes the request.
func (s *site) accepted(what, body string, lines ...string) error {
	s.Helper()
	r := request(what, body, lines)
	route, parameters, err := s.FindRoute(r)
	if err != nil {
		s.Fatalf("%s: %v", what, err)
	}
	for name, value := range parameters {
		if parameters[name], err = url.PathUnescape(value); err != nil {
			return err
		}
	}
	return openapi3filter.ValidateRequest(s.Context(), &openapi3filter.RequestValidationInput{
		Request: r, PathParams: parameters, Route: route,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc},
	})
}

// values are of all kinds, in their several spellings.
var values = []string{
	"", "0", "1", "2", "3", "7", "8", "9", "10", "100", "101", "150", "151", "-1", "-2", "-3", "-0", "+1", "01", "1.0", "1.5", "-0.5", "-0.6", "1e0", "1e1", "1e400", "0x1", "1_0",
	"2147483647", "2147483648", "-2147483648", "-2147483649", "9007199254740992", "9007199254740993", "-9007199254740993", "9223372036854775807", "9223372036854775808", "NaN", "Inf",
	"true", "false", "True", "null", "red", "Red", "dark blue", "#00f", "a", "ab", "abc", "abcd", "abcde", "é€", "é€é€é", "a1", "1,2", "1,2,3", "a,b", "a,,b", " a", "a ",
}

// stricter are the spellings of what is right that the templates refuse, or read as what they are.
func stricter(value string) bool {
	for _, part := range strings.Split(value, ",") {
		if strings.Trim(part, " ") != part || part == "" {
			return true
		}
		switch part {
		case "-0", "+1", "01", "1.0", "1e0", "1e1", "0x1", "1_0", "True", "NaN", "Inf", // one spelling each
			"-9007199254740993": // which kin-openapi does not tell from the next
			return true
		}
	}
	return false
}

// verdict compares what the templates and kin-openapi say of a request. They agree but for spellings.
func (s *site) verdict(value, what, body string, lines ...string) {
	s.Helper()
	status, answer, _ := s.ask(what, body, lines...)
	err := s.accepted(what, body, lines...)
	switch ok := status < 300; {
	case status != 400 && !ok:
		s.Errorf("%s %s %v: %d %s", what, body, lines, status, answer)
	case ok && err != nil && !stricter(value):
		s.Errorf("%s %s %v: taken, and refused by kin-openapi: %v", what, body, lines, err)
	case strings.HasSuffix(answer, "must be true or false") && (value == "0" || value == "1"):
		// That is another spelling, too.
	case !ok && err == nil && !stricter(value):
		s.Errorf("%s %s %v: refused, and taken by kin-openapi: %s", what, body, lines, answer)
	}
}

func TestQuery(t *testing.T) {
	s := newSite(t)
	for _, v := range values {
		for _, name := range []string{"limit", "after", "ratio", "deep", "color", "like", "tag", "size"} {
			query := url.Values{name: {v}}
			if name != "limit" {
				query.Set("limit", "5")
			}
			s.verdict(v, "GET /things?"+query.Encode(), "")
			query.Add("size", "3")
			query["tag"] = append(query["tag"], "x", "y")
			s.verdict(v, "GET /things?"+query.Encode(), "")
		}
	}
	if status, answer, _ := s.ask("GET /things?limit=7&after=-5&ratio=0.25&deep=true&color=dark+blue&like=%C3%A9a&tag=x&tag=&size=1&size=2", ""); status != 200 {
		t.Errorf("%d %s", status, answer)
	}
	want := things.ListThingsParams{
		Limit: 7, After: new(int64(-5)), Ratio: new(0.25), Deep: new(true), Color: new(things.DarkBlue), Like: new("éa"),
		Tag: &[]string{"x", ""}, Size: &[]int64{1, 2},
	}
	if !reflect.DeepEqual(s.service.got, want) {
		t.Errorf("read %s, want %s", text(s.service.got), text(want))
	}
}

func text(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}

// What is wrong with a query is told by name, and what a client made up is not repeated at length.
func TestQueryIsClosed(t *testing.T) {
	s := newSite(t)
	for query, want := range map[string]string{
		"":                             `query parameter "limit" is required`,
		"limit=1&limit=1":              `query parameter "limit" must not be repeated`,
		"limit=1&deep&deep":            `query parameter "deep" must not be repeated`,
		"limit=1&Deep=true":            `query parameter "Deep" must not be there; the operation takes limit, after, ratio, deep, color, like, tag, size`,
		"limit=1&x=1&x=2":              `query parameter "x" must not be there; the operation takes limit, after, ratio, deep, color, like, tag, size`,
		"limit=1&a+b%0A=1":             `query must not be there; the operation takes limit, after, ratio, deep, color, like, tag, size`,
		"limit=1&deep=%zz":             `query must be name=value pairs with & between them, percent-encoded`,
		"limit=1;deep=true":            `query must be name=value pairs with & between them, percent-encoded; query parameter "limit" is required`,
		"limit=0":                      `query parameter "limit" must be an integer from 1 to 100`,
		"limit=1&like=%ff":             `query parameter "like" must be text in UTF-8`,
		"limit=1&like=A":               `query parameter "like" must match ^[a-zé€]+$`,
		"limit=1&color=":               `query parameter "color" must be one of red, dark blue, #00f`,
		"limit=1&ratio=2":              `query parameter "ratio" must be a number from -0.5 to 1.5`,
		"limit=1&deep=1":               `query parameter "deep" must be true or false`,
		"limit=1&size=1&size=-1":       `query parameter "size" must be an integer from 0 to 9223372036854775807`,
		"limit=1&size=1&size=1&size=1": `query parameter "size" must be an array of 0 to 2 items`,
	} {
		if status, answer, _ := s.ask("GET /things?"+query, ""); status != 400 || answer != "invalid request: "+want {
			t.Errorf("?%s: %d %s, want %s", query, status, answer, want)
		}
	}
}

func TestPath(t *testing.T) {
	s := newSite(t)
	right := []string{"name", "5", "1.5", "true", "red", "1,2"}
	for _, v := range values {
		if v == "" {
			continue // that is another path
		}
		for i := range right {
			segments := append([]string{}, right...)
			segments[i] = strings.ReplaceAll(url.PathEscape(v), "%2C", ",")
			s.verdict(v, "GET /things/"+strings.Join(segments, "/"), "", "X-Name: x")
		}
	}
	lines := []string{"X-Name: xyz", "X-Size: 3", "X-Ratio: -1.5", "X-Deep: false", "X-Color: #00f", "X-Tags: a , bc"}
	if status, answer, _ := s.ask("GET /things/%C3%A9%2A/-5/1/false/dark%20blue/9,1", "", lines...); status != 200 || !strings.HasPrefix(answer, `[{"name":"anna"`) {
		t.Errorf("%d %s", status, answer)
	}
	want := things.FindThingRequestObject{
		Name: "é*", Size: -5, Ratio: 1, Deep: false, Color: things.DarkBlue, Tags: []int64{9, 1}, Params: things.FindThingParams{
			XName: "xyz", XSize: new(int64(3)), XRatio: new(-1.5), XDeep: new(false), XColor: new(things.Hash00f), XTags: &[]string{"a", "bc"},
		},
	}
	if !reflect.DeepEqual(s.service.got, want) {
		t.Errorf("read %s, want %s", text(s.service.got), text(want))
	}
	if status, answer, _ := s.ask("GET /things/a%ff/%35/1/true/red/%31", "", "X-Name: x"); status != 400 || answer != `invalid request: path parameter "name" must be text in UTF-8; `+
		`path parameter "size" must be an integer from -2147483648 to 2147483647; path parameter "tags" must be an integer from 1 to 9` {
		t.Errorf("%d %s", status, answer)
	}
}

func TestHeader(t *testing.T) {
	s := newSite(t)
	const what = "GET /things/name/5/1.5/true/red/1,2"
	for _, v := range values {
		for _, name := range []string{"X-Name", "X-Size", "X-Ratio", "X-Deep", "X-Color", "X-Tags"} {
			lines := []string{name + ": " + v}
			if name != "X-Name" {
				lines = append(lines, "X-Name: x")
			}
			s.verdict(v, what, "", lines...)
		}
	}
	for _, tt := range []struct {
		lines []string
		want  string
	}{
		{nil, `header parameter "X-Name" is required`},
		{[]string{"X-Name: a", "X-Name: a"}, `header parameter "X-Name" must not be repeated`},
		{[]string{"X-Name: a", "X-Tags: a", "X-Tags: b", "X-Tags: c"}, `header parameter "X-Tags" must be an array of 0 to 2 items`},
		{[]string{"X-Name: a", "X-Tags: a, bcd"}, `header parameter "X-Tags" must be from 1 to 2 characters long`},
	} {
		if status, answer, _ := s.ask(what, "", tt.lines...); status != 400 || answer != "invalid request: "+tt.want {
			t.Errorf("%v: %d %s, want %s", tt.lines, status, answer, tt.want)
		}
	}
	if status, answer, _ := s.ask(what, "", "X-Name: a", "X-Tags: a", "X-Tags: b"); status != 200 {
		t.Errorf("two lines: %d %s", status, answer)
	}
}

// thing is a valid body with the members given in place of its own, or beside them.
func thing(members ...string) string {
	all := map[string]json.RawMessage{}
	_ = json.Unmarshal([]byte(`{"name":"anna","size":1,"color":"red","tags":["x"]}`), &all)
	for _, m := range members {
		name, value, _ := strings.Cut(m, ":")
		all[name] = json.RawMessage(value)
	}
	b, err := json.Marshal(all)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func TestBody(t *testing.T) {
	s := newSite(t)
	members := []string{"name", "code", "size", "rank", "ratio", "deep", "color", "shade", "tags", "sizes", "ratios", "flags", "colors", "pin"}
	for _, v := range values {
		quoted := text(v)
		spellings := []string{quoted, "[" + quoted + "]", "[[" + quoted + "]]", `{"name":` + quoted + "}", `[{"name":` + quoted + "}]", `{"name":"x","age":` + quoted + "}"}
		if json.Valid([]byte(v)) {
			spellings = append(spellings, v, "["+v+"]", "["+v+","+v+"]", "["+v+","+v+","+v+"]", "[["+v+"]]", "[["+v+"],[]]", `{"name":"x","age":`+v+"}", `[{"name":"x","age":`+v+"}]")
		}
		for _, m := range members {
			for _, spelling := range spellings {
				body := thing(m + ":" + spelling)
				s.bodyVerdict(v, body)
			}
		}
	}
	for _, m := range members {
		for _, v := range []string{"{}", "[]", "[[]]", "[null]", `{"name":"x","more":1}`, `{"age":1}`, `["x","y","z"]`, `["x","y","z","w"]`, `[1,true]`, `[{"name":"x"},{}]`} {
			s.bodyVerdict("", thing(m+":"+v))
		}
	}
	s.bodyVerdict("", thing("more:1"))
}

// bodyVerdict is like verdict. The templates are as strict as kin-openapi but for what float64 cannot hold.
func (s *site) bodyVerdict(value, body string) {
	s.Helper()
	for _, what := range []string{"POST /things", "PUT /things"} {
		status, answer, _ := s.ask(what, body)
		err := s.accepted(what, body)
		if large := strings.HasPrefix(strings.TrimPrefix(value, "-"), "9"); (status < 300) != (err == nil) && !large && value != "1e400" {
			s.Errorf("%s %s: %d %s; kin-openapi: %v", what, body, status, answer, err)
		}
	}
}

func TestBodyIsRead(t *testing.T) {
	s := newSite(t)
	body := thing(`code:"007"`, "size:-2", "rank:1e0", "ratio:-0.5", "deep:true", `color:"dark blue"`, `shade:"#00f"`, `tags:["\u0061","b\n"]`, "sizes:[9223372036854775807,-1.0]",
		"ratios:[1e-1]", "flags:[false,true]", `colors:["red"]`, `pin:"é12"`)
	if status, answer, _ := s.ask("POST /things", body); status != 201 {
		t.Fatalf("%d %s", status, answer)
	}
	got := s.service.got.(things.NewThing)
	if pin := got.Pin; pin == nil || string(pin.Bytes()) != "é12" {
		t.Errorf("pin %v", pin)
	}
	got.Pin = nil
	want := things.NewThing{
		Name: "anna", Code: new("007"), Size: -2, Rank: new(int64(1)), Ratio: new(-0.5), Deep: new(true), Color: things.DarkBlue, Shade: new(things.Hash00f), Tags: []string{"a", "b\n"},
		Sizes: &[]int64{9223372036854775807, -1}, Ratios: &[]float64{0.1}, Flags: &[]bool{false, true}, Colors: &[]things.Color{things.Red},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("read %s, want %s", text(got), text(want))
	}
	for member, want := range map[string]string{
		`size:8`:          `"#/size" must be an integer from -2 to 7`,
		`size:"1"`:        `"#/size" must be an integer`,
		`size:1.5`:        `"#/size" must be an integer from -2 to 7`,
		`ratio:2`:         `"#/ratio" must be a number from -0.5 to 1.5`,
		`deep:"true"`:     `"#/deep" must be true or false`,
		`deep:null`:       `"#/deep" must be true or false`,
		`code:"x"`:        `"#/code" must match ^\d+$`,
		`shade:"blue"`:    `"#/shade" must be one of red, dark blue, #00f`,
		`tags:["abcd",1]`: `"#/tags/0" must be from 1 to 3 characters long; "#/tags/1" must be a string`,
		`more:{"a":1}`:    `"#" must have no members but those of the contract; names are case-sensitive`,
	} {
		if status, answer, _ := s.ask("PUT /things", thing(member)); status != 400 || answer != "invalid request: "+want {
			t.Errorf("%s: %d %s, want %s", member, status, answer, want)
		}
	}
}

// The guard is asked before anything of the request is read, and not at all where nothing is demanded.
func TestSecurity(t *testing.T) {
	s := newSite(t)
	for what, want := range map[string][]strict.Requirement{
		"POST /things": {{Scheme: "token", Scopes: []string{"things:write", "things:read"}}, {Scheme: "session", Scopes: []string{}}},
		"PUT /things":  {{Scheme: "token", Scopes: []string{}}},
		"GET /things":  nil,
	} {
		s.guard.asked = nil
		s.ask(what, "no JSON")
		if !reflect.DeepEqual(s.guard.asked, want) {
			t.Errorf("%s: asked for %v, want %v", what, s.guard.asked, want)
		}
		w := httptest.NewRecorder()
		r := request(what, "no JSON", nil)
		r.Header.Del("Authorization")
		if s.ServeHTTP(w, r); want != nil && w.Body.String() != "who are you?" || want == nil && w.Code != 400 {
			t.Errorf("%s: %d %s", what, w.Code, w.Body)
		}
	}
}

func TestAnswers(t *testing.T) {
	s := newSite(t)
	status, answer, header := s.ask("POST /things", thing())
	if want := `{"name":"anna","owners":[{"name":"bo"},{"age":7,"name":"cy"}]}`; status != 201 || !sameJSON(answer, want) {
		t.Errorf("%d %s, want %s", status, answer, want)
	}
	if header.Get("Location") != "/things/1" || header.Get("X-Rank") != "3" || header.Values("X-Note") != nil || header.Values("Vary") != nil {
		t.Errorf("header %v", header)
	}
	s.service.lines = func(yield func([]things.Thing, error) bool) {
		_ = yield([]things.Thing{{Name: "a"}, {Name: "b"}}, nil) && yield([]things.Thing{{Name: "c"}}, nil)
	}
	for accept, want := range map[string]string{
		"": "application/json", "*/*": "application/json", "application/x-ndjson": "application/x-ndjson", "text/html": "application/json",
		"application/json;q=0.5, application/x-ndjson;q=0.6": "application/x-ndjson", "application/*;q=0.2, application/json;q=0.1": "application/x-ndjson",
	} {
		var lines []string
		if accept != "" {
			lines = []string{"Accept: " + accept}
		}
		_, answer, header := s.ask("GET /things?limit=1", "", lines...)
		if header.Get("Content-Type") != want || header.Get("Vary") != "Accept" {
			t.Errorf("Accept %q: header %v, want %s", accept, header, want)
		}
		if n := strings.Count(answer, "\n"); want == "application/x-ndjson" && (n != 3 || !sameJSON(strings.Split(answer, "\n")[2], `{"name":"c","owners":[]}`)) {
			t.Errorf("lines %s", answer)
		}
	}
}

func sameJSON(a, b string) bool {
	var x, y any
	return json.Unmarshal([]byte(a), &x) == nil && json.Unmarshal([]byte(b), &y) == nil && reflect.DeepEqual(x, y)
}

// An answer in lines that cannot begin is a failure like any other; one that cannot go on is cut off.
func TestLinesThatBreakOff(t *testing.T) {
	s := newSite(t)
	broken := errors.New("broken")
	s.service.lines = func(yield func([]things.Thing, error) bool) { yield(nil, broken) }
	if status, answer, _ := s.ask("GET /things?limit=1", "", "Accept: application/x-ndjson"); status != 500 || answer != "broken" {
		t.Errorf("%d %s", status, answer)
	}
	s.service.lines = func(yield func([]things.Thing, error) bool) {
		_ = yield([]things.Thing{{Name: "a"}}, nil) && yield(nil, broken)
	}
	server := httptest.NewServer(s)
	defer server.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/things?limit=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "application/x-ndjson")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err == nil || !strings.HasPrefix(string(body), `{"name":"a"`) {
		t.Errorf("body %s, error %v, want one that is cut off", body, err)
	}
}
