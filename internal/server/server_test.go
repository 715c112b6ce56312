package server

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashd-project/hashd/v2/internal/engine"
	"github.com/hashd-project/hashd/v2/internal/engine/memory"
)

// pipes is a network within this process, on which a fake clock rules deadlines too.
type pipes struct {
	calls  chan net.Conn
	closed chan struct{}
	close  func()
}

func newPipes() *pipes {
	closed := make(chan struct{})
	return &pipes{make(chan net.Conn), closed, sync.OnceFunc(func() { close(closed) })}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.calls:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.close()
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes", Net: "pipe"} }

// dial returns once the server has accepted the connection.
func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case p.calls <- server:
		return client, nil
	case <-p.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// running is a site behind a listener.
type running struct {
	*site
	*pipes // on these, if it was made by listen
	server *Server
	client *http.Client
	served chan error
}

// serve serves the site on the listener until the test ends.
func serve(s *site, l net.Listener, dial func(context.Context, string, string) (net.Conn, error)) *running {
	r := &running{site: s, server: New(s.cfg, s.service), client: &http.Client{Transport: &http.Transport{DialContext: dial}}, served: make(chan error, 1)}
	go func() { r.served <- r.server.Serve(l) }()
	s.Cleanup(func() {
		r.client.CloseIdleConnections()
		_ = r.server.Shutdown(context.Background(), time.Hour)
		<-r.served
	})
	return r
}

// listen serves on pipes, with timeouts that are as different as can be.
func listen(t *testing.T, s Service, changes ...func(*Config)) *running {
	p := newPipes()
	timeouts := func(cfg *Config) {
		cfg.ReadHeaderTimeout, cfg.ReadTimeout, cfg.WriteTimeout, cfg.IdleTimeout = time.Second, 3*time.Second, 5*time.Second, 7*time.Second
	}
	r := serve(newSite(t, s, append([]func(*Config){timeouts}, changes...)...), p, p.dial)
	r.pipes = p
	return r
}

// get sends GET over the network and examines the answer, if there is one.
func (r *running) get(target string, lines ...string) (answer, error) {
	req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, "http://localhost"+target, nil)
	if err != nil {
		return answer{}, err
	}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		req.Header.Set(name, value)
	}
	res, err := r.client.Do(req)
	if err != nil {
		return answer{}, err
	}
	return r.examine(req, res), nil
}

// raw sends the text as it is on a connection of its own, and returns what comes back until the
// server hangs up.
func (r *running) raw(text string) string {
	r.Helper()
	c, err := r.dial(r.Context(), "", "")
	if err != nil {
		r.Fatal(err)
	}
	var group sync.WaitGroup
	group.Go(func() { _, _ = io.WriteString(c, text) })
	reply, _ := io.ReadAll(c)
	_ = c.Close()
	group.Wait()
	return string(reply)
}

// after returns what an engine waits like: for the time, or until nobody wants to know any more.
func after(d time.Duration) func(context.Context) engine.Record {
	return func(ctx context.Context) engine.Record {
		select {
		case <-time.After(d):
			return done
		case <-ctx.Done():
			return engine.Record{}
		}
	}
}

// A client that dawdles over its header, or over nothing at all, is cut off.
func TestSlowHeaderIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := listen(t, on(fake{}))
		for _, text := range []string{"", "GET /healthz HTTP/1.1\r\nHost: hashd\r\n"} {
			began := time.Now()
			if reply := r.raw(text); reply != "" || time.Since(began) != r.cfg.ReadHeaderTimeout {
				t.Errorf("header %q: cut after %v, reply %q", text, time.Since(began), reply)
			}
		}
		began := time.Now()
		reply := r.raw("GET /healthz HTTP/1.1\r\nHost: hashd\r\n\r\n")
		if !strings.HasPrefix(reply, "HTTP/1.1 200 OK\r\n") || time.Since(began) != r.cfg.IdleTimeout {
			t.Errorf("idle connection: cut after %v, reply %q", time.Since(began), reply)
		}
	})
}

// A body that stalls is answered, and its connection is not kept. Asking to be held makes no
// difference: it is the answer that is held.
func TestSlowBodyIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := listen(t, on(fake{}))
		for _, header := range []string{"", "Prefer: wait=60\r\n"} {
			began := time.Now()
			reply := r.raw("POST /hash HTTP/1.1\r\nHost: hashd\r\nContent-Type: application/json\r\n" +
				"Content-Length: 25\r\n" + header + "\r\n" + password[:20])
			// Go 1.26.9 and later give the client a moment more to read the answer.
			if took := time.Since(began); took < r.cfg.ReadTimeout || took > r.cfg.ReadTimeout+time.Second {
				t.Errorf("%q: cut after %v", header, took)
			}
			res, err := http.ReadResponse(bufio.NewReader(strings.NewReader(reply)), nil)
			if err != nil {
				t.Fatalf("%q: reply %q: %v", header, reply, err)
			}
			r.examine(httptest.NewRequest(http.MethodPost, "/hash", http.NoBody), res).wantProblem(400, "incomplete-request")
			if !res.Close {
				t.Errorf("%q: the connection is kept", header)
			}
		}
	})
}

// What is no HTTP request, or has a header beyond all measure, never reaches the handler.
func TestBrokenRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := listen(t, on(fake{}))
		const get = "GET /healthz HTTP/1.1\r\n"
		for text, want := range map[string]string{
			canary + "\r\n\r\n":                             "400 Bad Request",
			"GET /hash\x00 HTTP/1.1\r\nHost: x\r\n\r\n":     "400 Bad Request",
			get + "\r\n":                                    "400 Bad Request",
			get + "Host: a\r\nHost: b\r\n\r\n":              "400 Bad Request",
			get + "Host: x\r\n" + canary + "\r\n\r\n":       "400 Bad Request",
			get + "Host: x\r\nPrefer: wait=1\n\x00\r\n\r\n": "400 Bad Request",
			"POST /hash HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n": "400 Bad Request",
			get + "Host: x\r\nX-Long: " + strings.Repeat("x", 64<<10) + "\r\n\r\n":             "431 Request Header Fields Too Large",
		} {
			reply := r.raw(text)
			if !strings.HasPrefix(reply, "HTTP/1.1 "+want) || sings(reply) != "" {
				t.Errorf("%.60q: reply %q, want %s", text, reply, want)
			}
		}
		if lines := r.log.lines("request"); len(lines) > 0 {
			t.Errorf("reached the handler: %v", lines)
		}
	})
}

// polling starts a long poll that the engine answers when release is closed.
func polling(t *testing.T) (r *running, release chan struct{}, result chan error) {
	release, result = make(chan struct{}), make(chan error, 1)
	r = listen(t, on(fake{wait: func(ctx context.Context) engine.Record {
		select {
		case <-release:
			return done
		case <-ctx.Done():
			return engine.Record{}
		}
	}}))
	go func() {
		a, err := r.get("/hash/42", "Prefer: wait=60")
		if err == nil {
			a.want(200)
		}
		result <- err
	}()
	synctest.Wait()
	if len(result) > 0 {
		t.Fatalf("the poll is over before it began: %v", <-result)
	}
	return r, release, result
}

// A shutdown lets requests under way finish and lets no new ones in; then Serve returns nil.
func TestShutdownWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, release, result := polling(t)
		stopped := make(chan error, 1)
		go func() { stopped <- r.server.Shutdown(t.Context(), time.Hour) }()
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if len(stopped) > 0 || len(result) > 0 {
			t.Fatal("the shutdown did not wait for the poll")
		}
		if _, err := r.dial(t.Context(), "", ""); !errors.Is(err, net.ErrClosed) {
			t.Errorf("a new connection: error %v", err)
		}
		close(release)
		for what, c := range map[string]chan error{"poll": result, "shutdown": stopped, "serve": r.served} {
			if err := <-c; err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
		r.served <- nil // for the clean-up
	})
}

// A shutdown that may not wait any longer cuts what is under way, and says so.
func TestShutdownCuts(t *testing.T) {
	for name, limit := range map[string]func(context.Context) (context.Context, context.CancelFunc){
		"ended": func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			cancel()
			return ctx, cancel
		},
		"ends": func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, 10*time.Second)
		},
	} {
		inBubble(t, name, func(t *testing.T) {
			r, _, result := polling(t)
			ctx, cancel := limit(t.Context())
			defer cancel()
			err := r.server.Shutdown(ctx, time.Hour)
			if !errors.Is(err, ctx.Err()) || err == nil || !strings.HasPrefix(err.Error(), "shutdown: ") {
				t.Errorf("shutdown: error %v, want %v", err, ctx.Err())
			}
			if err := <-result; err == nil {
				t.Error("the poll was answered")
			}
		})
	}
}

// deaf is a listener that fails: first in passing, and then for good.
type deaf struct {
	net.Listener
	passing bool
}

var errDeaf = errors.New("deaf")

func (d *deaf) Accept() (net.Conn, error) {
	if d.passing = !d.passing; d.passing {
		return nil, &net.OpError{Op: "accept", Err: syscall.ECONNABORTED}
	}
	return nil, errDeaf
}

func (*deaf) Close() error { return nil }

// Serve gives up where there is no hope, and what net/http says meanwhile is in the log.
func TestServeFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, on(fake{}))
		if err := New(s.cfg, s.service).Serve(&deaf{}); !errors.Is(err, errDeaf) || !strings.HasPrefix(err.Error(), "serve: ") {
			t.Errorf("error %v", err)
		}
		if !strings.Contains(s.log.text.String(), `"level":"WARN","msg":"http: Accept error: accept: `) {
			t.Errorf("logged %s", &s.log.text)
		}
	})
}

// The same over a real network and with an engine that hashes: the wait is longer than the timeouts, and those
// are longer than a busy machine may take between an answer's deadline and its writing.
func TestLongPollOverTCP(t *testing.T) {
	t.Parallel()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e, err := memory.New(engine.Limits{
		FirstID: 1,
		Delay:   5 * time.Second / 2, Retention: time.Hour, MaxPending: 100, MaxResults: 100, MaxSecretBytes: 1 << 20, Workers: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	s := newSite(t, on(e), func(cfg *Config) { cfg.ReadTimeout, cfg.WriteTimeout = time.Second, time.Second })
	r := serve(s, l, func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", l.Addr().String())
	})
	job, err := e.Accept(t.Context(), engine.Job{Secret: []byte(canary)})
	if err != nil {
		t.Fatal(err)
	}
	a, err := r.get("/hash/1", "Prefer: wait=60")
	if err != nil || time.Now().Before(job.Due) {
		t.Fatalf("%v before it is due: error %v", time.Until(job.Due), err)
	}
	a.want(200, "Preference-Applied: wait=60")
}

// A server that is told to stop before it serves leaves nothing behind. TestMain looks for it.
func TestShutdownBeforeServe(t *testing.T) {
	for range 20 {
		l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s := newSite(t, on(fake{}))
		server := New(s.cfg, s.service)
		if err := server.Shutdown(t.Context(), 0); err != nil {
			t.Error(err)
		}
		if err := server.Serve(l); err != nil {
			t.Error(err)
		}
		_ = l.Close()
	}
}
