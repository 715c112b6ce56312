//go:build linux && !race

package memory

import "testing"

func TestMapMemoryFailsCleanly(t *testing.T) {
	for _, size := range []int{0, -1, 1 << 60} {
		if mem, err := mapMemory(size); err == nil || mem != nil {
			t.Errorf("mapping %d bytes: %d bytes, error %v", size, len(mem), err)
		}
	}
}

// Two owners of one mapping are a bug that must not go on: the second would soon unmap a stranger's.
func TestUnmapTwicePanics(t *testing.T) {
	mem, err := mapMemory(chunkBytes)
	if err != nil {
		t.Fatal(err)
	}
	unmapMemory(mem)
	defer func() {
		if recover() == nil {
			t.Error("unmapped twice")
		}
	}()
	unmapMemory(mem)
}
