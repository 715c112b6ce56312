package browser

import (
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// A drain is told of, and the hashes of the jobs that wait come while it lasts.
func TestPageDrains(t *testing.T) {
	t.Parallel()
	s := start(t, "--delay=6s", "--linger=10m", "--drain-timeout=10m")
	f := newFront(t, s, "")
	p := visit(t, f)
	answer := f.hold("/hash") // so that the drain lasts
	p.submit(t, "secret of a drain")
	p.sees(t, `/hashd is draining\..*It takes no new jobs\. The one it has accepted will be done/s.test(document.querySelector("#banner").textContent)`,
		func() { s.terminate(t) })
	p.until(t, stateIs("Draining"))
	if !value[bool](t, p.tab, `["secret", "alg", "go"].every(id => document.getElementById(id).disabled)`) {
		t.Error("the form is not disabled")
	}
	answer()
	p.until(t, hashIs(0, hashOf("secret of a drain")))
	s.awaitEnd(t)
	p.until(t, stateIs("No connection"))
	p.wantClean(t, true)
}

// A memory server that is started anew has lost its jobs. Their rows say so, and their ids, which are somebody else's now,
// are never asked for.
func TestPageAfterARestart(t *testing.T) {
	t.Parallel()
	const mine, strangers = "secret of mine", "secret of a stranger's"
	first := start(t, "--delay=1s")
	f := newFront(t, first, "")
	p := visit(t, f)
	p.submit(t, mine)
	p.until(t, rowIs(0, "done"))
	f.cutOff() // else the hash might be collected before the crash
	p.until(t, stateIs("No connection"))
	f.restore()
	p.until(t, stateIs("Ready"))
	first.crash(t)
	second := start(t, "--delay=0s") // there, ids begin with 1 again
	second.submit(t, strangers, strangers, strangers)

	long := start(t, "--delay=1h")
	f.lead(long)
	p.until(t, row(0, `!row.innerText.includes("Erase")`))
	p.submit(t, mine) // job 1 of the second store
	p.paste(t, "#secret", mine+"\n"+mine+"\n")
	p.clickOn(t, "#go")
	p.until(t, `document.querySelectorAll("#list > .job").length === 3`)
	p.until(t, rowIs(0, "due in"))
	long.crash(t)
	p.until(t, stateIs("No connection"))
	before := len(f.requests(0))
	f.lead(second)
	p.until(t, stateIs("Ready"))
	p.until(t, rowIs(0, "lost")+" && "+rowIs(1, "lost"))
	p.until(t, row(0, `row.innerText.includes("hashd was started anew and keeps its jobs in memory.")`))
	p.until(t, hashIs(2, hashOf(mine)))
	time.Sleep(moment)
	for _, r := range f.requests(before) {
		if strings.HasPrefix(r.path, "/hash") {
			t.Errorf("after the restart the page asks %s?%s", r.at(), r.query)
		}
	}
	if strings.Contains(value[string](t, p.tab, everything), hashOf(strangers)) {
		t.Error("the page shows a stranger's hash")
	}
	p.wantClean(t, true)
}

// A new server may be there at once, while the page waits for a hash of the old one. Its answer is not taken for that.
func TestPageTakesNoHashOfAnotherServer(t *testing.T) {
	t.Parallel()
	const strangers = "secret of a stranger's"
	first, second := start(t, "--delay=30s"), start(t, "--delay=0s")
	second.submit(t, strangers, strangers, strangers, strangers)
	f := newFront(t, first, "")
	p := visit(t, f)
	p.submit(t, "secret of mine")
	p.paste(t, "#secret", "one of mine\nanother\n")
	p.clickOn(t, "#go")
	p.until(t, `document.querySelectorAll("#list > .job").length === 2`)
	for f.count(0, "GET /hash/batch") == 0 { // which the server holds
		p.until(t, rowIs(1, "due in"))
	}
	before := len(f.requests(0))
	f.lead(second)
	first.crash(t)
	p.until(t, rowIs(0, "lost")+" && "+rowIs(1, "lost"))
	p.until(t, `!document.querySelector("#go").disabled`)
	time.Sleep(moment)
	if asked := f.count(before, "GET /hash/batch"); asked > 1 { // Chromium repeats what got no answer
		t.Errorf("the new server is asked %d times for a job of the old one", asked)
	}
	if strings.Contains(value[string](t, p.tab, everything), hashOf(strangers)) {
		t.Error("the page shows a stranger's hash")
	}
	p.wantClean(t, true)
}

// What a durable server has accepted is there after a crash: the page collects it.
func TestPageAfterARestartOfADurableServer(t *testing.T) {
	t.Parallel()
	store := []string{"--engine=file", "--data-dir=" + t.TempDir(), "--delay=3s"}
	first := start(t, store...)
	f := newFront(t, first, "")
	p := visit(t, f)
	p.submit(t, "secret that a crash spares")
	first.crash(t)
	p.until(t, stateIs("No connection"))
	f.lead(start(t, store...))
	p.until(t, hashIs(0, hashOf("secret that a crash spares")))
	p.press(t, 0, "Erase")
	p.until(t, rowIs(0, "erased"))
	p.wantNowhere(t, "secret that a crash spares")
	p.wantClean(t, true)
}

// Without a connection the page says so, keeps what was entered, and goes on by itself once there is one.
func TestPageOfflineAndBack(t *testing.T) {
	t.Parallel()
	f := newFront(t, start(t, "--delay=2s"), "")
	p := visit(t, f)
	answer := f.hold("/hash") // so that the hash does not come before the end of the connection
	p.submit(t, "secret before")
	p.enter(t, "#secret", "half a sec")
	f.cutOff()
	p.until(t, stateIs("No connection"))
	p.wantText(t, "#banner", "No connection to hashd", "Nothing you entered is lost.", "Try now")
	p.until(t, `document.querySelector("#go").disabled && !document.querySelector("#secret").disabled && document.querySelector("#secret").value === "half a sec"`)
	p.until(t, row(0, `row.innerText.includes("Its hash will be collected when hashd is back.")`))
	p.wantText(t, "#live-sub", "stopped at")
	answer()
	f.restore()
	p.clickOn(t, "#try")
	p.until(t, stateIs("Ready"))
	p.until(t, hashIs(0, hashOf("secret before")))
	p.enter(t, "#secret", "ret"+kb.Enter)
	p.until(t, hashIs(0, hashOf("half a secret")))
	p.wantNowhere(t, "half a sec", "secret before")
	p.wantClean(t, true)
}

// An answer that is lost is asked for again, with the same Idempotency-Key: there is one job.
func TestPageLosesAnAnswer(t *testing.T) {
	t.Parallel()
	s := start(t, "--delay=1s")
	f := newFront(t, s, "")
	p := visit(t, f)
	f.set(func() { f.lose = 1 })
	p.submit(t, "secret asked for twice")
	p.until(t, rowIs(0, "done"))
	var keys []string
	for _, r := range f.requests(0) {
		if r.at() == "POST /hash" {
			keys = append(keys, r.header.Get("Idempotency-Key"))
		}
	}
	if len(keys) < 2 || keys[0] == "" || keys[0] != keys[1] {
		t.Errorf("the keys of the tries are %q", keys)
	}
	var stats struct{ Total int }
	if s.do(t, http.MethodGet, "/stats", nil, &stats); stats.Total != 1 {
		t.Errorf("%d jobs were accepted", stats.Total)
	}
	p.wantNowhere(t, "secret asked for twice")
	p.wantClean(t, true)
}

// A refusal, whosesoever limit it is, leaves the secret in the field, and submitting it again works.
func TestPageKeepsTheSecretThatIsRefused(t *testing.T) {
	t.Parallel()
	const secret = "secret that is refused"
	s := start(t, "--delay=8s", "--max-pending=1")
	p := visit(t, newFront(t, s, ""))
	p.submit(t, "the first one")
	p.enter(t, "#secret", secret+kb.Enter)
	p.wantText(t, "#err", "hashd is full: it holds as many jobs as max-pending allows. Your secret is still in the field; submit it again")
	p.until(t, fmt.Sprintf(`document.querySelector("#secret").value === %q && document.activeElement.id === "secret"`, secret))
	p.submitAgain(t)
	p.until(t, `document.querySelectorAll("#list > .job").length === 2 && document.querySelector("#secret").value === ""`)
	p.wantNowhere(t, secret)
	p.wantClean(t, true)

	keys := newKeys(t)
	token := keys.add(t, "slow", "--rate=1/h")
	p = &livePage{front: newFront(t, start(t, "--delay=0s", "--api-keys="+string(keys)), "")}
	p.tab = open(t, p.front.URL)
	p.load(t)
	p.until(t, shown("#keyform"))
	p.enter(t, "#key", token+kb.Enter)
	p.until(t, stateIs("Ready"))
	p.submit(t, "the first one")
	p.enter(t, "#secret", secret+kb.Enter)
	p.wantText(t, "#err", "rate", "Your secret is still in the field; submit it again in")
	p.until(t, fmt.Sprintf(`document.querySelector("#secret").value === %q && document.querySelector("#go").disabled`, secret))
	p.wantClean(t, true)
}

// keys is a file of API keys.
type keys string

func newKeys(t *testing.T) keys { return keys(filepath.Join(t.TempDir(), "keys.json")) }

// add adds a key and returns its token.
func (k keys) add(t *testing.T, name string, flags ...string) (token string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary(), append([]string{"key", "add", name, "--api-keys", string(k)}, flags...)...)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// A server with keys shows nothing without one. The key lives in the tab's memory, and is gone on reload.
func TestPageAsksForAKey(t *testing.T) {
	t.Parallel()
	k := newKeys(t)
	token, reader := k.add(t, "all"), k.add(t, "reader", "--scope=read,stats")
	f := newFront(t, start(t, "--delay=0s", "--api-keys="+string(k)), "")
	p := &livePage{tab: open(t, f.URL), front: f}
	p.load(t)
	p.until(t, shown("#keyform"))
	p.until(t, stateIs("Needs a key"))
	p.wantText(t, "#keyform", "This server asks for a key. It stays in this tab’s memory and is gone on reload.")
	for _, hidden := range []string{"#form", ".fact", "#charts", "#lim"} {
		if value[bool](t, p.tab, shown(hidden)) {
			t.Errorf("%s shows without a key", hidden)
		}
	}
	p.enter(t, "#key", strings.Replace(token, token[len(token)-5:], "wrong", 1)+kb.Enter)
	p.until(t, shown("#key-err"))
	p.keys(t, kb.Escape) // a key that is mistyped can be mended, and emptied
	p.enter(t, "#key", reader+kb.Enter)
	p.until(t, stateIs("Ready"))
	p.enter(t, "#secret", "a secret without the scope"+kb.Enter)
	p.wantText(t, "#card", `This key lacks the scope "submit".`)
	p.until(t, shown("#keyform"))
	p.enter(t, "#key", token+kb.Enter)
	p.until(t, stateIs("Ready"))
	p.until(t, shown("#form"))
	p.enter(t, "#secret", kb.Enter) // it is in the field still
	p.until(t, hashIs(0, hashOf("a secret without the scope")))
	text := value[string](t, p.tab, everything)
	if strings.Contains(text, token) || strings.Contains(text, reader) {
		t.Error("a key is in the page")
	}
	for _, r := range f.requests(0) {
		if strings.Contains(r.path+r.query, token) {
			t.Errorf("a key is in %s?%s", r.path, r.query)
		}
	}
	p.do(t, "reload", chromedp.Reload())
	p.until(t, shown("#keyform"))
	p.wantNowhere(t, token, reader)
	p.wantClean(t, true)
}

// What fails inside hashd is told with the request's id, for its operator.
func TestPageTellsTheRequestThatFailed(t *testing.T) {
	t.Parallel()
	f := newFront(t, start(t), "")
	p := visit(t, f)
	f.set(func() {
		f.answer = func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method != http.MethodPost {
				return false
			}
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = w.Write([]byte(`{"type": "urn:hashd:problem:internal", "title": "Internal error", "status": 500,
				"detail": "The server failed.", "instance": "urn:hashd:request:0123456789"}`))
			return true
		}
	})
	const secret = "secret that meets a fault"
	p.enter(t, "#secret", secret+kb.Enter)
	p.wantText(t, "#err", "hashd failed. Tell its operator this request id: 0123456789", "Copy")
	p.until(t, fmt.Sprintf(`document.querySelector("#secret").value === %q`, secret))
	f.set(func() { f.answer = nil })
	p.sees(t, rowIs(0, "due in"), func() { p.enter(t, "#secret", kb.Enter) })
	p.until(t, `!(`+shown("#err")+`)`)
	p.wantNowhere(t, secret)
	p.wantClean(t, true)
}

// A tab that nobody sees asks for nothing.
func TestPageRestsWhileHidden(t *testing.T) {
	t.Parallel()
	f := newFront(t, start(t, "--delay=2s"), "")
	p := visit(t, f)
	p.submit(t, "secret out of sight")
	p.enter(t, "#secret", "shown")
	p.clickOn(t, "[data-reveal=secret]")
	p.until(t, `document.querySelector("#secret").type === "text"`)
	p.hide(t, true)
	p.until(t, `document.hidden && document.querySelector("#secret").type === "password"`)
	asks := func() (asked []string) {
		before := len(f.requests(0))
		time.Sleep(moment)
		for _, r := range f.requests(before) {
			asked = append(asked, r.at()+"?"+r.query)
		}
		return asked
	}
	for tries, asked := 1, asks(); len(asked) > 0; tries, asked = tries+1, asks() { // what was asked before may come late
		if tries == 3 {
			t.Fatalf("a hidden tab asks %q", asked)
		}
	}
	p.hide(t, false)
	p.until(t, hashIs(0, hashOf("secret out of sight")))
	p.wantClean(t, true)
}
