package seal

import "testing"

// benchSealer returns a sealer with a ring of its own.
func benchSealer(b *testing.B) *Sealer {
	b.Helper()
	ring, err := Generate()
	if err != nil {
		b.Fatal(err)
	}
	s, err := New(ring)
	if err != nil {
		b.Fatal(err)
	}
	return s
}

func BenchmarkSeal(b *testing.B) {
	b.ReportAllocs()
	s, plain := benchSealer(b), make([]byte, 4096)
	b.SetBytes(int64(len(plain)))
	for b.Loop() {
		if _, err := s.Seal(plain, []byte("what it is bound to")); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	b.ReportAllocs()
	s, plain := benchSealer(b), make([]byte, 4096)
	sealed, err := s.Seal(plain, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(plain)))
	for b.Loop() {
		if _, err := s.Open(sealed, nil); err != nil {
			b.Fatal(err)
		}
	}
}
