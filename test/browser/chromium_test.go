package browser

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"

	"github.com/hashd-project/hashd/v2/internal/needs"
)

// chromium is the browser that all tests share, each in a profile of its own.
var chromium shared

type shared struct {
	once sync.Once
	ctx  context.Context
	stop func()
	err  error
}

func (s *shared) begin(path string) (context.Context, error) {
	s.once.Do(func() {
		options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
			chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
			chromedp.Flag("host-resolver-rules", "MAP *.test 127.0.0.1"), chromedp.WindowSize(1200, 1000), chromedp.WSURLReadTimeout(patience))
		allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
		ctx, shut := chromedp.NewContext(allocator, chromedp.WithBrowserOption(chromedp.WithDialTimeout(patience)))
		s.ctx, s.err = ctx, chromedp.Run(ctx)
		s.stop = func() {
			_ = chromedp.Cancel(ctx) // asks the browser to end, and waits for it
			shut()
			stop()
		}
	})
	return s.ctx, s.err
}

func (s *shared) end() {
	if s.stop != nil {
		s.stop()
	}
}

// tab is a tab of Chromium's that notes what goes wrong in it and where its requests go.
type tab struct {
	ctx     context.Context
	profile cdp.BrowserContextID
	origin  string

	mu        sync.Mutex
	faults    []string // errors of scripts, and what a policy forbids
	failed    []string // requests that brought an error or nothing
	console   []string // all that was written there
	strangers []string // requests to other origins
	addresses []string // of all requests
}

// open opens an empty tab of a new profile. Its requests go to this origin alone.
func open(t *testing.T, origin string) *tab {
	t.Helper()
	shared, err := chromium.begin(needs.Tool(t, "chromium", needs.Debian("chromium")))
	if err != nil {
		t.Fatal(err)
	}
	profile, id := newProfile(t, shared)
	ctx, shut := chromedp.NewContext(shared, chromedp.WithTargetID(id))
	t.Cleanup(func() {
		_ = chromedp.Cancel(ctx)
		shut()
		if err := target.DisposeBrowserContext(profile).Do(ofBrowser(shared)); err != nil {
			t.Error(err)
		}
	})
	b := &tab{ctx: ctx, profile: profile, origin: origin}
	chromedp.ListenTarget(ctx, b.note)
	b.do(t, "start", network.Enable(), cdplog.Enable(), runtime.Enable(), audits.Enable(),
		emulation.SetFocusEmulationEnabled(true))
	return b
}

// newProfile makes a profile with an empty tab in a window.
func newProfile(t *testing.T, shared context.Context) (profile cdp.BrowserContextID, tab target.ID) {
	t.Helper()
	ctx := ofBrowser(shared)
	profile, err := target.CreateBrowserContext().Do(ctx)
	if err == nil {
		tab, err = target.CreateTarget("about:blank").WithBrowserContextID(profile).WithNewWindow(true).Do(ctx)
	}
	if err != nil {
		t.Fatal(err)
	}
	return profile, tab
}

// note looks at each event of the tab.
func (b *tab) note(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		b.faults = append(b.faults, e.ExceptionDetails.Error())
	case *runtime.EventConsoleAPICalled:
		var said []string
		for _, a := range e.Args {
			said = append(said, string(a.Value)+a.Description)
		}
		b.console = append(b.console, strings.Join(said, " "))
		b.faults = append(b.faults, fmt.Sprintf("console %s: %q", e.Type, said))
	case *cdplog.EventEntryAdded:
		b.console = append(b.console, e.Entry.Text)
		b.noteEntry(e.Entry)
	case *audits.EventIssueAdded:
		if d := e.Issue.Details.ContentSecurityPolicyIssueDetails; d != nil {
			b.faults = append(b.faults, fmt.Sprintf("policy: %s by %s: %s", d.ContentSecurityPolicyViolationType, d.ViolatedDirective, d.BlockedURL))
		}
	case *network.EventRequestWillBeSent:
		b.addresses = append(b.addresses, e.Request.URL)
		if u, err := url.Parse(e.Request.URL); err != nil || u.Scheme != "data" && u.Scheme+"://"+u.Host != b.origin {
			b.strangers = append(b.strangers, e.Request.URL)
		}
	}
}

func (b *tab) noteEntry(e *cdplog.Entry) {
	switch {
	case strings.HasPrefix(e.Text, "The Cross-Origin-Opener-Policy header has been ignored"): // as without TLS it is
	case e.Source == cdplog.SourceNetwork:
		b.failed = append(b.failed, e.Text+" "+e.URL)
	case e.Level == cdplog.LevelError || e.Level == cdplog.LevelWarning:
		b.faults = append(b.faults, e.Text+" "+e.URL)
	}
}

// do runs actions, all of them within patience.
func (b *tab) do(t *testing.T, what string, actions ...chromedp.Action) {
	t.Helper()
	if err := b.try(actions...); err != nil {
		b.mu.Lock()
		defer b.mu.Unlock()
		t.Fatalf("%s: %v; %q", what, err, b.faults)
	}
}

func (b *tab) try(actions ...chromedp.Action) error {
	if chromedp.FromContext(b.ctx).Target == nil {
		return chromedp.Run(b.ctx, actions...) // the first run opens the tab, which would end with a shorter context
	}
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	return chromedp.Run(ctx, actions...)
}

// value evaluates an expression, or awaits what it promises.
func value[T any](t *testing.T, b *tab, expression string) (result T) {
	t.Helper()
	b.do(t, expression, chromedp.Evaluate(expression, &result, awaited))
	return result
}

// awaited has an evaluation wait for what is promised.
func awaited(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }

// until waits until an expression is true in the page, or in the one that comes in its place.
func (b *tab) until(t *testing.T, expression string) {
	t.Helper()
	const look = `new Promise(tell => { const end = performance.now() + 5000;
		const look = () => { const there = (%s); if (there || performance.now() > end) tell(Boolean(there)); else setTimeout(look, 40); }; look(); })`
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(40 * time.Millisecond) {
		var there bool
		if err = b.try(chromedp.Evaluate(fmt.Sprintf(look, expression), &there, awaited)); there {
			return
		}
	}
	var text string
	_ = b.try(chromedp.Evaluate(`document.body.innerText`, &text))
	b.mu.Lock()
	defer b.mu.Unlock()
	t.Fatalf("never: %s, error %v. Errors %q, failed requests %q. The page says:\n%s", expression, err, b.faults, b.failed, text)
}

// sees does what makes an expression true, maybe for a moment only, and waits until it was.
func (b *tab) sees(t *testing.T, expression string, act func()) {
	t.Helper()
	value[bool](t, b, lookOut(expression))
	act()
	b.until(t, `seen`)
}

// lookOut is what has the page set seen once a change of it makes the expression true, however soon that is over.
func lookOut(expression string) string {
	return fmt.Sprintf(`(globalThis.seen = false, new MutationObserver((_, eye) => { if (%s) { seen = true; eye.disconnect(); } })
		.observe(document, {subtree: true, childList: true, characterData: true, attributes: true}), true)`, expression)
}

// wantNoSidewaysScroll fails the test if the page is wider than its window, and names what makes it so.
func (b *tab) wantNoSidewaysScroll(t *testing.T, when string) {
	t.Helper()
	wide := value[[]string](t, b, `document.documentElement.scrollWidth <= innerWidth ? [] :
		[document.documentElement.scrollWidth + " of " + innerWidth].concat(Array.from(document.querySelectorAll("body *"))
			.filter(e => e.getBoundingClientRect().right > innerWidth + 0.5).map(e => e.tagName + "." + e.className))`)
	if len(wide) > 0 {
		t.Errorf("%s: the page is wider than its window: %q", when, wide)
	}
}

// wantClean fails the test if anything went wrong in the page or left for another origin. Requests may have failed if some are to.
func (b *tab) wantClean(t *testing.T, mayFail bool) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.faults) > 0 || len(b.strangers) > 0 || len(b.addresses) == 0 {
		t.Errorf("%d requests, errors %q, requests to others %q", len(b.addresses), b.faults, b.strangers)
	}
	if len(b.failed) > 0 && !mayFail {
		t.Errorf("failed requests: %q", b.failed)
	}
}

// picture writes what the window shows.
func (b *tab) picture(t *testing.T, file string) {
	t.Helper()
	var png []byte
	b.do(t, "picture", chromedp.CaptureScreenshot(&png))
	write(t, file, png)
}

func write(t *testing.T, file string, content []byte) {
	t.Helper()
	if err := os.WriteFile(file, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

// clipboard lets the tab read and write what is copied.
func (b *tab) clipboard(t *testing.T) {
	t.Helper()
	b.do(t, "let it use the clipboard", chromedp.ActionFunc(func(ctx context.Context) error {
		for _, name := range []string{"clipboard-read", "clipboard-write"} {
			set := browser.SetPermission(&browser.PermissionDescriptor{Name: name}, browser.PermissionSettingGranted)
			if err := set.WithOrigin(b.origin).WithBrowserContextID(b.profile).Do(ofBrowser(ctx)); err != nil {
				return err
			}
		}
		return nil
	}))
}

// moment is how long a test waits for something that must not happen.
const moment = 2500 * time.Millisecond

// ofBrowser returns a context whose commands go to the browser in place of the tab.
func ofBrowser(ctx context.Context) context.Context {
	return cdp.WithExecutor(ctx, chromedp.FromContext(ctx).Browser)
}

// hide puts the tab's window away, or brings it back.
func (b *tab) hide(t *testing.T, away bool) {
	t.Helper()
	state := browser.WindowStateNormal
	if away {
		state = browser.WindowStateMinimized
	}
	id := chromedp.FromContext(b.ctx).Target.TargetID
	b.do(t, "hide the window", emulation.SetFocusEmulationEnabled(!away), chromedp.ActionFunc(func(ctx context.Context) error {
		ctx = ofBrowser(ctx)
		window, _, err := browser.GetWindowForTarget().WithTargetID(id).Do(ctx)
		if err != nil {
			return err
		}
		return browser.SetWindowBounds(window, &browser.Bounds{WindowState: state}).Do(ctx)
	}))
}
