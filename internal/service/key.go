package service

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"

	"github.com/hashd-project/hashd/v2/internal/digest"
	"github.com/hashd-project/hashd/v2/internal/engine"
	"github.com/hashd-project/hashd/v2/internal/secret"
)

// kind is what a request with an idempotency key submits. A batch of one and the same secret alone are
// different requests, for their answers differ.
type kind byte

const (
	kindJob kind = iota
	kindBatch
)

// keyOf tells the tenants' idempotency keys apart: no client's key begins with a zero byte.
func keyOf(tenant uint16, name string) string {
	if tenant == 0 {
		return name
	}
	return string([]byte{0, byte(tenant >> 8), byte(tenant)}) + name
}

// key returns what the engine knows a client's idempotency key by. The request's fingerprint is an HMAC
// with a random key, so that it tells nothing of the secrets. Each secret goes in with its length, for
// the same text can be cut into secrets in many ways.
func (s *Service) key(name string, kind kind, a digest.Algorithm, secrets ...[]byte) (k engine.IdempotencyKey) {
	text := []byte(name)
	id := sha256.Sum256(text)
	clear(text) // a client may have taken its token for a key
	copy(k.ID[:], id[:])
	mac := hmac.New(sha256.New, s.cfg.FingerprintKey)
	mac.Write([]byte{byte(kind), byte(a)})
	var length [4]byte
	for _, s := range secrets {
		binary.BigEndian.PutUint32(length[:], uint32(len(s)))
		mac.Write(length[:])
		mac.Write(s)
	}
	copy(k.Fingerprint[:], mac.Sum(nil))
	var block [sha256.BlockSize]byte
	mac.Write(block[:]) // over the last block of the secrets, which the hash still holds
	secret.ScrubStack()
	return k
}
