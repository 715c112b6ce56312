package browser

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
)

// dragged is what a mouse holds: files with these contents.
func dragged(t *testing.T, contents ...string) *input.DragData {
	t.Helper()
	held := &input.DragData{Items: []*input.DragDataItem{}, DragOperationsMask: 1} // to be copied
	for _, content := range contents {
		file := filepath.Join(t.TempDir(), "secrets.txt")
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		held.Files = append(held.Files, file)
	}
	return held
}

// drag moves what a mouse holds over the top of an element, or drops it there.
func (p *livePage) drag(t *testing.T, event input.DispatchDragEventType, selector string, held *input.DragData) {
	t.Helper()
	at := value[[]float64](t, p.tab, `(() => { const r = document.querySelector(`+quote(selector)+`).getBoundingClientRect(); return [r.x + r.width / 2, r.y + 8]; })()`)
	p.do(t, "drag over "+selector, chromedp.ActionFunc(func(ctx context.Context) error {
		return input.DispatchDragEvent(event, at[0], at[1], held).Do(ctx)
	}))
}

// drop drags what a mouse holds into the page, and drops it on an element.
func (p *livePage) drop(t *testing.T, selector string, held *input.DragData) {
	t.Helper()
	for _, event := range []input.DispatchDragEventType{input.DragEnter, input.DragOver, input.Drop} {
		p.drag(t, event, selector, held)
	}
}

// A file that is dropped anywhere on the page is read, as one that is chosen; the card says so while the mouse is over it.
func TestPageTakesDroppedFiles(t *testing.T) {
	t.Parallel()
	const first, second = "first secret of a dropped file", "second secret of a dropped file"
	f := newFront(t, start(t, "--delay=0s"), "")
	p := visit(t, f)
	file := dragged(t, first+"\n"+second+"\n")
	said := shown(".dropmsg")
	p.drag(t, input.DragEnter, ".top", file)
	p.until(t, `!`+said)
	for _, part := range []string{"#secret", "#rail", "#h-submit"} {
		p.drag(t, input.DragOver, part, file)
		p.until(t, said)
	}
	p.drag(t, input.DragOver, ".top", file)
	p.until(t, `!`+said)
	p.drag(t, input.DragOver, "#secret", file)
	p.until(t, said)
	p.drag(t, input.Drop, "#secret", file)
	p.wantText(t, "#ready", "2 lines", "from a file")
	p.until(t, `!`+said)
	p.clickOn(t, "#go")
	p.until(t, rowIs(0, "done"))
	p.press(t, 0, "Show")
	p.wantText(t, ".vlist", hashOf(first), hashOf(second))

	p.drop(t, ".top", dragged(t, "beside the card\n"))
	p.wantText(t, "#ready", "1 line", "from a file")
	p.drop(t, "#card", dragged(t, "a file\n", "another\n"))
	p.wantText(t, "#err", "Drop one file at a time.")
	p.drop(t, "#card", &input.DragData{Items: []*input.DragDataItem{{MimeType: "text/plain", Data: "dragged\ntext\nhere"}}, DragOperationsMask: 1})
	p.wantText(t, "#ready", "3 lines", "dropped")
	p.clickOn(t, "#ready-remove")
	p.until(t, `!`+shown("#ready"))
	p.wantNowhere(t, first, second, "beside the card", "dragged")
	p.wantClean(t, false)
}

// While no jobs are taken no file is, and the browser does not open it in place of the page.
func TestPageTakesNoFileWhileItDrains(t *testing.T) {
	t.Parallel()
	s := start(t, "--delay=1h")
	p := visit(t, newFront(t, s, ""))
	p.submit(t, "secret that keeps the drain from ending")
	s.terminate(t)
	p.until(t, stateIs("Draining"))
	file := dragged(t, "secret of a drain\n")
	p.drag(t, input.DragEnter, "#card", file)
	p.drag(t, input.DragOver, "#card", file)
	p.until(t, `document.querySelector("#card").classList.contains("over") === false`)
	p.drag(t, input.Drop, "#card", file)
	p.until(t, row(0, `location.pathname === "/"`)+` && !`+shown("#ready"))
	p.wantClean(t, false)
}
