package server

import (
	"net/http"
	"sync"
	"time"
)

// A connection of HTTP/2 carries many requests at a time. It is silent while none is open, whatever frames
// come, and it works while one is; it is never arriving or receiving, for that is said of a request. A
// client that opens no request is as silent as one that sends nothing.

// The limits of HTTP/2. net/http gives each connection far more of the last three.
func limitsHTTP2(limit time.Duration) *http.HTTP2Config {
	return &http.HTTP2Config{
		MaxConcurrentStreams:          maxStreams,
		MaxReadFrameSize:              maxFrame,
		MaxReceiveBufferPerConnection: 512 << 10,
		MaxReceiveBufferPerStream:     256 << 10,
		WriteByteTimeout:              limit,
	}
}

// maxStreams is how many requests a connection of HTTP/2 may have open.
const maxStreams = 128

// multiplexed says whether the connection carries HTTP/2.
func (c *client) multiplexed() bool { return c.secure != nil && c.secure.multiplexed() }

// wipeFrame clears the last frame when net/http reads on: it has taken what it needs by then.
func (c *client) wipeFrame(p []byte) {
	if c.multiplexed() && c.buffer != nil && !follows(c.buffer, p) {
		clear(c.buffer)
		c.buffer = nil
	}
}

// body is a request's body on a connection of HTTP/2, while it is received. The connection's deadline would
// end other requests too.
type body struct {
	w http.ResponseWriter

	mu   sync.Mutex
	over bool
}

// cut ends the receiving at the given time.
func (b *body) cut(at time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.over {
		_ = http.NewResponseController(b.w).SetReadDeadline(at)
	}
}

// end says that the body is not received any more.
func (b *body) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.over = true
}

// receive marks the time in which the body of a request is read: a stop cuts it short. The caller gives
// what it returns to received.
func (c *client) receive(w http.ResponseWriter) *body {
	switch {
	case c == nil:
	case c.multiplexed():
		return c.owner.receive(w)
	case c.state.CompareAndSwap(stateWorking, stateReceiving):
		if cutAt := c.owner.cutAt.Load(); cutAt != nil {
			_ = c.SetReadDeadline(*cutAt)
		}
	}
	return nil
}

// received ends what receive began.
func (c *client) received(b *body) {
	switch {
	case b != nil:
		b.end()
		c.owner.mu.Lock()
		delete(c.owner.bodies, b)
		c.owner.mu.Unlock()
	case c != nil:
		c.state.CompareAndSwap(stateReceiving, stateWorking)
	}
}

func (cs *connections) receive(w http.ResponseWriter) *body {
	b := &body{w: w}
	cs.mu.Lock()
	cs.bodies[b] = struct{}{}
	cs.mu.Unlock()
	if cutAt := cs.cutAt.Load(); cutAt != nil {
		b.cut(*cutAt)
	}
	return b
}

// partingTime is how long a client of HTTP/2 without a request has at least to hang up once it was told to.
// net/http would wait four times as long.
const partingTime = 250 * time.Millisecond

// part closes the connections that were silent the last time too.
func (cs *connections) part() {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for c := range cs.all {
		silent := c.state.Load() == stateSilent
		if silent && c.parting {
			cs.forget(c)
			hangUp(c.Conn)
		}
		c.parting = silent
	}
}

// streamWriter answers a request of HTTP/2. A client decides how much of each answer it takes, beside what
// the connection takes: so each piece has a time of its own here too.
type streamWriter struct {
	http.ResponseWriter
	control *http.ResponseController
	limit   time.Duration
}

// Write implements http.ResponseWriter.
func (w *streamWriter) Write(p []byte) (int, error) {
	_ = w.control.SetWriteDeadline(time.Now().Add(w.limit))
	return w.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController do all the rest.
func (w *streamWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// streams counts the requests of HTTP/2 that are being answered. net/http does not wait for those that the
// client took back.
type streams struct {
	next  http.Handler
	limit time.Duration // for each piece of an answer to be taken

	mu   sync.Mutex
	n    int
	none chan struct{} // closed once there are none, if somebody waits
}

// ServeHTTP implements http.Handler.
func (s *streams) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor < 2 {
		s.next.ServeHTTP(w, r)
		return
	}
	s.mu.Lock()
	s.n++
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.n--; s.n == 0 && s.none != nil {
			close(s.none)
			s.none = nil
		}
	}()
	if client := clientBehind(r); client != nil {
		client.streamTokens.begin()
		defer client.streamTokens.end(r)
	}
	if body := newStreamBody(r.Body); body != nil {
		r.Body = body
		defer func() { _ = body.Close() }()
	}
	s.next.ServeHTTP(&streamWriter{w, http.NewResponseController(w), s.limit}, r)
}

// wait returns once no request is being answered, or when done says so. It is called once.
func (s *streams) wait(done <-chan struct{}) {
	s.mu.Lock()
	none := make(chan struct{})
	if s.n == 0 {
		close(none)
	} else {
		s.none = none
	}
	s.mu.Unlock()
	select {
	case <-none:
	case <-done:
	}
}
