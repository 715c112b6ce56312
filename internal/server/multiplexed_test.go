package server

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// peer is a client of HTTP/2 that sends whatever frames it likes.
type peer struct {
	testing.TB
	conn   *tls.Conn
	frames *http2.Framer // to write with; under the lock
	fields bytes.Buffer
	encode *hpack.Encoder

	mu     sync.Mutex
	status map[uint32]string // of the answers, by stream
	reset  map[uint32]http2.ErrCode
	away   *http2.ErrCode // of GOAWAY
	ended  chan struct{}  // closed when the server has hung up
}

// multiplex connects with HTTP/2.
func (r *running) multiplex(t *testing.T, y secrecy) *peer {
	t.Helper()
	p := &peer{TB: t, status: map[uint32]string{}, reset: map[uint32]http2.ErrCode{}, ended: make(chan struct{})}
	p.conn = y.over(t, r.call().Conn, "h2")
	p.frames = http2.NewFramer(p.conn, p.conn)
	p.encode = hpack.NewEncoder(&p.fields)
	t.Cleanup(func() {
		_ = p.conn.Close()
		<-p.ended
	})
	_, err := io.WriteString(p.conn, http2.ClientPreface)
	if err != nil {
		t.Fatal(err)
	}
	go p.listen()
	p.do(func(f *http2.Framer) error { return f.WriteSettings() })
	return p
}

// listen notes what the server says.
func (p *peer) listen() {
	defer close(p.ended)
	reader := http2.NewFramer(io.Discard, p.conn)
	reader.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	for {
		frame, err := reader.ReadFrame()
		if err != nil {
			return
		}
		p.mu.Lock()
		switch f := frame.(type) {
		case *http2.MetaHeadersFrame:
			p.status[f.StreamID] = f.PseudoValue("status")
		case *http2.RSTStreamFrame:
			p.reset[f.StreamID] = f.ErrCode
		case *http2.GoAwayFrame:
			p.away = new(f.ErrCode)
		}
		p.mu.Unlock()
	}
}

// do writes, and returns false if the server takes no more.
func (p *peer) do(write func(*http2.Framer) error) bool {
	err := write(p.frames)
	synctest.Wait()
	return err == nil
}

// request begins a request; end says that it has no body.
func (p *peer) request(stream uint32, method, path string, end bool, more ...string) bool {
	p.fields.Reset()
	lines := append([]string{":method", method, ":scheme", "https", ":authority", "localhost", ":path", path, "content-type", "application/json"}, more...)
	for i := 0; i < len(lines); i += 2 {
		_ = p.encode.WriteField(hpack.HeaderField{Name: lines[i], Value: lines[i+1]})
	}
	return p.do(func(f *http2.Framer) error {
		return f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: p.fields.Bytes(), EndStream: end, EndHeaders: true})
	})
}

// got returns the status of a stream's answer.
func (p *peer) got(stream uint32) string {
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.status[stream]
}

func (p *peer) wantStatus(stream uint32, want string) {
	p.Helper()
	if got := p.got(stream); got != want {
		p.Errorf("stream %d: status %q, want %q", stream, got, want)
	}
}

// gone says whether the server has hung up.
func (p *peer) gone() bool {
	synctest.Wait()
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// refused returns why the server has ended the connection.
func (p *peer) refused() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.away == nil {
		return ""
	}
	return p.away.String()
}

// A client that opens requests only to take them back soon gets no more of them, and costs no more than
// maxStreams requests at a time.
func TestRapidReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newSecrecy(t)
		var now, most atomic.Int64
		r := listen(t, on(fake{wait: func(context.Context) engine.Record {
			most.Store(max(most.Load(), now.Add(1)))
			time.Sleep(time.Second) // it does not notice that nobody waits
			now.Add(-1)
			return done
		}}), y.on)
		p := r.multiplex(t, y)
		n := uint32(0)
		for ; n < 100*maxStreams; n++ {
			id := 2*n + 1
			if !p.request(id, "GET", "/hash/42", true, "prefer", "wait=20") || !p.do(func(f *http2.Framer) error { return f.WriteRSTStream(id, http2.ErrCodeCancel) }) {
				break
			}
			if p.refused() != "" {
				break
			}
		}
		if why := p.refused(); why != "ENHANCE_YOUR_CALM" || n > 10*maxStreams {
			t.Errorf("after %d requests that were taken back: %q", n, why)
		}
		if most.Load() > maxStreams {
			t.Errorf("%d requests at a time, want %d", most.Load(), maxStreams)
		}
		r.shake(t, y).ask("GET /healthz", "").want(200)
		began := time.Now()
		if err := r.server.Shutdown(t.Context(), time.Hour); err != nil || now.Load() != 0 {
			t.Errorf("a stop leaves %d requests that were taken back, error %v after %v", now.Load(), err, time.Since(began))
		}
	})
}

// A header that has no end is refused after a bounded part of it, whatever it is made of.
func TestContinuationFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newSecrecy(t)
		r := listen(t, on(fake{}), y.on)
		for name, fragment := range map[string][]byte{"many fields": bytes.Repeat([]byte{0x82}, 1<<10), "empty": nil} {
			p := r.multiplex(t, y)
			p.do(func(f *http2.Framer) error { return f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1}) })
			n := 0
			for n < 20_000 && p.do(func(f *http2.Framer) error { return f.WriteContinuation(1, false, fragment) }) {
				n++
			}
			time.Sleep(8 * time.Second) // beyond every timeout
			if !p.gone() {
				t.Errorf("%s: still there after %d frames: %q", name, n, p.refused())
			}
			if fragment != nil && n > 1000 {
				t.Errorf("%s: %d frames were taken", name, n)
			}
		}
	})
}

// A client has maxStreams requests open, and is refused more.
func TestManyStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newSecrecy(t)
		r := listen(t, on(fake{wait: after(time.Second)}), y.on)
		p := r.multiplex(t, y)
		const most = 2*maxStreams - 1
		for id := uint32(1); id <= most; id += 2 {
			p.request(id, "GET", "/hash/42", true, "prefer", "wait=20")
		}
		p.request(most+2, "GET", "/hash/42", true)
		time.Sleep(time.Second)
		for id := uint32(1); id <= most; id += 2 {
			p.wantStatus(id, "200")
		}
		if code, ok := p.reset[most+2]; !ok || code != http2.ErrCodeRefusedStream && code != http2.ErrCodeProtocol {
			t.Errorf("one more: reset %v, %v", ok, code)
		}
	})
}

// A header that is too large is refused.
func TestLargeHeaderOverHTTP2(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newSecrecy(t)
		r := listen(t, on(fake{}), y.on)
		p := r.multiplex(t, y)
		p.request(1, "GET", "/healthz", true, "x-large", strings.Repeat("a", 15<<10))
		p.wantStatus(1, "200")
		p.request(3, "GET", "/healthz", true, "x-large", strings.Repeat("a", 9<<10), "x-larger", strings.Repeat("a", 9<<10))
		p.wantStatus(3, "431")
	})
}

// Silence is measured by requests: a client that sends frames and none of a request goes first.
func TestSilenceOverHTTP2(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newSecrecy(t)
		r := listen(t, on(fake{wait: after(3 * time.Second)}), y.on, limited(2), func(cfg *Config) { cfg.IdleTimeout = time.Hour })
		chatting, busy := r.multiplex(t, y), r.multiplex(t, y)
		busy.request(1, "GET", "/hash/42", true, "prefer", "wait=20")
		ping := func() bool { return chatting.do(func(f *http2.Framer) error { return f.WritePing(false, [8]byte{}) }) }
		ping()
		r.shake(t, y).ask("GET /healthz", "").want(200)
		if !chatting.gone() || busy.gone() {
			t.Errorf("gone: %v, and %v of the busy one", chatting.gone(), busy.gone())
		}
		busy.request(3, "GET", "/healthz", true) // beside the first one
		busy.wantStatus(3, "200")
		r.shake(t, y).ask("GET /healthz", "").want(200)
		time.Sleep(3 * time.Second)
		busy.wantStatus(1, "200")
		r.call()
		third := r.shake(t, y)
		third.ask("GET /healthz", "").want(200)
		if !busy.gone() {
			t.Error("the one that was silent for longest is kept")
		}
	})
}

// A connection of HTTP/2 that is idle is closed in time, and one with half a header too.
func TestIdleTimeoutOverHTTP2(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newSecrecy(t)
		r := listen(t, on(fake{}), y.on)
		idle, half := r.multiplex(t, y), r.multiplex(t, y)
		idle.request(1, "GET", "/healthz", true)
		idle.wantStatus(1, "200")
		half.do(func(f *http2.Framer) error { return f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1}) })
		time.Sleep(7*time.Second + 2*time.Second) // idle-timeout, and time to go
		if !idle.gone() || !half.gone() {
			t.Errorf("gone: %v, and %v of the one with half a header", idle.gone(), half.gone())
		}
	})
}

// Beyond the limit each request gets its refusal, health checks their answer, and the client is told to go.
func TestMaxConnectionsOverHTTP2(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newSecrecy(t)
		release := make(chan struct{})
		r := listen(t, on(fake{wait: func(context.Context) engine.Record {
			<-release
			return done
		}}), y.on, limited(2))
		var busy []*peer
		for range 2 {
			p := r.multiplex(t, y)
			p.request(1, "GET", "/hash/42", true, "prefer", "wait=20")
			busy = append(busy, p)
		}
		for range 3 * reserve {
			p := r.multiplex(t, y)
			p.request(1, "POST", "/hash", false) // and its body does not come
			p.wantStatus(1, "503")
			health := r.multiplex(t, y)
			health.request(1, "GET", "/healthz", true)
			health.wantStatus(1, "200")
			if why := health.refused(); why != "NO_ERROR" {
				t.Errorf("told %q", why)
			}
		}
		if n := r.server.conns.open(); n > 2+reserve {
			t.Errorf("%d connections are open", n)
		}
		close(release)
		for _, p := range busy {
			p.wantStatus(1, "200")
		}
	})
}

// A body has its time, and so has an answer that a client does not take; other requests of the connection
// go on.
func TestTimeoutsOverHTTP2(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newSecrecy(t)
		ended := make(chan error, 1)
		page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, err := w.Write(make([]byte, 1<<20))
			ended <- err
		})
		r := listen(t, on(fake{wait: after(20 * time.Second)}), y.on, func(cfg *Config) { cfg.Pages = map[string]http.Handler{"/page": page} })
		p := r.multiplex(t, y)
		p.request(1, "GET", "/hash/42", true, "prefer", "wait=30")
		p.request(3, "POST", "/hash", false)
		p.request(5, "GET", "/page", true) // of which only the first window is taken
		began := time.Now()
		if err := <-ended; err == nil || time.Since(began) != 5*time.Second {
			t.Errorf("an answer that is not taken: %v after %v, want write-timeout", err, time.Since(began))
		}
		p.wantStatus(3, "400")
		time.Sleep(15 * time.Second)
		p.wantStatus(1, "200")
	})
}

// A stop tells the clients to go, answers what is under way, cuts a body that does not come, and waits no
// longer.
func TestShutdownOverHTTP2(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const patience = 100 * time.Millisecond
		y := newSecrecy(t)
		r := listen(t, on(fake{wait: after(2 * time.Second)}), y.on, func(cfg *Config) { cfg.ReadTimeout = time.Hour })
		idle, busy := r.multiplex(t, y), r.multiplex(t, y)
		idle.request(1, "GET", "/healthz", true)
		busy.request(1, "GET", "/hash/42", true, "prefer", "wait=20")
		busy.request(3, "POST", "/hash", false)
		began := time.Now()
		stopped := make(chan error, 1)
		go func() { stopped <- r.server.Shutdown(t.Context(), patience) }()
		synctest.Wait()
		busy.request(5, "POST", "/hash", false)
		if why := idle.refused(); why != "NO_ERROR" {
			t.Errorf("the idle one is told %q", why)
		}
		time.Sleep(patience)
		busy.wantStatus(3, "400")
		time.Sleep(2*time.Second - patience)
		busy.wantStatus(1, "200")
		busy.wantStatus(5, "")
		if err := <-stopped; err != nil || time.Since(began) > 3*time.Second {
			t.Errorf("error %v after %v", err, time.Since(began))
		}
		if !idle.gone() || !busy.gone() {
			t.Error("a connection is left")
		}
	})
}

// A client that has just connected gets its answer, as over HTTP/1.1.
func TestShutdownAnswersWhoHasJustComeOverHTTP2(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newSecrecy(t)
		r := listen(t, on(fake{}), y.on)
		p := r.multiplex(t, y)
		stopped := make(chan error, 1)
		go func() { stopped <- r.server.Shutdown(t.Context(), time.Hour) }()
		time.Sleep(comingTime / 2)
		p.request(1, "GET", "/healthz", true)
		p.wantStatus(1, "200")
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	})
}

// Idle connections do not hold a stop up for as long as net/http would let them.
func TestShutdownPartsFromIdleClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newSecrecy(t)
		r := listen(t, on(fake{}), y.on)
		for range 3 {
			p := r.multiplex(t, y)
			p.request(1, "GET", "/healthz", true)
			p.wantStatus(1, "200")
		}
		began := time.Now()
		if err := r.server.Shutdown(t.Context(), time.Hour); err != nil || time.Since(began) > 3*partingTime {
			t.Errorf("error %v after %v", err, time.Since(began))
		}
	})
}

// Frames that were read leave nothing in the buffer of the connection.
func TestFramesAreCleared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newSecrecy(t)
		r := listen(t, on(fake{}), y.on)
		p := r.multiplex(t, y)
		var c *client
		for one := range r.server.conns.all {
			c = one
		}
		body := `{"password":"` + canary + `"}`
		var kept [][]byte
		for id := uint32(1); id < 20; id += 2 {
			p.request(id, "POST", "/hash", false)
			kept = append(kept, c.buffer[:cap(c.buffer)])
			p.do(func(f *http2.Framer) error { return f.WriteData(id, true, []byte(body)) })
			p.wantStatus(id, "202")
			kept = append(kept, c.buffer[:cap(c.buffer)])
		}
		for i, b := range kept {
			if bytes.Contains(b, []byte(canary)) {
				t.Errorf("buffer %d still holds the secret", i)
			}
		}
	})
}

// Many clients at a time, over one connection each, get their own answers.
func TestConcurrentRequestsOverHTTP2(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newSecrecy(t)
		r := listen(t, on(fake{}), y.on)
		var group sync.WaitGroup
		for range 4 {
			client := &http.Client{Transport: r.transport(y, true)}
			for range 8 {
				group.Go(func() {
					for range 20 {
						res, err := client.Post("https://localhost/hash", "application/json", strings.NewReader(password))
						if err != nil || res.StatusCode != http.StatusAccepted {
							t.Error(fmt.Sprint(res, err))
							return
						}
						_, _ = io.Copy(io.Discard, res.Body)
						_ = res.Body.Close()
					}
				})
			}
		}
		group.Wait()
	})
}
