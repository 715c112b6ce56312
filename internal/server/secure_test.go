package server

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashd-project/hashd/v2/internal/certs/certstest"
)

// secrecy is TLS for a test: the server's side and its clients'.
type secrecy struct{ server, client *tls.Config }

func newSecrecy(t *testing.T) secrecy {
	t.Helper()
	roots := certstest.NewAuthority(t)
	cert, key := roots.Server(t, 1000*time.Hour)
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	return secrecy{
		server: &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2", "http/1.1"}},
		client: &tls.Config{RootCAs: roots.Pool(), ServerName: "localhost"},
	}
}

// on is a change of a site.
func (y secrecy) on(cfg *Config) { cfg.TLS = y.server }

// over does the handshake for a protocol.
func (y secrecy) over(t *testing.T, c net.Conn, protocol string) *tls.Conn {
	t.Helper()
	config := y.client.Clone()
	config.NextProtos = []string{protocol}
	s := tls.Client(c, config)
	if err := s.HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	return s
}

// shake connects with TLS, for HTTP/1.
func (r *running) shake(t *testing.T, y secrecy) *caller {
	t.Helper()
	c := r.call()
	c.shake(t, y)
	return c
}

func (c *caller) shake(t *testing.T, y secrecy) {
	t.Helper()
	c.Conn = y.over(t, c.Conn, "http/1.1")
	c.from = bufio.NewReader(c.Conn)
}

// transport speaks TLS over the site's network.
func (r *running) transport(y secrecy, http2 bool) *http.Transport {
	var p http.Protocols
	p.SetHTTP1(!http2)
	p.SetHTTP2(http2)
	transport := &http.Transport{DialContext: r.dial, TLSClientConfig: y.client.Clone(), Protocols: &p}
	r.Cleanup(transport.CloseIdleConnections)
	return transport
}

// A request over TLS is answered as one without, in both versions of HTTP, and knows that it came so.
func TestTLS(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			y := newSecrecy(t)
			var secure bool
			r := listen(t, on(fake{}), y.on, func(cfg *Config) {
				cfg.Pages = map[string]http.Handler{"/page": http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { secure = r.TLS != nil })}
			})
			client := &http.Client{Transport: r.transport(y, http2)}
			for range 3 {
				req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://localhost/hash", strings.NewReader(password))
				req.Header.Set("Content-Type", "application/json")
				res, err := client.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				if res.ProtoMajor == 2 != http2 {
					t.Errorf("answered over %s", res.Proto)
				}
				r.examine(req, res).want(202)
			}
			res, err := client.Get("https://localhost/page")
			if err != nil || res.Body.Close() != nil || !secure {
				t.Errorf("a page does not know of TLS, or error %v", err)
			}
		})
	}
}

// A client speaks what it agreed on: HTTP/2 only there, and nothing else there. Without TLS there is no
// HTTP/2.
func TestProtocolIsTheOneAgreedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newSecrecy(t)
		r := listen(t, on(fake{}), y.on)
		for protocol, begin := range map[string]string{
			"h2":       "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
			"http/1.1": preface + "\x00\x00\x00\x04\x00\x00\x00\x00\x00",
		} {
			c := y.over(t, r.call().Conn, protocol)
			began := time.Now()
			_, _ = io.WriteString(c, begin)
			got, _ := io.ReadAll(c)
			if refused := strings.HasPrefix(string(got), "HTTP/1.1 400 ") && protocol != "h2"; len(got) > 0 && !refused || time.Since(began) > 0 {
				t.Errorf("%s: answered %q after %v", protocol, got, time.Since(began))
			}
		}
		slow := y.over(t, r.call().Conn, "h2") // a preface that comes byte by byte is one too
		var got bytes.Buffer
		var group sync.WaitGroup
		group.Go(func() { _, _ = io.Copy(&got, slow) })
		for _, b := range []byte(preface + "\x00\x00\x00\x04\x00\x00\x00\x00\x00") {
			_, _ = slow.Write([]byte{b})
		}
		synctest.Wait()
		_ = slow.Close()
		group.Wait()
		if got.Len() == 0 {
			t.Error("a slow preface is not answered")
		}
	})
	synctest.Test(t, func(t *testing.T) {
		r := listen(t, on(fake{}))
		if reply := r.raw(preface + "\x00\x00\x00\x04\x00\x00\x00\x00\x00"); !strings.HasPrefix(reply, "HTTP/1.1 ") {
			t.Errorf("without TLS HTTP/2 is answered with %q", reply)
		}
	})
}

// Who speaks plain HTTP to a port with TLS is told so.
func TestPlainRequestToTLS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newSecrecy(t)
		r := listen(t, on(fake{}), y.on)
		for _, what := range []string{"GET /healthz", "POST /hash", "DELETE /hash/1", "OPTIONS /hash"} {
			c := r.call()
			go func() { _, _ = io.WriteString(c, what+" HTTP/1.1\r\nHost: localhost\r\n\r\n") }()
			if p := c.plainAnswer(what).want(400).wantProblem(400, "malformed-request"); !strings.Contains(p.Detail, "https") {
				t.Errorf("detail %q", p.Detail)
			}
			if c.open() {
				t.Error("the connection is kept")
			}
		}
		if reply := r.raw("SSH-2.0-client\r\n"); strings.Contains(reply, "HTTP") {
			t.Errorf("another protocol is answered with %q", reply)
		}
	})
}

// plainAnswer waits for the answer to a request that is still being sent.
func (c *caller) plainAnswer(what string) answer {
	c.Helper()
	method, target, _ := strings.Cut(what, " ")
	req, _ := http.NewRequestWithContext(context.Background(), method, target, http.NoBody)
	res, err := http.ReadResponse(c.from, req)
	if err != nil {
		c.Fatal(err)
	}
	return c.examine(req, res)
}

// A client has the time of a request's header for its handshake, and holds nobody up meanwhile.
func TestHandshakeIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newSecrecy(t)
		r := listen(t, on(fake{}), y.on)
		began := time.Now()
		mute, halfway := r.call(), r.call()
		halfway.say("\x16\x03\x01\x02\x00\x01\x00") // a part of a greeting
		r.shake(t, y).ask("GET /healthz", "").want(200)
		if took := time.Since(began); took > 0 {
			t.Errorf("others waited %v", took)
		}
		for _, c := range []*caller{mute, halfway} {
			_, _ = io.Copy(io.Discard, c)
		}
		if took := time.Since(began); took < time.Second || took > 2*time.Second {
			t.Errorf("closed after %v, want read-header-timeout", took)
		}
	})
}

// slow is a connection on which all that is written takes a while.
type slow struct{ net.Conn }

func (s slow) Write(p []byte) (int, error) {
	time.Sleep(comingTime * 3 / 5)
	return s.Conn.Write(p)
}

// Clients that are in their handshake when a stop begins, or have just left it, get their answer.
func TestShutdownAnswersWhoShakesHands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newSecrecy(t)
		r := listen(t, on(fake{}), y.on)
		_, halfway, c := r.call(), r.call(), r.call()
		halfway.say("\x16\x03\x01\x02\x00\x01\x00") // a part of a greeting
		began, stopped := time.Now(), make(chan error, 1)
		go func() { stopped <- r.server.Shutdown(t.Context(), time.Hour) }()
		c.Conn = slow{c.Conn}
		c.shake(t, y)
		c.ask("GET /healthz", "").want(200)
		if err := <-stopped; err != nil || time.Since(began) > settleTime+partingTime {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
	})
}

// A connection in its handshake is as silent as one that never spoke, and goes when another needs its place.
func TestHandshakesMakeRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newSecrecy(t)
		r := listen(t, on(fake{}), y.on, limited(2), func(cfg *Config) { cfg.ReadHeaderTimeout = time.Hour })
		for range 3 * reserve {
			r.call().say("\x16\x03\x01\x02\x00\x01\x00")
		}
		began := time.Now()
		for range 3 {
			r.shake(t, y).ask("POST /hash", password).want(202)
		}
		if took := time.Since(began); took > 0 {
			t.Errorf("waited %v", took)
		}
		if n := r.server.conns.open(); n > 2 {
			t.Errorf("%d connections are open", n)
		}
	})
}

// Limits and stops over TLS are those without.
func TestConnectionsWithTLS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newSecrecy(t)
		r := listen(t, on(fake{wait: after(4 * time.Second)}), y.on, limited(2))
		idle := r.shake(t, y)
		idle.ask("GET /healthz", "").want(200)
		var busy []*caller
		for range 2 {
			c := r.shake(t, y)
			c.send("GET /hash/42", "", "Prefer: wait=20")
			busy = append(busy, c)
		}
		if idle.open() {
			t.Error("the idle one is kept")
		}
		r.shake(t, y).ask("POST /hash", password).want(503).wantProblem(503, "full")
		r.shake(t, y).ask("GET /healthz", "").want(200)
		stopped := make(chan error, 1)
		go func() { stopped <- r.server.Shutdown(t.Context(), time.Hour) }()
		for _, c := range busy {
			c.answer().want(200)
		}
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	})
}

// spy notes the memory that crypto/tls reads into.
type spy struct {
	*records
	given [][]byte
}

func (s *spy) Read(p []byte) (int, error) {
	s.given = append(s.given, p[:cap(p)])
	return s.records.Read(p)
}

// What was decrypted is cleared once it was read, when the next record comes, and when the connection ends.
func TestDecryptedTextIsCleared(t *testing.T) {
	y := newSecrecy(t)
	near, far := net.Pipe()
	r := newRecords(far)
	eye := &spy{records: r}
	s := &secured{
		Conn: far, tls: tls.Server(eye, y.server), records: r,
		by: &security{y.server, time.Minute, slog.New(slog.DiscardHandler), func() []byte { return nil }},
	}
	y.client.DynamicRecordSizingDisabled = true // a record is as large as can be
	client := tls.Client(near, y.client)
	var group sync.WaitGroup
	group.Go(func() {
		for _, text := range []string{canary, strings.Repeat(canary, 1000), canary + canary, strings.Repeat(canary, 1600)} {
			_, _ = io.WriteString(client, text)
		}
	})
	left := func() (n int) {
		for _, p := range eye.given {
			n += bytes.Count(p, []byte(canary))
		}
		return n
	}
	p := make([]byte, 1<<15)
	for i, want := range []int{1, 1000, 2} {
		if n, err := s.Read(p); err != nil || bytes.Count(p[:n], []byte(canary)) != want || left() > 0 {
			t.Errorf("read %d: %d, error %v, %d times left", i, bytes.Count(p[:n], []byte(canary)), err, left())
		}
	}
	if _, err := s.Read(p[:100]); err != nil || left() == 0 {
		t.Errorf("error %v; %d times left of a record that was read in part", err, left())
	}
	go func() { _, _ = io.Copy(io.Discard, near) }() // the farewell
	_ = s.Close()
	if n := left(); n > 0 {
		t.Errorf("%d times left after the end", n)
	}
	group.Wait()
	_ = near.Close()
}

// A victim that takes nothing holds nobody up: nothing is said to it.
func TestHangUpWaitsForNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newSecrecy(t)
		r := listen(t, on(fake{}), y.on, limited(1))
		r.shake(t, y).ask("GET /healthz", "").want(200) // and it reads no more
		began := time.Now()
		r.shake(t, y).ask("GET /healthz", "").want(200)
		if took := time.Since(began); took > 0 {
			t.Errorf("the next one waited %v", took)
		}
	})
}

// holding is a client's connection that can keep back a part of what is sent.
type holding struct {
	net.Conn
	after int // that many bytes; 0 to keep nothing back
	kept  []byte
}

func (h *holding) Write(p []byte) (int, error) {
	if h.after == 0 {
		return h.Conn.Write(p)
	}
	h.kept = append(h.kept, p[h.after:]...)
	n := h.after
	h.after = 0
	_, err := h.Conn.Write(p[:n])
	return len(p), err
}

// A record that comes in two parts is whole, also if net/http stopped waiting in between, as it does when a
// request has been answered.
func TestRecordsThatComeInParts(t *testing.T) {
	for _, first := range []int{1, 4, 5, 6, 40, 100} {
		synctest.Test(t, func(t *testing.T) {
			y := newSecrecy(t)
			r := listen(t, on(fake{wait: after(time.Second)}), y.on)
			c := r.call()
			held := &holding{Conn: c.Conn}
			c.Conn = y.over(t, held, "http/1.1")
			c.from = bufio.NewReader(c.Conn)
			for range 3 {
				c.send("GET /hash/42", "", "Prefer: wait=20")
				last := c.last
				held.after = first
				c.say("POST /hash HTTP/1.1\r\nHost: hashd\r\nContent-Type: application/json\r\nContent-Length: 25\r\n\r\n" + password[:25])
				c.last = last
				c.answer().want(200)
				if _, err := held.Conn.Write(held.kept); err != nil {
					t.Fatal(err)
				}
				held.kept = nil
				c.last, _ = http.NewRequestWithContext(t.Context(), http.MethodPost, "/hash", http.NoBody)
				c.answer().want(202)
			}
		})
	}
}

// halting is a connection that gives little at a time, and fails for a moment after each piece.
type halting struct {
	net.Conn
	rest []byte
	halt bool
}

func (h *halting) Read(p []byte) (int, error) {
	if h.halt = !h.halt; !h.halt {
		return 0, os.ErrDeadlineExceeded
	}
	n := copy(p[:min(len(p), 7)], h.rest)
	h.rest = h.rest[n:]
	return n, nil
}

// All of a record is cleared, in however many parts it came.
func TestAllOfARecordIsCleared(t *testing.T) {
	const size = 60
	r := newRecords(&halting{rest: append([]byte{23, 3, 3, 0, size}, bytes.Repeat([]byte("x"), size+recordHeader)...)})
	memory := make([]byte, 0, 1000)
	for len(memory) < recordHeader+size {
		n, _ := r.Read(memory[len(memory):cap(memory)])
		memory = memory[:len(memory)+n]
		r.forget() // which must not clear what is not whole
	}
	if left := bytes.Count(memory, []byte("x")); left > 0 || len(memory) != recordHeader+size {
		t.Errorf("%d bytes of %d are left", left, len(memory))
	}
}
