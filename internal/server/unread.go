package server

import (
	"errors"
	"io"
	"net/http"

	"github.com/hashd-project/hashd/v2/internal/strict"
)

// discarded is how much of a body that nobody wants is read, as net/http would: it needs the end of the
// body for the next request. After a larger one the connection is closed.
const discarded = 256 << 10

// separate has a request answered whose body the operation does not read. Left to itself, net/http would
// read the body before a long answer, and leave it in a buffer that nobody clears.
func separate(c echoContext) {
	r := c.Request()
	if r.ContentLength == 0 || r.Method == http.MethodPost || !clientBehind(r).serial() {
		return
	}
	if r.ContentLength > discarded {
		strict.SetHeader(c.Response(), "Connection", "close")
	}
	_ = http.NewResponseController(c.Response()).EnableFullDuplex() // net/http's own never fails
}

// discard reads the rest of a body that nobody wants, if the connection is to be used again, and then
// has the connection closed if that was not all. Left to net/http the body would stay in a buffer there.
// Over HTTP/2 no other request waits for its end.
func discard(c echoContext) {
	r := c.Request()
	client := clientBehind(r)
	if !client.serial() || client.whole || r.ContentLength == 0 || client.closing(r, c.Response().Header()) {
		return
	}
	p := make([]byte, 4<<10)
	defer clear(p)
	for rest := discarded; rest > 0; {
		n, err := r.Body.Read(p)
		if errors.Is(err, io.EOF) {
			client.whole = true
			return
		}
		if err != nil {
			break
		}
		rest -= n
	}
	strict.SetHeader(c.Response(), "Connection", "close")
}

// serial says whether the client is ours and sends one request at a time.
func (c *client) serial() bool { return c != nil && !c.multiplexed() }

// begin begins a request, whose header this is. It gets its token back, until finish.
func (c *client) begin(h http.Header) {
	if c.serial() {
		c.whole, c.done = false, false
		c.tokens.restore(h)
	}
}

// tookBody notes that the body was read to its end.
func (c *client) tookBody() {
	if c.serial() {
		c.whole = true
	}
}

// answered notes that there is an answer.
func (c *client) answered() {
	if c.serial() {
		c.done = true
	}
}

// finish ends a request. If the connection is closed then, nobody looks at what is still read from it, and
// nothing overwrites the buffer into which net/http reads until another connection gets it, which may be
// much later. So all of that is cleared: until the handler returns, the buffer is this connection's.
func (c *client) finish(r *http.Request, answer http.Header) {
	if !c.serial() {
		return
	}
	forget(r.Header)
	c.tokens.clear()
	if !c.done || c.closing(r, answer) {
		c.wipe()
	}
}

// closing reports whether the connection is closed after the answer with that header.
func (c *client) closing(r *http.Request, answer http.Header) bool {
	return r.Close || len(answer["Connection"]) > 0 || !c.whole && len(r.Header["Expect"]) > 0
}

// wipe clears what was read and not overwritten, and what will be read. The connection is about to be
// closed.
func (c *client) wipe() {
	c.ended.Store(true)
	clear(c.buffer)
	c.buffer = nil
}
