package browser

import (
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/hashd-project/hashd/v2/internal/needs"
)

// TestTypeScriptQuickStartInBrowser serves the page of docs/typescript.md and the built client from one origin, as it asks
// its reader to, types a secret into the page and waits for its hash there.
func TestTypeScriptQuickStartInBrowser(t *testing.T) {
	t.Parallel()
	guide, err := os.ReadFile("../../docs/typescript.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := regexp.MustCompile("(?s)```html\n(.*?)```").FindSubmatch(guide)
	if shown == nil {
		t.Fatal("docs/typescript.md has no page")
	}
	const dist = "../../client/ts/dist"
	if _, err := os.Stat(dist + "/index.js"); err != nil {
		needs.Missing(t, "client/ts/dist is missing: make build-ts before this test")
	}
	client := http.StripPrefix("/client/", http.FileServer(http.Dir(dist)))
	f := newFront(t, start(t, "--delay=300ms"), "")
	f.answer = func(w http.ResponseWriter, r *http.Request) bool {
		switch {
		case r.URL.Path == "/":
			w.Header().Set("Content-Type", "text/html")
			_, _ = w.Write(shown[1])
		case strings.HasPrefix(r.URL.Path, "/client/"):
			client.ServeHTTP(w, r)
		default:
			return false
		}
		return true
	}
	b := open(t, f.URL)
	b.do(t, "hash a secret", chromedp.Navigate(f.page("/")), chromedp.SendKeys("input", angryMonkey, chromedp.ByQuery),
		chromedp.Click("button", chromedp.ByQuery))
	b.until(t, `document.querySelector("output").textContent === "`+angryMonkeyHash+`"`)
	b.wantClean(t, false)
}
