package server

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// listener accepts connections for their owner.
type listener struct {
	net.Listener
	conns   *connections
	secure  *security // nil for connections without TLS
	resting atomic.Bool
	rested  chan struct{} // closed once the last connection was handed on
	closed  chan struct{}
	once    sync.Once
}

func newListener(l net.Listener, conns *connections) *listener {
	return &listener{Listener: l, conns: conns, rested: make(chan struct{}), closed: make(chan struct{})}
}

// rest accepts no more, as if nobody came. Others who have the same socket can.
func (l *listener) rest() {
	if !l.resting.Swap(true) {
		_ = l.Listener.Close()
	}
}

// parked waits for the end, after a rest. One goroutine accepts.
func (l *listener) parked() (net.Conn, error) {
	close(l.rested)
	<-l.closed
	return nil, net.ErrClosed
}

// Accept waits while even the reserve is used up by requests under way.
func (l *listener) Accept() (net.Conn, error) {
	for !l.conns.spareRoom() {
		if l.resting.Load() {
			return l.parked()
		}
		select {
		case <-l.conns.freed:
		case <-time.After(keepsSpare):
		case <-l.closed:
			return nil, net.ErrClosed
		}
	}
	for {
		c, err := l.Listener.Accept()
		switch {
		case err == nil && l.secure != nil:
			return l.conns.add(l.secure.over(c)), nil
		case err == nil:
			return l.conns.add(c), nil
		case l.resting.Load():
			return l.parked()
		case (errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)) && l.conns.release():
		default:
			return nil, err //nolint:wrapcheck // net/http looks at it
		}
	}
}

// Close stops accepting, also where that waits.
func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	if l.resting.Load() {
		return nil
	}
	return l.Listener.Close() //nolint:wrapcheck // the listener's own
}
