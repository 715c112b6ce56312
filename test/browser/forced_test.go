package browser

import (
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp/kb"
)

// What axe-core checks where the system's colours are forced: all but contrast, for which it reads the colours that
// the page would have without.
const notContrast = `{rules: {"color-contrast": {enabled: false}}}`

// inForced finds what can't be seen where colours are forced: controls and boxes without an edge, marks and bars that are
// like the page behind them, and states that nothing but a colour tells.
const inForced = `(() => {
	const luminance = ([r, g, b]) => [r, g, b].map(c => c / 255).map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
		.reduce((sum, c, n) => sum + c * [0.2126, 0.7152, 0.0722][n], 0);
	const parts = colour => { const [r, g, b, a = 1] = colour.match(/[\d.]+/g).map(Number); return [r, g, b, a]; };
	const behind = parts(getComputedStyle(document.body).backgroundColor);
	const stands = colour => {
		const of = parts(colour), [a, b] = [of.map((c, n) => c * of[3] + behind[n] * (1 - of[3])), behind].map(luminance).sort((a, b) => b - a);
		return (a + 0.05) / (b + 0.05) >= 3;
	};
	const faults = [];
	const each = (selector, holds, what) => {
		for (const e of document.querySelectorAll(selector)) {
			if (e.checkVisibility({opacityProperty: true}) && !holds(getComputedStyle(e), e)) faults.push(e.outerHTML.slice(0, 100) + ": " + what);
		}
	};
	const edge = s => s.borderTopStyle !== "none" && parseFloat(s.borderTopWidth) >= 1 && stands(s.borderTopColor);
	each("button, select, textarea, input:not([type=radio], [type=checkbox], [type=file]), .seg span, .card, .banner, .filled, dialog", edge, "no edge");
	each(".mark, .run span, .bar > i, .limit .m i, .val i", s => stands(s.backgroundColor) || edge(s), "like what is behind it");
	const shapes = new Map();
	each(".mark", (s, e) => {
		const shape = [s.width, s.height, s.borderRadius, s.borderTopWidth, stands(s.backgroundColor)].join();
		const state = e.parentElement.dataset.s;
		const same = shapes.has(shape) && shapes.get(shape) !== state;
		shapes.set(shape, state);
		return !same;
	}, "shaped as that of another state");
	each(".job", (s, e) => e.querySelector(".when").checkVisibility() && e.querySelector(".when").innerText !== "", "no word for its state");
	each(".limit:not([data-level=ok])", (s, e) => /, (nearly )?full$/.test(e.querySelector("p").innerText.trim()), "no word for its level");
	each("#state dd", (s, e) => e.innerText !== "", "no word for the server's state");
	each(".seg input:checked + span", (s, e) => [...document.querySelectorAll(".seg input:not(:checked) + span")]
		.every(other => getComputedStyle(other).fontWeight !== s.fontWeight), "as what is not chosen");
	each(".error", (s, e) => getComputedStyle(e, "::before").content === '"!"' && e.innerText.trim() !== "", "no mark or no word");
	const lines = [...document.querySelectorAll(".val i")].map(e => [e.className, getComputedStyle(e).borderTopStyle]);
	if (lines.some(([a, style]) => lines.some(([b, other]) => a !== b && style === other))) faults.push("lines of charts: of one style");
	return faults;
})()`

// focused tells what has the focus and does not show it.
const focused = `(() => {
	const e = document.activeElement;
	const seen = e.matches(".seg input") ? e.nextElementSibling : e.closest(".file") ?? e;
	const { outlineStyle, outlineWidth, outlineColor } = getComputedStyle(seen);
	const ring = outlineStyle !== "none" && parseFloat(outlineWidth) >= 2 && outlineColor !== getComputedStyle(document.body).backgroundColor;
	return e === document.body || ring ? "" : seen.outerHTML.slice(0, 100);
})()`

// wantForced checks how a state looks to who has the system force its colours, dark on light or light on dark.
func (p *livePage) wantForced(t *testing.T, state string) {
	t.Helper()
	for _, scheme := range []string{"light", "dark"} {
		p.do(t, "force colours", emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{
			{Name: "forced-colors", Value: "active"}, {Name: "prefers-color-scheme", Value: scheme},
		}))
		p.until(t, `matchMedia("(forced-colors: active)").matches`)
		for _, fault := range value[[]string](t, p.tab, inForced) {
			t.Errorf("%s, %s: %s", state, scheme, fault)
		}
		for _, v := range p.violations(t, notContrast) {
			t.Errorf("%s, %s: %s", state, scheme, v)
		}
	}
}

// Where the system forces its colours every control has an edge, and every state a shape or a word.
func TestPageInForcedColours(t *testing.T) {
	t.Parallel()
	f := newFront(t, start(t, "--delay=0s"), "")
	p := visit(t, f)
	p.submit(t, "done")
	p.until(t, rowIs(0, "done"))
	p.submit(t, "erased")
	p.until(t, rowIs(0, "done"))
	p.press(t, 0, "Erase")
	p.until(t, rowIs(0, "erased"))
	f.lead(start(t, "--delay=1h"))
	p.until(t, row(1, `!row.innerText.includes("Erase")`))
	p.submit(t, "lost")
	f.lead(start(t, "--delay=1h", "--max-pending=1"))
	p.until(t, rowIs(0, "lost"))
	p.submit(t, "waiting")
	p.until(t, rowIs(0, "due in"))
	p.until(t, `document.querySelector('.limit[data-level="error"]')`)
	p.enter(t, "#secret", kb.Enter)
	p.until(t, shown("#err"))
	p.wantForced(t, "jobs")
	for range 30 {
		p.keys(t, kb.Tab)
		if fault := value[string](t, p.tab, focused); fault != "" {
			t.Errorf("the focus does not show: %s", fault)
		}
	}
	p.choose(t, "one line\nanother\n")
	p.until(t, shown("#ready"))
	p.wantForced(t, "lines read")
	f.cutOff()
	p.until(t, stateIs("No connection"))
	p.wantForced(t, "offline")
	p.wantClean(t, true)
}
