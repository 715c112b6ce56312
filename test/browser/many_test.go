package browser

import (
	"fmt"
	"os"
	"path/filepath"
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
	p.clickOn(t, "#copyall")
	p.until(t, `document.querySelector("#copyall").innerText.includes("Copied")`)
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

// Of many rows only those in sight are in the page, and the one that has the focus.
func TestPageWithManyRows(t *testing.T) {
	t.Parallel()
	const n = 210
	p := visit(t, newFront(t, start(t, "--delay=0s"), ""))
	value[bool](t, p.tab, fmt.Sprintf(`(async () => {
		const [secret, form] = ["secret", "form"].map(id => document.getElementById(id));
		for (let n = 0; n < %d; n++) {
			secret.value = "secret " + n;
			form.requestSubmit();
			for (let tries = 0; secret.value !== "" && tries < 1000; tries++) await new Promise(go => setTimeout(go, 10));
		}
		return true;
	})()`, n))
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
	p.press(t, 0, "Copy")
	p.until(t, row(0, `row.innerText.includes("Press Ctrl C")`))
	p.until(t, fmt.Sprintf(`String(getSelection()) === %q`, angryMonkeyHash))
	p.wantClean(t, false)
}
