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

// shown is a token that somebody shows. It has the same size whatever was shown.
type shown struct {
	text  [tokenLength]byte // of the part that fits
	exact bool              // all of it fits, and fills it
}

// show copies the token to where it can be cleared.
func show(token string) (s shown) {
	copy(s.text[:], token)
	s.exact = len(token) == len(s.text)
	return s
}

// id returns the id in it, whatever it is.
func (s *shown) id() (id [idLength]byte) {
	copy(id[:], s.text[len(tokenPrefix):])
	return id
}

// wellFormed reports whether it has the form of a token.
func (s *shown) wellFormed() bool {
	const idEnd = len(tokenPrefix) + idLength
	const bodyEnd = tokenLength - checksumLength
	if !s.exact || string(s.text[:len(tokenPrefix)]) != tokenPrefix || s.text[idEnd] != '_' || !isID(s.text[len(tokenPrefix):idEnd]) {
		return false
	}
	for _, c := range s.text[idEnd+1:] {
		if strings.IndexByte(base62, c) < 0 {
			return false
		}
	}
	return checksum(s.text[:bodyEnd]) == [checksumLength]byte(s.text[bodyEnd:])
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

func (s *shown) hash() [sha256.Size]byte { return sha256.Sum256(s.text[:]) }

var tokens = regexp.MustCompile(`hashd_[a-z0-9]{10}_[0-9A-Za-z]+`)

// Redact returns the text with the secret of each token in it replaced, for texts that quote what
// somebody typed.
func Redact(text string) string {
	return tokens.ReplaceAllStringFunc(text, func(token string) string {
		return token[:len(tokenPrefix)+idLength] + "_…"
	})
}
