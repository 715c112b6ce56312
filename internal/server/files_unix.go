//go:build unix

package server

import (
	"errors"
	"math"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// openFiles returns how many files the system lets this process have open.
func openFiles() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Cur > math.MaxInt32 {
		return math.MaxInt32
	}
	return int(limit.Cur)
}

// arrived says whether something has arrived on the connection that nobody has read yet.
func arrived(c net.Conn) bool {
	n, err := peek(c)
	return err == nil && n > 0
}

// hungUp says whether the client has ended its side of the connection, as far as is known.
func hungUp(c net.Conn) bool {
	n, err := peek(c)
	return err == nil && n == 0 || errors.Is(err, unix.ECONNRESET)
}

// peek looks whether something has arrived: it returns 0 and no error at the end of the stream, and an error if
// nothing has.
func peek(c net.Conn) (n int, err error) {
	system, ok := c.(syscall.Conn)
	if !ok {
		return 0, errors.ErrUnsupported
	}
	raw, err := system.SyscallConn()
	if err != nil {
		return 0, err //nolint:wrapcheck // nobody shows it
	}
	failed := raw.Control(func(fd uintptr) {
		var one [1]byte
		n, _, err = unix.Recvfrom(int(fd), one[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		one[0] = 0
	})
	if failed != nil {
		return 0, failed //nolint:wrapcheck // nobody shows it
	}
	return n, err //nolint:wrapcheck // nobody shows it
}
