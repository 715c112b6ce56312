package server

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	wire "github.com/hashd-project/hashd/v2/gen/server"
	"github.com/hashd-project/hashd/v2/internal/engine"
	"github.com/hashd-project/hashd/v2/internal/guard"
	"github.com/hashd-project/hashd/v2/internal/header"
	"github.com/hashd-project/hashd/v2/internal/strict"
)

// kind is a kind of problem. The contract lists them all.
type kind int

const (
	internalError kind = iota
	invalidRequest
	incompleteRequest
	malformedRequest
	unauthorized
	forbidden
	unknownPath
	unknownJob
	methodNotAllowed
	jobGone
	bodyTooLarge
	unsupportedMediaType
	misdirectedRequest
	keyReused
	rateLimited
	quotaExceeded
	full
	draining
	down
	problemKinds // how many there are
)

// What each problem's type and instance begin with.
const (
	problemPrefix  = "urn:hashd:problem:"
	instancePrefix = "urn:hashd:request:"
)

// problemTypes says what each kind is to a client.
var problemTypes = [problemKinds]struct {
	name   string // the last part of the type
	status int
	title  string
}{
	internalError:        {"internal", http.StatusInternalServerError, "Internal error"},
	invalidRequest:       {"invalid-request", http.StatusBadRequest, "Invalid request"},
	incompleteRequest:    {"incomplete-request", http.StatusBadRequest, "Incomplete request"},
	malformedRequest:     {"malformed-request", http.StatusBadRequest, "Malformed request"}, // or what net/http says
	unauthorized:         {"unauthorized", http.StatusUnauthorized, "Unauthorized"},
	forbidden:            {"forbidden", http.StatusForbidden, "Forbidden"},
	unknownPath:          {"unknown-path", http.StatusNotFound, "Unknown path"},
	unknownJob:           {"unknown-job", http.StatusNotFound, "Unknown job"},
	methodNotAllowed:     {"method-not-allowed", http.StatusMethodNotAllowed, "Method not allowed"},
	jobGone:              {"job-gone", http.StatusGone, "Job gone"},
	bodyTooLarge:         {"body-too-large", http.StatusRequestEntityTooLarge, "Body too large"},
	unsupportedMediaType: {"unsupported-media-type", http.StatusUnsupportedMediaType, "Unsupported media type"},
	misdirectedRequest:   {"misdirected-request", http.StatusMisdirectedRequest, "Misdirected request"},
	keyReused:            {"idempotency-key-reused", http.StatusUnprocessableEntity, "Idempotency key reused"},
	rateLimited:          {"rate-limited", http.StatusTooManyRequests, "Rate limited"},
	quotaExceeded:        {"quota-exceeded", http.StatusTooManyRequests, "Quota exceeded"},
	full:                 {"full", http.StatusServiceUnavailable, "Full"},
	draining:             {"draining", http.StatusServiceUnavailable, "Draining"},
	down:                 {"down", http.StatusServiceUnavailable, "Down"},
}

// problem is the answer to an error, before it knows its request.
type problem struct {
	kind       kind
	detail     string
	fields     []strict.FieldError
	retryAfter time.Duration // 0 for none
	challenge  bool          // asks for a key
	rate       guard.RateFields
}

// errMisdirected is for a request that names a host which is not this server.
var errMisdirected = errors.New("misdirected request")

// whileDraining is when a client may try again: by then another instance should be up.
const whileDraining = 5 * time.Second

// whileDown is when a store that does not work is worth another try.
const whileDown = 5 * time.Second

// problemOf is the whole table from errors to answers. Any other error is internal, and a client learns
// nothing more of it.
func (h *handler) problemOf(err error, path string) problem {
	var (
		invalid *strict.Error
		limit   *engine.FullError
		scope   *guard.ScopeError
		own     *guard.LimitError
	)
	switch {
	case errors.As(err, &invalid):
		return problem{kind: invalidRequest, detail: "The request breaks the API contract. Correct what errors lists.", fields: invalid.Fields}
	case errors.Is(err, strict.ErrTooLarge):
		return problem{kind: bodyTooLarge, detail: "The body is over the limit of " + h.bodyLimit(path) + "."}
	case errors.Is(err, errMediaType):
		return problem{kind: unsupportedMediaType, detail: "Send the body as Content-Type application/json in UTF-8, without Content-Encoding."}
	case errors.Is(err, errBodyRead):
		return problem{kind: incompleteRequest, detail: "The body ended or stalled before it was whole. Send the request again."}
	case errors.Is(err, guard.ErrUnauthorized):
		return problem{kind: unauthorized, challenge: true,
			detail: "This server wants an API key that it knows. Send one as Authorization: Bearer; its operator gives them out."}
	case errors.As(err, &scope):
		return problem{kind: forbidden, detail: "The key lacks the scope " + scope.Scope + ". Ask the operator of the server for a key that has it."}
	case errors.As(err, &own):
		return usedUp(own, path)
	case errors.Is(err, engine.ErrUnknown):
		return problem{kind: unknownJob, detail: "No job has this id. Submit one with POST /hash."}
	case errors.Is(err, engine.ErrGone):
		return problem{kind: jobGone, detail: "The job was canceled or erased, or its retention has ended. Submit it again."}
	case errors.Is(err, engine.ErrIdempotencyKeyReused):
		return problem{kind: keyReused, detail: "This Idempotency-Key was used with another body. Use a new key for a new job."}
	case errors.As(err, &limit):
		return problem{kind: full, detail: "The limit " + limit.Limit + " is reached. Try again after Retry-After" + smaller(path) + ".", retryAfter: limit.RetryAfter}
	case errors.Is(err, engine.ErrDraining), errors.Is(err, engine.ErrClosed):
		return problem{kind: draining, retryAfter: whileDraining,
			detail: "The server is stopping and takes no new jobs. Try another instance, or try again after Retry-After."}
	case errors.Is(err, engine.ErrDown):
		return problem{kind: down, retryAfter: whileDown,
			detail: "The server's store does not work, so it takes no jobs. Try again after Retry-After."}
	case errors.Is(err, errMisdirected):
		return problem{kind: misdirectedRequest, detail: "The request names a host that this server does not answer for. Its operator can allow the host with the setting hosts."}
	case errors.Is(err, errNotFound):
		return problem{kind: unknownPath, detail: "No such path; paths have no trailing slash. The paths are: " + strings.Join(h.paths(), ", ") + "."}
	case errors.Is(err, errMethodNotAllowed):
		return problem{kind: methodNotAllowed, detail: "This path does not have this method. Allow lists the methods it has."}
	}
	return problem{kind: internalError, detail: "The server failed to answer. Give its operator the instance."}
}

// usedUp is the problem of a caller that has used up what is its own.
func usedUp(err *guard.LimitError, path string) problem {
	p := problem{kind: rateLimited, retryAfter: err.RetryAfter, rate: err.Fields, detail: "More jobs than this caller's rate allows. Try again after Retry-After."}
	if err.Quota {
		p.kind, p.detail = quotaExceeded, "This caller has as many pending jobs as it may have. Try again after Retry-After"+smaller(path)+"."
	}
	if err.Kept {
		p.detail = "This caller's tenant has as many results as it may have. Erase those that are collected, with DELETE, or try again after Retry-After."
	}
	return p
}

// challenge asks for a key (RFC 6750, section 3). It is one for every refused key: it tells nothing of it.
const challenge = `Bearer realm="hashd"`

// Where others ask whether the server is alive, and whether it takes jobs.
const (
	livenessPath  = "/healthz"
	readinessPath = "/readyz"
)

// smaller is advice for a batch: it may be larger than the limit, and then waiting does not help.
func smaller(path string) string {
	if path == batchPath {
		return ", or send a smaller batch"
	}
	return ""
}

// bodyLimit says how large a body to the path may be, by which setting, and what to do about it.
func (h *handler) bodyLimit(path string) string {
	limit, setting := h.cfg.bodyLimit(path)
	text := strconv.Itoa(limit) + " bytes (" + setting + ")"
	if path == batchPath {
		text += "; send several smaller batches"
	}
	return text
}

// answerError answers with the error's problem. It does nothing if an answer has already begun.
func (h *handler) answerError(err error, c echoContext) {
	p := h.problemOf(err, c.Path())
	if p.kind == internalError {
		h.logFailure(c, err)
	}
	h.refused.note(err, p.kind, c.Path() == readinessPath)
	if responseOf(c).Committed {
		return
	}
	discard(c)
	t := problemTypes[p.kind]
	body := wire.Problem{
		Type: problemPrefix + t.name, Title: t.title, Status: int32(t.status), Detail: p.detail,
		Instance: instancePrefix + requestID(c), Errors: fieldErrors(p.fields),
	}
	if p.retryAfter > 0 {
		strict.SetHeader(c.Response(), "Retry-After", header.Seconds(p.retryAfter))
	}
	if p.challenge {
		strict.SetHeader(c.Response(), "Www-Authenticate", challenge)
	}
	if p.rate.Policy != "" {
		strict.SetHeader(c.Response(), "Ratelimit-Policy", p.rate.Policy)
		strict.SetHeader(c.Response(), "Ratelimit", p.rate.Limit)
	}
	_ = strict.WriteProblem(c.Response(), t.status, &body) // a client that has gone needs no answer
}

// fieldErrors returns the violations in the contract's type, nil if there are none.
func fieldErrors(fields []strict.FieldError) *[]wire.FieldError {
	if len(fields) == 0 {
		return nil
	}
	out := make([]wire.FieldError, len(fields))
	for i, f := range fields {
		out[i] = wire.FieldError(f)
	}
	return &out
}
