package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"strings"
	"sync"
	"testing"

	"github.com/hashd-project/hashd/v2/client"
)

// proxy stands between hashctl and a server, and lets a test act at any request.
type proxy struct {
	address string

	mu     sync.Mutex
	target string // address of the server
	asked  int    // requests so far
	at     func(n int, request string)
	given  func(w http.ResponseWriter, request string) bool
}

// on has f called once the server has answered the n-th request, counted from 1, and before
// hashctl learns of it.
func (p *proxy) on(f func(n int, request string)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at = f
}

// once has f called, as on does, for the n-th request or the first after it, and never again. That f was not called until
// the test ends is an error: then the test has tested nothing.
func (p *proxy) once(t *testing.T, n int, f func()) {
	t.Helper()
	var once sync.Once
	fired := false
	p.on(func(asked int, _ string) {
		if asked >= n {
			once.Do(func() { fired = true; f() })
		}
	})
	t.Cleanup(func() {
		once.Do(func() {})
		if !fired {
			t.Errorf("request %d never came: the test did not act", n)
		}
	})
}

// instead has f asked first for each request, which it may answer and then return true.
func (p *proxy) instead(f func(w http.ResponseWriter, request string) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.given = f
}

func newProxy(t *testing.T, target string) *proxy {
	t.Helper()
	p := &proxy{target: target}
	forward := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			p.mu.Lock()
			defer p.mu.Unlock()
			r.Out.URL.Scheme, r.Out.URL.Host = "http", p.target
		},
		ModifyResponse: func(resp *http.Response) error {
			p.mu.Lock()
			p.asked++
			n, at := p.asked, p.at
			p.mu.Unlock()
			if at != nil {
				at(n, resp.Request.Method+" "+resp.Request.URL.Path)
			}
			return nil
		},
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }, // the connection is cut
		Transport:    &http.Transport{DisableKeepAlives: true},
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		given := p.given
		p.mu.Unlock()
		if given == nil || !given(w, r.Method+" "+r.URL.Path) {
			forward.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(s.Close)
	p.address = strings.TrimPrefix(s.URL, "http://")
	return p
}

// retarget leads to another server from now on.
func (p *proxy) retarget(address string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = address
}

// direct returns a client of the server behind the proxy.
func (p *proxy) direct(t *testing.T) *client.Jobs {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	p.mu.Lock()
	defer p.mu.Unlock()
	j, err := client.NewJobs(client.Config{Server: "http://" + p.target, HTTP: &http.Client{Transport: transport}})
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// total returns how many jobs the server has accepted.
func (p *proxy) total(t *testing.T) int64 {
	t.Helper()
	s, err := p.direct(t).Stats(context.WithoutCancel(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	return s.Total
}
