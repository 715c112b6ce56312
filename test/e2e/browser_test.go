package e2e

import (
	"context"
	"flag"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/hashd-project/hashd/internal/needs"
)

var screenshot = flag.String("screenshot", "", "write a picture of /docs, taken by the browser test, to this file")

// TestSwaggerUI does what a person does who opens /docs: submits a secret through the page and
// collects its hash.
func TestSwaggerUI(t *testing.T) {
	i := start(t, "--delay=500ms")
	b := openBrowser(t, "http://"+i.address)
	b.do(t, "open the page", chromedp.Navigate(b.origin+"/docs"),
		chromedp.WaitVisible("#operations-jobs-submitHash"))

	submitted := b.execute(t, "submitHash")
	if !strings.Contains(submitted, "202") || !strings.Contains(submitted, `"id": 1`) {
		t.Errorf("POST /hash through the page shows:\n%s", submitted)
	}
	collected := b.execute(t, "getHash", // the field shows the example, 42
		chromedp.SendKeys("#operations-jobs-getHash tr[data-param-name=id] input", kb.End+kb.Backspace+kb.Backspace+"1"))
	const hash = "ZEHhWB65gUlzdVwtDQArEyx+KVLzp/aTaRaPlBzYRIFj6vjFdqEb0Q5B8zVKCZ0vKbZPZklJz0Fd7su2A+gf7Q=="
	if !strings.Contains(collected, "200") || !strings.Contains(collected, hash) {
		t.Errorf("GET /hash/1 through the page shows:\n%s", collected)
	}
	b.do(t, "follow a deep link", chromedp.Navigate(b.origin+"/docs#/operations/getStats"), chromedp.Reload(),
		chromedp.WaitVisible("#operations-operations-getStats.is-open"))
	if *screenshot != "" {
		b.picture(t, *screenshot)
	}
	b.wantClean(t)
	i.stop(t)
}

// TestSwaggerUIBehindAPrefix does the same behind a proxy that takes a prefix away, in the window of a
// telephone, at both addresses of the page.
func TestSwaggerUIBehindAPrefix(t *testing.T) {
	i := start(t, "--delay=0s")
	const prefix = "/a/prefix" // beside it the proxy has nothing, which the browser would note
	hashd := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: i.address})
	proxy := httptest.NewServer(http.StripPrefix(prefix, hashd))
	t.Cleanup(proxy.Close)
	b := openBrowser(t, proxy.URL)
	for _, page := range []string{"/docs", "/docs/"} {
		b.do(t, "open "+page, chromedp.EmulateViewport(390, 844), chromedp.Navigate(b.origin+prefix+page),
			chromedp.WaitVisible("#operations-jobs-submitHash"))
		b.wantNoSidewaysScroll(t, page)
		submitted := b.execute(t, "submitHash")
		id := regexp.MustCompile(`"id": (\d+)`).FindStringSubmatch(submitted)
		if !strings.Contains(submitted, "202") || id == nil {
			t.Fatalf("%s: POST /hash through the page shows:\n%s", page, submitted)
		}
		b.execute(t, "submitBatch")
		collected := b.execute(t, "getHash",
			chromedp.SendKeys("#operations-jobs-getHash tr[data-param-name=id] input", kb.End+kb.Backspace+kb.Backspace+id[1]))
		if !strings.Contains(collected, angryMonkeyHash) {
			t.Errorf("%s: GET /hash/%s through the page shows:\n%s", page, id[1], collected)
		}
		b.wantNoSidewaysScroll(t, page+" with operations open")
		if *screenshot != "" {
			var png []byte
			b.do(t, "picture", chromedp.FullScreenshot(&png, 100))
			b.write(t, strings.TrimSuffix(*screenshot, ".png")+"-narrow.png", png)
		}
	}
	b.wantClean(t)
	i.stop(t)
}

// wantNoSidewaysScroll fails the test if the page is wider than its window, and names what makes it so.
func (b *browser) wantNoSidewaysScroll(t *testing.T, when string) {
	t.Helper()
	var wide []string
	b.do(t, "measure", chromedp.Evaluate(`document.documentElement.scrollWidth <= innerWidth ? [] :
		[document.documentElement.scrollWidth + " of " + innerWidth].concat(Array.from(document.querySelectorAll("body *"))
			.filter(e => e.getBoundingClientRect().right > innerWidth + 0.5).map(e => e.tagName + "." + e.className))`, &wide))
	if len(wide) > 0 {
		t.Errorf("%s: the page is wider than its window: %q", when, wide)
	}
}

// browser is a headless Chromium that notes what goes wrong in it and where its requests go.
type browser struct {
	ctx    context.Context
	origin string

	mu        sync.Mutex
	faults    []string
	strangers []string // requests to other origins
	requests  int
}

func openBrowser(t *testing.T, origin string) *browser {
	t.Helper()
	path := needs.Tool(t, "chromium", needs.Debian("chromium"))
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.WindowSize(1200, 1000))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	ctx, stop := chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(stop)
	ctx, shut := chromedp.NewContext(ctx)
	t.Cleanup(func() {
		_ = chromedp.Cancel(ctx) // asks the browser to end, and waits for it
		shut()
	})
	b := &browser{ctx: ctx, origin: origin}
	chromedp.ListenTarget(ctx, b.note)
	b.do(t, "start", network.Enable(), cdplog.Enable(), runtime.Enable())
	return b
}

// note looks at each event of the browser.
func (b *browser) note(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		b.faults = append(b.faults, e.ExceptionDetails.Error())
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.APITypeError {
			b.faults = append(b.faults, "console error")
		}
	case *cdplog.EventEntryAdded:
		if e.Entry.Level == cdplog.LevelError {
			b.faults = append(b.faults, e.Entry.Text+" "+e.Entry.URL)
		}
	case *network.EventRequestWillBeSent:
		b.requests++
		if u, err := url.Parse(e.Request.URL); err != nil || u.Scheme != "data" && u.Scheme+"://"+u.Host != b.origin {
			b.strangers = append(b.strangers, e.Request.URL)
		}
	}
}

func (b *browser) do(t *testing.T, what string, actions ...chromedp.Action) {
	t.Helper()
	if err := chromedp.Run(b.ctx, actions...); err != nil {
		t.Fatalf("%s: %v; %q", what, err, b.faults)
	}
}

// execute opens an operation, fills it in, presses Execute, and returns the answer that shows.
func (b *browser) execute(t *testing.T, operation string, fill ...chromedp.Action) (answer string) {
	t.Helper()
	id := "#operations-jobs-" + operation
	b.do(t, "open "+operation, chromedp.Click(id+" .opblock-summary-control"), chromedp.WaitVisible(id+" .execute"))
	b.do(t, "fill in "+operation, fill...)
	b.do(t, "execute "+operation, chromedp.Click(id+" .execute"),
		chromedp.WaitVisible(id+" .live-responses-table tbody .response-col_status"),
		chromedp.Text(id+" .live-responses-table", &answer))
	return answer
}

// picture writes what the window shows.
func (b *browser) picture(t *testing.T, file string) {
	t.Helper()
	var png []byte
	b.do(t, "picture", chromedp.Navigate(b.origin+"/docs"), chromedp.Reload(),
		chromedp.WaitVisible("#operations-jobs-submitHash"), chromedp.Sleep(time.Second), chromedp.CaptureScreenshot(&png))
	b.write(t, file, png)
}

func (b *browser) write(t *testing.T, file string, png []byte) {
	t.Helper()
	if err := os.WriteFile(file, png, 0o644); err != nil {
		t.Fatal(err)
	}
}

// wantClean fails the test if anything went wrong in the page or left for another origin.
func (b *browser) wantClean(t *testing.T) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.faults) > 0 || len(b.strangers) > 0 || b.requests == 0 {
		t.Errorf("%d requests, errors %q, requests to others %q", b.requests, b.faults, b.strangers)
	}
}
