package digest

import "testing"

func BenchmarkSum(b *testing.B) {
	secret := []byte("angryMonkey")
	for _, a := range All() {
		b.Run(a.String(), func(b *testing.B) {
			b.ReportAllocs()
			var sum [MaxSize]byte
			for b.Loop() {
				a.Sum(&sum, secret)
			}
		})
	}
}
