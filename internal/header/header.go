// Package header reads and writes header fields of HTTP by their grammar (RFC 9110, section 5.6). Every
// place that reads one does it here, so that no two places read one field in two ways. It knows
// nothing of requests or of what a field is for.
package header

import (
	"iter"
	"slices"
	"strconv"
	"strings"
)

// One returns the value of a field that may be sent once, and false if it is sent more than once: then
// not everybody would read the same value. The name is in canonical form.
func One(fields map[string][]string, name string) (value string, ok bool) {
	switch lines := fields[name]; len(lines) {
	case 0:
		return "", true
	case 1:
		return lines[0], true
	}
	return "", false
}

// Join returns the value of a list field, whose lines are one value (RFC 9110, section 5.3).
func Join(lines []string) string {
	if len(lines) == 1 {
		return lines[0] // nearly always
	}
	return strings.Join(lines, ", ")
}

// split yields the parts of a value between separators that stand outside quotes, without the
// white space around them. Empty parts are left out, as a list is read (RFC 9110, section 5.6.1.2).
func split(value string, separator byte) iter.Seq[string] {
	return func(yield func(string) bool) {
		for value != "" {
			end := indexOutside(value, separator)
			part := trim(value[:end])
			value = value[min(end+1, len(value)):]
			if part != "" && !yield(part) {
				return
			}
		}
	}
}

// indexOutside returns where the separator first stands outside quotes, or the value's length.
func indexOutside(value string, separator byte) int {
	quoted := false
	for i := 0; i < len(value); i++ {
		switch c := value[i]; {
		case quoted && c == '\\':
			i++ // what follows is itself
		case c == '"':
			quoted = !quoted
		case c == separator && !quoted:
			return i
		}
	}
	return len(value)
}

// trim takes away the white space that HTTP knows, and no other.
func trim(s string) string { return strings.Trim(s, " \t") }

// pair reads name=value, where a quoted value is what its quotes hold. It returns false without a
// value, or with one that is neither a token nor a whole quoted string.
func pair(s string) (name, value string, ok bool) {
	name, value, ok = strings.Cut(s, "=")
	name, value = trim(name), trim(value)
	if !ok || !isToken(name) {
		return "", "", false
	}
	if strings.HasPrefix(value, `"`) {
		value, ok = unquote(value)
		return name, value, ok
	}
	return name, value, isToken(value)
}

// unquote returns what a quoted string holds (RFC 9110, section 5.6.4).
func unquote(s string) (string, bool) {
	if len(s) < 2 || s[len(s)-1] != '"' {
		return "", false
	}
	inner := s[1 : len(s)-1]
	if strings.IndexByte(inner, '\\') < 0 {
		return inner, strings.IndexByte(inner, '"') < 0
	}
	var b strings.Builder
	for i := 0; i < len(inner); i++ {
		switch inner[i] {
		case '"':
			return "", false
		case '\\':
			if i++; i == len(inner) {
				return "", false // it was the last quote that was escaped
			}
		}
		b.WriteByte(inner[i])
	}
	return b.String(), true
}

// isToken reports whether s is a token (RFC 9110, section 5.6.2).
func isToken(s string) bool {
	for _, c := range []byte(s) {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (c < '0' || c > '9') && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}

// Preference returns the value of a preference (RFC 7240), and false if there is none. Of
// several with that name the first counts. Parameters of a preference mean nothing here.
func Preference(prefer, name string) (value string, ok bool) {
	for preference := range split(prefer, ',') {
		preference = preference[:indexOutside(preference, ';')]
		if named, _, _ := strings.Cut(preference, "="); strings.EqualFold(trim(named), name) {
			_, value, ok = pair(preference)
			return value, ok
		}
	}
	return "", false
}

// MediaType returns a media type in lower case and its charset as it stands (RFC 9110, section
// 8.3.1). It returns false if the value is none, or names a charset twice.
func MediaType(value string) (mediaType, charset string, ok bool) {
	end := indexOutside(value, ';')
	kind, subtype, ok := strings.Cut(trim(value[:end]), "/")
	if !ok || !isToken(kind) || !isToken(subtype) {
		return "", "", false
	}
	named := false
	for parameter := range split(value[min(end+1, len(value)):], ';') {
		name, text, ok := pair(parameter)
		isCharset := strings.EqualFold(name, "charset")
		if !ok || isCharset && named {
			return "", "", false
		}
		if isCharset {
			charset, named = text, true
		}
	}
	return strings.ToLower(kind + "/" + subtype), charset, true
}

// Key returns the key that an Idempotency-Key holds: a string of RFC 9651 in quotes
// (draft-ietf-httpapi-idempotency-key-header), or the same text without quotes, as most clients send it.
// It returns false if the value begins with a quote and is no such string, or an empty one.
func Key(value string) (key string, ok bool) {
	if !strings.HasPrefix(value, `"`) {
		return value, true
	}
	var b strings.Builder
	for i := 1; i < len(value); i++ {
		c := value[i]
		switch {
		case c == '"':
			return b.String(), i == len(value)-1 && b.Len() > 0
		case c < ' ' || c > '~':
			return "", false
		case c == '\\':
			if i++; i == len(value) || value[i] != '"' && value[i] != '\\' {
				return "", false
			}
			c = value[i]
		}
		b.WriteByte(c)
	}
	return "", false
}

// Quality returns how much the value of Accept likes the media type, which is in lower case and has no
// parameters: from 0, not at all, to 1 (RFC 9110, section 12.5.1). The most specific range that matches
// decides. No value likes everything.
func Quality(accept, mediaType string) float64 {
	kind, _, _ := strings.Cut(mediaType, "/")
	quality, specific, some := 0.0, -1, false
	for media := range split(accept, ',') {
		some = true
		end := indexOutside(media, ';')
		rank := slices.Index([]string{"*/*", kind + "/*", mediaType}, strings.ToLower(trim(media[:end])))
		if q, ok := weight(media[min(end+1, len(media)):]); ok && rank > specific {
			quality, specific = q, rank
		}
	}
	if !some {
		return 1
	}
	return quality
}

// weight returns the q among the parameters of a range, and false if that is no weight, or a parameter
// narrows the range to less than the media type.
func weight(parameters string) (float64, bool) {
	q := 1.0
	for parameter := range split(parameters, ';') {
		name, text, ok := pair(parameter)
		if !ok || !strings.EqualFold(name, "q") {
			return 0, false
		}
		var err error
		if q, err = strconv.ParseFloat(text, 64); err != nil || !(q >= 0 && q <= 1) {
			return 0, false
		}
	}
	return q, true
}
