package browser

import (
	"flag"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

var (
	screenshots = flag.String("screenshots", "", "write the pictures of the docs to this folder")
	states      = flag.String("states", "", "write pictures of all states of the live page to this folder")
)

// TestSwaggerUI does what a person does who opens /docs: submits a secret through the page and
// collects its hash.
func TestSwaggerUI(t *testing.T) {
	t.Parallel()
	i := start(t, "--delay=500ms")
	b := open(t, "http://"+i.address)
	b.do(t, "open the page", chromedp.Navigate(b.origin+"/docs"),
		chromedp.WaitVisible("#operations-jobs-submitHash"))

	submitted := b.execute(t, "submitHash")
	if !strings.Contains(submitted, "202") || !strings.Contains(submitted, `"id": 1`) {
		t.Errorf("POST /hash through the page shows:\n%s", submitted)
	}
	i.awaitHash(t, "1")
	collected := b.execute(t, "getHash", // the field shows the example, 42
		chromedp.SendKeys("#operations-jobs-getHash tr[data-param-name=id] input", kb.End+kb.Backspace+kb.Backspace+"1"))
	if !strings.Contains(collected, "200") || !strings.Contains(collected, angryMonkeyHash) {
		t.Errorf("GET /hash/1 through the page shows:\n%s", collected)
	}
	b.do(t, "follow a deep link", chromedp.Navigate(b.origin+"/docs#/operations/getStats"), chromedp.Reload(),
		chromedp.WaitVisible("#operations-operations-getStats.is-open"))
	if *screenshots != "" {
		b.do(t, "close all", chromedp.Navigate(b.origin+"/docs"), chromedp.Reload(), chromedp.WaitVisible("#operations-jobs-submitHash"))
		b.picture(t, filepath.Join(*screenshots, "swagger-ui.png"))
	}
	b.wantClean(t, false)
}

// TestSwaggerUIBehindAPrefix does the same behind a proxy that takes a prefix away, in the window of a
// telephone, at both addresses of the page.
func TestSwaggerUIBehindAPrefix(t *testing.T) {
	t.Parallel()
	i := start(t, "--delay=0s")
	f := newFront(t, i, "/a/prefix") // beside it the proxy has nothing, which the browser would note
	b := open(t, f.URL)
	for _, page := range []string{"/docs", "/docs/"} {
		b.do(t, "open "+page, chromedp.EmulateViewport(390, 844), chromedp.Navigate(f.page(page)),
			chromedp.WaitVisible("#operations-jobs-submitHash"))
		b.wantNoSidewaysScroll(t, page)
		submitted := b.execute(t, "submitHash")
		id := regexp.MustCompile(`"id": (\d+)`).FindStringSubmatch(submitted)
		if !strings.Contains(submitted, "202") || id == nil {
			t.Fatalf("%s: POST /hash through the page shows:\n%s", page, submitted)
		}
		b.execute(t, "submitBatch")
		i.awaitHash(t, id[1])
		collected := b.execute(t, "getHash",
			chromedp.SendKeys("#operations-jobs-getHash tr[data-param-name=id] input", kb.End+kb.Backspace+kb.Backspace+id[1]))
		if !strings.Contains(collected, angryMonkeyHash) {
			t.Errorf("%s: GET /hash/%s through the page shows:\n%s", page, id[1], collected)
		}
		b.wantNoSidewaysScroll(t, page+" with operations open")
	}
	b.wantClean(t, false)
}

// execute opens an operation, fills it in, presses Execute, and returns the answer that shows.
func (b *tab) execute(t *testing.T, operation string, fill ...chromedp.Action) (answer string) {
	t.Helper()
	id := "#operations-jobs-" + operation
	b.do(t, "open "+operation, chromedp.Click(id+" .opblock-summary-control"), chromedp.WaitVisible(id+" .execute"))
	b.do(t, "fill in "+operation, fill...)
	b.do(t, "execute "+operation, chromedp.Click(id+" .execute"),
		chromedp.WaitVisible(id+" .live-responses-table tbody .response-col_status"),
		chromedp.Text(id+" .live-responses-table", &answer))
	return answer
}
