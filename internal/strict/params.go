package strict

import (
	"cmp"
	"iter"
	"maps"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/hashd-project/hashd/v2/internal/header"
)

// Params reads a request's parameters, one after the other, and collects what is wrong with them. Path,
// Header, HeaderItems, QueryOne and QueryList turn to a parameter; the methods that have the names of
// Decoder's then read its value. The zero value is ready; it is for one request and one goroutine.
type Params struct {
	violations
	query url.Values

	// Of the parameter that it has turned to:
	in, name string
	value    string
	list     []string // what Items yields
	encoded  bool     // text is percent-encoded
}

// Err returns an *Error if any parameter was wrong.
func (p *Params) Err() error { return p.err() }

// judge notes what is wrong with the parameter, unless that is nothing.
func (p *Params) judge(wrong string) {
	if wrong != "" {
		p.add(FieldError{In: p.in, Parameter: p.name, Detail: wrong})
	}
}

// turn turns to a parameter that stands there so many times, and reports whether it has a value.
func (p *Params) turn(in, name string, times int, list, required bool) bool {
	p.in, p.name, p.value, p.list, p.encoded = in, name, "", nil, false
	switch {
	case times > 1 && !list:
		p.judge(Once)
		return false
	case times == 0 && required:
		p.judge("is required")
	}
	return times > 0
}

// Path turns to the parameter in a path segment. encoded says whether the router left it
// percent-encoded: routers decode some paths and not others.
func (p *Params) Path(name, raw string, encoded bool) {
	p.turn("path", name, 1, false, true)
	p.value, p.encoded = raw, encoded
}

// PathList is like Path for a list, whose items have commas between them.
func (p *Params) PathList(name, raw string, encoded bool) {
	p.turn("path", name, 1, true, true)
	p.list, p.encoded = strings.Split(raw, ","), encoded
}

// Header turns to a parameter that stands in one line, and reports whether it is there. It is a
// violation if it is not and required.
func (p *Params) Header(name string, lines []string, required bool) bool {
	if !p.turn("header", name, len(lines), false, required) {
		return false
	}
	p.value = lines[0]
	return true
}

// HeaderItems is like Header for a list, which may stand in several lines.
func (p *Params) HeaderItems(name string, lines []string, required bool) bool {
	if !p.turn("header", name, len(lines), true, required) {
		return false
	}
	p.list = strings.Split(header.Join(lines), ",")
	for i := range p.list {
		p.list[i] = strings.Trim(p.list[i], " \t")
	}
	return true
}

// Query reads the query, which may hold no parameters but those named.
func (p *Params) Query(raw string, names ...string) {
	if raw == "" {
		return // nearly always
	}
	query, err := url.ParseQuery(raw)
	if err != nil {
		p.add(FieldError{In: "query", Detail: "must be name=value pairs with & between them, percent-encoded"})
	}
	for _, name := range slices.Sorted(maps.Keys(query)) {
		if !slices.Contains(names, name) {
			p.add(FieldError{In: "query", Parameter: tellable(name), Detail: "must not be there; the operation takes " + cmp.Or(strings.Join(names, ", "), "none")})
		}
	}
	p.query = query
}

// tellable returns the name that a client made up, or "" for one that nobody should have to read.
func tellable(name string) string {
	strange := func(c rune) bool {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		return !letter && (c < '0' || c > '9') && !strings.ContainsRune("._-[]", c)
	}
	if len(name) > 64 || strings.ContainsFunc(name, strange) {
		return ""
	}
	return name
}

// QueryOne turns to a parameter of the query, and reports whether it is there. It may not be there
// twice; it is a violation, too, if it is not there and required.
func (p *Params) QueryOne(name string, required bool) bool {
	values := p.query[name]
	if !p.turn("query", name, len(values), false, required) {
		return false
	}
	p.value = values[0]
	return true
}

// QueryList is like QueryOne for a list, which is repeated for each item.
func (p *Params) QueryList(name string, required bool) bool {
	values := p.query[name]
	if !p.turn("query", name, len(values), true, required) {
		return false
	}
	p.list = values
	return true
}

// Text reads a string of shortest to longest characters that matches the pattern; "" is none.
func (p *Params) Text(to *string, shortest, longest int, pattern string) {
	if s, ok := p.text(); ok {
		*to = s
		p.judge(text(s, shortest, longest, pattern))
	}
}

// Enum reads one of the values.
func (p *Params) Enum(to *string, values ...string) {
	if s, ok := p.text(); ok {
		value, wrong := oneOf(s, values)
		*to = value
		p.judge(wrong)
	}
}

// text returns the value, decoded.
func (p *Params) text() (string, bool) {
	if !p.encoded {
		return p.value, true
	}
	s, err := url.PathUnescape(p.value)
	if err != nil {
		p.judge("must be percent-encoded")
	}
	return s, err == nil
}

// Int64 reads an integer of lowest to highest. Each has one spelling: decimal digits, after a minus if
// it is negative, with no plus and no leading zero, so that no id has a second name. The digits of a
// path must not be percent-encoded: decoding here could be decoding twice.
func (p *Params) Int64(to *int64, lowest, highest int64) {
	n, err := int64(0), strconv.ErrSyntax
	if strings.Trim(p.value, "-0123456789") == "" { // ParseInt would copy what is none into its error, where it stays
		n, err = strconv.ParseInt(p.value, 10, 64)
	}
	if err == nil && !isPlain(p.value) {
		err = strconv.ErrSyntax
	}
	*to = n
	p.judge(integer(n, err, lowest, highest))
}

// Int32 reads an integer as Int64 does.
func (p *Params) Int32(to *int32, lowest, highest int64) {
	var n int64
	p.Int64(&n, max(lowest, math.MinInt32), min(highest, math.MaxInt32))
	*to = int32(n)
}

// isPlain reports whether a number that ParseInt took is written as FormatInt would write it.
func isPlain(raw string) bool {
	digits := strings.TrimPrefix(raw, "-")
	return raw == "0" || digits[0] >= '1' && digits[0] <= '9'
}

// Number reads a number of lowest to highest, written as in JSON.
func (p *Params) Number(to *float64, lowest, highest float64) {
	n, wrong := number(p.value, lowest, highest)
	*to = n
	p.judge(wrong)
}

// Bool reads true or false.
func (p *Params) Bool(to *bool) {
	value, wrong := boolean(p.value)
	*to = value
	p.judge(wrong)
}

// Items reads a list of fewest to most items, each of which the loop's body reads. What comes after
// most is passed over.
func (p *Params) Items(fewest, most int) iter.Seq[int] {
	return func(yield func(int) bool) {
		if n := len(p.list); n < fewest || n > most {
			p.judge(items(fewest, most))
		}
		for i, item := range p.list[:min(len(p.list), most)] {
			p.value = item
			if !yield(i) {
				return
			}
		}
	}
}

// HeaderList reads a list field of shortest to longest characters as it stands, nil if it is absent.
// Several lines are one value with commas (RFC 9110, section 5.3).
func (p *Params) HeaderList(name string, lines []string, shortest, longest int) *string {
	if !p.turn("header", name, len(lines), true, false) {
		return nil
	}
	s := header.Join(lines)
	p.measure(s, shortest, longest)
	return &s
}

// HeaderKey reads a key of shortest to longest characters, nil if it is absent. The string "abc" in
// quotes, which count, and abc without are one key.
func (p *Params) HeaderKey(name string, lines []string, shortest, longest int) *string {
	if !p.turn("header", name, len(lines), false, false) {
		return nil
	}
	key, ok := header.Key(lines[0])
	if !ok {
		p.judge("must not begin with a quote, or be a string in quotes (RFC 9651)")
	}
	p.measure(lines[0], shortest, longest)
	return &key
}

// Once is what is wrong with a parameter or field that stands there twice and is no list.
const Once = "must not be repeated"

func (p *Params) measure(s string, shortest, longest int) {
	if n := utf8.RuneCountInString(s); n < shortest || n > longest {
		p.judge(outside(int64(shortest), int64(longest), " characters") + " long")
	}
}
