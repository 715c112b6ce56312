package jetstream

import "syscall"

// freeze and thaw are signals that Windows does not have: sending one fails the test.
const freeze, thaw = syscall.Signal(0x13), syscall.Signal(0x12)
