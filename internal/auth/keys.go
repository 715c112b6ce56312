// Package auth owns who may use the server: keys, the tokens that show them, what each allows, and the
// file that holds them. It must not know of jobs, nor how a token arrives.
//
// Whoever shows a token is told nothing of which keys exist: a token that is malformed, of no key, wrong,
// expired or revoked is one error, after the same steps.
package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"iter"
	"slices"
	"time"

	"github.com/hashd-project/hashd/v2/internal/secret"
)

// DefaultTenant is the tenant of keys for which none was chosen.
const DefaultTenant = "default"

// ErrUnknownKey says that a token opens nothing, whatever the reason.
var ErrUnknownKey = errors.New("no valid key has this token")

// Key is an entry of the keys file. It is not changed once it is in a set of Keys.
type Key struct {
	Name    string            // for people; several entries may have it, as a rotation leaves them
	ID      string            // the part of the token that is no secret: 10 letters and digits
	Tenant  string            // whose jobs it is for
	Hash    [sha256.Size]byte // of the whole token
	Scopes  Scopes            // at least one
	Created time.Time         // in UTC, as all times here
	Expires time.Time         // from then on the key is not valid; zero for never
	Revoked time.Time         // when it was revoked; zero if it was not
	Rate    Rate              // of its submissions; zero for any
	Quota   int64             // how many jobs of it may be pending; zero for any number
}

// Valid reports whether the key opens anything at that time.
func (k *Key) Valid(now time.Time) bool { return k.Revoked.IsZero() && !k.expired(now) }

func (k *Key) expired(now time.Time) bool { return !k.Expires.IsZero() && !now.Before(k.Expires) }

// Keys is a set of keys that does not change. It is safe for concurrent use.
type Keys struct {
	list   []Key
	byID   map[[idLength]byte]*Key
	nobody *Key // compared with where no key has the id; no token has its hash
}

// NewKeys returns a set of the keys. Their ids must differ.
func NewKeys(list []Key) *Keys {
	k := &Keys{list: slices.Clone(list), byID: make(map[[idLength]byte]*Key, len(list)), nobody: &Key{}}
	_, _ = rand.Read(k.nobody.Hash[:]) // it never fails
	for i := range k.list {
		k.byID[[idLength]byte([]byte(k.list[i].ID))] = &k.list[i]
	}
	return k
}

// Find returns the valid key with that token, or ErrUnknownKey. It takes the same steps whether or not a
// key has the token's id. The key is not the caller's to change.
func (k *Keys) Find(token string, now time.Time) (*Key, error) {
	secret.ScrubStack() // which now need not grow any more
	shown := look(token)
	secret.ScrubStack()
	key, known := k.byID[shown.id]
	if !known {
		key = k.nobody
	}
	same := subtle.ConstantTimeCompare(shown.hash[:], key.Hash[:]) == 1
	if valid := key.Valid(now); !shown.formed || !known || !same || !valid {
		return nil, ErrUnknownKey
	}
	return key, nil
}

// All returns the keys in the order of the file, also those that are not valid. They are not the caller's
// to change.
func (k *Keys) All() iter.Seq[*Key] {
	return func(yield func(*Key) bool) {
		for i := range k.list {
			if !yield(&k.list[i]) {
				return
			}
		}
	}
}
