package browser

import (
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// keys presses keys wherever the focus is.
func (p *livePage) keys(t *testing.T, keys string) {
	t.Helper()
	p.do(t, "press "+keys, chromedp.KeyEvent(keys))
}

// The whole of the page is of use to who has no mouse.
func TestPageByKeyboardAlone(t *testing.T) {
	t.Parallel()
	f := newFront(t, start(t, "--delay=3s"), "")
	p := visit(t, f)
	p.clipboard(t)
	answer := f.hold("/hash") // so that both jobs wait until the focus is where it is wanted
	p.keys(t, "/")
	p.until(t, `document.activeElement.id === "secret"`)
	p.keys(t, "typed and canceled"+kb.Escape)
	p.until(t, `document.activeElement.value === ""`)
	p.sees(t, rowIs(0, "due in"), func() { p.keys(t, "first by keys"+kb.Enter) })
	p.keys(t, "second by keys"+kb.Enter)
	p.until(t, `document.querySelectorAll("#list > .job").length === 2`)
	p.tabTo(t, `document.activeElement.textContent.startsWith("Cancel job 2")`)
	answer()
	p.until(t, rowIs(0, "done")) // the focus goes on to what comes in place of the button
	p.until(t, `document.activeElement.textContent.startsWith("Copy the hash of job 2")`)
	p.keys(t, kb.ArrowDown)
	p.until(t, `document.activeElement.textContent.startsWith("Copy the hash of job 1")`)
	clipboard.Lock()
	p.sees(t, row(1, `row.innerText.includes("Copied")`), func() { p.keys(t, "c") })
	copied := value[string](t, p.tab, `navigator.clipboard.readText()`)
	clipboard.Unlock()
	if copied != hashOf("first by keys") {
		t.Errorf("copied is %q", copied)
	}
	p.keys(t, kb.Delete)
	p.until(t, rowIs(1, "erased"))
	p.until(t, `document.activeElement !== document.body`)
	p.keys(t, "?")
	p.until(t, `document.querySelector("#help").open`)
	p.tabTo(t, `document.activeElement.id === "single"`)
	p.keys(t, " "+kb.Escape)
	p.until(t, `!document.querySelector("#help").open`)
	p.tabTo(t, `document.activeElement.id === "keys"`)
	p.keys(t, "?/")
	p.until(t, `!document.querySelector("#help").open && document.activeElement.id === "keys"`)
	p.wantClean(t, false)
}

// tabTo presses Tab until the focus is where it is wanted. Wherever it is on the way, a ring shows it.
func (p *livePage) tabTo(t *testing.T, there string) {
	t.Helper()
	for range 60 {
		p.keys(t, kb.Tab)
		ring := value[string](t, p.tab, `(e => e === document.body || !e.matches(":focus-visible") ? "" : [e, ...e.parentNode.querySelectorAll("*")]
			.some(s => parseFloat(getComputedStyle(s).outlineWidth) >= 2 && getComputedStyle(s).outlineStyle !== "none") || e.closest("label, .box")?.matches(":focus-within")
			? "" : e.outerHTML)(document.activeElement)`)
		if ring != "" {
			t.Errorf("nothing shows that the focus is at %s", ring)
		}
		if value[bool](t, p.tab, there) {
			return
		}
	}
	t.Fatalf("Tab never gets to %s", there)
}

// Whoever wants less motion sees five steps, and nothing that glides or fades.
func TestPageWithReducedMotion(t *testing.T) {
	t.Parallel()
	p := &livePage{front: newFront(t, start(t, "--delay=5s"), "")}
	p.tab = open(t, p.front.URL)
	p.media(t, "prefers-reduced-motion", "reduce")
	p.load(t)
	p.until(t, stateIs("Ready"))
	p.submit(t, "secret in five steps")
	const moving = `document.getAnimations().map(a => a.effect.getTiming()).map(t => t.easing + " " + t.duration)`
	p.until(t, moving+`.length >= 2`)
	for _, m := range value[[]string](t, p.tab, moving) {
		if !strings.HasPrefix(m, "steps(5") {
			t.Errorf("it moves: %s", m)
		}
	}
	p.until(t, rowIs(0, "done"))
	if m := value[[]string](t, p.tab, moving); len(m) > 0 {
		t.Errorf("it moves once the hash is there: %q", m)
	}
	p.wantClean(t, false)
}

// A screen reader hears of the job and of its hash, and hears no countdown; of what goes wrong it hears once.
func TestPageIsHeard(t *testing.T) {
	t.Parallel()
	f := newFront(t, start(t, "--delay=3s"), "")
	p := visit(t, f)
	const listen = `(globalThis.heard = [], ["say", "alert"].forEach(id => new MutationObserver(() => {
		const text = document.getElementById(id).textContent; if (text) heard.push(id + ": " + text); })
		.observe(document.getElementById(id), {childList: true, characterData: true, subtree: true})), true)`
	value[bool](t, p.tab, listen)
	p.submit(t, "secret that is heard of")
	p.until(t, rowIs(0, "done"))
	p.until(t, `heard.length >= 2`)
	heard := strings.Join(value[[]string](t, p.tab, `heard`), "\n")
	if !regexp.MustCompile(`^say: Job 1 accepted, due in \d seconds?\.\nsay: Hash of job 1 is there\.$`).MatchString(heard) {
		t.Errorf("heard is:\n%s", heard)
	}
	f.cutOff()
	p.until(t, stateIs("No connection"))
	p.until(t, `heard.length === 3`)
	p.until(t, `document.querySelector("#banner").innerText.includes("in 4 s")`) // it has tried in vain
	f.restore()
	p.until(t, stateIs("Ready"))
	p.until(t, `heard.length === 4`)
	heard = strings.Join(value[[]string](t, p.tab, `heard.slice(2)`), "\n")
	if strings.Count(heard, "alert: ") != 2 || !strings.Contains(heard, "No connection to hashd") {
		t.Errorf("heard is:\n%s", heard)
	}
	p.wantClean(t, true)
}
