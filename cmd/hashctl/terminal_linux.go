package main

import "golang.org/x/sys/unix"

// dropPending drops lines that were typed or pasted and not read, and says whether there were any. What
// reads the terminal next is the shell, which would run them and keep them in its history.
func dropPending(fd int) bool {
	n, err := unix.IoctlGetInt(fd, unix.TIOCINQ)
	if err != nil || n == 0 {
		return false
	}
	return unix.IoctlSetInt(fd, unix.TCFLSH, unix.TCIFLUSH) == nil
}
