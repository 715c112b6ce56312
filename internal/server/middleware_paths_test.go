package server

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"

	wire "github.com/hashd-project/hashd/v2/gen/server"
	"github.com/hashd-project/hashd/v2/internal/engine"
)

// every method there is, and one that there is not.
var every = []string{
	http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
	http.MethodConnect, http.MethodOptions, http.MethodTrace, "PROPFIND", "HASH",
}

// paths returns those of the contract, and for each its methods and a target on it.
func (o oracle) paths() (paths []string, methods map[string][]string, target map[string]string) {
	methods, target = map[string][]string{}, map[string]string{}
	for path, item := range o.Paths.Map() {
		paths = append(paths, path)
		target[path] = strings.ReplaceAll(path, "{id}", "42")
		for method := range item.Operations() {
			methods[path] = append(methods[path], method)
			if method == http.MethodGet {
				methods[path] = append(methods[path], http.MethodHead)
			}
		}
	}
	slices.Sort(paths)
	return paths, methods, target
}

// A path that does not exist, by whatever method, gets a list of those that do.
func (s *site) wantUnknown(what string) {
	s.Helper()
	paths, _, _ := s.oracle.paths()
	a := s.ask(what, password)
	if p := a.wantProblem(404, "unknown-path"); !strings.Contains(p.Detail, " no trailing slash. The paths are: "+strings.Join(paths, ", ")+".") {
		s.Errorf("%s: %s", what, p.Detail)
	}
	if a.header["Allow"] != nil {
		s.Errorf("%s: Allow %q", what, a.header["Allow"])
	}
}

func TestTrailingSlash(t *testing.T) {
	s := newSite(t, on(fake{}))
	paths, _, target := s.oracle.paths()
	for _, path := range paths {
		for _, method := range every {
			s.wantUnknown(method + " " + target[path] + "/")
			s.wantUnknown(method + " " + target[path] + "//")
			s.wantUnknown(method + " " + target[path] + "/?password=" + canary)
		}
	}
	s.wantUnknown("POST /hash/")
	s.wantUnknown("GET /hash/%2F")
	s.wantUnknown("GET /hash/42%2F")
}

func TestUnknownPath(t *testing.T) {
	s := newSite(t, on(fake{}))
	for _, path := range []string{
		"/", "//", "/x", "/" + canary, "/hash/42/x", "/hash/42/" + canary, "/hash/42%2Fx", "/hash/1/2/3", "/hash//42", "//hash", "//hash/42",
		"/Hash", "/HASH/42", "/hash.json", "/hashes", "/has", "/hash42", "/v", "/v/", "/v/status/x", "/v1/status", "/stats/x", "/stat",
		"/healthz/x", "/readyz/x", "/.", "/..", "/hash/../stats", "/./stats", "/%00", "/%FF", "/hash%20", "/hash;a=b", "/*",
	} {
		for _, method := range every {
			s.wantUnknown(method + " " + path)
		}
	}
}

// A path that exists refuses other methods and names its own.
func TestWrongMethod(t *testing.T) {
	s := newSite(t, on(fake{}))
	paths, methods, target := s.oracle.paths()
	for _, path := range paths {
		want := slices.Sorted(slices.Values(append(methods[path], http.MethodOptions)))
		for _, method := range every {
			if slices.Contains(methods[path], method) {
				continue
			}
			a := s.ask(method+" "+target[path], password)
			if method == http.MethodOptions {
				a.want(204)
			} else {
				a.wantProblem(405, "method-not-allowed")
			}
			allow := strings.Split(a.header.Get("Allow"), ", ")
			if slices.Sort(allow); !slices.Equal(allow, want) {
				t.Errorf("%s: Allow %q, want %q", a.what, allow, want)
			}
		}
	}
}

// Methods are case-sensitive, and none can be put in place of another by a header.
func TestMethodIsAsSent(t *testing.T) {
	s := newSite(t, on(fake{}))
	s.ask("post /hash", password).wantProblem(405, "method-not-allowed")
	s.ask("Get /stats", "").wantProblem(405, "method-not-allowed")
	s.ask("GET /hash/batch", password, "X-Http-Method-Override: POST").wantProblem(400, "invalid-request",
		`query parameter "first" is required`, `query parameter "count" is required`)
}

// A query parameter that an operation does not have is refused, and named, on each of them: else a typing error is
// silence. So is one that stands there twice. Its value is not told.
func TestQueriesAreClosed(t *testing.T) {
	s := newSite(t, on(fake{}))
	paths, methods, target := s.oracle.paths()
	for _, path := range paths {
		for _, method := range methods[path] {
			name, _, _ := strings.Cut(target[path], "?")
			a := s.ask(method+" "+name+"?wait="+canary+"&limit=1&limit=2", passwords)
			if method == http.MethodHead {
				a.want(400)
				continue
			}
			var told []string
			for _, e := range *a.want(400).problem().Errors {
				if e.In == "query" {
					told = append(told, e.Parameter)
				}
			}
			if !slices.Contains(told, "wait") || !slices.Contains(told, "limit") {
				t.Errorf("%s %s: told of %q", method, path, told)
			}
		}
	}
	for query, name := range map[string]string{
		"?x": `"x"`, "?id=0": `"id"`, "?a=1&b=2&a=1": `"a"`, "?First=1": `"First"`, "?pass%20word=" + canary: "", "?%zz": "", "?a=1;b=2": "", "?/": "",
	} {
		for _, what := range []string{"GET /hash/42", "POST /hash", "GET /healthz"} {
			if a := s.ask(what+query, password); !strings.Contains(a.want(400).body, name) || strings.Contains(a.body, canary) {
				t.Errorf("%s%s: %s", what, query, a.body)
			}
		}
	}
	s.ask("GET /hash/42?", "").want(202)
	s.ask("GET /hash/batch?first=1&count=1&count=1", "").wantProblem(400, "invalid-request", `query parameter "count" must not be repeated`)
	s.ask("GET /hash/batch?first=1&count=10001", "").wantProblem(400, "invalid-request", `query parameter "count" must be an integer from 1 to 10000`)
	s.ask("GET /hash?after=01&limit=+1", "").wantProblem(400, "invalid-request",
		`query parameter "after" must be an integer from 0 to 9007199254740991`, `query parameter "limit" must be an integer from 1 to 10000`)
}

// Operations that take no body ignore one.
func TestBodyIsIgnored(t *testing.T) {
	s := newSite(t, on(fake{}))
	for _, what := range []string{"GET /hash/42", "GET /stats", "GET /v/status", "GET /healthz", "GET /readyz"} {
		if a := s.ask(what, password, "Content-Type: text/plain"); a.status > 202 {
			t.Errorf("%s with a body: status %d", what, a.status)
		}
	}
	s.ask("DELETE /hash/42", "not JSON "+canary).want(204)
}

// Pages stand beside the contract's paths, and what holds for those holds for them.
func TestPages(t *testing.T) {
	page := func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Fail") != "" {
			panic(canary)
		}
		w.Header().Set("Content-Type", "text/plain")
		_, _ = w.Write([]byte("page " + r.URL.Path))
	}
	s := newSite(t, on(fake{}), func(cfg *Config) {
		cfg.Pages = map[string]http.Handler{}
		for _, path := range []string{"/", "/page/a.js", "/docs", "/docs/a.js"} {
			cfg.Pages[path] = http.HandlerFunc(page)
		}
	})
	for path := range s.cfg.Pages {
		if a := s.ask("GET "+path, "").want(200, "Content-Type: text/plain"); a.body != "page "+path {
			t.Errorf("%s: %s", path, a.body)
		}
		s.ask("HEAD "+path, "").want(200, "Content-Type: text/plain")
		s.ask("OPTIONS "+path, "").want(204, "Allow: OPTIONS, GET, HEAD")
		for _, method := range []string{"POST", "PUT", "DELETE"} {
			s.ask(method+" "+path, password).wantProblem(405, "method-not-allowed")
		}
		for _, more := range []string{"/", "/x", "x"} {
			p := s.ask("GET "+path+more, "").wantProblem(404, "unknown-path")
			if !strings.Contains(p.Detail, "The paths are: /, /docs, /hash, /hash/batch, /hash/{id}, /healthz, ") {
				t.Errorf("%s: %s", path+more, p.Detail)
			}
		}
		s.ask("GET "+path, "", "Fail: yes").wantProblem(500, "internal")
	}
	if failed := s.log.lines("request failed"); len(failed) != len(s.cfg.Pages) || failed[0]["error"] != "panic: string" {
		t.Errorf("logged %v", failed)
	}
}

// HEAD sees a result and does not collect it: a drain goes on waiting for who does.
func TestHeadDoesNotCollect(t *testing.T) {
	var glances []bool
	s := newSite(t, stub{get: func(ctx context.Context) (wire.GetHashResponseObject, error) {
		glances = append(glances, engine.IsGlance(ctx))
		return nil, engine.ErrGone
	}})
	s.ask("HEAD /hash/42", "").want(410)
	s.ask("GET /hash/42", "").want(410)
	if !slices.Equal(glances, []bool{true, false}) {
		t.Errorf("glances %v", glances)
	}
}
