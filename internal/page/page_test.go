package page

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"regexp"
	"strings"
	"testing"
)

func all(t *testing.T) map[string]http.Handler {
	t.Helper()
	pages, err := Pages()
	if err != nil {
		t.Fatal(err)
	}
	return pages
}

// get fetches a page; headers are pairs of name and value.
func get(t *testing.T, pages map[string]http.Handler, at string, headers ...string) (*http.Response, string) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, at, http.NoBody)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	pages[at].ServeHTTP(w, r)
	answer := w.Result()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(body)
}

// references are what a file of the page asks for.
var references = map[string]*regexp.Regexp{
	".html": regexp.MustCompile(`(?:src|href)="([^"#]+)"`),
	".js":   regexp.MustCompile(`(?m)^(?:import|export)[^;]*? from "([^"]+)"|^import "([^"]+)"|\bimport\("([^"]+)"\)`),
	".css":  regexp.MustCompile(`url\(([^)]+)\)|@import ([^;]+)`),
}

// What a file asks for is there, whatever prefix stands before it, and is this server's own.
func TestEveryReferenceIsThere(t *testing.T) {
	pages, found := all(t), 0
	for at := range pages {
		kind := path.Ext(at)
		if at == "/" {
			kind = ".html"
		}
		_, text := get(t, pages, at)
		if references[kind] == nil {
			continue
		}
		for _, m := range references[kind].FindAllStringSubmatch(text, -1) {
			reference := strings.Join(m[1:], "")
			base := &url.URL{Path: "/a/prefix" + at}
			to, err := base.Parse(reference)
			if err != nil || to.Host != "" {
				t.Errorf("%s asks for %q: %v", at, reference, err)
				continue
			}
			target, below := strings.CutPrefix(to.Path, "/a/prefix")
			known := pages[target] != nil || target == "/docs" || target == "/openapi.yaml" || target == "/metrics"
			if found++; !below || !known {
				t.Errorf("%s asks for %s, which is not there", at, reference)
			}
		}
	}
	if found < 10 {
		t.Errorf("%d references found", found)
	}
}

// The policy would block what stands in the page itself, and a browser would say so.
func TestNothingIsInline(t *testing.T) {
	_, html := get(t, all(t), "/")
	if found := regexp.MustCompile(`<script>|<style|\sstyle=|\son[a-z]+=|javascript:|data:|https?://[^l]`).FindAllString(html, -1); len(found) > 0 {
		t.Errorf("in the page: %q", found)
	}
	for _, id := range []string{"secret", "key", "lines", "file"} {
		field := regexp.MustCompile(`<(?:input|textarea)[^>]* id="` + id + `"[^>]*>`).FindString(html)
		if field == "" {
			field = regexp.MustCompile(`<(?:input|textarea) id="` + id + `"[^>]*>`).FindString(html)
		}
		if !strings.Contains(field, `autocomplete="off"`) || strings.Contains(field, " name=") {
			t.Errorf("field %s: %s", id, field)
		}
	}
}

func TestPolicyAndTypes(t *testing.T) {
	pages := all(t)
	for at := range pages {
		answer, body := get(t, pages, at)
		for name, want := range map[string]string{
			"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; " +
				"form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
			"X-Content-Type-Options": "nosniff", "Cross-Origin-Opener-Policy": "same-origin", "Cache-Control": "no-cache",
		} {
			if got := answer.Header.Get(name); got != want {
				t.Errorf("%s: %s is %q", at, name, got)
			}
		}
		if answer.StatusCode != http.StatusOK || body == "" || answer.Header.Get("Content-Type") == "" {
			t.Errorf("%s: status %d, %d bytes of %q", at, answer.StatusCode, len(body), answer.Header.Get("Content-Type"))
		}
		again, rest := get(t, pages, at, "If-None-Match", answer.Header.Get("Etag"))
		if again.StatusCode != http.StatusNotModified || rest != "" {
			t.Errorf("%s: status %d for who has it", at, again.StatusCode)
		}
		zipped, small := get(t, pages, at, "Accept-Encoding", "gzip")
		if zipped.Header.Get("Content-Encoding") != "gzip" || len(small) >= len(body) && len(body) > 400 {
			t.Errorf("%s: %d bytes of %d for who takes gzip", at, len(small), len(body))
		}
	}
}

// Scripts write text as text, and keep nothing where others find it.
func TestScriptsAreCareful(t *testing.T) {
	pages := all(t)
	for at := range pages {
		if path.Ext(at) != ".js" || strings.HasPrefix(at, "/page/uplot/") {
			continue
		}
		_, text := get(t, pages, at)
		if found := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|localStorage|sessionStorage|indexedDB|document\.cookie|pushState|replaceState|console\.|\.style\.cssText|setAttribute\("style"`).FindAllString(text, -1); len(found) > 0 {
			t.Errorf("%s has %q", at, found)
		}
	}
}
