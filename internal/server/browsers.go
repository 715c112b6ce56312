package server

import (
	"net/http"
	"slices"
	"strings"
)

// fields are header fields that many answers share, so that none has to make its own values.
type fields struct {
	noStore, noSniff, noReferrer, sameOrigin, nothing []string
	https                                             []string            // nil without TLS
	vary                                              map[string][]string // by path
	origins                                           *origins            // nil if pages of other origins get nothing
}

// policy allows an answer of the API nothing, should a browser ever show it.
const policy = "default-src 'none'; frame-ancestors 'none'"

// keptHTTPS is how long, in seconds, a browser that came over TLS comes over nothing else: a year.
const keptHTTPS = "max-age=31536000"

// newFields returns the fields of a server. Vary names the header fields which the contract has the
// operations of a path read.
func newFields(secure bool, allowed []string) fields {
	f := fields{
		noStore: []string{"no-store"}, noSniff: []string{"nosniff"}, noReferrer: []string{"no-referrer"}, sameOrigin: []string{"same-origin"},
		nothing: []string{policy},
		origins: newOrigins(allowed),
	}
	if secure {
		f.https = []string{keptHTTPS}
	}
	f.vary = map[string][]string{
		"/hash": {"Authorization", "Idempotency-Key", "Prefer"}, batchPath: {"Accept", "Authorization", "Idempotency-Key", "Prefer"},
		"/hash/:id": {"Authorization", "Prefer"}, "/stats": {"Authorization"}, "/v/status": {"Authorization"},
		metricsPath: {"Accept", "Accept-Encoding", "Authorization"},
	}
	for path, names := range f.vary {
		if f.origins != nil {
			names = append(names, "Origin")
			slices.Sort(names)
		}
		f.vary[path] = []string{strings.Join(names, ", ")}
	}
	return f
}

// set sets the fields of an answer to the request, which was for that path of the routes. No answer of the
// API may be cached: an id that has no job now may have one later. A browser shows no answer as a page,
// in a frame, or to another site. A page may replace the fields.
func (f *fields) set(h http.Header, r *http.Request, path string) {
	h["Cache-Control"], h["X-Content-Type-Options"], h["Referrer-Policy"] = f.noStore, f.noSniff, f.noReferrer
	h["Content-Security-Policy"], h["Cross-Origin-Resource-Policy"] = f.nothing, f.sameOrigin
	vary := f.vary[path]
	if vary != nil {
		h["Vary"] = vary
	}
	if f.https != nil && !isLocalName(r.Host) {
		h["Strict-Transport-Security"] = f.https
	}
	if f.origins != nil {
		if vary == nil {
			h["Vary"] = f.origins.vary
		}
		f.origins.allow(h, r)
	}
}

// isLocalName reports whether a host is this machine for a browser: what it keeps of such a name would
// hold for every other program there too.
func isLocalName(host string) bool {
	name, _, _ := splitHost(host)
	ip, ok := parseAddr(name)
	return ok && ip.IsLoopback() || name == "localhost" || strings.HasSuffix(name, ".localhost")
}

// origins are the origins whose pages may use the API from a browser (CORS, https://fetch.spec.whatwg.org).
// They show keys in Authorization, so cookies and the like are never allowed.
type origins struct {
	allowed                            map[string][]string // each with itself as the value of a field
	vary, exposed, headers, keptAnswer []string
}

func newOrigins(allowed []string) *origins {
	if len(allowed) == 0 {
		return nil
	}
	o := &origins{
		allowed: make(map[string][]string, len(allowed)), vary: []string{"Origin"},
		exposed:    []string{"Location, Preference-Applied, RateLimit, RateLimit-Policy, Retry-After, WWW-Authenticate, X-Request-Id"},
		headers:    []string{"Accept, Authorization, Content-Type, Idempotency-Key, Prefer, X-Request-Id"},
		keptAnswer: []string{"600"}, // seconds
	}
	for _, origin := range allowed {
		o.allowed[origin] = []string{origin}
	}
	return o
}

// allow lets the page that sent the request read the answer, if its origin is allowed.
func (o *origins) allow(h http.Header, r *http.Request) {
	lines := r.Header["Origin"]
	if len(lines) != 1 || o.allowed[lines[0]] == nil {
		return
	}
	h["Access-Control-Allow-Origin"] = o.allowed[lines[0]]
	if !isPreflight(r) {
		h["Access-Control-Expose-Headers"] = o.exposed
	}
}

// preflight answers the question of a browser what a page of an allowed origin may send to the path, if the
// request is one. methods has those of each path.
func (o *origins) preflight(h http.Header, r *http.Request, methods map[string]string, path string) {
	if o == nil || h["Access-Control-Allow-Origin"] == nil || !isPreflight(r) || methods[path] == "" {
		return
	}
	h["Access-Control-Allow-Methods"] = []string{methods[path]}
	h["Access-Control-Allow-Headers"], h["Access-Control-Max-Age"] = o.headers, o.keptAnswer
}

func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && len(r.Header["Access-Control-Request-Method"]) > 0
}
