// Package filelock locks open files against other processes, on every system that hashd is built for. A lock belongs to
// one opening of a file, and ends with it at the latest. It is on the opened file and not on a path, so that what is
// locked is what is then read and written.
package filelock

import "os"

// Try locks the file and reports whether it could: false if another opening of it has the lock.
func Try(f *os.File) (bool, error) { return try(f) }

// Wait locks the file once no other opening of it has the lock.
func Wait(f *os.File) error { return wait(f) }

// Unlock lets go of the lock before the file is closed, as a mapping of it, or a process that is just being started
// with it, would keep it.
func Unlock(f *os.File) error { return unlock(f) }
