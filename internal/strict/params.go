package strict

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// Params reads a request's parameters and collects what is wrong with them. The zero value
// is ready; it is for one request and one goroutine.
type Params struct{ violations }

// Err returns an *Error if any parameter was wrong.
func (p *Params) Err() error { return p.err() }

// wrong notes what is wrong with a parameter.
func (p *Params) wrong(in, name, detail string) {
	p.add(FieldError{In: in, Parameter: name, Detail: detail})
}

// PathInt64 reads an integer from a path segment. Its digits must not be percent-encoded: routers
// decode some paths and not others, so decoding here could be decoding twice.
func (p *Params) PathInt64(name, raw string, lowest, highest int64) int64 {
	n, err := strconv.ParseInt(raw, 10, 64)
	if err != nil || n < lowest || n > highest {
		p.wrong("path", name, "must be an integer "+outside(lowest, highest, "")[len("must be "):])
	}
	return n
}

// HeaderText reads a header field of shortest to longest characters, nil if it is absent.
// Several lines are one value with commas (RFC 9110, section 5.3).
func (p *Params) HeaderText(name string, lines []string, shortest, longest int) *string {
	if len(lines) == 0 {
		return nil
	}
	s := strings.Join(lines, ", ")
	if n := utf8.RuneCountInString(s); n < shortest || n > longest {
		p.wrong("header", name, outside(int64(shortest), int64(longest), " characters")+" long")
	}
	return &s
}
