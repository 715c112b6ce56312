//go:build !linux || race

package memory

// mapMemory returns zeroed memory. Linux has the better one, outside the collector's heap,
// but the race detector sees only what is inside.
func mapMemory(size int) ([]byte, error) { return make([]byte, size), nil }

// unmapMemory clears the memory, which the collector then takes back.
func unmapMemory(mem []byte) { clear(mem) }

func unlockMemory([]byte) {} // it was not locked

// lockable is 0: only Linux's memory is locked.
func lockable(int64) int64 { return 0 }
