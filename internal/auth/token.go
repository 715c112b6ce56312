package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"hash/crc32"
	"regexp"
	"strings"
)

// A token is hashd_<id>_<secret><checksum>: an id by which the key is found, a secret of 130 random
// bits, and the CRC-32 of all before it, by which a scanner tells a token from what looks like one.
const (
	tokenPrefix    = "hashd_"
	idLength       = 10
	secretLength   = 26
	checksumLength = 6
	tokenLength    = len(tokenPrefix) + idLength + len("_") + secretLength + checksumLength
)

// TokenPattern is the regular expression of a token, for scanners that look for secrets in texts.
const TokenPattern = `hashd_[a-z0-9]{10}_[0-9A-Za-z]{32}` //nolint:gosec // no token

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// newToken draws a token.
func newToken() (token, id string) {
	id = strings.ToLower(rand.Text()[:idLength])
	token = tokenPrefix + id + "_" + rand.Text()[:secretLength]
	sum := checksum([]byte(token))
	return token + string(sum[:]), id
}

// checksum returns the CRC-32 of the text in base 62, with zeros before it. crc32.ChecksumIEEE would have
// the text moved to the heap, where a token would stay.
func checksum(text []byte) (digits [checksumLength]byte) {
	sum := ^uint32(0)
	for _, c := range text {
		sum = crc32.IEEETable[byte(sum)^c] ^ sum>>8
	}
	sum = ^sum
	for i := len(digits) - 1; i >= 0; i-- {
		digits[i] = base62[sum%62]
		sum /= 62
	}
	return digits
}

// shown is what there is to know of a token that somebody shows.
type shown struct {
	formed bool              // it has the form of one
	id     [idLength]byte    // where a token has its id
	hash   [sha256.Size]byte // of the token
}

// look hashes as much of the text as a token has, whatever it is. What it leaves on the stack is the
// caller's to scrub.
//
//go:noinline
func look(token string) (s shown) {
	var text [tokenLength]byte
	n := copy(text[:], token)
	s.formed = n == len(token) && wellFormed(text[:n])
	copy(s.id[:], text[len(tokenPrefix):])
	s.hash = sha256.Sum256(text[:])
	return s
}

// wellFormed reports whether the text has the form of a token.
func wellFormed(text []byte) bool {
	const idEnd = len(tokenPrefix) + idLength
	const bodyEnd = tokenLength - checksumLength
	if len(text) != tokenLength || string(text[:len(tokenPrefix)]) != tokenPrefix || text[idEnd] != '_' || !isID(text[len(tokenPrefix):idEnd]) {
		return false
	}
	for _, c := range text[idEnd+1:] {
		if !isDigit(c) {
			return false
		}
	}
	return checksum(text[:bodyEnd]) == [checksumLength]byte(text[bodyEnd:])
}

// isDigit reports whether it is a digit of base 62.
func isDigit(c byte) bool {
	return '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}

// isID reports whether the text is the id of a key.
func isID[T string | []byte](text T) bool {
	for i := range len(text) {
		if c := text[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return len(text) == idLength
}

var tokens = regexp.MustCompile(`hashd_[a-z0-9]{10}_[0-9A-Za-z]+`)

// Redact returns the text with the secret of each token in it replaced, for texts that quote what
// somebody typed.
func Redact(text string) string {
	return tokens.ReplaceAllStringFunc(text, func(token string) string {
		return token[:len(tokenPrefix)+idLength] + "_…"
	})
}
