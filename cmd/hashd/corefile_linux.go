package main

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// forbidCoreFiles keeps secrets out of core files: the limit stops those written to a file, and
// the process attribute also those piped to a collector, and debuggers of other users.
func forbidCoreFiles() {
	_ = syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{}) // lowering a limit cannot fail
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
}
