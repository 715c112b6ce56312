package server

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
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
)

// caller is a client's end of a connection.
type caller struct {
	net.Conn
	*running
	from *bufio.Reader
	last *http.Request
}

// call connects.
func (r *running) call() *caller {
	r.Helper()
	c, err := r.dial(r.Context(), "", "")
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { _ = c.Close() })
	synctest.Wait()
	return &caller{Conn: c, running: r, from: bufio.NewReader(c)}
}

// say sends the text.
func (c *caller) say(text string) {
	c.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		c.Error(err)
	}
	synctest.Wait()
}

// ask sends a request and examines its answer.
func (c *caller) ask(what, body string, lines ...string) answer {
	c.Helper()
	c.send(what, body, lines...)
	return c.answer()
}

func (c *caller) send(what, body string, lines ...string) {
	c.Helper()
	method, target, _ := strings.Cut(what, " ")
	c.last = httptest.NewRequest(method, target, http.NoBody)
	c.say(what + " HTTP/1.1\r\nHost: hashd\r\nContent-Type: application/json\r\nContent-Length: " + fmt.Sprint(len(body)) + "\r\n" +
		strings.Join(append(lines, ""), "\r\n") + "\r\n" + body)
}

func (c *caller) answer() answer {
	c.Helper()
	res, err := http.ReadResponse(c.from, c.last)
	if err != nil {
		c.Fatalf("no answer: %v", err)
	}
	a := c.examine(c.last, res)
	synctest.Wait()
	return a
}

// open says whether the server keeps the connection.
func (c *caller) open() bool {
	_ = c.SetReadDeadline(time.Now().Add(time.Nanosecond))
	_, err := c.from.Peek(1)
	_ = c.SetReadDeadline(time.Time{})
	return err == nil || isTimeout(err)
}

func isTimeout(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout()
}

func limited(n int) func(*Config) { return func(cfg *Config) { cfg.MaxConnections = n } }

// Clients that are connected and say nothing keep nobody out: the one that was silent for longest goes
// first, be it new or between two requests.
func TestIdleConnectionsMakeRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := listen(t, on(fake{}), limited(2), func(cfg *Config) { cfg.IdleTimeout = time.Hour })
		talker, silent := r.call(), r.call()
		talker.ask("GET /healthz", "").want(200)
		for range 5 {
			r.call().ask("POST /hash", password).want(202)
			talker.ask("GET /healthz", "").want(200)
		}
		if silent.open() || !talker.open() {
			t.Error("not the one that was silent for longest was closed")
		}
		if lines := r.log.lines(crowding); len(lines) != 1 || lines[0]["limit"] != 2.0 || len(r.log.lines(crowdingEnd)) != 0 {
			t.Errorf("logged %v", lines)
		}
		time.Sleep(3 * quiet)
		if lines := r.log.lines(crowdingEnd); len(lines) != 1 || lines[0]["closed"] != 5.0 {
			t.Errorf("logged %v", lines)
		}
		r.call().ask("GET /healthz", "").want(200)
		if n := len(r.log.lines(crowding)); n != 2 {
			t.Errorf("logged %d times, want again", n)
		}
	})
}

// Where all connections have a request under way, a further one is refused with the limit's name, and
// health checks are answered nevertheless.
func TestMaxConnectionsRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		r := listen(t, on(fake{wait: func(context.Context) engine.Record {
			<-release
			return done
		}}), limited(2))
		first, second := r.call(), r.call()
		first.send("GET /hash/42", "", "Prefer: wait=20")
		second.send("GET /hash/42", "", "Prefer: wait=20")
		for range 3 * reserve { // far more than there is room for
			r.call()
		}
		if n := r.server.conns.open(); n > 2+reserve {
			t.Errorf("%d connections are open, beyond 2 and a reserve of %d", n, reserve)
		}
		for range 3 {
			for _, what := range []string{"GET /healthz", "GET /readyz"} {
				a := r.call()
				a.ask(what, "").want(200)
				if a.open() {
					t.Errorf("%s: the connection is kept", what)
				}
			}
			a := r.call()
			p := a.ask("POST /hash", password).want(503, "Retry-After: 1").wantProblem(503, "full")
			if !strings.Contains(p.Detail, "max-connections") || a.open() {
				t.Errorf("detail %q, connection kept: %v", p.Detail, a.open())
			}
		}
		close(release)
		first.answer().want(200)
		second.answer().want(200)
		r.call().ask("POST /hash", password).want(202)
		time.Sleep(3 * quiet)
		if lines := r.log.lines(refusingEnd); len(lines) != 1 || lines[0]["limit"] != "max-connections" || lines[0]["requests"] != 3.0 {
			t.Errorf("logged %v", lines)
		}
		if n := len(r.log.lines(crowding)); n != 1 {
			t.Errorf("closing idle connections is logged %d times", n)
		}
	})
}

// Clients that begin requests and do not go on with them, however many, keep no health check out.
func TestHalfOpenConnectionsMakeRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := listen(t, on(fake{}), limited(2))
		for range 2 + 3*reserve {
			r.call().say("GET /st")
		}
		began := time.Now()
		r.call().ask("GET /healthz", "").want(200)
		if took := time.Since(began); took > 0 {
			t.Errorf("a health check waited %v", took)
		}
	})
}

// Nor do clients whose body stalls or trickles, on any path, by length or in chunks. Each gets its refusal
// at once, whatever has come of its body.
func TestStalledBodiesMakeRoom(t *testing.T) {
	for _, begun := range []string{
		"POST /hash HTTP/1.1\r\nHost: hashd\r\nContent-Type: application/json\r\nContent-Length: 30\r\n\r\n{\"pass",
		"POST /hash HTTP/1.1\r\nHost: hashd\r\nContent-Type: application/json\r\nContent-Length: 300000\r\n\r\n{",
		"POST /hash/batch HTTP/1.1\r\nHost: hashd\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"p",
		"POST /hash HTTP/1.1\r\nHost: hashd\r\nExpect: 100-continue\r\nContent-Length: 30\r\n\r\n",
		"POST /hash HTTP/1.1\r\nHost: elsewhere.example\r\nContent-Length: 30\r\n\r\n{",
		"OPTIONS * HTTP/1.1\r\nHost: hashd\r\nContent-Length: 30\r\n\r\n{",
		"GET /healthz HTTP/1.1\r\nHost: hashd\r\nContent-Length: 30\r\n\r\n{",
		"PUT /nowhere HTTP/1.1\r\nHost: hashd\r\nContent-Length: 30\r\n\r\n{",
	} {
		synctest.Test(t, func(t *testing.T) {
			r := listen(t, on(fake{wait: after(time.Second)}), limited(2))
			for range 2 {
				r.call().send("GET /hash/42", "", "Prefer: wait=20")
			}
			var more sync.WaitGroup
			t.Cleanup(more.Wait)
			began := time.Now()
			for range 3 * reserve {
				c := r.call()
				c.say(begun)
				method, target, _ := strings.Cut(begun, " ")
				target, _, _ = strings.Cut(target, " ")
				c.last = httptest.NewRequest(method, target, http.NoBody)
				a := c.answer()
				if target != "/healthz" {
					a.want(503).wantProblem(503, "full")
				}
				more.Go(func() { _, _ = io.WriteString(c, "w") }) // that keeps the connection no longer
			}
			r.call().ask("GET /healthz", "").want(200)
			if took := time.Since(began); took > 0 {
				t.Errorf("%q: a health check and the refusals before it waited %v", begun, took)
			}
			if n := r.server.conns.open(); n > 2+reserve {
				t.Errorf("%q: %d connections are open", begun, n)
			}
		})
	}
}

// A connection beyond the limit is as good as any once there is room; before, it does not last.
func TestConnectionBeyondTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := listen(t, on(fake{wait: after(spareLife / 4)}), limited(1))
		busy := r.call()
		busy.send("GET /hash/42", "", "Prefer: wait=20")
		lasting, passing := r.call(), r.call()
		busy.answer().want(200)
		lasting.ask("POST /hash", password).want(202)
		busy.Close()
		time.Sleep(spareLife)
		synctest.Wait()
		if !lasting.open() || passing.open() {
			t.Errorf("open: %v, and %v where nobody asked", lasting.open(), passing.open())
		}
		lasting.ask("GET /healthz", "").want(200)
	})
}

// What a client sent on a connection that was closed for another is not read: its answer could not be
// sent.
func TestClosedConnectionIsNotRead(t *testing.T) {
	cs := newConnections(1, newSite(t, on(fake{})).cfg.Log)
	defer cs.crowd.stop()
	client, accepted := net.Pipe()
	c := cs.add(accepted)
	var group sync.WaitGroup
	group.Go(func() { _, _ = io.WriteString(client, canary) })
	cs.mu.Lock() // the client speaks while its connection is about to be closed
	p := make([]byte, 100)
	result := make(chan error)
	go func() {
		_, err := c.Read(p)
		result <- err
	}()
	group.Wait()
	victim := cs.takeSilent(false)
	cs.mu.Unlock()
	if err := <-result; victim != c || !errors.Is(err, net.ErrClosed) || len(bytes.Trim(p, "\x00")) > 0 {
		t.Errorf("victim %p of %p, error %v, read %q", victim, c, err, p)
	}
	cs.end(victim)
	_ = client.Close()
	if n := cs.open(); n != 0 {
		t.Errorf("%d connections are open", n)
	}
}

// closedOnRead is a connection that its owner closes when a read has ended.
type closedOnRead struct {
	net.Conn
	end func()
}

func (c closedOnRead) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.end()
	return n, err
}

// The same, where the connection is closed before the reader looks at its state.
func TestConnectionClosedInReadIsNotRead(t *testing.T) {
	cs := newConnections(1, newSite(t, on(fake{})).cfg.Log)
	defer cs.crowd.stop()
	client, accepted := net.Pipe()
	c := cs.add(closedOnRead{accepted, func() { cs.release() }})
	var group sync.WaitGroup
	group.Go(func() { _, _ = io.WriteString(client, canary) })
	p := make([]byte, 100)
	if n, err := c.Read(p); n != 0 || !errors.Is(err, net.ErrClosed) || len(bytes.Trim(p, "\x00")) > 0 {
		t.Errorf("read %d, error %v: %q", n, err, p)
	}
	group.Wait()
	_ = client.Close()
}

// The next read overwrites what an earlier request left in the server's buffers.
func TestReadClearsWhatWasRead(t *testing.T) {
	cs := newConnections(1, newSite(t, on(fake{})).cfg.Log)
	client, accepted := net.Pipe()
	c := cs.add(accepted)
	p := []byte(strings.Repeat(canary, 10))
	var group sync.WaitGroup
	group.Go(func() { _, _ = io.WriteString(client, "x") })
	if n, err := c.Read(p); n != 1 || err != nil || string(bytes.TrimRight(p, "\x00")) != "x" {
		t.Errorf("read %d, error %v: %q", n, err, p)
	}
	group.Wait()
	_ = client.Close()
	_ = c.Close()
}

// exhausted is a listener that has no file for a connection until somebody else's is closed.
type exhausted struct {
	net.Listener
	conns *connections
	n     int
}

func (e *exhausted) Accept() (net.Conn, error) {
	e.n++
	if e.conns.open() > 0 {
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	return nil, errDeaf
}

// Where no file is left, silent connections go one by one, and then the accepting fails as it would:
// it does not spin.
func TestNoFileLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, on(fake{}))
		cs := newConnections(10, s.cfg.Log)
		defer cs.crowd.stop()
		for range 3 {
			_, accepted := net.Pipe()
			cs.add(accepted)
		}
		e := &exhausted{conns: cs}
		l := newListener(e, cs)
		if _, err := l.Accept(); !errors.Is(err, errDeaf) || e.n != 4 {
			t.Errorf("error %v after %d times", err, e.n)
		}
		_, accepted := net.Pipe()
		busy := cs.add(accepted)
		cs.speaks(busy, stateArriving)
		if _, err := l.Accept(); !errors.Is(err, syscall.EMFILE) || e.n != 5 {
			t.Errorf("with a request under way: error %v after %d times", err, e.n)
		}
	})
}

// A stop does not wait for clients that say nothing, nor for those that have not said all of a header.
func TestShutdownClosesSilentConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := listen(t, on(fake{}))
		_, halfway, idle := r.call(), r.call(), r.call()
		halfway.say("GET /healthz HTTP/1.1\r\nHost:")
		idle.ask("GET /healthz", "").want(200)
		began := time.Now()
		if err := r.server.Shutdown(t.Context(), time.Hour); err != nil || time.Since(began) > time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
	})
}

// Clients that have just connected when a stop begins get their answer.
func TestShutdownAnswersWhoHasJustCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := listen(t, on(fake{}))
		come, halfway := r.call(), r.call()
		halfway.say("GET /healthz HTTP/1.1\r\nHost:")
		stopped := make(chan error, 1)
		go func() { stopped <- r.server.Shutdown(t.Context(), time.Hour) }()
		time.Sleep(comingTime / 2)
		come.ask("GET /healthz", "").want(200)
		halfway.last = httptest.NewRequest(http.MethodGet, "/healthz", http.NoBody)
		halfway.say(" hashd\r\n\r\n")
		halfway.answer().want(200)
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	})
}

// A stop waits for a request that net/http has read and handed to nobody yet: it would be dropped.
func TestShutdownWaitsForWhatIsHandedOver(t *testing.T) {
	cs := newConnections(1, slog.New(slog.DiscardHandler))
	ours, theirs := net.Pipe()
	defer theirs.Close()
	c := cs.add(ours)
	defer c.Close()
	for _, state := range []http.ConnState{http.StateActive, http.StateIdle} {
		c.state.Store(stateArriving)
		cs.changed(c, http.StateActive)
		if !cs.coming() {
			t.Error("a request that no handler has is not waited for")
		}
		if state == http.StateIdle { // without a handler of ours
			cs.changed(c, state)
			cs.mu.Lock()
			c.since = c.since.Add(-comingTime)
			cs.mu.Unlock()
		} else {
			cs.admit(c)
		}
		if cs.coming() {
			t.Errorf("state %v: it is waited for still", state)
		}
	}
}

// A stop waits for a body as long as it is told to, and then refuses it.
func TestShutdownPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const patience = 100 * time.Millisecond
		r := listen(t, on(fake{}), func(cfg *Config) { cfg.ReadTimeout = time.Hour })
		before, later := r.call(), r.call()
		header := "POST /hash HTTP/1.1\r\nHost: hashd\r\nContent-Type: application/json\r\nContent-Length: 25\r\n\r\n"
		for _, c := range []*caller{before, later} {
			c.last = httptest.NewRequest(http.MethodPost, "/hash", http.NoBody)
			c.say(header + password[:9])
		}
		began := time.Now()
		stopped := make(chan error, 1)
		go func() { stopped <- r.server.Shutdown(t.Context(), patience) }()
		synctest.Wait()
		later.say(password[9:])
		later.answer().want(202)
		before.answer().wantProblem(400, "incomplete-request")
		if took := time.Since(began); took != patience {
			t.Errorf("refused after %v, want %v", took, patience)
		}
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	})
}
