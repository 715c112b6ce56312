package server

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// refuser answers requests that are not let in. For the usual ones it has the answer ready, and needs
// neither net/http nor the router. It is safe for concurrent use.
type refuser struct {
	log   *slog.Logger
	parts parts
	ready []readyAnswer
	idle  time.Duration // until the next request on a connection
	write time.Duration // for an answer to be taken
}

// maxInFlight is the name of the gate's limit.
const maxInFlight = "max-in-flight"

// overloaded is the answer to a request that is not let in.
func overloaded() error { return &engine.FullError{Limit: maxInFlight, RetryAfter: time.Second} }

// readyAnswer is for requests that begin with line: an answer without its request's id, which stands
// before and after middle, and without the length of its body, which ends head.
type readyAnswer struct {
	line               string
	operation          *byStatus
	head, middle, tail []byte
	length             int // of the body, without the id
}

// newRefuser has a handler, whose log and traces nobody sees, answer one request of each usual kind.
func newRefuser(cfg Config, service Service, shared parts) *refuser {
	r := &refuser{log: cfg.Log, parts: shared, idle: cfg.IdleTimeout, write: cfg.WriteTimeout}
	cfg.Log, cfg.Begin = slog.New(slog.DiscardHandler), nil
	unseen := newParts(&cfg)
	defer unseen.refused.close()
	h := newHandler(cfg, service, unseen)
	for _, kind := range []struct{ method, target, path string }{
		{http.MethodPost, "/hash ", "/hash"}, {http.MethodPost, "/hash/batch ", batchPath}, {http.MethodGet, "/hash/batch?", batchPath},
		{http.MethodGet, "/hash?", "/hash"}, {http.MethodGet, "/hash/", "/hash/:id"},
	} {
		ready := makeReady(h, kind.method, kind.target)
		ready.operation = shared.requests.of(kind.method, kind.path)
		r.ready = append(r.ready, ready)
	}
	return r
}

// makeReady has the handler refuse a request.
func makeReady(h http.Handler, method, target string) readyAnswer {
	const id = "id-of-the-request"
	refused := &client{owner: &connections{}}
	refused.gated = &gated{client: refused, refused: true}
	ctx := context.WithValue(context.Background(), clientKey{}, refused)
	path := strings.TrimRight(target, " ?")
	if path == "/hash/" {
		path += "1"
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://localhost"+path, http.NoBody)
	if err != nil {
		panic(err) // ours
	}
	req.Header.Set(requestIDHeader, id)
	w := &answerWriter{header: http.Header{}}
	h.ServeHTTP(w, req)
	w.header.Del("Date")
	w.header.Del("Content-Length")
	w.header.Del(requestIDHeader)
	var head bytes.Buffer
	head.WriteString("HTTP/1.1 " + strconv.Itoa(w.status) + " " + http.StatusText(w.status) + "\r\n")
	_ = w.header.Write(&head) // to memory
	head.WriteString("Content-Length: ")
	middle, tail, _ := bytes.Cut(w.body.Bytes(), []byte(id))
	return readyAnswer{line: method + " " + target, head: head.Bytes(), middle: middle, tail: tail, length: len(middle) + len(tail)}
}

// answerWriter is a http.ResponseWriter that keeps the answer.
type answerWriter struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (w *answerWriter) Header() http.Header         { return w.header }
func (w *answerWriter) Write(p []byte) (int, error) { return w.body.Write(p) }
func (w *answerWriter) WriteHeader(status int)      { w.status = status }

// answer returns the answer to a request that is not let in, in the buffer; nil if the handler has to give
// it. It counts the refusal.
func (r *refuser) answer(buffer, request []byte) []byte {
	id, ok := usual(request)
	if !ok || r.log.Enabled(context.Background(), slog.LevelDebug) { // then each request is logged
		return nil
	}
	n := slices.IndexFunc(r.ready, func(a readyAnswer) bool { return bytes.HasPrefix(request, []byte(a.line)) })
	if n < 0 {
		return nil
	}
	if !isRequestID(string(id)) {
		id = []byte(newRequestID())
	}
	a := &r.ready[n]
	r.parts.refused.note(overloaded(), full, false)
	a.operation.add(http.StatusServiceUnavailable)
	buffer = append(buffer, a.head...)
	buffer = strconv.AppendInt(buffer, int64(a.length+len(id)), 10)
	buffer = append(buffer, "\r\nDate: "...)
	buffer = time.Now().UTC().AppendFormat(buffer, http.TimeFormat)
	buffer = append(buffer, "\r\n"+requestIDHeader+": "...)
	buffer = append(buffer, id...)
	buffer = append(buffer, "\r\n\r\n"...)
	buffer = append(buffer, a.middle...)
	buffer = append(buffer, id...)
	return append(buffer, a.tail...)
}

// usual says whether a request is one whose end everybody sees in the same place, and that ends where the
// bytes do. It returns the id that the request has for itself, if any. It knows less than net/http on
// purpose: what it takes for usual must be what net/http would take it for.
func usual(request []byte) (id []byte, ok bool) {
	line, rest, _ := bytes.Cut(request, []byte("\r\n"))
	if !bytes.HasSuffix(line, []byte(" HTTP/1.1")) || bytes.Count(line, []byte(" ")) != 2 || bytes.ContainsAny(line, "\r\n") {
		return nil, false
	}
	length, seen := 0, false
	for {
		line, rest, ok = bytes.Cut(rest, []byte("\r\n"))
		if !ok {
			return nil, false
		}
		if len(line) == 0 {
			return id, len(rest) == length
		}
		name, value, colon := bytes.Cut(line, []byte(":"))
		if !colon || bytes.ContainsAny(line, "\r\n") || bytes.ContainsAny(name, " \t") {
			return nil, false
		}
		switch value = bytes.Trim(value, " "); {
		case is(name, "Content-Length"):
			n, err := strconv.ParseUint(string(value), 10, 16)
			if err != nil || seen || value[0] == '+' {
				return nil, false
			}
			length, seen = int(n), true
		case is(name, requestIDHeader):
			if id != nil {
				return nil, false
			}
			id = value
		case is(name, "Transfer-Encoding"), is(name, "Connection"), is(name, "Expect"), is(name, "Upgrade"), is(name, "Origin"), is(name, "Trailer"):
			return nil, false
		}
	}
}

func is(name []byte, known string) bool {
	return len(name) == len(known) && strings.EqualFold(string(name), known)
}
