package enginetest

import (
	"testing"

	"github.com/hashd-project/hashd/v2/internal/digest"
)

// The suite knows what each algorithm computes, without package digest: it compares engines with that.
func TestEachAlgorithmIsComputed(t *testing.T) {
	for _, a := range digest.All() {
		if got := len(sum(a, []byte("secret"))); got != a.Size() {
			t.Errorf("the suite does not compute %v: %d bytes, want %d", a, got, a.Size())
		}
	}
}
