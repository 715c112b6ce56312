package guard

import (
	"errors"
	"time"
)

// ErrUnauthorized refuses a request without a token that opens anything, whatever the reason.
var ErrUnauthorized = errors.New("unauthorized")

// ScopeError refuses a request whose key lacks a scope.
type ScopeError struct {
	Scope string // as in the contract
}

// Error implements error.
func (e *ScopeError) Error() string { return "the key lacks the scope " + e.Scope }

// LimitError refuses jobs of a caller that has used up its rate or its quota.
type LimitError struct {
	Quota      bool          // the quota or the share of the tenant, or else the rate
	Kept       bool          // it is the share, and results have a part in it
	Key        string        // the name of the caller's key; "" for a caller without one
	RetryAfter time.Duration // when it makes sense to try again; at least a second
	Fields     RateFields
}

// Error implements error.
func (e *LimitError) Error() string {
	if e.Quota {
		return "quota exceeded"
	}
	return "rate limited"
}

// RateFields are the values of the fields by which a caller can pace itself, as
// draft-ietf-httpapi-ratelimit-headers has them; empty for a caller without a rate.
type RateFields struct {
	Policy string // RateLimit-Policy
	Limit  string // RateLimit
}
