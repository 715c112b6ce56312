package browser

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
)

// front is a proxy between a browser and a server. It notes what is asked, can be cut, and can lead to another server.
type front struct {
	*httptest.Server
	prefix string // of every path; it is taken away

	mu     sync.Mutex
	server *server
	cut    bool
	lose   int                                           // so many answers to jobs that are submitted get lost
	answer func(http.ResponseWriter, *http.Request) bool // answers in place of the server, if it returns true
	asked  []request
}

// request is one that a browser has sent.
type request struct {
	method, path, query string
	header              http.Header
}

// at returns what the request is for, without its query.
func (r request) at() string { return r.method + " " + r.path }

// newFront puts a proxy before the server. The prefix is empty or begins with a slash.
func newFront(t *testing.T, s *server, prefix string) *front {
	t.Helper()
	f := &front{server: s, prefix: prefix}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			f.mu.Lock()
			defer f.mu.Unlock()
			r.SetURL(&url.URL{Scheme: "http", Host: f.server.address})
		},
		FlushInterval:  -1,
		ErrorLog:       log.New(io.Discard, "", 0),
		ErrorHandler:   func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
		ModifyResponse: f.pass,
		Transport:      &http.Transport{DisableKeepAlives: true},
	}
	f.Server = httptest.NewUnstartedServer(http.StripPrefix(prefix, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if f.admit(w, r) {
			proxy.ServeHTTP(w, r)
		}
	})))
	f.Config.ErrorLog = log.New(io.Discard, "", 0)
	f.Start()
	t.Cleanup(f.close)
	return f
}

func (f *front) close() {
	f.CloseClientConnections()
	f.Close()
}

// admit notes a request, and returns whether it goes on to the server.
func (f *front) admit(w http.ResponseWriter, r *http.Request) bool {
	f.mu.Lock()
	cut, answer := f.cut, f.answer
	f.asked = append(f.asked, request{r.Method, r.URL.Path, r.URL.RawQuery, r.Header.Clone()})
	f.mu.Unlock()
	if cut {
		panic(http.ErrAbortHandler) // closes the connection
	}
	return answer == nil || !answer(w, r)
}

// pass lets an answer go on to the browser, or loses it.
func (f *front) pass(answer *http.Response) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r := answer.Request; r.Method == http.MethodPost && strings.HasPrefix(r.URL.Path, "/hash") && f.lose > 0 {
		f.lose--
		return io.ErrUnexpectedEOF
	}
	return nil
}

// set changes what the proxy does from now on.
func (f *front) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// hold keeps back from the server what is asked of a path and those below it, until that is let go.
func (f *front) hold(path string) (release func()) {
	held := make(chan struct{})
	f.set(func() {
		f.answer = func(_ http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodGet && strings.HasPrefix(r.URL.Path, path) {
				select {
				case <-held:
				case <-r.Context().Done():
				}
			}
			return false
		}
	})
	return func() { close(held) }
}

// cutOff ends all connections, and refuses new ones until restore.
func (f *front) cutOff() {
	f.set(func() { f.cut = true })
	f.CloseClientConnections()
}

func (f *front) restore() { f.set(func() { f.cut = false }) }

// lead leads to another server from now on.
func (f *front) lead(s *server) { f.set(func() { f.server = s }) }

// requests returns those that came since the n-th.
func (f *front) requests(n int) []request {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.asked[n:])
}

// count returns how many of the requests since the n-th are of this method and path.
func (f *front) count(n int, at string) (count int) {
	for _, r := range f.requests(n) {
		if r.at() == at {
			count++
		}
	}
	return count
}

// page returns the address of a page, such as / or /docs.
func (f *front) page(path string) string { return f.URL + f.prefix + path }
