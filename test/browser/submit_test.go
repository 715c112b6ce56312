package browser

import (
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// hashOf is what hashd makes of a secret.
func hashOf(secret string) string {
	sum := sha512.Sum512([]byte(secret))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// A secret that is typed into the page brings its hash, which can be copied. Once it is accepted, it is nowhere any more.
func TestPageSubmitAndCollect(t *testing.T) {
	t.Parallel()
	s := start(t, "--delay=3s")
	p := visit(t, newFront(t, s, ""))
	p.clipboard(t)
	const secret = "correct horse 7 battery"
	p.enter(t, "#secret", secret)
	if value[string](t, p.tab, `document.querySelector("#secret").type`) != "password" {
		t.Error("the secret can be read over the shoulder")
	}
	p.clickOn(t, "[data-reveal=secret]")
	p.until(t, `document.querySelector("#secret").type === "text"`)
	p.sees(t, rowIs(0, "due in "), func() { p.enter(t, "#secret", kb.Enter) })
	p.until(t, `document.activeElement.id === "secret" && document.activeElement.value === "" && document.activeElement.type === "password"`)
	p.until(t, hashIs(0, hashOf(secret)))
	clipboard.Lock()
	p.sees(t, row(0, `row.innerText.includes("Copied")`), func() { p.press(t, 0, "Copy") })
	copied := value[string](t, p.tab, `navigator.clipboard.readText()`)
	clipboard.Unlock()
	if copied != hashOf(secret) {
		t.Errorf("copied is %q", copied)
	}
	p.until(t, `document.querySelector("#n-done").textContent === "1" && document.querySelector("#n-waiting").textContent === "0"`)
	p.wantNowhere(t, secret)
	if title := value[string](t, p.tab, "document.title"); title != "hashd" {
		t.Errorf("the title is %q", title)
	}
	p.wantClean(t, false)
}

// Ten thousand lines that are pasted are one batch, one row, and one file of hashes. Their text is never in the page.
func TestPagePastesManyLines(t *testing.T) {
	t.Parallel()
	const n = 10_000
	f := newFront(t, start(t, "--delay=3s"), "")
	p := visit(t, f)
	var lines strings.Builder
	for k := range n {
		fmt.Fprintf(&lines, "pasted secret %d of mine\n", k)
	}
	p.paste(t, "#secret", lines.String())
	p.until(t, shown("#ready"))
	p.wantText(t, "#ready", "10,000 lines", "Remove")
	p.wantText(t, "#go", "Submit 10,000")
	if strings.Contains(value[string](t, p.tab, everything), "pasted secret") {
		t.Error("lines that were pasted are in the page")
	}
	before := len(f.requests(0))
	p.sees(t, rowIs(0, "due in"), func() { p.clickOn(t, "#go") })
	p.until(t, rowIs(0, "done"))
	p.wantNowhere(t, "pasted secret 1 of mine", "pasted secret 9999 of mine")
	if posts, gets := f.count(before, "POST /hash/batch"), f.count(before, "GET /hash/batch"); posts != 1 || gets == 0 || gets > 3 {
		t.Errorf("%d requests submitted, and %d collected", posts, gets)
	}
	p.press(t, 0, "Show")
	p.until(t, fmt.Sprintf(`document.querySelector(".vlist").innerText.includes(%q)`, hashOf("pasted secret 0 of mine")))
	if inPage := value[int](t, p.tab, `document.querySelectorAll("*").length`); inPage > 1500 {
		t.Errorf("the page has %d elements", inPage)
	}
	saved := p.download(t, func() { p.press(t, 0, "Save CSV") })
	rows := strings.Split(strings.TrimSpace(string(saved)), "\n")
	if last := fmt.Sprintf("%d,%d,done,%s", n, n, hashOf("pasted secret 9999 of mine")); len(rows) != n+1 || rows[0] != "line,id,status,hash" || rows[n] != last {
		t.Errorf("%d rows from %q to %q, want %q", len(rows), rows[0], rows[len(rows)-1], last)
	}
	p.wantClean(t, false)
}

// Lines that cannot be sent are named by number, never by content, and nothing is sent.
func TestPageNamesBadLines(t *testing.T) {
	t.Parallel()
	f := newFront(t, start(t, "--delay=0s"), "")
	p := visit(t, f)
	p.paste(t, "#secret", "one fine line\n\nanother fine line\n")
	p.clickOn(t, "#go")
	p.wantText(t, "#err", "Line 2 is empty. Nothing was sent.", "Leave out 1 line")
	if f.count(0, "POST /hash/batch") != 0 {
		t.Error("something was sent")
	}
	p.clickOn(t, "#err-act")
	p.wantText(t, "#go", "Submit 2")
	p.clickOn(t, "#go")
	p.until(t, rowIs(0, "done"))
	p.wantNowhere(t, "one fine line", "another fine line")
	p.wantClean(t, false)
}

// A job is canceled, a hash erased, on the server too; of more than one the page asks once more.
func TestPageCancelsAndErases(t *testing.T) {
	t.Parallel()
	s := start(t, "--delay=1h")
	f := newFront(t, s, "")
	p := visit(t, f)
	p.submit(t, "secret to cancel")
	p.press(t, 0, "Cancel")
	p.until(t, rowIs(0, "canceled"))
	p.until(t, row(0, `row.innerText.includes("The secret was wiped and never hashed.")`))
	if status := s.do(t, http.MethodGet, "/hash/1", nil, nil); status != http.StatusGone {
		t.Errorf("GET /hash/1 is %d after the cancel", status)
	}
	p.paste(t, "#secret", "a\nb\nc\n")
	p.clickOn(t, "#go")
	p.until(t, rowIs(0, "due in 1 h"))
	before := len(f.requests(0))
	p.press(t, 0, "Cancel")
	p.until(t, row(0, `row.innerText.includes("Cancel 3?")`))
	if f.count(before, "DELETE /hash/batch") != 0 {
		t.Error("a batch is canceled at the first press")
	}
	p.press(t, 0, "Cancel 3?")
	p.until(t, rowIs(0, "canceled"))
	p.wantClean(t, false)

	quick := start(t, "--delay=0s")
	p = visit(t, newFront(t, quick, ""))
	p.submit(t, "secret to erase")
	p.until(t, rowIs(0, "done"))
	p.press(t, 0, "Erase")
	p.until(t, rowIs(0, "erased"))
	if status := quick.do(t, http.MethodGet, "/hash/1", nil, nil); status != http.StatusGone {
		t.Errorf("GET /hash/1 is %d after it was erased", status)
	}
	if strings.Contains(value[string](t, p.tab, everything), hashOf("secret to erase")) {
		t.Error("the hash that was erased is in the page")
	}
	p.clickOn(t, "#clear")
	p.until(t, `document.querySelectorAll("#list > .job").length === 0`)
	p.wantClean(t, false)
}

// Behind a proxy that takes a prefix of the path away the page works as at the root.
func TestPageBehindAPrefix(t *testing.T) {
	t.Parallel()
	f := newFront(t, start(t, "--delay=0s"), "/a/prefix")
	p := visit(t, f)
	p.submit(t, angryMonkey)
	p.until(t, hashIs(0, angryMonkeyHash))
	for _, link := range value[[]string](t, p.tab, `[...document.querySelectorAll("nav a")].map(a => a.href)`) {
		if !strings.HasPrefix(link, f.page("/")) {
			t.Errorf("a link leads to %s", link)
		}
	}
	p.wantText(t, "body", "Ready")
	p.wantClean(t, false)
}

// What was entered is gone once the page was left, or loaded anew.
func TestPageKeepsNothing(t *testing.T) {
	t.Parallel()
	p := visit(t, newFront(t, start(t), ""))
	const secret = "left in the field"
	for what, leave := range map[string]chromedp.Action{
		"reload":      chromedp.Reload(),
		"go and back": chromedp.Tasks{chromedp.Navigate(p.origin + "/docs"), chromedp.Evaluate(`history.back()`, nil)},
	} {
		p.enter(t, "#secret", secret)
		p.do(t, what, leave)
		p.until(t, stateIs("Ready"))
		if got := value[string](t, p.tab, `document.querySelector("#secret").value`); got != "" {
			t.Errorf("%s: the field has %q", what, got)
		}
	}
	if left := value[string](t, p.tab, `[localStorage.length, sessionStorage.length, document.cookie].join()`); left != "0,0," {
		t.Errorf("the page stores %s", left)
	}
	p.wantClean(t, true)
}
