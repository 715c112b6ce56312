package docs

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/hashd-project/hashd/v2/api"
)

var allPages = sync.OnceValues(func() (map[string]http.Handler, error) { return Pages(api.Contract()) })

// get fetches a page; headers are pairs of name and value.
func get(t *testing.T, path string, headers ...string) *http.Response {
	t.Helper()
	pages, err := allPages()
	if err != nil {
		t.Fatal(err)
	}
	page, ok := pages[path]
	if !ok {
		t.Fatalf("no page %s", path)
	}
	r := httptest.NewRequest(http.MethodGet, path, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	page.ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, r *http.Response) []byte {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestContractInBothForms(t *testing.T) {
	r := get(t, "/openapi.yaml")
	if got := body(t, r); string(got) != api.Contract() || r.Header.Get("Content-Type") != "application/yaml" {
		t.Errorf("%d bytes of %s", len(got), r.Header.Get("Content-Type"))
	}
	fromYAML, err := openapi3.NewLoader().LoadFromData([]byte(api.Contract()))
	if err != nil {
		t.Fatal(err)
	}
	fromJSON, err := openapi3.NewLoader().LoadFromData(body(t, get(t, "/openapi.json")))
	if err != nil {
		t.Fatal(err)
	}
	if err := fromJSON.Validate(t.Context()); err != nil {
		t.Error(err)
	}
	a, errA := json.Marshal(fromYAML)
	b, errB := json.Marshal(fromJSON)
	if errA != nil || errB != nil || !bytes.Equal(a, b) {
		t.Errorf("the two forms differ: %v, %v", errA, errB)
	}
}

func TestUnchangedContentIsNotSentAgain(t *testing.T) {
	for _, encoding := range []string{"", "gzip"} {
		for _, path := range []string{"/openapi.yaml", "/openapi.json", "/docs", "/docs/swagger-ui.css"} {
			first := get(t, path, "Accept-Encoding", encoding)
			tag := first.Header.Get("Etag")
			again := get(t, path, "Accept-Encoding", encoding, "If-None-Match", tag)
			if tag == "" || first.StatusCode != http.StatusOK || again.StatusCode != http.StatusNotModified || len(body(t, again)) > 0 {
				t.Errorf("%s %q: %d with tag %s, then %d", path, encoding, first.StatusCode, tag, again.StatusCode)
			}
			if changed := get(t, path, "If-None-Match", `"other"`); changed.StatusCode != http.StatusOK {
				t.Errorf("%s: %d for a client that has something else", path, changed.StatusCode)
			}
		}
	}
}

func TestCompressedForThoseWhoTakeIt(t *testing.T) {
	for _, path := range []string{"/docs/swagger-ui.css", "/docs/swagger-ui-bundle.js"} {
		plain, zipped := get(t, path), get(t, path, "Accept-Encoding", "br, gzip")
		if plain.Header.Get("Content-Encoding") != "" || zipped.Header.Get("Content-Encoding") != "gzip" {
			t.Fatalf("%s: encodings %q and %q", path, plain.Header.Get("Content-Encoding"), zipped.Header.Get("Content-Encoding"))
		}
		if plain.Header.Get("Etag") == zipped.Header.Get("Etag") {
			t.Errorf("%s: both forms have the tag %s", path, plain.Header.Get("Etag"))
		}
		r, err := gzip.NewReader(zipped.Body)
		if err != nil {
			t.Fatal(err)
		}
		unzipped, err := io.ReadAll(r)
		if err != nil || !bytes.Equal(unzipped, body(t, plain)) {
			t.Errorf("%s: unzipped it is something else: %v", path, err)
		}
	}
}

// resolve returns the path that a reference in the page at the path leads to.
func resolve(t *testing.T, at, reference string) string {
	t.Helper()
	base, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	u, err := base.Parse(reference)
	if err != nil || u.Host != "" {
		t.Fatalf("reference %q: %v", reference, err)
	}
	return u.Path
}

// The page asks for nothing that is not there or not ours, and for no script of its own.
func TestPageIsWhole(t *testing.T) {
	pages, err := allPages()
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []string{"/docs", "/docs/"} {
		html := string(body(t, get(t, at)))
		references := regexp.MustCompile(`(?:src|href)="([^"]*)"`).FindAllStringSubmatch(html, -1)
		for _, m := range references {
			// Relative to the page, they are there, whatever prefix stands before it.
			if path := resolve(t, at, m[1]); pages[path] == nil || resolve(t, "/a/prefix"+at, m[1]) != "/a/prefix"+path {
				t.Errorf("the page at %s asks for %s, which is not there", at, m[1])
			}
		}
		if len(references) < 4 || regexp.MustCompile(`<script>|<style|style=| on[a-z]+=`).MatchString(html) {
			t.Errorf("the page at %s has scripts or styles in it: %s", at, html)
		}
	}
	for path := range pages {
		r := get(t, path)
		if opener := r.Header.Get("Cross-Origin-Opener-Policy"); opener != "same-origin" {
			t.Errorf("%s: its opener is %q", path, opener)
		}
		if policy := r.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") ||
			strings.Contains(policy, "unsafe-eval") || strings.Contains(policy, "script-src 'self' 'unsafe") {
			t.Errorf("%s: policy %q", path, policy)
		}
		if r.Header.Get("X-Content-Type-Options") != "nosniff" || len(body(t, r)) == 0 {
			t.Errorf("%s: empty, or its type may be guessed", path)
		}
	}
}

// Whether a client takes gzip is read by the grammar of Accept-Encoding, over all its lines.
func TestGzipIsForThoseWhoTakeIt(t *testing.T) {
	for accept, want := range map[string]string{
		"gzip": "gzip", "x-gzip": "gzip", "GZIP": "gzip", "*": "gzip", "br;q=1, gzip;q=0.2": "gzip", "identity;q=0, gzip;q=0.1": "gzip", "br\ngzip": "gzip", "\ngzip": "gzip",
		"": "", "gzip;q=0": "", "gzip;q=0.0, br": "", "br, gzip; q=0.000": "", "*;q=0": "", "gzip;q=0, *": "", "gzip;q=0.5, identity": "", "not-gzip": "", "gzipped": "", "br": "", "br\ngzip;q=0": "",
	} {
		pages, err := allPages()
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest(http.MethodGet, "/docs/swagger-ui.css", http.NoBody)
		r.Header["Accept-Encoding"] = strings.Split(accept, "\n")
		w := httptest.NewRecorder()
		pages["/docs/swagger-ui.css"].ServeHTTP(w, r)
		if got := w.Result().Header; got.Get("Content-Encoding") != want || got.Get("Vary") != "Accept-Encoding" {
			t.Errorf("%q: encoding %q, Vary %q", accept, got.Get("Content-Encoding"), got.Get("Vary"))
		}
	}
}

// A list of tags may be long, weak, in several lines, or stand for any; a range that is given twice is none.
func TestConditionsInSeveralLines(t *testing.T) {
	tag := get(t, "/docs").Header.Get("Etag")
	for name, tt := range map[string]struct {
		header http.Header
		status int
	}{
		"one of many":    {http.Header{"If-None-Match": {`"a", ` + tag}}, 304},
		"second line":    {http.Header{"If-None-Match": {`"a"`, `"b", ` + tag}}, 304},
		"empty line":     {http.Header{"If-None-Match": {"", tag}}, 304},
		"weak":           {http.Header{"If-None-Match": {`"a"`, "W/" + tag}}, 304},
		"any":            {http.Header{"If-None-Match": {"*"}}, 304},
		"none":           {http.Header{"If-None-Match": {`"a"`, `"b, ` + strings.Trim(tag, `"`) + `"`}}, 200},
		"must match":     {http.Header{"If-Match": {`"a"`, tag}}, 200},
		"does not match": {http.Header{"If-Match": {`"a"`, `"b"`}}, 412},
		"range":          {http.Header{"Range": {"bytes=0-1"}}, 206},
		"two ranges":     {http.Header{"Range": {"bytes=0-1", "bytes=2-3"}}, 200},
		"range, two ifs": {http.Header{"Range": {"bytes=0-1"}, "If-Range": {tag, `"a"`}}, 200},
	} {
		pages, err := allPages()
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest(http.MethodGet, "/docs", http.NoBody)
		r.Header = tt.header
		w := httptest.NewRecorder()
		pages["/docs"].ServeHTTP(w, r)
		if w.Code != tt.status {
			t.Errorf("%s: status %d, want %d", name, w.Code, tt.status)
		}
	}
}

func TestBrokenContract(t *testing.T) {
	for _, text := range []string{"a: [", "a: !!binary x", "1: {2: 3}\nb: .nan"} {
		if _, err := toJSON(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}
