package server

import (
	"bytes"
	"net/http"
	"strings"
	"unsafe"
)

// tokens keeps the tokens of a request out of memory that nobody can clear. net/http makes a string of
// each header line and pools the buffers that it does so with, and a request that it refuses by itself
// never reaches us. So a connection takes the tokens out of a header before net/http sees it. Where the
// secret part of one was, a text of the same length stays, which names its place here. The handler gets
// the field Authorization back as it was sent, in memory that is cleared when the request has ended.
// What this does not see, forget overwrites: the token of a request of HTTP/2, whose header is no text,
// of one that was sent along with the one before it, and one that comes in pieces.
//
// It is for the goroutine that serves the connection. The zero value is ready.
type tokens struct {
	begun  bool        // something was read
	frames bool        // of HTTP/2, or perhaps so
	inside bool        // the last token may go on in what is read next
	start  int         // how much of what was read last may be the start of a token
	end    [2]byte     // of what was read so far
	held   *heldTokens // nil until the first token
}

// heldTokens is the secret parts of the tokens of one request. More than one token is refused, and longer
// ones open nothing, so that no more places are needed.
type heldTokens struct {
	n     int
	text  [2][64]byte
	size  [2]int
	field [128]byte // Authorization as it was sent
}

// A token is tokenStart, an id, an underscore and the secret part (see auth). That much of a secret part
// tells it from any other text.
const (
	tokenStart    = "hashd_"
	tokenIDLength = 10
	beforeSecret  = len(tokenStart) + tokenIDLength + len("_")
	tokenSecret   = 16
)

// What stands for a secret part: for its first character a digit, its place, and otherwise masked.
const masked = '*'

// prefaceStart is how a connection of HTTP/2 begins, and no request of HTTP/1.
const prefaceStart = "PRI "

// take takes the tokens out of p, which was read in a request's header. What follows the header stays as
// it is, for it may be a secret which is to be hashed as it is.
func (t *tokens) take(p []byte) {
	if !t.begun {
		t.begun, t.frames = true, len(p) < len(prefaceStart) || string(p[:len(prefaceStart)]) == prefaceStart
	}
	if t.frames {
		return
	}
	start := t.startIn(p)
	if t.inside || t.start > 0 || bytes.Contains(p, []byte(tokenStart)) { // hardly ever without keys
		t.takeAll(p[:t.headerEnd(p)])
	}
	t.passed(p)
	t.start = start
}

// startIn returns how much of a token may have begun at the end of p, without its secret part.
func (t *tokens) startIn(p []byte) int {
	if t.start > 0 && t.start+len(p) <= beforeSecret && begins(p, t.start) {
		return t.start + len(p)
	}
	for p = p[max(0, len(p)-beforeSecret):]; ; p = p[1:] {
		n := bytes.IndexByte(p, tokenStart[0])
		if n < 0 {
			return 0
		}
		if p = p[n:]; begins(p, 0) {
			return len(p)
		}
	}
}

// begins reports whether p is what a token has before its secret part, or the beginning of that, from so
// many characters on.
func begins(p []byte, from int) bool {
	for i, c := range p {
		switch at := from + i; {
		case at < len(tokenStart) && c != tokenStart[at], at == beforeSecret-1 && c != '_', at >= beforeSecret:
			return false
		case at >= len(tokenStart) && at < beforeSecret-1 && !alphanumeric(c):
			return false
		}
	}
	return true
}

// passed notes what was read. It is called for all that is read.
func (t *tokens) passed(p []byte) {
	t.start = 0
	switch n := len(p); n {
	case 0:
	case 1:
		t.end = [2]byte{t.end[1], p[0]}
	default:
		t.end = [2]byte(p[n-2:])
	}
}

// headerEnd returns the length of what belongs to the header, which an empty line ends.
func (t *tokens) headerEnd(p []byte) int {
	// Whether the line that p begins in is empty so far.
	empty := t.end[1] == '\n' || t.end == [2]byte{'\n', '\r'}
	for from := 0; ; empty = true {
		n := bytes.IndexByte(p[from:], '\n')
		if n < 0 {
			return len(p)
		}
		line := p[from : from+n]
		from += n + 1
		if empty && (len(line) == 0 || len(line) == 1 && line[0] == '\r') {
			return from
		}
	}
}

// takeAll takes the tokens out of a part of a header.
func (t *tokens) takeAll(p []byte) {
	if t.held == nil {
		t.held = &heldTokens{}
	}
	at := 0
	switch {
	case t.inside:
		at = t.held.add(p)
		t.inside = at == len(p)
	case t.start > 0:
		if n := t.begin(p, beforeSecret-t.start, t.start); n > 1 {
			at = n
		}
	}
	for {
		n := bytes.Index(p[at:], []byte(tokenStart))
		if n < 0 {
			return
		}
		at += n
		at += t.begin(p[at:], beforeSecret, 0)
	}
}

// begin takes a token whose secret part begins in p after so many bytes, and returns how much of p that
// was. If it is no token, that is one byte.
func (t *tokens) begin(p []byte, secret, from int) int {
	if !isToken(p, secret, from) {
		return 1
	}
	t.held.n++
	n := secret + t.held.add(p[secret:])
	t.inside = n == len(p)
	return n
}

// isToken reports whether p begins with a token, from so many characters on, whose secret part follows
// after so many bytes.
func isToken(p []byte, secret, from int) bool {
	if len(p) < secret+tokenSecret || !begins(p[:secret], from) {
		return false
	}
	for _, c := range p[secret : secret+tokenSecret] {
		if !alphanumeric(c) {
			return false
		}
	}
	return true
}

// holdsToken reports whether there is a token in the text.
func holdsToken(text string) bool {
	for {
		n := strings.Index(text, tokenStart)
		if n < 0 {
			return false
		}
		if text = text[n:]; isToken([]byte(text), beforeSecret, 0) {
			return true
		}
		text = text[1:]
	}
}

func alphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// add takes more of the last token's secret part from the beginning of p, and returns how much of p it was.
func (h *heldTokens) add(p []byte) int {
	place := h.n - 1
	for i, c := range p {
		if !alphanumeric(c) {
			return i
		}
		p[i] = masked
		if place >= len(h.text) {
			continue
		}
		if h.size[place] == 0 {
			p[i] = byte('0' + place)
		}
		if h.size[place] < len(h.text[place]) {
			h.text[place][h.size[place]] = c
			h.size[place]++
		}
	}
	return len(p)
}

// restore gives the request its field Authorization back, valid until clear.
func (t *tokens) restore(h http.Header) {
	values := h["Authorization"]
	if t.held == nil || t.held.n == 0 || len(values) != 1 || len(values[0]) > len(t.held.field) {
		return
	}
	value := values[0]
	at := strings.Index(value, tokenStart) + beforeSecret
	if at < beforeSecret || at >= len(value) {
		return
	}
	place := int(value[at]) - '0'
	if place < 0 || place >= min(t.held.n, len(t.held.text)) {
		return
	}
	field := t.held.field[:len(value)]
	copy(field, value)
	copy(field[at:], t.held.text[place][:t.held.size[place]])
	values[0] = unsafe.String(&field[0], len(field)) //nolint:gosec // nothing writes to the field before clear
}

// clear forgets the tokens of a request that has ended.
func (t *tokens) clear() {
	if t.held != nil && t.held.n > 0 {
		*t.held = heldTokens{}
	}
	t.inside = false
}

// forget overwrites what a request that has ended showed as its tokens. net/http makes each value a string of
// its own on the heap, which nothing else has by then.
func forget(h http.Header) {
	for _, value := range h["Authorization"] {
		if strings.Contains(value, tokenStart) {
			clear(unsafe.Slice(unsafe.StringData(value), len(value))) //nolint:gosec // see above
		}
	}
}
