package browser

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// Every state of the page is free of barriers, in light and in dark colours, and no wider than its window.
func TestPageIsGoodWhileJobsWait(t *testing.T) {
	t.Parallel()
	s := start(t, "--delay=1h")
	f := newFront(t, s, "")
	p := visit(t, f)
	p.wantText(t, "#terminal", "$ curl "+f.page("/")+"hash -H")
	p.wantGood(t, "empty")
	p.enter(t, "#secret", kb.Enter)
	p.wantText(t, "#err", "Enter a secret: 1 to 1,024 characters.")
	p.until(t, `document.activeElement.id === "secret" && document.activeElement.ariaInvalid === "true"`)
	p.wantGood(t, "bad input")
	p.paste(t, "#secret", "a\nb\nc\n")
	p.until(t, shown("#ready"))
	p.wantGood(t, "lines read")
	p.clickOn(t, "#go")
	p.until(t, rowIs(0, "due in"))
	p.enter(t, "#lines", "typed\nlines")
	p.wantGood(t, "lines typed")
	p.keys(t, kb.Escape)
	p.clickOn(t, "#modes label")
	p.submit(t, "one")
	p.submit(t, "two")
	p.press(t, 0, "Cancel")
	p.until(t, rowIs(0, "canceled"))
	p.wantGood(t, "waiting")
	p.clickOn(t, "#keys")
	p.until(t, `document.querySelector("#help").open`)
	p.wantGood(t, "help")
	p.keys(t, kb.Escape)
	f.cutOff()
	p.until(t, stateIs("No connection"))
	p.wantGood(t, "offline")
	f.restore()
	other := start(t, "--delay=1h")
	f.lead(other)
	p.until(t, rowIs(1, "lost"))
	p.wantGood(t, "lost")
	p.submit(t, "three")
	other.terminate(t)
	p.until(t, stateIs("Draining"))
	p.wantGood(t, "draining")
	p.wantClean(t, true)
}

func TestPageIsGoodWithHashes(t *testing.T) {
	t.Parallel()
	p := visit(t, newFront(t, start(t, "--delay=0s", "--max-results=6", "--max-pending=6"), ""))
	p.submit(t, "one")
	p.do(t, "choose", chromedp.SetValue("#alg", "sha256", chromedp.ByQuery))
	p.submit(t, "two")
	p.submit(t, "three")
	p.until(t, rowIs(0, "done"))
	p.press(t, 0, "Erase")
	p.until(t, rowIs(0, "erased"))
	p.paste(t, "#secret", "a\nb\nc\n")
	p.clickOn(t, "#go")
	p.until(t, rowIs(0, "done"))
	p.press(t, 0, "Show")
	p.until(t, shown(".vlist"))
	p.wantGood(t, "done")
	p.clickOn(t, "#modes label")
	p.submit(t, "four")
	p.until(t, stateIs("Full"))
	p.enter(t, "#secret", "five"+kb.Enter)
	p.until(t, `/hashd is full.* submit it again in 5\d min/.test(document.querySelector("#err").innerText)`)
	p.wantGood(t, "full")
	p.wantClean(t, true)
}

func TestPageIsGoodWithoutJobs(t *testing.T) {
	t.Parallel()
	k := newKeys(t)
	token := k.add(t, "writer", "--scope=submit")
	f := newFront(t, start(t, "--api-keys="+string(k)), "")
	p := &livePage{tab: open(t, f.URL), front: f}
	answer := f.hold("/v/status")
	p.load(t)
	p.until(t, stateIs("Connecting"))
	p.wantGood(t, "connecting")
	answer()
	p.until(t, shown("#keyform"))
	p.wantGood(t, "key")
	p.enter(t, "#key", "hashd_wrong"+kb.Enter)
	p.until(t, shown("#key-err"))
	p.wantGood(t, "wrong key")
	p.keys(t, kb.Escape)
	p.enter(t, "#key", token+kb.Enter)
	p.until(t, shown("#form")) // it lacks the scopes for figures and hashes
	p.wantText(t, "#terminal", `$ curl -H "Authorization: Bearer $KEY" `+f.page("/")+"hash -H")
	p.wantGood(t, "key without stats")
	p.do(t, "without scripts", emulation.SetScriptExecutionDisabled(true), chromedp.Reload())
	p.wantText(t, "main", "This page needs JavaScript. The API does not: see the API docs.")
	p.do(t, "narrow", chromedp.EmulateViewport(320, 700))
	p.wantNoSidewaysScroll(t, "without scripts at 320 pixels")
	p.wantClean(t, true)
}

// While its store does not work hashd takes no new jobs, and the page says so.
func TestPageWhileTheStoreIsDown(t *testing.T) {
	t.Parallel()
	s := startOnFailingDisk(t, "--delay=1h")
	p := visit(t, newFront(t, s, ""))
	for n := range 30 { // until the disk fails
		if s.do(t, http.MethodPost, "/hash", map[string]string{"password": fmt.Sprint("secret ", n)}, nil) == http.StatusServiceUnavailable {
			break
		}
	}
	p.until(t, `document.querySelector("#state").dataset.level === "error"`)
	p.wantText(t, "#banner", "hashd’s store does not work.", "It takes no new jobs; its operator must look.")
	if !value[bool](t, p.tab, `["secret", "alg", "go"].every(id => document.getElementById(id).disabled)`) {
		t.Error("the form is not disabled")
	}
	p.wantGood(t, "down")
	p.wantClean(t, true)
}
