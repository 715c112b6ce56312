package natstest

import "syscall"

// dieWithParent has a server end when whoever started it is killed.
func dieWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
