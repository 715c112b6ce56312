package strict

import (
	"context"
	"net/http"
)

// Guard decides who may call an operation. The generated code asks it before it reads anything of a
// request to an operation with security in the contract; without any there, none is needed. It is safe
// for concurrent use.
type Guard interface {
	// Admit returns the request's context, to which it may add who is asking, or an error that tells
	// why the request is refused. One of the requirements must be met.
	Admit(r *http.Request, anyOf ...Requirement) (context.Context, error)
}

// Requirement is a way to be let in.
type Requirement struct {
	Scheme string   // its name in the contract; it is a bearer token (RFC 6750)
	Scopes []string // all of which are needed
}
