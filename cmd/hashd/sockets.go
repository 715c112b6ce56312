package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/coreos/go-systemd/v22/activation"

	"github.com/hashd-project/hashd/v2/internal/config"
)

// sockets are listeners that a service manager has opened and handed over (sd_listen_fds(3)); nil for those that it has
// not. The manager keeps them open while one hashd ends and the next one starts, so that those who connect meanwhile
// wait, and are not refused.
type sockets struct{ main, ops net.Listener }

// opsSocket is the name of the socket for ops-listen. One of any other name is for listen.
const opsSocket = "ops"

// handedOver takes the sockets of the service manager, if there is one, and refuses those that are not what the
// settings say: who may connect is decided by them.
func handedOver(cfg *config.Config) (s sockets, err error) {
	for _, f := range activation.Files(true) {
		to, setting, address := &s.main, "listen", cfg.Address()
		if f.Name() == opsSocket {
			to, setting, address = &s.ops, "ops-listen", cfg.OpsListen
		}
		l, err := listenerOf(f, setting, address)
		if err == nil && *to != nil {
			err = errors.Join(fmt.Errorf("there are two sockets for %s", setting), l.Close())
		}
		if err != nil {
			return sockets{}, errors.Join(fmt.Errorf("the service manager's socket %s: %w", f.Name(), err), s.close())
		}
		*to = l
	}
	return s, nil
}

// listenerOf makes a listener of a socket, which must be at the address of the setting.
func listenerOf(f *os.File, setting, address string) (net.Listener, error) {
	l, err := net.FileListener(f)
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("it cannot be listened on: %w", err)
	}
	if !isAt(l.Addr(), address) {
		told := setting + " is " + address
		if address == "" {
			told = "there is no " + setting
		}
		return nil, errors.Join(fmt.Errorf("it is at %s, and %s: make them the same", l.Addr(), told), l.Close())
	}
	return l, nil
}

// isAt reports whether a socket is where one of the address would be.
func isAt(socket net.Addr, address string) bool {
	has, ok := socket.(*net.TCPAddr)
	want, err := net.ResolveTCPAddr("tcp", address)
	if !ok || err != nil || want.Port != 0 && want.Port != has.Port {
		return false
	}
	return has.IP.Equal(want.IP) || has.IP.IsUnspecified() && (want.IP == nil || want.IP.IsUnspecified())
}

// close closes those that there are.
func (s sockets) close() error {
	var all []error
	for _, l := range []net.Listener{s.main, s.ops} {
		if l != nil {
			all = append(all, l.Close())
		}
	}
	return errors.Join(all...)
}

// listen returns the one that was handed over, or else listens on the address.
func listen(given net.Listener, address string) (net.Listener, error) {
	if given != nil {
		return given, nil
	}
	return new(net.ListenConfig).Listen(context.Background(), "tcp", address)
}
