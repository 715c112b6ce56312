package service

import (
	"testing"

	"github.com/hashd-project/hashd/v2/internal/digest"
	"github.com/hashd-project/hashd/v2/internal/engine"
)

// secrets returns the texts as the engine gets them.
func secrets(texts ...string) (secrets [][]byte) {
	for _, text := range texts {
		secrets = append(secrets, []byte(text))
	}
	return secrets
}

// A retry has the same key as the first request; all else differs in what it should.
func TestKey(t *testing.T) {
	s := New(Config{})
	first := s.key("key", kindBatch, digest.SHA512, secrets("secret", "other")...)
	if again := s.key("key", kindBatch, digest.SHA512, secrets("secret", "other")...); again != first || first == (engine.IdempotencyKey{}) {
		t.Errorf("a retry has key %x, the first request %x", again, first)
	}
	if other := s.key("Key", kindBatch, digest.SHA512, secrets("secret", "other")...); other.ID == first.ID || other.Fingerprint != first.Fingerprint {
		t.Errorf("another name: key %x, and %x", other, first)
	}
	fingerprints := map[[16]byte]string{first.Fingerprint: "the first request"}
	for what, k := range map[string]engine.IdempotencyKey{
		"another secret":      s.key("key", kindBatch, digest.SHA512, secrets("secreT", "other")...),
		"another algorithm":   s.key("key", kindBatch, digest.SHA256, secrets("secret", "other")...),
		"another order":       s.key("key", kindBatch, digest.SHA512, secrets("other", "secret")...),
		"one more":            s.key("key", kindBatch, digest.SHA512, secrets("secret", "other", "other")...),
		"one less":            s.key("key", kindBatch, digest.SHA512, secrets("secret")...),
		"cut otherwise":       s.key("key", kindBatch, digest.SHA512, secrets("secretot", "her")...),
		"in one":              s.key("key", kindBatch, digest.SHA512, secrets("secretother")...),
		"a single job":        s.key("key", kindJob, digest.SHA512, secrets("secret")...),
		"a single job in one": s.key("key", kindJob, digest.SHA512, secrets("secretother")...),
		"lengths in a secret": s.key("key", kindBatch, digest.SHA512, secrets("secret\x00\x00\x00\x05other")...),
	} {
		if k.ID != first.ID {
			t.Errorf("%s: key %x, and %x", what, k, first)
		}
		if same, ok := fingerprints[k.Fingerprint]; ok {
			t.Errorf("%s has the fingerprint of %s", what, same)
		}
		fingerprints[k.Fingerprint] = what
	}
}

// The fingerprint tells nothing of the secret to one who does not know this process's key.
func TestFingerprintNeedsTheKey(t *testing.T) {
	a, b := New(Config{}), New(Config{})
	for _, kind := range []kind{kindJob, kindBatch} {
		k, l := a.key("key", kind, digest.SHA512, secrets("secret")...), b.key("key", kind, digest.SHA512, secrets("secret")...)
		if k.ID != l.ID || k.Fingerprint == l.Fingerprint {
			t.Errorf("two processes: keys %x and %x", k, l)
		}
	}
}
