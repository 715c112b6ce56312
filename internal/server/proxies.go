package server

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/hashd-project/hashd/v2/internal/header"
)

// Proxies are the proxies whose word is taken for who their client is. The zero Proxies are none. They are
// safe for concurrent use.
type Proxies struct{ prefixes []netip.Prefix }

// NewProxies returns the proxies with an address in one of the prefixes.
func NewProxies(prefixes []netip.Prefix) Proxies { return Proxies{prefixes} }

// ClientAddr returns the address of the client that sent the request; none if that is no IP address. Each
// proxy adds whom it heard to the end of Forwarded or X-Forwarded-For. So the client is the last one there
// that is no trusted proxy: what stands before it anybody can have made up. A proxy whose word cannot be
// read, or that lets both fields through though they differ, is taken for the client itself.
func (p Proxies) ClientAddr(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	client := plain(peer.Addr())
	if !p.trust(client) {
		return client
	}
	forwarded, lists := r.Header["Forwarded"], r.Header["X-Forwarded-For"]
	switch {
	case len(forwarded) == 0:
		return p.last(client, lists, readable(header.ForwardedFor))
	case len(lists) == 0:
		return p.last(client, forwarded, header.Forwarded)
	}
	if a := p.last(client, forwarded, header.Forwarded); a == p.last(client, lists, readable(header.ForwardedFor)) {
		return a
	}
	return client
}

// readable is a reader that can read every line.
func readable(read func(string) []string) func(string) ([]string, bool) {
	return func(line string) ([]string, bool) { return read(line), true }
}

func (p Proxies) trust(a netip.Addr) bool {
	for _, prefix := range p.prefixes {
		if prefix.Contains(a) {
			return true
		}
	}
	return false
}

// last goes through the hops from the last to the first, as long as each is told by a trusted proxy. hops
// takes a line apart, and is false for one that it cannot read.
func (p Proxies) last(from netip.Addr, lines []string, hops func(string) ([]string, bool)) netip.Addr {
	for _, line := range slices.Backward(lines) {
		list, ok := hops(line)
		if !ok {
			return from
		}
		for _, hop := range slices.Backward(list) {
			a, ok := node(hop)
			if !ok {
				return from
			}
			if from = a; !p.trust(a) {
				return from
			}
		}
	}
	return from
}

// node reads an address, with or without a port (RFC 7239, section 6).
func node(text string) (netip.Addr, bool) {
	if a, err := netip.ParseAddr(text); err == nil {
		return plain(a), true
	}
	if inner, ok := strings.CutPrefix(text, "["); ok && strings.HasSuffix(inner, "]") {
		a, err := netip.ParseAddr(inner[:len(inner)-1])
		return plain(a), err == nil && a.Is6()
	}
	a, err := netip.ParseAddrPort(text)
	return plain(a.Addr()), err == nil
}

// plain returns an address as it is compared and counted.
func plain(a netip.Addr) netip.Addr { return a.WithZone("").Unmap() }
