package browser

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/heapprofiler"
	"github.com/chromedp/chromedp"
)

// everything is all that a page shows, holds in fields and attributes, or has stored.
const everything = `(async () => {
	const fields = [...document.querySelectorAll("input, textarea")].map(f => f.value);
	const stored = [JSON.stringify(localStorage), JSON.stringify(sessionStorage), document.cookie, JSON.stringify(await indexedDB.databases()),
		JSON.stringify(await caches.keys()), JSON.stringify(history.state), name];
	const asked = performance.getEntries().map(e => e.name);
	return [document.documentElement.outerHTML, ...fields, ...stored, ...asked, location.href, document.title, getSelection() + ""].join("\n");
})()`

// wantNowhere fails the test if a secret is in the page, in what it wrote, stored or asked for, or in the memory of its scripts.
func (b *tab) wantNowhere(t *testing.T, secrets ...string) {
	t.Helper()
	shown, memory := value[string](t, b, everything), b.memory(t)
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, secret := range secrets {
		for where, text := range map[string]string{
			"page": shown, "memory of scripts": memory, "console": strings.Join(b.console, "\n"), "addresses": strings.Join(b.addresses, "\n"),
		} {
			if at := strings.Index(text, secret); at >= 0 {
				t.Errorf("the secret %q is in the %s: …%s…", secret, where, text[max(0, at-200):min(len(text), at+200)])
			}
		}
	}
}

// memory returns every string that scripts of the page can still reach.
func (b *tab) memory(t *testing.T) string {
	t.Helper()
	var mu sync.Mutex
	var snapshot bytes.Buffer
	ctx, stop := context.WithCancel(b.ctx)
	defer stop()
	chromedp.ListenTarget(ctx, func(event any) {
		if e, ok := event.(*heapprofiler.EventAddHeapSnapshotChunk); ok {
			mu.Lock()
			defer mu.Unlock()
			snapshot.WriteString(e.Chunk)
		}
	})
	b.do(t, "look at memory", heapprofiler.Enable(), heapprofiler.CollectGarbage(), heapprofiler.TakeHeapSnapshot(), heapprofiler.Disable())
	mu.Lock()
	defer mu.Unlock()
	var heap struct{ Strings []string }
	if err := json.Unmarshal(snapshot.Bytes(), &heap); err != nil || len(heap.Strings) < 100 {
		t.Fatalf("a snapshot of %d strings: %v", len(heap.Strings), err)
	}
	return strings.Join(heap.Strings, "\n")
}

func answerWith(html string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; require-trusted-types-for 'script'")
		if r.URL.Path != "/" {
			w.WriteHeader(http.StatusNotFound)
			return true
		}
		_, _ = w.Write([]byte(html))
		return true
	}
}

// A secret that is left in a field, in an attribute or in a variable is found.
func TestSecretsAreFound(t *testing.T) {
	t.Parallel()
	f := newFront(t, start(t), "")
	f.answer = answerWith(`<!doctype html><title>x</title><input>`)
	b := open(t, f.URL)
	b.do(t, "open", chromedp.Navigate(f.page("/")))
	value[bool](t, b, `(document.querySelector("input").value = ["in", "a", "field"].join(" "), true)`)
	value[bool](t, b, `(document.querySelector("input").dataset.x = ["in", "an", "attribute"].join(" "), true)`)
	value[bool](t, b, `(globalThis.kept = {x: JSON.parse('"in' + ' a variable"')}, true)`)
	value[bool](t, b, `(new RegExp("^in").test(["in", "the", "last", "match"].join(" ")), true)`)
	shown, memory := value[string](t, b, everything), b.memory(t)
	for where, text := range map[string]string{"in a field": shown, "in an attribute": shown, "in a variable": memory, "in the last match": memory} {
		if !strings.Contains(text, where) {
			t.Errorf("what is %s is not found", where)
		}
	}
}
