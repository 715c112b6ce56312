package server

import (
	"errors"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"unsafe"
)

// streamTokens overwrites the tokens that requests of a connection of HTTP/2 showed. Its header is not text,
// and net/http decodes it. A client can have the decoder keep a field, to refer to it in later requests, and
// then the decoder and the request share one string. So a field is overwritten when its request has ended if
// the client never had Authorization kept, and otherwise when the connection has. It is safe for concurrent use.
type streamTokens struct {
	kept atomic.Bool // the client has, or may have, had Authorization kept

	mu     sync.Mutex
	open   int              // requests
	closed bool             // the connection
	shown  map[*byte]string // to be overwritten at the end
	order  []*byte          // of them, as they came
}

// At most so many tokens of a connection are overwritten at its end, the last ones, and none in a longer field.
// The decoder keeps no more.
const (
	maxShown      = 128
	maxShownBytes = 512
)

// begin begins a request.
func (t *streamTokens) begin() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.open++
}

// end ends a request. Nothing looks at its header any more.
func (t *streamTokens) end(r *http.Request) {
	if !t.kept.Load() {
		forget(r.Header)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.note(r.RequestURI)
	for _, values := range r.Header {
		for _, value := range values {
			t.note(value)
		}
	}
	t.open--
	t.overwrite()
}

// note remembers a value if there is a token in it. The caller holds the lock.
func (t *streamTokens) note(value string) {
	if len(value) > maxShownBytes || !holdsToken(value) {
		return
	}
	if t.shown == nil {
		t.shown = make(map[*byte]string)
	}
	at := unsafe.StringData(value) //nolint:gosec // only its address is kept
	if _, again := t.shown[at]; again {
		return
	}
	if len(t.order) == maxShown {
		delete(t.shown, t.order[0])
		t.order = t.order[1:]
	}
	t.shown[at] = value
	t.order = append(t.order, at)
}

// close notes that the connection has ended.
func (t *streamTokens) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	t.overwrite()
}

// overwrite overwrites all once nothing looks at them. The caller holds the lock.
func (t *streamTokens) overwrite() {
	if !t.closed || t.open > 0 {
		return
	}
	for at, value := range t.shown {
		clear(unsafe.Slice(at, len(value))) //nolint:gosec // net/http made it for this connection alone
	}
	t.shown, t.order = nil, nil
}

// headerWatch looks through the frames that a client of HTTP/2 sends for whether it has the decoder keep
// Authorization. What it does not understand counts as if it had. It is for the goroutine that reads.
type headerWatch struct {
	seen   int    // of the preface
	frame  []byte // a frame's header, and behind it the payload if that is a request's header
	left   int    // how much of the payload of another frame is still to come
	broken bool
}

// Frames of HTTP/2 (RFC 9113).
const (
	frameHeader       = 9
	maxFrame          = 16 << 10 // the least that a server may set
	frameHeaders      = 1
	frameContinuation = 9
	flagEndHeaders    = 1 << 2
	flagPadded        = 1 << 3
	flagPriority      = 1 << 5
)

// keeps reports whether what was read next may have had Authorization kept.
func (w *headerWatch) keeps(p []byte) bool {
	n := min(len(p), len(preface)-w.seen)
	w.seen += n
	for p = p[n:]; len(p) > 0 && !w.broken; {
		if w.left > 0 {
			n := min(w.left, len(p))
			w.left -= n
			p = p[n:]
			continue
		}
		n := min(w.missing(), len(p))
		w.frame = append(w.frame, p[:n]...)
		p = p[n:]
		w.look()
	}
	return w.broken
}

// missing returns how much of the frame is missing.
func (w *headerWatch) missing() int {
	if len(w.frame) < frameHeader {
		return frameHeader - len(w.frame)
	}
	return frameHeader + w.length() - len(w.frame)
}

// length returns how long the payload is.
func (w *headerWatch) length() int {
	return int(w.frame[0])<<16 | int(w.frame[1])<<8 | int(w.frame[2])
}

// look looks at a frame as far as it is there.
func (w *headerWatch) look() {
	if len(w.frame) < frameHeader {
		return
	}
	kind, flags := w.frame[3], w.frame[4]
	switch {
	case kind == frameContinuation, kind == frameHeaders && flags&flagEndHeaders == 0:
		w.broken = true // the header is in pieces, which hardly any client sends
	case kind != frameHeaders:
		w.left = w.length()
	case w.length() > maxFrame:
		w.broken = true // net/http refuses it
	case w.missing() > 0:
		w.frame = slices.Grow(w.frame, w.missing()) // at once, or parts of a token would stay behind
		return
	default:
		w.broken = keepsAuthorization(w.frame[frameHeader:], flags)
	}
	clear(w.frame)
	w.frame = w.frame[:0]
}

// The static table's number of Authorization, and how long its name is if it is compressed (RFC 7541).
const (
	fieldAuthorization = 23
	nameAuthorization  = "authorization"
	compressedName     = 9
)

var errShort = errors.New("too short")

// keepsAuthorization reports whether a request's header has Authorization kept, or is not understood.
func keepsAuthorization(p []byte, flags byte) bool {
	padding := 0
	if flags&flagPadded != 0 && len(p) > 0 {
		padding, p = int(p[0]), p[1:]
	}
	if flags&flagPriority != 0 {
		p = p[min(len(p), 5):]
	}
	if padding > len(p) {
		return true
	}
	for p = p[:len(p)-padding]; len(p) > 0; {
		kept, rest, err := nextField(p)
		if kept || err != nil {
			return true
		}
		p = rest
	}
	return false
}

// nextField reports whether the first field of p is an Authorization to be kept.
func nextField(p []byte) (kept bool, rest []byte, err error) {
	first := p[0]
	switch {
	case first&0x80 != 0: // a field that was kept before
		_, rest, err = number(p, 7)
		return false, rest, err
	case first&0xe0 == 0x20: // a new size of the table
		_, rest, err = number(p, 5)
		return false, rest, err
	}
	keep, bits := first&0xc0 == 0x40, 4
	if keep {
		bits = 6
	}
	index, rest, err := number(p, bits)
	if err == nil && index == 0 {
		var name []byte
		var compressed bool
		if name, compressed, rest, err = text(rest); err == nil && (compressed && len(name) == compressedName || string(name) == nameAuthorization) {
			index = fieldAuthorization
		}
	}
	if err == nil {
		_, _, rest, err = text(rest)
	}
	return keep && index == fieldAuthorization, rest, err
}

// number reads a number whose first bits are the last ones of a byte (RFC 7541, section 5.1).
func number(p []byte, bits int) (n int, rest []byte, err error) {
	if len(p) == 0 {
		return 0, nil, errShort
	}
	most := 1<<bits - 1
	n, p = int(p[0])&most, p[1:]
	if n < most {
		return n, p, nil
	}
	for shift := 0; len(p) > 0 && shift <= 21; shift += 7 {
		c := p[0]
		p = p[1:]
		if n += int(c&0x7f) << shift; c&0x80 == 0 {
			return n, p, nil
		}
	}
	return 0, nil, errShort
}

// text reads a text, which may be compressed.
func text(p []byte) (s []byte, compressed bool, rest []byte, err error) {
	if len(p) == 0 {
		return nil, false, nil, errShort
	}
	compressed = p[0]&0x80 != 0
	n, p, err := number(p, 7)
	if err != nil || n > len(p) {
		return nil, false, nil, errShort
	}
	return p[:n], compressed, p[n:], nil
}
