package browser

import (
	"net/http"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"
)

// Of many lines the server may take some and refuse the others: those that it took are nowhere any more, and the others stay
// until it takes them too, whether they were pasted or typed.
func TestPageKeepsTheRestOfManyLines(t *testing.T) {
	t.Parallel()
	s := start(t, "--delay=5s", "--max-pending=3") // and so no batch has more than three
	p := visit(t, newFront(t, s, ""))
	submitRest := func(rest string, secrets ...string) {
		t.Helper()
		p.clickOn(t, "#go")
		p.wantText(t, "#err", "hashd is full: it holds as many jobs as max-pending allows. Your lines are still here; submit them again")
		p.until(t, rest)
		p.wantNowhere(t, secrets[:3]...)
		p.submitAgain(t)
		p.until(t, rowIs(0, "done"))
		p.until(t, rowIs(1, "done"))
		p.wantNowhere(t, secrets...)
	}
	pasted := []string{"pasted one", "pasted two", "pasted three", "pasted four", "pasted five"}
	p.paste(t, "#secret", "pasted one\npasted two\npasted three\npasted four\npasted five\n")
	submitRest(`document.querySelector("#ready-count").textContent === "2 lines" && document.querySelector("#go").textContent === "Submit 2"`, pasted...)
	typed := []string{"typed one", "typed two", "typed three", "typed four", "typed five"}
	p.enter(t, "#lines", "typed one"+kb.Enter+"typed two"+kb.Enter+"typed three"+kb.Enter+"typed four"+kb.Enter+"typed five")
	submitRest(`document.querySelector("#lines").value === "typed four\ntyped five"`, typed...)
	p.wantClean(t, true)
}

// submitAgain submits what was refused once that makes sense, and once more while the room is not there yet.
func (p *livePage) submitAgain(t *testing.T) {
	t.Helper()
	for range 10 {
		p.until(t, `!document.querySelector("#go").disabled`)
		p.clickOn(t, "#go")
		p.until(t, `document.querySelector("#go").textContent !== "Sending"`)
		if value[bool](t, p.tab, `document.querySelector("#err").hidden`) {
			return
		}
	}
	t.Fatal("it is refused again and again")
}

// Who changes a secret while its answer is lost has given it up: it is not asked for, and what stands there now is sent alone.
func TestPageAsksForNothingThatWasGivenUp(t *testing.T) {
	t.Parallel()
	s := start(t, "--delay=0s")
	f := newFront(t, s, "")
	p := visit(t, f)
	f.set(func() {
		f.answer = func(_ http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodPost {
				f.set(func() { f.cut = true })
				panic(http.ErrAbortHandler)
			}
			return false
		}
	})
	p.enter(t, "#secret", "secret"+kb.Enter)
	p.until(t, stateIs("No connection"))
	p.wantText(t, "#note-text", "No answer came. It is asked for again: there will be one job, not two.")
	p.enter(t, "#secret", " that was changed")
	p.wantText(t, "#note-text", "Cleared from this page once accepted.")
	before := len(f.requests(0))
	f.set(func() { f.cut, f.answer = false, nil })
	p.until(t, stateIs("Ready"))
	p.until(t, `!document.querySelector("#go").disabled`)
	time.Sleep(moment)
	if n := f.count(before, "POST /hash"); n != 0 {
		t.Errorf("%d requests submit what was given up", n)
	}
	p.enter(t, "#secret", kb.Enter)
	p.until(t, hashIs(0, hashOf("secret that was changed")))
	p.wantNowhere(t, "secret that was changed")
	p.wantClean(t, true)
}
