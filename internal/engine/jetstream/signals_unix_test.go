//go:build unix

package jetstream

import "syscall"

// freeze stops a process without ending it, and thaw lets it go on.
const freeze, thaw = syscall.SIGSTOP, syscall.SIGCONT
