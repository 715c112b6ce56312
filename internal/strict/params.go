package strict

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/hashd-project/hashd/internal/header"
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

// PathInt64 reads an integer from a path segment. Each has one spelling: decimal digits, after a minus
// if it is negative, with no plus and no leading zero, so that no id has a second name. The digits
// must not be percent-encoded: routers decode some paths and not others, so decoding here could be
// decoding twice.
func (p *Params) PathInt64(name, raw string, lowest, highest int64) int64 {
	n, err := strconv.ParseInt(raw, 10, 64)
	if err != nil || n < lowest || n > highest || !isPlain(raw) {
		p.wrong("path", name, "must be an integer "+outside(lowest, highest, "")[len("must be "):])
	}
	return n
}

// isPlain reports whether a number that ParseInt took is written as FormatInt would write it.
func isPlain(raw string) bool {
	digits := strings.TrimPrefix(raw, "-")
	return raw == "0" || digits[0] >= '1' && digits[0] <= '9'
}

// HeaderList reads a list field of shortest to longest characters, nil if it is absent. Several
// lines are one value with commas (RFC 9110, section 5.3).
func (p *Params) HeaderList(name string, lines []string, shortest, longest int) *string {
	if len(lines) == 0 {
		return nil
	}
	s := header.Join(lines)
	p.measure(name, s, shortest, longest)
	return &s
}

// HeaderKey reads a key of shortest to longest characters, nil if it is absent. The string "abc" in
// quotes, which count, and abc without are one key.
func (p *Params) HeaderKey(name string, lines []string, shortest, longest int) *string {
	if len(lines) == 0 {
		return nil
	}
	if len(lines) > 1 {
		p.wrong("header", name, Once)
		return nil
	}
	key, ok := header.Key(lines[0])
	if !ok {
		p.wrong("header", name, "must not begin with a quote, or be a string in quotes (RFC 9651)")
	}
	p.measure(name, lines[0], shortest, longest)
	return &key
}

// Once is what is wrong with a field that stands there twice and is no list.
const Once = "must not be repeated"

func (p *Params) measure(name, s string, shortest, longest int) {
	if n := utf8.RuneCountInString(s); n < shortest || n > longest {
		p.wrong("header", name, outside(int64(shortest), int64(longest), " characters")+" long")
	}
}
