package main

import (
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"
	"encoding/base64"

	"github.com/hashd-project/hashd/v2/client"
)

// verdict is what the records of a batch tell of the store that they come from.
type verdict int

const (
	allOwn      verdict = iota // each line has its own hash: there is nothing to doubt
	plausible                  // jobs are gone, or nothing is known of the hash function
	someUnknown                // the server has no such jobs, or not all
	someForeign                // a line has a hash that is not its own
)

// judge looks at the hashes of the secrets. It can tell whose they are, for whoever has a secret can
// hash it: the server's delay is what a bulk waits for, not its arithmetic.
func judge(records []record, secrets [][]byte, a client.Algorithm) verdict {
	v := allOwn
	for i, r := range records {
		switch r.Status {
		case statusDone:
			want := hashOf(secrets[i], a)
			if want == "" {
				v = max(v, plausible)
			} else if want != r.Hash {
				v = someForeign
			}
		case statusUnknown:
			v = max(v, someUnknown)
		default:
			v = max(v, plausible)
		}
	}
	return v
}

// hashOf returns the secret's hash, or "" if the hash function is not known here. Without a name it is the
// contract's default.
func hashOf(secret []byte, a client.Algorithm) string {
	var sum []byte
	switch a {
	case client.Sha512, "":
		s := sha512.Sum512(secret)
		sum = s[:]
	case client.Sha256:
		s := sha256.Sum256(secret)
		sum = s[:]
	case client.Sha3512:
		s := sha3.Sum512(secret)
		sum = s[:]
	default:
		return ""
	}
	return base64.StdEncoding.EncodeToString(sum)
}
