package file

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// sinceBoot returns the time since the boot, sleep of the machine included, and a tag that is the same
// only for readings that can be compared; 0 if none can.
func sinceBoot() (time.Duration, uint64) {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return 0, 0
	}
	return time.Duration(ts.Nano()), bootTag()
}

// bootTag does not change while the process runs: it enters a time namespace only as it begins.
var bootTag = sync.OnceValue(func() uint64 { return tagOf(os.ReadFile, os.Readlink) })

// tagOf makes a tag of all that the clock depends on: the boot, and the time namespace, which shifts
// the clock. A namespace's number can be that of one that has ended, so its shift counts too.
func tagOf(read func(string) ([]byte, error), link func(string) (string, error)) uint64 {
	boot, err := read("/proc/sys/kernel/random/boot_id")
	if err != nil || len(boot) == 0 {
		return 0
	}
	space, err := link("/proc/self/ns/time")
	if errors.Is(err, fs.ErrNotExist) { // a kernel without time namespaces
		return hashOf(boot)
	}
	shift, shiftErr := read("/proc/self/timens_offsets")
	if err != nil || shiftErr != nil {
		return 0
	}
	return hashOf(boot, []byte(space), shift)
}

// hashOf is never 0.
func hashOf(parts ...[]byte) uint64 {
	h := sha256.New()
	for _, p := range parts {
		_, _ = h.Write(binary.AppendUvarint(nil, uint64(len(p)))) // never fails
		_, _ = h.Write(p)
	}
	return max(1, binary.BigEndian.Uint64(h.Sum(nil)))
}
