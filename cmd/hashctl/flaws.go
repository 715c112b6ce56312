package main

import (
	"bytes"
	"fmt"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// The contract's bounds of a secret.
const (
	maxSecretChars = 1024
	maxSecretBytes = maxSecretChars * utf8.UTFMax
)

// asItIs is what to do about text that was refused for what it most likely means.
const asItIs = "it would be hashed too: correct the input, or use --raw, which takes all bytes as they are, line ends too"

// flaw says why no server takes the secret or, unless it is to be taken raw, what in it a person is not
// likely to have meant; "" if nothing is wrong. Nothing is ever removed silently: that would make
// another secret, with another hash.
func flaw(secret []byte, raw bool) string {
	switch {
	case len(secret) == 0:
		return "is empty"
	case len(secret) > maxSecretBytes || utf8.RuneCount(secret) > maxSecretChars: // first, for it may be cut amid a character
		return "is longer than 1,024 characters"
	case !utf8.Valid(secret):
		return "is not valid UTF-8"
	case raw || plain(secret):
		return ""
	case bytes.HasPrefix(secret, []byte("\ufeff")):
		return "begins with a byte order mark (EF BB BF), which some editors put there"
	case bytes.Contains(secret, []byte("\x1b[200~")) || bytes.Contains(secret, []byte("\x1b[201~")):
		return "has the marks that a terminal puts around what is pasted (ESC[200~)"
	}
	for _, r := range string(secret) {
		if text := unmeant(r); text != "" {
			return text
		}
	}
	return ""
}

// plain says quickly that the text is of printable ASCII and tabs alone.
func plain(text []byte) bool {
	for _, c := range text {
		if (c < ' ' || c > '~') && c != '\t' {
			return false
		}
	}
	return true
}

// unmeant says what is wrong with a character that comes of a mishap, not of a person.
func unmeant(r rune) string {
	switch {
	case r == '\t' || r == '\n':
		return ""
	case r == 0:
		return "has a NUL character, as UTF-16 has"
	case r == '\r':
		return "has a carriage return (CR) that ends no line"
	case r == '\x1b':
		return "has an escape character (ESC), as arrow keys send"
	case unicode.IsControl(r):
		return fmt.Sprintf("has a control character (U+%04X)", r)
	case r == '\ufeff':
		return "has a byte order mark (U+FEFF) inside, as where files were joined"
	case r == utf8.RuneError:
		return "has a replacement character (U+FFFD), the trace of a conversion that failed"
	case r == '\u2028' || r == '\u2029':
		return fmt.Sprintf("has a line separator (U+%04X)", r)
	}
	return ""
}

// encodings are those that begin with a mark of their own, the longer marks first.
var encodings = [...]struct{ name, mark, shown string }{
	{"UTF-32", "\xff\xfe\x00\x00", "FF FE 00 00"},
	{"UTF-32", "\x00\x00\xfe\xff", "00 00 FE FF"},
	{"UTF-16", "\xff\xfe", "FF FE"},
	{"UTF-16", "\xfe\xff", "FE FF"},
}

// otherEncoding says what is wrong with an input that begins like this, if it is in an encoding that
// secrets are not in. No server takes one that has a mark, raw or not.
func otherEncoding(start []byte, raw bool) error {
	for _, e := range encodings {
		if bytes.HasPrefix(start, []byte(e.mark)) {
			return &usageError{"the input is " + e.name + " (it begins with " + e.shown + "), not UTF-8", "convert it: iconv -f " + e.name + " -t UTF-8"}
		}
	}
	if raw || len(start) < 2 || (start[0] == 0) == (start[1] == 0) {
		return nil
	}
	name := "UTF-16LE"
	if start[0] == 0 {
		name = "UTF-16BE"
	}
	return &usageError{"the input looks like " + name + " without a mark (it has NUL characters), not UTF-8", "convert it: iconv -f " + name + " -t UTF-8; or take its bytes as they are with --raw"}
}

// oneSpelling says whether the text is in Unicode's form NFC, which keyboards give. Text in another
// form looks the same and has another hash.
func oneSpelling(secret []byte) bool { return norm.NFC.IsNormal(secret) }
