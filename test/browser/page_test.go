package browser

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// livePage is the page at / in a tab, behind a proxy.
type livePage struct {
	*tab
	front *front
}

// visit opens the page and waits until it knows the server.
func visit(t *testing.T, f *front) *livePage {
	t.Helper()
	p := &livePage{tab: open(t, f.URL), front: f}
	p.load(t)
	p.until(t, stateIs("Ready"))
	return p
}

// load opens the page, or opens it anew.
func (p *livePage) load(t *testing.T) {
	t.Helper()
	p.do(t, "open the page", chromedp.Navigate(p.front.page("/")))
}

// stateIs is what holds when the header says so.
func stateIs(state string) string {
	return fmt.Sprintf(`document.querySelector("#state dd").textContent === %q`, state)
}

// shown is what holds while an element is there to see.
func shown(selector string) string {
	return fmt.Sprintf(`document.querySelector(%q)?.checkVisibility()`, selector)
}

// row is the n-th row of the list, the newest being 0, as a variable for what follows.
func row(n int, holds string) string {
	return fmt.Sprintf(`(row => row && (%s))(document.querySelectorAll("#list > .job")[%d])`, holds, n)
}

// rowIs is what holds when the n-th row is in that state.
func rowIs(n int, word string) string {
	return row(n, fmt.Sprintf(`row.querySelector(".when").textContent.startsWith(%q)`, word))
}

// hashIs is what holds when the n-th row shows that hash.
func hashIs(n int, hash string) string {
	return row(n, fmt.Sprintf(`row.querySelector(".hash")?.textContent === %q`, hash))
}

// enter types a text into a field, as a person does.
func (p *livePage) enter(t *testing.T, selector, text string) {
	t.Helper()
	p.focus(t, selector)
	p.do(t, "type into "+selector, chromedp.KeyEvent(text))
}

// focus moves the focus to an element.
func (b *tab) focus(t *testing.T, selector string) {
	t.Helper()
	b.until(t, fmt.Sprintf(`document.querySelector(%q).focus() || document.activeElement.matches(%[1]q)`, selector))
}

// submit submits a secret and waits until its job has a row.
func (p *livePage) submit(t *testing.T, secret string) {
	t.Helper()
	rows := value[int](t, p.tab, `document.querySelectorAll("#list > .job").length`)
	p.until(t, `!document.querySelector("#go").disabled`)
	p.enter(t, "#secret", secret+kb.Enter)
	p.until(t, fmt.Sprintf(`document.querySelectorAll("#list > .job").length > %d`, rows))
}

// press clicks the button of the n-th row.
func (p *livePage) press(t *testing.T, n int, label string) {
	t.Helper()
	p.click(t, row(n, fmt.Sprintf(`[...row.querySelectorAll("button")].find(b => b.firstChild.textContent === %q)`, label)))
}

// click clicks what an expression finds, where it is seen: what lies above it gets the click.
func (p *livePage) click(t *testing.T, expression string) {
	t.Helper()
	at := value[[]float64](t, p.tab, `(() => { const e = `+expression+`; if (!e) return [];
		e.scrollIntoView({block: "nearest"}); const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; })()`)
	if len(at) != 2 {
		t.Fatalf("nothing to click: %s; the page says:\n%s", expression, value[string](t, p.tab, `document.body.innerText`))
	}
	p.do(t, "click", chromedp.MouseClickXY(at[0], at[1]))
}

func (p *livePage) clickOn(t *testing.T, selector string) {
	t.Helper()
	p.click(t, fmt.Sprintf(`document.querySelector(%q)`, selector))
}

// wantText fails the test unless the text of an element has all of these in it.
func (p *livePage) wantText(t *testing.T, selector string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		p.until(t, fmt.Sprintf(`document.querySelector(%q).innerText.replace(/\s+/g, " ").includes(%q)`, selector, text))
	}
}

// wantGood checks how a state looks: no barriers, light and dark; nothing wider than the window, down to 320 pixels.
func (p *livePage) wantGood(t *testing.T, state string) {
	t.Helper()
	p.wantAccessible(t, state)
	p.do(t, "narrow", chromedp.EmulateViewport(320, 700))
	p.wantNoSidewaysScroll(t, state+" at 320 pixels")
	p.pictures(t, state)
	p.do(t, "wide", chromedp.EmulateViewport(1360, 1000))
	p.wantNoSidewaysScroll(t, state)
}

// pictures writes how a state looks to the folder of the flag -states, if that is given.
func (p *livePage) pictures(t *testing.T, state string) {
	t.Helper()
	if *states == "" {
		return
	}
	name := filepath.Join(*states, strings.ReplaceAll(state, " ", "-"))
	for window, size := range map[string][2]int64{"desktop": {1360, 1000}, "phone": {390, 844}} {
		for _, scheme := range []string{"light", "dark"} {
			p.scheme(t, scheme)
			var png []byte
			p.do(t, "picture", chromedp.EmulateViewport(size[0], size[1]), chromedp.Sleep(200*time.Millisecond), chromedp.FullScreenshot(&png, 100))
			write(t, fmt.Sprintf("%s-%s-%s.png", name, window, scheme), png)
		}
	}
	p.scheme(t, "light")
}
