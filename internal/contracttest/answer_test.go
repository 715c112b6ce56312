package contracttest

import (
	"net/http"
	"strings"
	"testing"
)

// The check that each answer in the end-to-end tests goes through finds what it is for.
func TestContractIsHeld(t *testing.T) {
	t.Parallel()
	c, err := New()
	if err != nil {
		t.Fatal(err)
	}
	const (
		job     = `{"id":7,"status":"pending","algorithm":"sha512","due":"2026-11-23T21:17:05Z"}`
		problem = `{"type":"urn:hashd:problem:unknown-job","title":"Unknown job","status":404,"detail":"No such job.","instance":"urn:hashd:request:x"}`
	)
	submit, get := []string{http.MethodPost, "/hash"}, []string{http.MethodGet, "/hash/7"}
	lines, result := []string{http.MethodGet, "/hash/batch?first=7&count=2"}, `{"id":7,"status":"pending"}`+"\n"
	for name, test := range map[string]struct {
		request []string // method and path
		status  int
		header  string // beside X-Request-Id
		body    string
		want    string // what the error says; "" if there is to be none
	}{
		"right answer":        {submit, 202, "Content-Type: application/json; Location: /hash/7; Retry-After: 5", job, ""},
		"right problem":       {get, 404, "Content-Type: application/problem+json", problem, ""},
		"undeclared status":   {submit, 201, "Content-Type: application/json; Location: /hash/7; Retry-After: 5", job, "status is not supported"},
		"undeclared problem":  {submit, 404, "Content-Type: application/problem+json", problem, "status is not supported"},
		"missing member":      {submit, 202, "Content-Type: application/json; Location: /hash/7; Retry-After: 5", `{"id":7,"status":"done"}`, `property "algorithm" is missing`},
		"additional member":   {submit, 202, "Content-Type: application/json; Location: /hash/7; Retry-After: 5", `{"secret":"x",` + job[1:], `property "secret" is unsupported`},
		"wrong member":        {submit, 202, "Content-Type: application/json; Location: /hash/7; Retry-After: 5", strings.Replace(job, "7", "0", 1), "at least 1"},
		"no JSON":             {submit, 202, "Content-Type: application/json; Location: /hash/7; Retry-After: 5", `{`, "failed to decode"},
		"wrong content type":  {submit, 202, "Content-Type: text/plain; Location: /hash/7; Retry-After: 5", job, "Content-Type"},
		"missing header":      {submit, 202, "Content-Type: application/json; Retry-After: 5", job, `"Location"`},
		"wrong header":        {submit, 202, "Content-Type: application/json; Location: /hash/7; Retry-After: soon", job, `"Retry-After"`},
		"problem in JSON":     {get, 404, "Content-Type: application/json", problem, "application/json"},
		"status of another":   {get, 410, "Content-Type: application/problem+json", problem, "want [410"},
		"instance of another": {get, 404, "Content-Type: application/problem+json", strings.Replace(problem, "request:x", "request:y", 1), "instance"},
		"lines":               {lines, 200, "Content-Type: application/x-ndjson", result + result, ""},
		"no lines":            {lines, 200, "Content-Type: application/x-ndjson", "", ""},
		"wrong line":          {lines, 200, "Content-Type: application/x-ndjson", result + `{"id":8,"status":"lost"}` + "\n", "not one of the allowed values"},
		"line cut off":        {lines, 200, "Content-Type: application/x-ndjson", result + result[:len(result)-1], "does not end"},
		"undeclared lines":    {get, 200, "Content-Type: application/x-ndjson", result, "is not declared"},
		"unknown path":        {[]string{http.MethodGet, "/jobs"}, 200, "Content-Type: application/json", job, "is unsupported"},
		"method without list": {[]string{http.MethodPut, "/hash"}, 405, "Content-Type: application/problem+json", problem, "no Allow"},
	} {
		req, err := http.NewRequestWithContext(t.Context(), test.request[0], test.request[1], http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		a := answer{test.status, http.Header{"X-Request-Id": {"x"}}, []byte(test.body)}
		for field := range strings.SplitSeq(test.header, "; ") {
			key, value, _ := strings.Cut(field, ": ")
			a.header.Set(key, value)
		}
		err = c.Check(req, a.status, a.header, a.body)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: error %v, want %q", name, err, test.want)
		}
		a.header.Del("X-Request-Id")
		if err := c.Check(req, a.status, a.header, a.body); err == nil || !strings.Contains(err.Error(), "X-Request-Id") {
			t.Errorf("%s without X-Request-Id: error %v", name, err)
		}
	}
}
