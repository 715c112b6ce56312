package server

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	api "github.com/hashd-project/hashd/gen/server"
	"github.com/hashd-project/hashd/internal/engine"
	"github.com/hashd-project/hashd/internal/service"
	"github.com/hashd-project/hashd/internal/strict"
)

// problem is the answer to an error, before it knows its request.
type problem struct {
	status     int
	kind       string // the last part of its type
	title      string
	detail     string
	fields     []strict.FieldError
	retryAfter time.Duration // 0 for none
}

// whileDraining is when a client may try again: by then another instance should be up.
const whileDraining = 5 * time.Second

// whileDown is when a store that does not work is worth another try.
const whileDown = 5 * time.Second

// problemOf is the whole table from errors to answers. What it does not know is an internal
// error, of which a client learns nothing more.
func (h handler) problemOf(err error, path string) problem {
	var (
		invalid *strict.Error
		full    *engine.FullError
	)
	switch {
	case errors.As(err, &invalid):
		return problem{status: http.StatusBadRequest, kind: "invalid-request", title: "Invalid request",
			detail: "The request breaks the API contract; mend what errors names.", fields: invalid.Fields}
	case errors.Is(err, strict.ErrTooLarge):
		return problem{status: http.StatusRequestEntityTooLarge, kind: "body-too-large", title: "Body too large",
			detail: "The body is over the limit of " + h.bodyLimit(path) + "."}
	case errors.Is(err, errMediaType):
		return problem{status: http.StatusUnsupportedMediaType, kind: "unsupported-media-type", title: "Unsupported media type",
			detail: "Send the body as Content-Type application/json in UTF-8, without Content-Encoding."}
	case errors.Is(err, errBodyRead):
		return problem{status: http.StatusBadRequest, kind: "incomplete-request", title: "Incomplete request",
			detail: "The body ended or stalled before it was whole. Send the request again."}
	case errors.Is(err, engine.ErrUnknown):
		return problem{status: http.StatusNotFound, kind: "unknown-job", title: "Unknown job",
			detail: "No job has this id. Submit one with POST /hash."}
	case errors.Is(err, engine.ErrGone):
		return problem{status: http.StatusGone, kind: "job-gone", title: "Job gone",
			detail: "The job was canceled or erased, or its retention has ended. Submit it again."}
	case errors.Is(err, engine.ErrKeyReused):
		return problem{status: http.StatusUnprocessableEntity, kind: "idempotency-key-reused", title: "Idempotency key reused",
			detail: "This Idempotency-Key was used with another body. Use a new key for a new job."}
	case errors.As(err, &full):
		return problem{status: http.StatusServiceUnavailable, kind: "full", title: "Full",
			detail: "The limit " + full.Limit + " is reached. Try again after Retry-After" + smaller(path) + ".", retryAfter: full.RetryAfter}
	case errors.Is(err, engine.ErrDraining), errors.Is(err, engine.ErrClosed):
		return problem{status: http.StatusServiceUnavailable, kind: "draining", title: "Draining",
			detail: "The server is stopping and takes no new jobs. Try another instance, or again after Retry-After.", retryAfter: whileDraining}
	case errors.Is(err, engine.ErrDown):
		return problem{status: http.StatusServiceUnavailable, kind: "down", title: "Down",
			detail: "The server cannot reach or trust its store. What was accepted is safe. Try again after Retry-After.", retryAfter: whileDown}
	case errors.Is(err, echo.ErrNotFound):
		return problem{status: http.StatusNotFound, kind: "unknown-path", title: "Unknown path",
			detail: "No such path; paths have no trailing slash. There are: " + strings.Join(h.paths(), ", ") + "."}
	case errors.Is(err, echo.ErrMethodNotAllowed):
		return problem{status: http.StatusMethodNotAllowed, kind: "method-not-allowed", title: "Method not allowed",
			detail: "The path exists, but not with this method. Allow lists those it has."}
	}
	return problem{status: http.StatusInternalServerError, kind: "internal", title: "Internal error",
		detail: "The server failed to answer. Report the instance to its operator."}
}

// smaller is advice that a single job has no use for: a batch may be larger than a limit, and then
// no time to wait would be right.
func smaller(path string) string {
	if path == batchPath {
		return ", or with a smaller batch"
	}
	return ""
}

// bodyLimit says how large a body to the path may be, by which setting, and what to do about it.
func (h handler) bodyLimit(path string) string {
	limit, setting := h.cfg.bodyLimit(path)
	text := strconv.Itoa(limit) + " bytes (" + setting + ")"
	if path == batchPath {
		text += "; send several smaller batches"
	}
	return text
}

// answerError answers with the error's problem. It does nothing if an answer has already begun.
func (h handler) answerError(err error, c echo.Context) {
	p := h.problemOf(err, c.Path())
	if p.status == http.StatusInternalServerError {
		h.logFailure(c, err)
	}
	if c.Response().Committed {
		return
	}
	body := api.Problem{
		Type: "urn:hashd:problem:" + p.kind, Title: p.title, Status: int32(p.status), Detail: p.detail,
		Instance: "urn:hashd:request:" + requestID(c), Errors: fieldErrors(p.fields),
	}
	if p.retryAfter > 0 {
		strict.SetHeader(c.Response(), echo.HeaderRetryAfter, service.Seconds(p.retryAfter))
	}
	_ = strict.WriteProblem(c.Response(), p.status, &body) // a client that has gone needs no answer
}

// fieldErrors returns the violations in the contract's type, nil if there are none.
func fieldErrors(fields []strict.FieldError) *[]api.FieldError {
	if len(fields) == 0 {
		return nil
	}
	out := make([]api.FieldError, len(fields))
	for i, f := range fields {
		out[i] = api.FieldError{Pointer: f.Pointer, Detail: f.Detail}
	}
	return &out
}
