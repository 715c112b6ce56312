package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/hashd-project/hashd/v2/internal/needs"
)

// axe is the source of axe-core, which make installs.
func axe(t *testing.T) string {
	t.Helper()
	source, err := os.ReadFile("../../.cache/axe/node_modules/axe-core/axe.min.js")
	if err != nil {
		needs.Missing(t, "no axe-core: run make test-browser")
	}
	return string(source)
}

// The rules that colours can break.
const colours = `{runOnly: {type: "rule", values: ["color-contrast", "link-in-text-block"]}}`

// wantAccessible checks the page as it stands with all rules of axe-core in light colours, and those on colours in dark ones.
func (b *tab) wantAccessible(t *testing.T, when string) {
	t.Helper()
	for scheme, options := range map[string]string{"light": "{}", "dark": colours} {
		b.scheme(t, scheme)
		for _, v := range b.violations(t, options) {
			t.Errorf("%s, %s: %s", when, scheme, v)
		}
	}
	b.scheme(t, "light")
}

// scheme makes the system prefer light or dark colours.
func (b *tab) scheme(t *testing.T, scheme string) {
	t.Helper()
	b.media(t, "prefers-color-scheme", scheme)
}

func (b *tab) media(t *testing.T, feature, value string) {
	t.Helper()
	b.do(t, feature, emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: feature, Value: value}}))
}

// violations runs axe-core beside the page's own scripts, whose policy it thus neither meets nor weakens.
func (b *tab) violations(t *testing.T, options string) []string {
	t.Helper()
	source, found := axe(t), ""
	b.do(t, "axe-core", chromedp.ActionFunc(func(ctx context.Context) error {
		tree, err := page.GetFrameTree().Do(ctx)
		if err != nil {
			return err
		}
		world, err := page.CreateIsolatedWorld(tree.Frame.ID).WithWorldName("axe").Do(ctx)
		if err != nil {
			return err
		}
		check := fmt.Sprintf(`(typeof axe === "undefined" && eval(%s), axe.run(document, %s).then(r => JSON.stringify(r.violations)))`, quote(source), options)
		result, exception, err := runtime.Evaluate(check).WithContextID(world).WithAwaitPromise(true).WithReturnByValue(true).Do(ctx)
		if err != nil {
			return err
		}
		if exception != nil {
			return exception
		}
		return json.Unmarshal(result.Value, &found)
	}))
	var violations []struct {
		ID, Help string
		Nodes    []struct {
			HTML, FailureSummary string
			Target               []any
		}
	}
	if err := json.Unmarshal([]byte(found), &violations); err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, v := range violations {
		for _, n := range v.Nodes {
			told = append(told, fmt.Sprintf("%s (%s) at %v: %s\n%s", v.ID, v.Help, n.Target, n.HTML, n.FailureSummary))
		}
	}
	return told
}

func quote(s string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // into memory
	return b.String()
}

// axe-core finds what is wrong, in a page whose policy forbids all other scripts.
func TestAxeFinds(t *testing.T) {
	t.Parallel()
	f := newFront(t, start(t), "")
	f.answer = answerWith(`<!doctype html><html lang=en><title>x</title><main><h1>x</h1><p style="color:#ddd;background:#fff">pale</p><input></main>`)
	b := open(t, f.URL)
	b.do(t, "open", chromedp.Navigate(f.page("/")))
	found := strings.Join(b.violations(t, "{}"), "\n")
	for _, rule := range []string{"color-contrast", "label"} {
		if !strings.Contains(found, rule+" (") {
			t.Errorf("%s is not found: %s", rule, found)
		}
	}
	b.wantClean(t, true) // no icon
}
