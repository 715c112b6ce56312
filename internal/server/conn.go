package server

import (
	"bytes"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	wire "github.com/hashd-project/hashd/v2/gen/server"
)

// answering is a listener. Its connections time each piece of an answer, and turn what net/http refuses by
// itself into a problem like any other.
type answering struct {
	net.Listener
	limit   time.Duration // for a piece of an answer to be written
	parts   parts
	log     *slog.Logger
	gate    *gate // for the requests
	refuser *refuser
}

// Accept implements net.Listener.
func (a *answering) Accept() (net.Conn, error) {
	c, err := a.Listener.Accept()
	if err != nil {
		return nil, err //nolint:wrapcheck // net/http asks this error what kind it is
	}
	if client, ok := c.(*client); ok && a.gate != nil {
		c = client.behind(a.gate, a.refuser)
	}
	return &conn{c, a}, nil
}

// conn is a connection of answering. net/http times an answer from the end of the request's header. That
// time can be over before a slow body has arrived, a long-poll has ended or a slow store has the job:
// then an accepted job would never be answered. And a long answer takes a slow reader a long time: as long
// as it takes piece after piece, it gets the next.
type conn struct {
	net.Conn
	on *answering
}

// Write implements net.Conn.
func (c *conn) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(c.on.limit)); err != nil {
		return 0, err //nolint:wrapcheck // as it would be without this
	}
	if status, reason, ok := refusal(p); ok {
		if client := clientOf(c); client != nil {
			client.wipe() // no handler does
		}
		if _, err := c.Conn.Write(c.on.refuse(status, reason)); err != nil {
			return 0, err //nolint:wrapcheck // as it would be without this
		}
		return len(p), nil
	}
	return c.Conn.Write(p) //nolint:wrapcheck // as it would be without this
}

// CloseWrite lets net/http end its side first, so that a client can read its answer.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite() //nolint:wrapcheck // as it would be without this
	}
	return errors.ErrUnsupported
}

// How net/http answers a request that it does not pass to the handler: with exactly these header lines,
// or, where it does not know the expectation, with a status that no answer of ours has.
const (
	refusalHeader      = "\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"
	refusedExpectation = "HTTP/1.1 417 "
)

// refusal reads an answer that net/http gives by itself. Each is written at once and whole.
func refusal(p []byte) (status int, reason string, ok bool) {
	const start = "HTTP/1.1 "
	if len(p) < len(start)+3 || p[len(start)] != '4' && p[len(start)] != '5' || !bytes.HasPrefix(p, []byte(start)) {
		return 0, "", false // nearly always
	}
	line, _, _ := bytes.Cut(p, []byte("\r\n"))
	if !bytes.HasPrefix(p[len(line):], []byte(refusalHeader)) && !bytes.HasPrefix(p, []byte(refusedExpectation)) {
		return 0, "", false
	}
	status, err := strconv.Atoi(string(line[len(start) : len(start)+3]))
	_, reason, _ = strings.Cut(string(line), ": ")
	return status, reason, err == nil
}

// refuse returns the whole answer that stands in for one of net/http's, and logs it.
func (a *answering) refuse(status int, reason string) []byte {
	id := a.malformed(status)
	a.log.Debug("request refused unread", "request", id, "status", status, "reason", reason)
	return whole(status, id, unread(status, reason))
}

// withoutTLS returns the whole answer to a request without TLS where there must be TLS.
func (a *answering) withoutTLS() []byte {
	id := a.malformed(http.StatusBadRequest)
	a.log.Debug("request refused: it came without TLS", "request", id)
	return whole(http.StatusBadRequest, id, "This port speaks TLS. Use https in place of http.")
}

// malformed counts what is no request that a handler could answer, and returns its id.
func (a *answering) malformed(status int) string {
	a.parts.refused.note(errMalformed, malformedRequest, false)
	a.parts.requests.none.add(status)
	return newRequestID()
}

// errMalformed is for what net/http answers by itself.
var errMalformed = errors.New("malformed request")

// whole returns an answer of HTTP/1.1 with a problem, after which the connection is closed.
func whole(status int, id, detail string) []byte {
	t := problemTypes[malformedRequest]
	body, _ := json.Marshal(&wire.Problem{ // texts and a number can be encoded
		Type: problemPrefix + t.name, Title: t.title, Status: int32(status), Detail: detail, Instance: instancePrefix + id,
	})
	var b bytes.Buffer
	b.WriteString("HTTP/1.1 " + strconv.Itoa(status) + " " + http.StatusText(status) + "\r\n")
	_ = http.Header{
		"Cache-Control": {"no-store"}, "Connection": {"close"}, "Content-Length": {strconv.Itoa(len(body) + 1)},
		"Content-Type": {"application/problem+json"}, "Date": {time.Now().UTC().Format(http.TimeFormat)},
		requestIDHeader: {id}, "X-Content-Type-Options": {"nosniff"}, "Referrer-Policy": {"no-referrer"},
		"Content-Security-Policy": {policy}, "Cross-Origin-Resource-Policy": {"same-origin"},
	}.Write(&b)
	b.WriteString("\r\n")
	b.Write(append(body, '\n'))
	return b.Bytes()
}

// unread says why a request was refused before it was read whole. The reason is net/http's and
// quotes nothing of the request.
func unread(status int, reason string) string {
	switch status {
	case http.StatusExpectationFailed:
		return "The only expectation that the server meets is 100-continue."
	case http.StatusRequestHeaderFieldsTooLarge:
		return "The request's header is larger than the server takes."
	case http.StatusNotImplemented:
		return "The only transfer coding that the server knows is chunked."
	case http.StatusHTTPVersionNotSupported:
		return "The server speaks HTTP/1.1."
	}
	if reason != "" {
		return "The request is not HTTP/1.1: " + reason + "."
	}
	return "The request is not HTTP/1.1."
}
