//go:build linux && !race

package memory

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mapMemory returns zeroed memory outside the garbage collector's heap: ten million jobs
// neither slow a collection nor double the heap's goal. Secrets lie here, so it is kept out of
// core files, and out of swap space where the system lets the process lock memory; huge pages, where
// the system grants them, save four fifths of the page faults' cost.
func mapMemory(size int) ([]byte, error) {
	mem, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return nil, fmt.Errorf("map %d bytes: %w", size, err)
	}
	if err := unix.Madvise(mem, unix.MADV_DONTDUMP); err != nil {
		unmapMemory(mem)
		return nil, fmt.Errorf("keep %d bytes out of core files: %w", size, err)
	}
	_ = unix.Madvise(mem, unix.MADV_HUGEPAGE) // advice only: small pages work as well
	_ = lockMemory(mem)                       // where it is not allowed, that was told at the start: see Lockable
	return mem, nil
}

// lockMemory keeps out of swap space what will be written to. What never is takes no memory.
func lockMemory(mem []byte) error {
	_, _, errno := unix.Syscall(unix.SYS_MLOCK2, uintptr(unsafe.Pointer(&mem[0])), uintptr(len(mem)), unix.MLOCK_ONFAULT) //nolint:gosec // an address for the system, as in unix.Mlock
	if errno != 0 {
		return errno
	}
	return nil
}

// unlockMemory takes lockMemory back, so that the process may lock other memory.
func unlockMemory(mem []byte) { _ = unix.Munlock(mem) } // fails only for a wrong slice, and then unmapMemory panics

// lockable returns how many bytes the system lets the process lock, at most size.
func lockable(size int64) int64 {
	if tryLock(size) == nil {
		return size
	}
	var limit unix.Rlimit
	if tryLock(chunkBytes) != nil || unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit) != nil {
		return 0
	}
	return int64(min(limit.Cur, uint64(size)))
}

// tryLock locks memory of that size, of which nothing is ever used, and gives it back.
func tryLock(size int64) error {
	mem, err := unix.Mmap(-1, 0, int(size), unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	if err != nil {
		return fmt.Errorf("map %d bytes: %w", size, err)
	}
	defer unmapMemory(mem)
	return lockMemory(mem)
}

// unmapMemory ends a mapping that mapMemory made.
func unmapMemory(mem []byte) {
	if err := unix.Munmap(mem); err != nil {
		panic("memory: unmapping what was mapped: " + err.Error()) // only a wrong slice can fail
	}
}
