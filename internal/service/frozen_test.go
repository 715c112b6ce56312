package service

import (
	"encoding/hex"
	"testing"

	"github.com/hashd-project/hashd/v2/internal/digest"
)

// Stores keep idempotency keys by what key makes of them: what it made once it makes for ever, or a retry
// that comes after an upgrade is a new job. The values were computed elsewhere, and are never adapted.
func TestFrozenKeys(t *testing.T) {
	fingerprintKey, err := hex.DecodeString("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f")
	if err != nil {
		t.Fatal(err)
	}
	s := New(Config{FingerprintKey: fingerprintKey})
	for _, tc := range []struct {
		kind        kind
		algorithm   digest.Algorithm
		secrets     [][]byte
		fingerprint string
	}{
		{kindJob, digest.SHA512, secrets("angryMonkey"), "9799730ea5bf72bfa46d05cdae90b4ab"},
		{kindJob, digest.SHA256, secrets("angryMonkey"), "d41dadc5033152cb9e68a0afec96c3e2"},
		{kindBatch, digest.SHA3x512, secrets("angryMonkey", "other"), "f7fe6dadc7d7f2b56e329def015dde2d"},
	} {
		k := s.key("key-1", tc.kind, tc.algorithm, tc.secrets...)
		if got := hex.EncodeToString(k.ID[:]); got != "be2974546978e3739e6d6da85c4be9f3" {
			t.Errorf("the key is known by %s", got)
		}
		if got := hex.EncodeToString(k.Fingerprint[:]); got != tc.fingerprint {
			t.Errorf("%v of kind %d has the fingerprint %s, want %s", tc.algorithm, tc.kind, got, tc.fingerprint)
		}
	}
}
