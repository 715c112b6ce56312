// Package strict reads what a request holds, its JSON body and its parameters, and holds it to
// the bounds that generated code passes in from the contract. It owns what "strict" means and
// how a violation is told. It knows nothing of HTTP servers or jobs.
//
// The same bytes must never be read in two ways, or two different secrets would get one hash:
// invalid UTF-8, lone surrogates, duplicate, unknown or wrong-case members, null where the
// contract has none, and anything after the document are refused (RFC 7493 and beyond).
package strict

import (
	"strconv"
	"strings"
)

// Error says what is wrong with a request. It never holds a value from the request.
type Error struct{ Fields []FieldError }

// FieldError is one violation of the contract: in the body, at Pointer, or in a parameter.
type FieldError struct {
	Pointer   string // a JSON Pointer in a URI fragment (RFC 6901, section 6): "#/password"
	Parameter string // its name
	In        string // where the parameter is: "path", "query" or "header"
	Detail    string // what is wrong, as a predicate: "is required"
}

// String returns where it is and what is wrong.
func (f FieldError) String() string {
	switch {
	case f.Parameter != "":
		return f.In + " parameter " + strconv.Quote(f.Parameter) + " " + f.Detail
	case f.In != "":
		return f.In + " " + f.Detail
	}
	return strconv.Quote(f.Pointer) + " " + f.Detail
}

// Error implements error.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("invalid request")
	for i, f := range e.Fields {
		b.WriteString([]string{": ", "; "}[min(i, 1)])
		b.WriteString(f.String())
	}
	return b.String()
}

// violations collects what is wrong; the zero value is empty.
type violations struct{ fields []FieldError }

// maxViolations bounds the answer to a request that is wrong all over.
const maxViolations = 20

func (v *violations) add(f FieldError) {
	if len(v.fields) < maxViolations {
		v.fields = append(v.fields, f)
	}
}

func (v *violations) err() error {
	if len(v.fields) == 0 {
		return nil
	}
	return &Error{v.fields}
}

// outside says that a number lies outside its bounds, in a unit if there is one.
func outside(lowest, highest int64, unit string) string {
	return "must be from " + span(lowest, highest) + unit
}

func span(lowest, highest int64) string {
	return strconv.FormatInt(lowest, 10) + " to " + strconv.FormatInt(highest, 10)
}
