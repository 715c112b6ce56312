package server

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// infoOnly is a change that makes the log drop what is for debugging, as by default.
func infoOnly(cfg *Config) { cfg.Log = slog.New(atInfo{cfg.Log.Handler()}) }

type atInfo struct{ slog.Handler }

func (atInfo) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelInfo }

// crowdedSite is a server with one request under way that ends when free is called, and room for no other.
func crowdedSite(t *testing.T, changes ...func(*Config)) (r *running, free func()) {
	release := make(chan struct{})
	taken := 0
	e := fake{accept: func(engine.Job) {
		if taken++; taken == 1 {
			<-release
		}
	}}
	one := func(cfg *Config) { cfg.MaxInFlight = 1 }
	r = listen(t, on(e), append([]func(*Config){one}, changes...)...)
	r.call().send("POST /hash", password)
	synctest.Wait()
	var done bool
	free = func() {
		if !done {
			done = true
			close(release)
		}
	}
	t.Cleanup(free)
	return r, free
}

// A request that is not let in is refused as the contract says, unread; its connection is kept; and the log
// says so once.
func TestOverloadIsRefusedByTheContract(t *testing.T) {
	for name, changes := range map[string][]func(*Config){"by the connection": {infoOnly}, "by the handler": {}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, free := crowdedSite(t, changes...)
				c := r.call()
				for what, body := range map[string]string{
					"POST /hash": password, "POST /hash/batch": `{"passwords":["` + canary + `"]}`, "GET /hash/42": "", "GET /hash/batch?first=1&count=2": "",
					"GET /hash?after=1&limit=2": "", "DELETE /hash/42": "", "HEAD /hash/42": "", "GET /nowhere": "",
				} {
					a := c.ask(what, body, "X-Request-Id: mine-1").want(503, "Retry-After: 1", "X-Request-Id: mine-1", "Cache-Control: no-store")
					if !strings.HasPrefix(what, "HEAD") {
						if p := a.wantProblem(503, "full"); !strings.Contains(p.Detail, "max-in-flight") || p.Instance != "urn:hashd:request:mine-1" {
							t.Errorf("%s: %+v", what, p)
						}
					}
				}
				ids := map[string]bool{}
				for range 3 {
					ids[c.ask("POST /hash", password).want(503).header.Get("X-Request-Id")] = true
				}
				if len(ids) != 3 {
					t.Errorf("ids %v", ids)
				}
				free()
				synctest.Wait()
				c.ask("POST /hash", password).want(202)
				time.Sleep(3 * quiet)
				if lines := r.log.lines(refusing); len(lines) != 1 || lines[0]["limit"] != "max-in-flight" {
					t.Errorf("logged %v", lines)
				}
				if lines := r.log.lines(refusingEnd); len(lines) != 1 || lines[0]["requests"] != 11.0 {
					t.Errorf("logged %v", lines)
				}
			})
		})
	}
}

// A refusal that the connection gives has the same header as the handler's, whatever that comes to have.
func TestOverloadIsRefusedAlikeByConnectionAndHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, what := range []string{"POST /hash", "POST /hash/batch", "GET /hash/42", "GET /hash/batch?first=1&count=2", "GET /hash?after=1"} {
			var headers []http.Header
			var bodies []string
			for _, changes := range [][]func(*Config){{infoOnly}, {}} {
				r, _ := crowdedSite(t, changes...)
				a := r.call().ask(what, "", "X-Request-Id: same").want(503)
				a.header.Del("Date")
				headers, bodies = append(headers, a.header), append(bodies, a.body)
			}
			if got, want := fmt.Sprint(headers[0]), fmt.Sprint(headers[1]); got != want || bodies[0] != bodies[1] {
				t.Errorf("%s: got %s %s\nwant %s %s", what, got, bodies[0], want, bodies[1])
			}
		}
	})
}

// Requests that a connection cannot tell apart are refused too, and what follows them is read rightly.
func TestOverloadRefusesUnusualRequests(t *testing.T) {
	const head = "POST /hash HTTP/1.1\r\nHost: hashd\r\nContent-Type: application/json\r\n"
	for name, text := range map[string]string{
		"chunked":         head + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
		"two lengths":     head + "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
		"bare line feeds": strings.ReplaceAll(head, "\r\n", "\n") + "Content-Length: 2\n\n{}",
		"from a page":     head + "Origin: https://page.example\r\nContent-Length: 2\r\n\r\n{}",
		"lower case":      head + "content-length: 2\r\n\r\n{}",
		"no length":       head + "\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, free := crowdedSite(t, infoOnly)
				c := r.call()
				c.last, _ = http.NewRequest(http.MethodPost, "/hash", http.NoBody)
				c.say(text)
				res, err := http.ReadResponse(c.from, c.last)
				if err != nil || res.StatusCode != http.StatusServiceUnavailable {
					t.Fatalf("%v, %+v", err, res)
				}
				_, _ = io.Copy(io.Discard, res.Body)
				free()
				synctest.Wait()
				if !res.Close {
					c.ask("POST /hash", password).want(202)
				}
			})
		})
	}
}

// Of requests that come in pieces or close behind one another, each is let in or refused for itself.
func TestOverloadRefusesRequestsInPieces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, free := crowdedSite(t, infoOnly)
		text := "GET /hash/42 HTTP/1.1\r\nHost: hashd\r\n\r\n"
		pieces := r.call()
		pieces.say(text[:20])
		pieces.say(text[20:])
		behind := r.call()
		behind.say(text + text + text)
		for c, want := range map[*caller]int{pieces: 1, behind: 3} {
			c.last, _ = http.NewRequest(http.MethodGet, "/hash/42", http.NoBody)
			for range want {
				c.answer().want(503)
			}
		}
		free()
		synctest.Wait()
		behind.ask("POST /hash", password).want(202)
	})
}

// A request whose body has not come, a long-poll and an engine that waits for its store are not under way:
// they keep nobody out.
func TestWaitingIsNotOverload(t *testing.T) {
	const half = "POST /hash HTTP/1.1\r\nHost: hashd\r\nContent-Type: application/json\r\nContent-Length: 30\r\n\r\n{"
	pending := engine.Record{State: engine.Pending}
	synctest.Test(t, func(t *testing.T) {
		r := listen(t, on(fake{record: pending, wait: func(ctx context.Context) engine.Record {
			<-ctx.Done()
			return pending
		}}), func(cfg *Config) { cfg.MaxInFlight = 1 })
		for range 20 {
			r.call().send("GET /hash/42", "", "Prefer: wait=20")
			r.call().send("POST /hash", password, "Prefer: wait=20")
			r.call().say(half)
		}
		began := time.Now()
		r.call().ask("POST /hash", password).want(202)
		if took := time.Since(began); took > 0 {
			t.Errorf("it waited %v", took)
		}
		for _, use := range r.server.Uses() {
			if use.Name == maxInFlight && (use.Used != 0 || use.Limit != 1) {
				t.Errorf("in use: %+v", use)
			}
		}
	})
}

// Nor is a client that does not read its answer.
func TestSlowReaderIsNotOverload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := listen(t, on(fake{}), func(cfg *Config) { cfg.MaxInFlight = 1 })
		r.call().send("GET /openapi.yaml", "") // a pipe holds nothing back: the answer is not taken
		r.call().ask("POST /hash", password).want(202)
	})
}

// Health checks are answered at once, whatever waits.
func TestHealthChecksPassTheGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := crowdedSite(t)
		for range 5 {
			r.call().send("POST /hash", password)
		}
		began := time.Now()
		for _, what := range []string{"GET /healthz", "GET /readyz", "HEAD /healthz"} {
			r.call().ask(what, "").want(200)
		}
		if took := time.Since(began); took > 0 {
			t.Errorf("they waited %v", took)
		}
	})
}

// A client that has ended its side of the connection, and reads on, is answered like any other. Nobody can tell it from one
// that has left.
func TestOverloadAnswersWhoHasEndedItsSide(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", l.Addr().String())
	}
	begun, release := make(chan struct{}), make(chan struct{})
	e := fake{accept: func(engine.Job) { close(begun); <-release }}
	serve(newSite(t, on(e), func(cfg *Config) { cfg.MaxInFlight = 1 }), l, dial)
	defer close(release)
	ask := func(request string) net.Conn {
		c, err := dial(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		if _, err := io.WriteString(c, request); err != nil {
			t.Fatal(err)
		}
		return c
	}
	ask("POST /hash HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: " + strconv.Itoa(len(password)) + "\r\n\r\n" + password)
	<-begun
	c := ask("GET /hash/42 HTTP/1.1\r\nHost: localhost\r\n\r\n")
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if reply, err := io.ReadAll(c); !strings.HasPrefix(string(reply), "HTTP/1.1 503 ") {
		t.Errorf("reply %q, error %v", reply, err)
	}
}

// Requests that are refused keep their connection alive, and the time for the next begins anew.
func TestRefusedConnectionHasItsTimesAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, free := crowdedSite(t, infoOnly)
		c := r.call()
		for began := time.Now(); time.Since(began) < 4*r.cfg.ReadTimeout; {
			c.ask("POST /hash", password).want(503)
			time.Sleep(r.cfg.IdleTimeout - time.Second)
		}
		free()
		synctest.Wait()
		text := "POST /hash HTTP/1.1\r\nHost: hashd\r\nContent-Type: application/json\r\nContent-Length: " + fmt.Sprint(len(password)) + "\r\n\r\n"
		c.last, _ = http.NewRequest(http.MethodPost, "/hash", http.NoBody)
		c.say(text)
		time.Sleep(r.cfg.ReadTimeout - time.Second)
		c.say(password)
		c.answer().want(202)
		time.Sleep(r.cfg.IdleTimeout + time.Second)
		if c.open() {
			t.Error("an idle connection is kept")
		}
	})
}

// A stop answers those that wait to be let in.
func TestShutdownAnswersThoseThatWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, free := crowdedSite(t, infoOnly)
		c := r.call()
		c.send("POST /hash", password)
		stopped := make(chan error, 1)
		go func() { stopped <- r.server.Shutdown(context.Background(), time.Hour) }()
		c.answer().want(503)
		free()
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	})
}

// What the connection takes for a whole request, net/http takes for the same.
func FuzzUsual(f *testing.F) {
	const head = "POST /hash HTTP/1.1\r\nHost: h\r\n"
	for _, text := range []string{
		head + "Content-Length: 2\r\n\r\n{}", head + "\r\n", head + "content-length:2 \r\nX-Request-Id: a\r\n\r\n{}", head + "Content-Length: +2\r\n\r\n{}",
		head + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", head + "A: b\nTransfer-Encoding: chunked\r\n\r\n", head + "A: b\rB: c\r\n\r\n", head + " Content-Length: 2\r\n\r\n{}",
		head + "Content-Length : 2\r\n\r\n{}", head + "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", head + "Content-Length: 1\r\n\r\n{}", "GET /hash/1 HTTP/1.0\r\n\r\n",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		id, ok := usual(text)
		if !ok {
			return
		}
		from := bufio.NewReader(bytes.NewReader(text))
		r, err := http.ReadRequest(from)
		if err != nil {
			return // net/http would close the connection
		}
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			t.Errorf("net/http waits for more of the body: %v", err)
		}
		if rest, _ := io.ReadAll(from); len(rest) > 0 || len(r.TransferEncoding) > 0 || r.Close || string(id) != r.Header.Get(requestIDHeader) {
			t.Errorf("net/http leaves %q, id %q of %q, closes: %v", rest, id, r.Header.Get(requestIDHeader), r.Close)
		}
	})
}

// Under overload new connections do not take the places of those that are just between two requests: their
// clients would come again on new ones.
func TestOverloadKeepsConnectionsThatAreUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := crowdedSite(t, limited(3))
		used := r.call()
		used.ask("GET /healthz", "").want(200)
		waits := r.call()
		waits.send("POST /hash", password)
		a := r.call()
		if p := a.ask("POST /hash", password).want(503).wantProblem(503, "full"); !strings.Contains(p.Detail, "max-connections") {
			t.Error(p.Detail)
		}
		r.call().ask("GET /healthz", "").want(200)
		if !used.open() {
			t.Error("a connection that was just used is closed for another")
		}
		waits.answer().want(503)
		r.call().ask("GET /healthz", "").want(200)
		if used.open() {
			t.Error("an idle connection is kept when nobody waits")
		}
	})
}
