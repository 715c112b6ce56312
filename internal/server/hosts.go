package server

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// hosts decides for which names of a host the server answers. A web page from anywhere can have its own
// name resolve to loopback, and then send requests here that the browser takes for the page's own (DNS
// rebinding): so on loopback the server answers only for names that cannot be anybody else's.
type hosts struct {
	listen string              // the host that the server was told to listen on
	more   map[string]struct{} // host, or host:port, as splitHost takes them apart
}

func newHosts(listen string, more []string) hosts {
	h := hosts{more: make(map[string]struct{}, len(more))}
	h.listen, _, _ = splitHost(listen)
	for _, m := range more {
		name, port, _ := splitHost(m)
		if port != "" {
			name = net.JoinHostPort(name, port)
		}
		h.more[name] = struct{}{}
	}
	return h
}

// answersFor reports whether the request is for this server. Connections from beyond loopback are
// checked only if hosts were given.
func (h *hosts) answersFor(r *http.Request) bool {
	name, port, ok := splitHost(r.Host)
	if ok && h.isLocal(name) {
		return true // nearly always, or else nothing is checked
	}
	local := localAddr(r.Context())
	if len(h.more) == 0 && !local.IsLoopback() {
		return true
	}
	if r.Host == "" {
		return !r.ProtoAtLeast(1, 1) // no browser sends such a thing
	}
	return ok && (h.isListed(name, port) || isAddr(name, local))
}

// isLocal reports whether the name is this machine's on every machine, or the one that was
// listened on. Its port does not matter: it may have been forwarded.
func (h *hosts) isLocal(name string) bool {
	if name == "localhost" || strings.HasSuffix(name, ".localhost") || name == h.listen && name != "" {
		return true
	}
	ip, ok := parseAddr(name)
	return ok && ip.IsLoopback()
}

// isListed reports whether the host is one of those given. One that was given with a port matches with
// that port only.
func (h *hosts) isListed(name, port string) bool {
	_, whole := h.more[name]
	_, this := h.more[net.JoinHostPort(name, port)]
	return whole || this
}

// isAddr reports whether the name is the address that the connection came in on.
func isAddr(name string, local netip.Addr) bool {
	ip, ok := parseAddr(name)
	return ok && ip == local
}

// parseAddr reads a name that is an IP address. The first look is for speed: making an error costs more.
func parseAddr(name string) (netip.Addr, bool) {
	if name == "" || (name[0] < '0' || name[0] > '9') && !strings.Contains(name, ":") {
		return netip.Addr{}, false
	}
	ip, err := netip.ParseAddr(name)
	return ip.WithZone("").Unmap(), err == nil
}

// localAddr returns the address that the request's connection came in on; none if that is no
// IP connection.
func localAddr(ctx context.Context) netip.Addr {
	addr, _ := ctx.Value(http.LocalAddrContextKey).(*net.TCPAddr)
	if addr == nil {
		return netip.Addr{}
	}
	return addr.AddrPort().Addr().WithZone("").Unmap()
}

// splitHost reads a host and the port behind it, if any (RFC 3986, section 3.2): in lower case,
// without the brackets around an address of IPv6, and without the dot that ends a full name.
func splitHost(text string) (name, port string, ok bool) {
	if inner, found := strings.CutPrefix(text, "["); found {
		var rest string
		name, rest, ok = strings.Cut(inner, "]")
		if _, err := netip.ParseAddr(name); err != nil || !ok || rest != "" && rest[0] != ':' {
			return "", "", false
		}
		port = strings.TrimPrefix(rest, ":")
	} else {
		name, port, _ = strings.Cut(text, ":")
	}
	if strings.Trim(port, "0123456789") != "" {
		return "", "", false
	}
	return strings.TrimSuffix(strings.ToLower(name), "."), port, true
}
