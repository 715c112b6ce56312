package server

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
)

// TestForeignHost tells for which hosts the server answers, on loopback and beyond. A page of a
// stranger, whose name now resolves to loopback, is not among them.
func TestForeignHost(t *testing.T) {
	const loopback, outside, v6 = "127.0.0.1:8080", "192.0.2.7:8080", "[::1]:8080"
	local := []string{
		"localhost", "localhost:8080", "localhost:9000", "LOCALHOST:8080", "LocalHost.", "localhost.:8080", "localhost:", "hashd.localhost", "a.b.localhost:1",
		"127.0.0.1", "127.0.0.1:8080", "127.0.0.1:1", "127.0.0.1.", "127.8.7.6", "127.255.255.255:80", "[::1]", "[::1]:8080", "[::1]:1", "[0:0::1]:8080", "[::ffff:127.0.0.1]", "[::1%25lo]:8080",
	}
	foreign := []string{
		"evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.evil.example", "evillocalhost", "notlocalhost:8080", "xlocalhost.", "local", "127.0.0.1..",
		"127.1", "2130706433", "0x7f000001", "0177.0.0.1", "128.0.0.1", "0.0.0.0:8080", "192.0.2.7", "192.0.2.8:8080", "[::2]:8080", "[2001:db8::1]", "::1", "[::1", "::1]", "[::1]8080", "[::1]:x",
		"[localhost]", "[127.0.0.1", "localhost:x", "localhost:80:80", "localhost:-1", "localhost,evil.example", "evil.example@localhost", "localhost@evil.example", "", ":8080", ".", ".localhost.evil.example",
		"user@127.0.0.1",
	}
	for _, tt := range []struct {
		what, on, listen string
		hosts            []string
		passes, refused  []string
	}{
		{"loopback", loopback, "127.0.0.1:8080", nil, local, foreign},
		{"loopback of IPv6", v6, "[::1]:8080", nil, local, foreign},
		{"a name that was listened on", loopback, "hashd.test:8080", nil, append([]string{"hashd.test", "HASHD.test:1"}, local...), foreign},
		{"loopback of all interfaces", loopback, ":8080", nil, local, foreign},
		{"with hosts", loopback, "127.0.0.1:8080", []string{"Hash.example", "port.example:8443", "192.0.2.9", "[2001:db8::2]", "[2001:db8::3]:1"},
			append([]string{"hash.example", "HASH.example.", "hash.example:1", "port.example:8443", "PORT.example.:8443", "192.0.2.9:5", "[2001:db8::2]", "[2001:db8::2]:7", "[2001:db8::3]:1"}, local...),
			append([]string{"port.example", "port.example:8080", "x.hash.example", "hash.example.evil.example", "[2001:db8::3]", "[2001:db8::3]:2"}, foreign...)},
		{"beyond loopback", outside, ":8080", nil, append(append([]string{"192.0.2.7"}, local...), foreign...), nil},
		{"beyond loopback, with hosts", outside, ":8080", []string{"hash.example"}, append([]string{"hash.example:80", "192.0.2.7", "192.0.2.7:8080", "192.0.2.7:1"}, local...),
			[]string{"evil.example", "192.0.2.8", "::1", "", "hash.example.evil.example"}},
	} {
		addr, err := net.ResolveTCPAddr("tcp", tt.on)
		if err != nil {
			t.Fatal(err)
		}
		s := newSite(t, on(fake{}), func(cfg *Config) { cfg.Listen, cfg.Hosts = tt.listen, tt.hosts })
		ask := func(what, host string, minor int) answer {
			method, target, _ := strings.Cut(what, " ")
			r := httptest.NewRequest(method, target, strings.NewReader(password))
			r.Host, r.ProtoMinor = host, minor
			r.Header.Set("Content-Type", "application/json")
			w := httptest.NewRecorder()
			s.handler.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, addr)))
			return s.examine(r, w.Result())
		}
		for _, host := range tt.passes {
			if a := ask("GET /healthz", host, 1); a.status != 200 {
				t.Errorf("%s: host %q: status %d", tt.what, host, a.status)
			}
		}
		for _, host := range tt.refused {
			for _, what := range []string{"GET /nowhere", "OPTIONS /nowhere", "HEAD /nowhere"} {
				if p := ask(what, host, 1).wantProblem(421, "misdirected-request"); len(host) > 1 && strings.Contains(p.Detail, host) {
					t.Errorf("%s: host %q is repeated: %s", tt.what, host, p.Detail)
				}
			}
		}
		if a := ask("GET /healthz", "", 0); a.status != 200 { // HTTP/1.0 knows no Host, and browsers speak no HTTP/1.0
			t.Errorf("%s: HTTP/1.0: status %d", tt.what, a.status)
		}
	}
}

// What the server does not answer for it does not do either, over a real connection.
func TestForeignHostSubmitsNothing(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := newSite(t, on(fake{}), func(cfg *Config) { cfg.Listen = l.Addr().String() })
	r := serve(s, l, func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", l.Addr().String())
	})
	for host, want := range map[string]string{
		"Host: evil.example": "421 Misdirected Request", "Host: " + l.Addr().String(): "202 Accepted", "Host: localhost": "202 Accepted", "Host:": "421 Misdirected Request",
		"Host: localhost\r\nHost: localhost": "400 Bad Request", "X: no host": "400 Bad Request",
	} {
		for target, want := range map[string]string{"/hash": want, "http://localhost/hash": strings.Replace(want, "421 Misdirected Request", "202 Accepted", 1), "http://evil.example/hash": strings.Replace(want, "202 Accepted", "421 Misdirected Request", 1)} {
			c, err := r.client.Transport.(*http.Transport).DialContext(t.Context(), "", "")
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.WriteString(c, "POST "+target+" HTTP/1.1\r\n"+host+"\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n{\"password\":\"x\"}")
			reply, _ := io.ReadAll(c)
			_ = c.Close()
			if !strings.HasPrefix(string(reply), "HTTP/1.1 "+want+"\r\n") || !strings.Contains(string(reply), "X-Request-Id: ") {
				t.Errorf("POST %s, %q: reply %q, want %s", target, host, reply, want)
			}
		}
	}
}

// Whatever a request names, it passes only if a browser too takes that for this machine.
func FuzzHost(f *testing.F) {
	for _, text := range []string{"localhost", "LOCALHOST.:80", "a.localhost", "127.0.0.1:8080", "[::1]:80", "[::ffff:127.0.0.1]", "127.0.0.1.evil.example", "localhost@evil.example", "[::1%25a]", "evil.example:80"} {
		f.Add(text)
	}
	h := newHosts("127.0.0.1:8080", nil)
	local := context.WithValue(context.Background(), http.LocalAddrContextKey, net.Addr(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8080}))
	f.Fuzz(func(t *testing.T, text string) {
		if strings.ContainsAny(text, "#/?\\") {
			return // net/http has refused it, and it is no host to a browser
		}
		r := (&http.Request{Host: text, ProtoMajor: 1, ProtoMinor: 1}).WithContext(local)
		if !h.answersFor(r) {
			return
		}
		u, err := url.Parse("http://" + text + "/")
		if err != nil {
			return // no browser sends it
		}
		name := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
		ip, err := netip.ParseAddr(name)
		if name != "localhost" && !strings.HasSuffix(name, ".localhost") && (err != nil || !ip.Unmap().IsLoopback()) {
			t.Errorf("%q passes, and is %q for others", text, name)
		}
	})
}
