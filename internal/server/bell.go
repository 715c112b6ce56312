package server

import (
	"net"
	"os"
	"syscall"
)

// bell wakes up a goroutine once whatever else can run has run.
type bell interface {
	ring()      // does nothing after stop
	wait() bool // returns false after stop
	stop()
}

// newBell returns a bell that wakes up after what has arrived at the listener's connections has been read.
func newBell(l net.Listener) (bell, error) {
	if _, ok := l.(syscall.Conn); !ok {
		return &localBell{make(chan struct{}, 1), make(chan struct{})}, nil
	}
	read, write, err := os.Pipe()
	return &networkBell{read, write}, err //nolint:wrapcheck // it says what failed
}

// networkBell is a pipe. The runtime looks at the network when nothing is left to run, and finds the pipe
// and the connections in the order in which something arrived.
type networkBell struct{ read, write *os.File }

func (b *networkBell) ring() { _, _ = b.write.Write([]byte{0}) }

func (b *networkBell) wait() bool {
	var p [64]byte
	_, err := b.read.Read(p[:])
	return err == nil
}

func (b *networkBell) stop() { _, _ = b.write.Close(), b.read.Close() }

// localBell is for connections within the process.
type localBell struct{ rung, stopped chan struct{} }

func (b *localBell) ring() {
	select {
	case b.rung <- struct{}{}:
	default:
	}
}

func (b *localBell) wait() bool {
	select {
	case <-b.rung:
		return true
	case <-b.stopped:
		return false
	}
}

func (b *localBell) stop() { close(b.stopped) }
