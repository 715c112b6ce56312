package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Types of problems that callers decide on; docs/api.md lists them all.
const (
	GoneType          = "urn:hashd:problem:job-gone"
	UnknownJobType    = "urn:hashd:problem:unknown-job"
	IncompleteType    = "urn:hashd:problem:incomplete-request"
	UnauthorizedType  = "urn:hashd:problem:unauthorized"
	ForbiddenType     = "urn:hashd:problem:forbidden"
	RateLimitedType   = "urn:hashd:problem:rate-limited"
	QuotaExceededType = "urn:hashd:problem:quota-exceeded"
	blankType         = "about:blank" // no more than its status (RFC 9457, section 4.2.1)
)

// What a *ProblemError is, for errors.Is, whoever refused: the server or a gateway before it.
var (
	ErrUnauthorized = errors.New("the server does not take the API key, or wants one") // 401
	ErrForbidden    = errors.New("the API key may not do this")                        // 403; Detail names the scope
	ErrLimited      = errors.New("the caller's rate or quota is used up")              // 429
)

// ProblemError is an answer that is no success (RFC 9457). An answer that is no problem document,
// as proxies give, becomes one of type about:blank with its status alone.
type ProblemError struct {
	Type       string        // stable: decide on this
	Title      string        // the kind of problem, in words
	Status     int           // of HTTP
	Detail     string        // what is wrong here and what to do about it; may be empty
	Instance   string        // finds the request in the server's log; may be empty
	Errors     []FieldError  // what is wrong with the request, field by field
	RetryAfter time.Duration // when it makes sense to try again; 0 if the server does not say
	RateLimit  *RateLimit    // the caller's rate; nil if the server does not tell one
}

// Is reports whether the problem is of the kind of target: ErrUnauthorized, ErrForbidden or ErrLimited.
func (p *ProblemError) Is(target error) bool {
	switch p.Status {
	case http.StatusUnauthorized:
		return target == ErrUnauthorized
	case http.StatusForbidden:
		return target == ErrForbidden
	case http.StatusTooManyRequests:
		return target == ErrLimited
	}
	return false
}

// Error implements error. The text has no more than the server's words.
func (p *ProblemError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d %s", p.Status, p.Title)
	if p.Detail != "" {
		b.WriteString(": " + p.Detail)
	}
	for _, e := range p.Errors {
		where := e.Pointer
		if e.Parameter != "" {
			where = e.In + " parameter " + e.Parameter
		}
		fmt.Fprintf(&b, " %s %s.", where, e.Detail)
	}
	if p.Instance != "" {
		fmt.Fprintf(&b, " (%s)", p.Instance)
	}
	return b.String()
}

// problemOf makes an error of an answer that is no success. Of an answer that is not a problem document
// it takes only the status: the text could repeat what was sent.
func problemOf(resp *http.Response, text []byte) *ProblemError {
	p := &ProblemError{
		Type: blankType, Title: http.StatusText(resp.StatusCode), Status: resp.StatusCode,
		RetryAfter: retryAfter(resp), RateLimit: rateLimitOf(resp.Header),
	}
	mediaType, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	var doc Problem
	if mediaType != "application/problem+json" || json.Unmarshal(text, &doc) != nil || doc.Type == "" {
		return p
	}
	p.Type, p.Title, p.Detail, p.Instance = withoutKeys(doc.Type), withoutKeys(doc.Title), withoutKeys(doc.Detail), withoutKeys(doc.Instance)
	if doc.Errors != nil {
		p.Errors = *doc.Errors
	}
	return p
}

// retryAfter reads the header Retry-After, in seconds or as a date; 0 if there is none that
// can be read.
func retryAfter(resp *http.Response) time.Duration {
	value := resp.Header.Get("Retry-After")
	if n, err := strconv.ParseInt(value, 10, 32); err == nil {
		return time.Duration(max(n, 0)) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(time.Until(at), 0)
	}
	return 0
}

// PendingError tells that a job is not done yet.
type PendingError struct {
	Job        Job
	RetryAfter time.Duration // when it makes sense to ask again
}

// Error implements error.
func (p *PendingError) Error() string {
	return fmt.Sprintf("job %d is pending until %s", p.Job.Id, p.Job.Due.Format(time.RFC3339))
}
