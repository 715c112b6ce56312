package service

import (
	"testing"

	"github.com/hashd-project/hashd/internal/digest"
	"github.com/hashd-project/hashd/internal/engine"
)

func job(secret string, a digest.Algorithm) engine.Job {
	return engine.Job{Secret: []byte(secret), Algorithm: a}
}

// A retry has the same key as the first request; all else differs in what it should.
func TestKey(t *testing.T) {
	s := New(Config{})
	first := s.key("key", job("secret", digest.SHA512))
	if again := s.key("key", job("secret", digest.SHA512)); again != first || first == (engine.Key{}) {
		t.Errorf("a retry has key %x, the first request %x", again, first)
	}
	if other := s.key("Key", job("secret", digest.SHA512)); other.ID == first.ID || other.Print != first.Print {
		t.Errorf("another name: key %x, and %x", other, first)
	}
	for what, other := range map[string]engine.Job{
		"another secret":    job("secreT", digest.SHA512),
		"another algorithm": job("secret", digest.SHA256),
	} {
		if k := s.key("key", other); k.ID != first.ID || k.Print == first.Print {
			t.Errorf("%s: key %x, and %x", what, k, first)
		}
	}
}

// The print tells nothing of the secret to one who does not know this process's key.
func TestPrintIsKeyed(t *testing.T) {
	a, b := New(Config{}), New(Config{})
	k, l := a.key("key", job("secret", digest.SHA512)), b.key("key", job("secret", digest.SHA512))
	if k.ID != l.ID || k.Print == l.Print {
		t.Errorf("two processes: keys %x and %x", k, l)
	}
}
