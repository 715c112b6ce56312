package browser

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
)

// clipboard is one for all tabs: who uses it holds it.
var clipboard sync.Mutex

// paste has another tab copy a text, and pastes it into the field.
func (p *livePage) paste(t *testing.T, selector, text string) {
	t.Helper()
	clipboard.Lock()
	defer clipboard.Unlock()
	other := open(t, p.origin)
	other.clipboard(t)
	other.do(t, "copy", chromedp.Navigate(p.front.page("/page/icon.svg")), chromedp.Evaluate(`navigator.clipboard.writeText(`+quote(text)+`)`, nil, awaited))
	p.focus(t, selector)
	p.do(t, "paste", chromedp.ActionFunc(func(ctx context.Context) error {
		return input.DispatchKeyEvent(input.KeyDown).WithKey("v").WithCode("KeyV").WithModifiers(input.ModifierCtrl).
			WithCommands([]string{"paste"}).Do(ctx)
	}))
}

// download does what saves a file, and returns what is in it.
func (b *tab) download(t *testing.T, save func()) []byte {
	t.Helper()
	dir, done := t.TempDir(), make(chan string, 1)
	ctx, stop := context.WithCancel(b.ctx)
	defer stop()
	chromedp.ListenBrowser(ctx, func(event any) {
		if e, ok := event.(*browser.EventDownloadProgress); ok && e.State == browser.DownloadProgressStateCompleted {
			select {
			case done <- e.GUID:
			default:
			}
		}
	})
	b.do(t, "allow downloads", chromedp.ActionFunc(func(ctx context.Context) error {
		return browser.SetDownloadBehavior(browser.SetDownloadBehaviorBehaviorAllowAndName).WithBrowserContextID(b.profile).
			WithDownloadPath(dir).WithEventsEnabled(true).Do(ofBrowser(ctx))
	}))
	save()
	select {
	case name := <-done:
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return content
	case <-t.Context().Done():
	case <-time.After(patience):
		t.Fatal("nothing was saved")
	}
	return nil
}
