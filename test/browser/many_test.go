package browser

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// choose has the page read a file.
func (p *livePage) choose(t *testing.T, content string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secrets.txt")
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	p.do(t, "choose a file", chromedp.SetUploadFiles("#file", []string{file}, chromedp.ByQuery))
}

// A file of more lines than a batch takes is submitted as batches, one after the other. What is no text is refused.
func TestPageReadsFiles(t *testing.T) {
	t.Parallel()
	const n = 20_001
	f := newFront(t, start(t, "--delay=0s"), "")
	p := visit(t, f)
	p.clipboard(t)
	var lines strings.Builder
	for k := range n {
		fmt.Fprintf(&lines, "secret in a file %d\r\n", k)
	}
	p.choose(t, lines.String())
	p.wantText(t, "#ready", "20,001 lines", "from a file")
	p.clickOn(t, "#go")
	p.until(t, `document.querySelectorAll("#list > .job").length === 3`)
	p.until(t, rowIs(0, "done")+" && "+rowIs(1, "done")+" && "+rowIs(2, "done"))
	p.until(t, hashIs(0, hashOf("secret in a file 20000")))
	p.wantNowhere(t, "secret in a file 20000", "secret in a file 1")
	clipboard.Lock()
	p.sees(t, `document.querySelector("#copyall").innerText.includes("Copied")`, func() { p.clickOn(t, "#copyall") })
	copied := value[string](t, p.tab, `navigator.clipboard.readText()`)
	clipboard.Unlock()
	if hashes := strings.Fields(copied); len(hashes) != n || hashes[0] != hashOf("secret in a file 0") || hashes[n-1] != hashOf("secret in a file 20000") {
		t.Errorf("%d hashes are copied", len(hashes))
	}
	before := len(f.requests(0))
	p.choose(t, "fine\nnot \xff fine\n")
	p.wantText(t, "#err", "Line 2 is not valid UTF-8. Nothing was sent.")
	p.choose(t, strings.Repeat("x\n", 100_001))
	p.wantText(t, "#err", "More than 100,000 lines: use hashctl bulk, which goes on where it stopped.")
	if f.count(before, "POST /hash/batch") != 0 {
		t.Error("something of that was sent")
	}
	p.wantClean(t, false)
}

// submitQuickly submits secrets one after the other, with their numbers from 0 on, faster than a person does.
func (p *livePage) submitQuickly(t *testing.T, secret string, n int) {
	t.Helper()
	for k := range n {
		p.do(t, "submit", chromedp.Evaluate(fmt.Sprintf(`secret.value = %q, form.requestSubmit()`, fmt.Sprint(secret, k)), nil))
		p.until(t, `secret.value === "" && !go.disabled`)
	}
}

// Hashes of jobs that are due together take few requests, which leave out the ids of somebody else's jobs.
func TestPageCollectsTogether(t *testing.T) {
	t.Parallel()
	const strangers = "secret of a stranger's"
	s := start(t, "--delay=0s")
	f := newFront(t, s, "")
	held := make(chan struct{})
	f.set(func() {
		f.answer = func(_ http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodGet && r.URL.Path == "/hash/batch" {
				select {
				case <-held:
				case <-r.Context().Done():
				}
			}
			return false
		}
	})
	p := visit(t, f)
	p.submitQuickly(t, "early ", 5) // of which the first is asked for
	s.submit(t, strangers)
	p.submitQuickly(t, "late ", 5)
	close(held)
	p.until(t, `document.querySelector("#n-done").textContent === "10"`)
	p.until(t, hashIs(0, hashOf("late 4"))+" && "+hashIs(5, hashOf("early 4"))+" && "+hashIs(9, hashOf("early 0")))
	var asked []string
	for _, r := range f.requests(0) {
		if r.method == http.MethodGet && strings.HasPrefix(r.path, "/hash") {
			asked = append(asked, r.path+"?"+r.query)
		}
	}
	want := []string{"/hash/batch?first=1&count=1", "/hash/batch?first=2&count=4", "/hash/batch?first=7&count=5"}
	if !slices.Equal(asked, want) {
		t.Errorf("the page asks for %q, want %q", asked, want)
	}
	if strings.Contains(value[string](t, p.tab, everything), hashOf(strangers)) {
		t.Error("the page shows a stranger's hash")
	}
	p.wantClean(t, false)
}

// Of many rows only those in sight are in the page, and the one that has the focus.
func TestPageWithManyRows(t *testing.T) {
	t.Parallel()
	const n = 210
	p := visit(t, newFront(t, start(t, "--delay=0s"), ""))
	p.submitQuickly(t, "secret ", n)
	p.until(t, `document.querySelector("#n-done").textContent === "210"`)
	p.until(t, `document.querySelectorAll("#list > .job").length < 100`)
	p.until(t, row(0, `row.ariaSetSize === "210" && row.ariaPosInSet === "1" || row.getAttribute("aria-setsize") === "210" && row.getAttribute("aria-posinset") === "1"`))
	p.tabTo(t, `document.activeElement.textContent.startsWith("Copy the hash of job 210")`)
	p.do(t, "to the end", chromedp.Evaluate(`scrollTo(0, document.documentElement.scrollHeight)`, nil))
	p.until(t, fmt.Sprintf(`[...document.querySelectorAll("#list .hash")].some(h => h.textContent === %q)`, hashOf("secret 0")))
	p.until(t, `document.activeElement.textContent.startsWith("Copy the hash of job 210") && document.querySelectorAll("#list > .job").length < 100`)
	p.keys(t, strings.Repeat(kb.ArrowDown, 100)) // the page follows
	p.until(t, `document.activeElement.textContent.startsWith("Copy the hash of job 110") && document.activeElement.getBoundingClientRect().bottom <= innerHeight`)
	p.wantAccessible(t, "many rows")
	p.wantClean(t, false)
}

// Without TLS, where a browser has no clipboard and draws no UUID, the page works as well.
func TestPageFromAnInsecureOrigin(t *testing.T) {
	t.Parallel()
	f := newFront(t, start(t, "--delay=0s", "--hosts=hashd.test"), "")
	f.URL = strings.Replace(f.URL, "127.0.0.1", "hashd.test", 1)
	p := visit(t, f)
	if value[bool](t, p.tab, `isSecureContext`) {
		t.Fatal("the origin is secure")
	}
	p.submit(t, angryMonkey)
	p.until(t, hashIs(0, angryMonkeyHash))
	p.sees(t, row(0, `row.innerText.includes("Press Ctrl C")`), func() { p.press(t, 0, "Copy") })
	p.until(t, fmt.Sprintf(`String(getSelection()) === %q`, angryMonkeyHash))
	p.wantClean(t, false)
}
