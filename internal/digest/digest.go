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
)

// MaxSize is the length in bytes of the longest digest of any algorithm.
const MaxSize = 64

// function is all there is to know of an algorithm.
type function struct {
	name string // in the contract
	size int    // of the digest in bytes, up to MaxSize
	sum  func(dst *[MaxSize]byte, secret []byte)
}

// functions holds the function of each algorithm. An algorithm that is not in it has no name, is not
// valid and computes nothing.
var functions = [...]function{
	SHA512: {"sha512", sha512.Size, func(dst *[MaxSize]byte, secret []byte) { *dst = sha512.Sum512(secret) }},
	SHA256: {"sha256", sha256.Size, func(dst *[MaxSize]byte, secret []byte) {
		sum := sha256.Sum256(secret)
		clear(dst[copy(dst[:], sum[:]):])
	}},
	SHA3x512: {"sha3-512", 64, func(dst *[MaxSize]byte, secret []byte) { *dst = sha3.Sum512(secret) }},
}

// All returns every algorithm, in the order of their numbers.
func All() []Algorithm {
	all := make([]Algorithm, len(functions))
	for n := range all {
		all[n] = Algorithm(n)
	}
	return all
}

// Parse returns the algorithm of that name. If there is none it returns false, and an algorithm that is
// not valid.
func Parse(name string) (Algorithm, bool) {
	for n := range functions {
		if functions[n].name == name {
			return Algorithm(n), true
		}
	}
	return Algorithm(len(functions)), false
}

// String returns the name in the contract, or "unknown".
func (a Algorithm) String() string {
	if a.Valid() {
		return functions[a].name
	}
	return "unknown"
}

// Valid reports whether this build can compute a. Ask it of an algorithm that was made from a number.
func (a Algorithm) Valid() bool { return int(a) < len(functions) }

// Size returns the digest's length in bytes: 32 or 64. It panics if a is not valid.
func (a Algorithm) Size() int { return functions[a].size }

// Sum writes the digest of secret to dst and clears the rest of it. dst may overlap
// secret: the engine lets a digest overwrite the very memory that held its secret.
// It does not allocate, and may be called by any number of goroutines. It panics if a is not valid.
func (a Algorithm) Sum(dst *[MaxSize]byte, secret []byte) { functions[a].sum(dst, secret) }

// Encode returns sum in the standard base64 alphabet with padding (RFC 4648, section 4),
// the form in which the contract shows a hash.
func Encode(sum []byte) string { return base64.StdEncoding.EncodeToString(sum) }
