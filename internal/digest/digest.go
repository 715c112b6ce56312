// Package digest owns the hash algorithms: it turns a secret into a digest and names
// each algorithm as the contract does. It knows nothing of jobs, time or HTTP.
package digest

import (
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"
	"encoding/base64"
)

// Algorithm is one supported hash function. Its value is stored in job records, so a
// number once given is never given to another function. The zero value is SHA512.
type Algorithm uint8

// The algorithms of the contract (FIPS 180-4 and FIPS 202).
const (
	SHA512 Algorithm = iota
	SHA256
	SHA3x512
	algorithms // how many there are
)

// MaxSize is the length in bytes of the longest digest of any algorithm.
const MaxSize = 64

// names holds each algorithm's name in the contract.
var names = [algorithms]string{SHA512: "sha512", SHA256: "sha256", SHA3x512: "sha3-512"}

// Parse returns the algorithm of that name, and false where there is none.
func Parse(name string) (Algorithm, bool) {
	for a, n := range names {
		if n == name {
			return Algorithm(a), true
		}
	}
	return 0, false
}

// String returns the name in the contract, or "unknown".
func (a Algorithm) String() string {
	if a < algorithms {
		return names[a]
	}
	return "unknown"
}

// Valid reports whether a is an algorithm this build can compute.
func (a Algorithm) Valid() bool { return a < algorithms }

// Size returns the digest's length in bytes: 32 or 64.
func (a Algorithm) Size() int {
	if a == SHA256 {
		return sha256.Size
	}
	return sha512.Size
}

// Sum writes the digest of secret to dst and clears the rest of it. dst may overlap
// secret: the engine lets a digest overwrite the very memory that held its secret.
// It does not allocate, and may be called by any number of goroutines.
func (a Algorithm) Sum(dst *[MaxSize]byte, secret []byte) {
	switch a {
	case SHA256:
		sum := sha256.Sum256(secret)
		clear(dst[copy(dst[:], sum[:]):])
	case SHA3x512:
		*dst = sha3.Sum512(secret)
	default:
		*dst = sha512.Sum512(secret)
	}
}

// Encode returns sum in the standard base64 alphabet with padding (RFC 4648, section 4),
// the form in which the contract shows a hash.
func Encode(sum []byte) string { return base64.StdEncoding.EncodeToString(sum) }
