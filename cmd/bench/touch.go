//go:build linux

package main

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// touches are the times that it took to touch some memory.
type touches struct{ First, Again time.Duration }

// touch has the system give memory for the first time, take it back, and give it again. Whoever asks
// for as much afterwards most likely gets the same: on a virtual machine, memory that this one has
// never used is dear, and which case pays for that would be chance.
func touch(bytes int64) (t touches, err error) {
	for _, took := range []*time.Duration{&t.First, &t.Again} {
		if *took, err = touchOnce(bytes); err != nil {
			return t, fmt.Errorf("touch %d MiB: %w", bytes/mebibyte, err)
		}
	}
	return t, nil
}

// touchOnce maps memory as the memory engine does, writes to each page, and gives it all back.
func touchOnce(bytes int64) (took time.Duration, err error) {
	const piece = 2 * mebibyte
	var mapped [][]byte
	defer func() {
		for _, m := range mapped {
			_ = unix.Munmap(m)
		}
	}()
	start := time.Now()
	for ; bytes > 0; bytes -= piece {
		m, err := unix.Mmap(-1, 0, piece, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
		if err != nil {
			return 0, err
		}
		mapped = append(mapped, m)
		_ = unix.Madvise(m, unix.MADV_HUGEPAGE) // advice only
		for i := 0; i < piece; i += 4096 {
			m[i] = 1
		}
	}
	return time.Since(start), nil
}
