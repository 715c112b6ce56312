package browser

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
)

// TestPictures takes the README's pictures of a page that is in use, with the flag -screenshots.
func TestPictures(t *testing.T) {
	if *screenshots == "" {
		return
	}
	s := start(t, "--first-id=10478")
	stop := s.load(t)
	defer stop()
	p := visit(t, newFront(t, s, ""))
	p.do(t, "size", chromedp.EmulateViewport(1360, 940))
	time.Sleep(125 * time.Second) // the charts show two minutes
	p.submit(t, angryMonkey)
	p.submit(t, "calmOtter")
	p.press(t, 0, "Cancel")
	p.do(t, "choose", chromedp.SetValue("#alg", "sha256", chromedp.ByQuery))
	p.submit(t, "boldHeron")
	p.do(t, "choose", chromedp.SetValue("#alg", "sha512", chromedp.ByQuery))
	p.until(t, rowIs(0, "done"))
	for scheme, name := range map[string]string{"light": "page.png", "dark": "page-dark.png"} {
		p.scheme(t, scheme)
		p.submitAll(t, 4)
		p.picture(t, filepath.Join(*screenshots, name))
		p.until(t, rowIs(0, "done"))
	}
	p.scheme(t, "light")
	p.do(t, "telephone", chromedp.EmulateViewport(390, 844, chromedp.EmulateScale(2)))
	p.submitAll(t, 3)
	p.do(t, "top", chromedp.Evaluate(`scrollTo(0, 0)`, nil))
	p.picture(t, filepath.Join(*screenshots, "page-phone.png"))
	p.wantClean(t, false)
}

// submitAll submits secrets one after the other, apart as a person's are.
func (p *livePage) submitAll(t *testing.T, n int) {
	t.Helper()
	for k := range n {
		p.submit(t, fmt.Sprint("secret ", k))
		time.Sleep(time.Second)
	}
	p.do(t, "leave the field", chromedp.Evaluate(`document.activeElement.blur()`, nil), chromedp.MouseEvent(input.MouseMoved, 0, 0))
}

// load submits jobs as others do, more and fewer of them in turn, until it is stopped.
func (s *server) load(t *testing.T) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	transport := &http.Transport{}
	wg.Go(func() {
		for n := 0.0; ctx.Err() == nil; n++ {
			r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.address+"/hash", strings.NewReader(`{"password":"`+angryMonkey+`"}`))
			if err != nil {
				return
			}
			r.Header.Set("Content-Type", "application/json")
			if answer, err := transport.RoundTrip(r); err == nil {
				_ = answer.Body.Close()
			}
			time.Sleep(time.Duration(float64(time.Millisecond) * (1 + math.Sin(n/9000)/4)))
		}
	})
	return func() {
		cancel()
		wg.Wait()
		transport.CloseIdleConnections()
	}
}
