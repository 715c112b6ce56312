package server

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/hashd-project/hashd/v2/internal/engine"
	"github.com/hashd-project/hashd/v2/internal/header"
	"github.com/hashd-project/hashd/v2/internal/strict"
)

// handler holds what answering a request takes beside the operation itself.
type handler struct {
	cfg     Config
	router  router
	service Service
	parts
	hosts   hosts
	allowed map[string]string
	fields  fields
}

// around is the only middleware, and its body shows the order of things. Echo builds the chain anew for
// each request, so five middlewares would cost five times as much.
func (h *handler) around(next echoHandler) echoHandler {
	return func(c echoContext) error {
		start := time.Now()
		r := c.Request()
		client := clientBehind(r)
		client.begin(r.Header)
		defer client.finish(r, c.Response().Header()) // also after a panic
		h.identify(c)
		if client != nil && client.secure != nil {
			r.TLS = &client.secure.state.Load().ConnectionState // net/http does not know of it
		}
		if h.cfg.Begin != nil {
			defer h.trace(c)()
		}
		if err := h.call(next, c); err != nil {
			h.answerError(err, c)
		}
		discard(c)
		client.answered()
		h.observe(c, time.Since(start))
		return nil
	}
}

// call runs the operation. A panic comes back as an error, except http.ErrAbortHandler, which net/http
// wants for itself.
func (h *handler) call(operation echoHandler, c echoContext) (err error) {
	defer func() {
		switch v := recover().(type) {
		case nil:
		case runtime.Error:
			err = &panicError{v.Error(), debug.Stack()}
		default:
			if v == http.ErrAbortHandler { //nolint:errorlint // compared as net/http does
				panic(v)
			}
			err = &panicError{fmt.Sprintf("%T", v), debug.Stack()}
		}
	}()
	r := c.Request()
	if len(r.TransferEncoding) > 0 || !r.ProtoAtLeast(1, 1) {
		// The request may have said in two ways where its body ends, and net/http shows only the one
		// that it followed. So no other request may follow on this connection (RFC 9112, section 6.1).
		strict.SetHeader(c.Response(), "Connection", "close")
	}
	leave, err := admit(c)
	if err != nil {
		return err
	}
	defer leave()
	separate(c)
	if !h.hosts.answersFor(r) {
		return errMisdirected
	}
	if r.Method == http.MethodHead {
		c.SetRequest(r.WithContext(engine.Glance(r.Context()))) // a client that gets no body has collected nothing
	}
	h.fields.origins.preflight(c.Response().Header(), r, h.allowed, c.Path())
	if r.Method == http.MethodOptions && r.RequestURI == "*" {
		strict.SetHeader(c.Response(), "Allow", h.allowed["*"])
		return c.NoContent(http.StatusNoContent)
	}
	// Echo takes all that follows "/hash/" for an id, slashes too, and "*" for a path.
	if path := r.URL.Path; strings.Count(path, "/") != strings.Count(c.Path(), "/") || !strings.HasPrefix(path, "/") {
		return errNotFound
	}
	if allow := h.hidden(c); allow != "" {
		c.Response().Header().Set("Allow", allow)
		return errMethodNotAllowed
	}
	if c.Path() == batchPath && r.Method == http.MethodPost {
		release, err := h.batches.take(c)
		if err != nil {
			return err
		}
		defer release()
	}
	return operation(c)
}

// admit refuses a request on a connection beyond max-connections, except health checks. Such a
// connection gets one answer, whether the body of its request comes or not, and is closed. Other requests
// ask the gate: the caller calls leave once they are answered.
func admit(c echoContext) (leave func(), err error) {
	r := c.Request()
	client := clientBehind(r)
	if client == nil || client.owner.admit(client) {
		return letIn(c)
	}
	strict.SetHeader(c.Response(), "Connection", "close")
	if r.ContentLength != 0 {
		client.dismiss(c.Response())
	}
	if isHealth(c.Path()) {
		return func() {}, nil
	}
	return nil, &engine.FullError{Limit: "max-connections", RetryAfter: time.Second}
}

// hidden returns what Allow lists if Echo took a path without parameters, such as "/hash/batch", for
// "/hash/{id}", because only that has the method; else "". In OpenAPI a path without parameters goes
// before one with them, whatever the method.
func (h *handler) hidden(c echoContext) string {
	if path := c.Request().URL.Path; path != c.Path() {
		return h.allowed[path]
	}
	return ""
}

// route is a method and the path that has it, as Echo writes it.
type route struct{ method, path string }

// allowed returns the value of Allow for each path of the routes, and for "*", which is all of them.
func allowed(routes []route) map[string]string {
	methods := make(map[string][]string)
	for _, r := range routes {
		methods[r.path] = append(methods[r.path], r.method)
		methods["*"] = append(methods["*"], r.method)
	}
	values := make(map[string]string)
	for path, m := range methods {
		slices.Sort(m)
		values[path] = strings.Join(append([]string{http.MethodOptions}, slices.Compact(m)...), ", ")
	}
	return values
}

// panicError is a panic in a handler, as an error. Its text never holds the panic's value
// unless the runtime made it, for a value could quote a secret.
type panicError struct {
	what  string
	stack []byte
}

func (p *panicError) Error() string { return "panic: " + p.what }

// observe counts the request, and accepted submissions for the statistics, and logs a line at debug. The log has
// the route, never the path a client sent, and no method but HTTP's own.
func (h *handler) observe(c echoContext, took time.Duration) {
	r, status := c.Request(), responseOf(c).Status
	operation := h.requests.of(r.Method, c.Path())
	operation.add(status)
	if waited := c.Response().Header()["Preference-Applied"] != nil; !waited {
		operation.took.Add(took)
		if status == http.StatusAccepted && r.Method == http.MethodPost {
			h.service.Answered(r.Context(), took) // the service counts those that waited
		}
	}
	level := slog.LevelDebug
	if h.cfg.AccessLog {
		level = slog.LevelInfo
	}
	if log := h.cfg.Log; log.Enabled(r.Context(), level) {
		log.LogAttrs(r.Context(), level, "request", append(h.identity(c),
			slog.String("client", h.cfg.Proxies.ClientAddr(r).String()),
			slog.String("method", knownMethod(r.Method)), slog.String("route", c.Path()),
			slog.Int("status", status), slog.Duration("took", took))...)
	}
}

// identity says in a log which request it is, and to which trace it belongs.
func (h *handler) identity(c echoContext) []slog.Attr {
	attrs := []slog.Attr{slog.String("request", requestID(c))}
	if h.cfg.Traceparent == nil {
		return attrs
	}
	if span := h.cfg.Traceparent(c.Request()); span != "" {
		const from, to = len("00-"), len("00-") + 32
		attrs = append(attrs, slog.String("trace_id", span[from:to]), slog.String("traceparent", span))
	}
	return attrs
}

// trace begins the span of a request, and returns what ends it. Probes and scrapes have none.
func (h *handler) trace(c echoContext) (end func()) {
	if isHealth(c.Path()) || c.Path() == metricsPath {
		return func() {}
	}
	r := c.Request()
	ctx, ended := h.cfg.Begin(r, knownMethod(r.Method), c.Path())
	c.SetRequest(r.WithContext(ctx))
	return func() { ended(responseOf(c).Status) }
}

// knownMethod returns the method if it is one of HTTP's (RFC 9110, RFC 5789), and "other" for
// what a client made up.
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch,
		http.MethodDelete, http.MethodConnect, http.MethodOptions, http.MethodTrace:
		return method
	}
	return "other"
}

// logFailure logs an internal error. These are our own errors: none holds a secret.
func (h *handler) logFailure(c echoContext, err error) {
	attrs := append(h.identity(c), slog.String("route", c.Path()), slog.String("error", err.Error()))
	if p, ok := errors.AsType[*panicError](err); ok {
		attrs = append(attrs, slog.String("stack", string(p.stack)))
	}
	h.cfg.Log.LogAttrs(c.Request().Context(), slog.LevelError, "request failed", attrs...)
}

const requestIDHeader = "X-Request-Id"

// newRequestID draws an id of 80 random bits: one that counts would tell each client how much all others ask.
func newRequestID() string {
	const digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	var id [16]byte
	for i := 0; i < len(id); i += len(id) / 2 {
		for n, bits := i, rand.Uint64(); n < i+len(id)/2; n++ { //nolint:gosec // it is no secret
			id[n] = digits[bits&31]
			bits >>= 5
		}
	}
	return string(id[:])
}

// identify gives the request its id, the client's if that is safe to repeat, or a new one, and the
// answer what all answers have. A page may replace them.
func (h *handler) identify(c echoContext) {
	id, _ := header.One(c.Request().Header, requestIDHeader)
	if !isRequestID(id) {
		id = newRequestID()
	}
	strict.SetHeader(c.Response(), requestIDHeader, id)
	h.fields.set(c.Response().Header(), c.Request(), c.Path())
}

// isRequestID says whether a client's id is 1 to 64 harmless characters, with no token among them.
func isRequestID(id string) bool {
	if id == "" || len(id) > 64 || holdsToken(id) {
		return false
	}
	for _, c := range []byte(id) {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (c < '0' || c > '9') && strings.IndexByte("._-", c) < 0 {
			return false
		}
	}
	return true
}

// requestID returns the id that identify gave.
func requestID(c echoContext) string {
	id, _ := header.One(c.Response().Header(), requestIDHeader)
	return id
}

// paths lists all paths as the contract writes them, without the parts of a page.
func (h *handler) paths() []string {
	var paths []string
	for _, r := range h.router.routes() {
		if strings.HasPrefix(r.path, "/docs/") || strings.HasPrefix(r.path, "/page/") {
			continue
		}
		parts := strings.Split(r.path, "/")
		for i, part := range parts {
			if name, ok := strings.CutPrefix(part, ":"); ok {
				parts[i] = "{" + name + "}"
			}
		}
		paths = append(paths, strings.Join(parts, "/"))
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}
