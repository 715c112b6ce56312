package server

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"
)

// near are the proxies of the tests.
var near = NewProxies([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")})

func clientAddr(peer string, lines ...string) string {
	r := &http.Request{RemoteAddr: peer, Header: http.Header{}}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
	}
	return near.ClientAddr(r).String()
}

// The client is the last one that no trusted proxy vouches for. What it made up does not count, and what
// cannot be read is not believed.
func TestClientAddr(t *testing.T) {
	for _, tt := range []struct {
		peer  string
		lines []string
		want  string
	}{
		{"192.0.2.1:5", nil, "192.0.2.1"},
		{"10.0.0.1:5", nil, "10.0.0.1"},
		{"[::ffff:10.0.0.1]:5", []string{"X-Forwarded-For: 198.51.100.7"}, "198.51.100.7"},
		{"[fe80::1%eth0]:5", nil, "fe80::1"},
		{"pipe", nil, "invalid IP"},
		{"192.0.2.1:5", []string{"X-Forwarded-For: 198.51.100.7", "Forwarded: for=198.51.100.7"}, "192.0.2.1"},
		{"10.0.0.1:5", []string{"X-Forwarded-For: 1.1.1.1, 198.51.100.7, 10.0.0.2"}, "198.51.100.7"},
		{"10.0.0.1:5", []string{"X-Forwarded-For: 1.1.1.1", "X-Forwarded-For: 198.51.100.7:99", "X-Forwarded-For: 10.0.0.2"}, "198.51.100.7"},
		{"10.0.0.1:5", []string{"X-Forwarded-For: 10.0.0.3,10.0.0.2"}, "10.0.0.3"},
		{"10.0.0.1:5", []string{"X-Forwarded-For: 198.51.100.7, junk"}, "10.0.0.1"},
		{"10.0.0.1:5", []string{"X-Forwarded-For: 198.51.100.7, junk, 10.0.0.9"}, "10.0.0.9"},
		{"10.0.0.1:5", []string{"X-Forwarded-For: [2001:db8::9]:1,2001:db8::8"}, "2001:db8::9"},
		{"10.0.0.1:5", []string{"Forwarded: for=1.1.1.1;proto=http, For=\"198.51.100.7:80\";by=10.0.0.1"}, "198.51.100.7"},
		{"10.0.0.1:5", []string{`Forwarded: for="[2001:db9::1]:4711"`}, "2001:db9::1"},
		{"10.0.0.1:5", []string{"Forwarded: for=198.51.100.7, for=unknown"}, "10.0.0.1"},
		{"10.0.0.1:5", []string{"Forwarded: for=198.51.100.7, for=_hidden"}, "10.0.0.1"},
		{"10.0.0.1:5", []string{"Forwarded: for=198.51.100.7, proto=https"}, "10.0.0.1"},
		{"10.0.0.1:5", []string{"Forwarded: for=198.51.100.7;for=198.51.100.8"}, "10.0.0.1"},
		{"10.0.0.1:5", []string{`Forwarded: for="x, for=198.51.100.7`}, "10.0.0.1"},
		{"10.0.0.1:5", []string{`Forwarded: for="x, for="[2001:db9::1]""`}, "10.0.0.1"},
		{"10.0.0.1:5", []string{`Forwarded: for="x`, "Forwarded: for=198.51.100.7"}, "198.51.100.7"},
		{"10.0.0.1:5", []string{"Forwarded: for=198.51.100.7", "X-Forwarded-For: 198.51.100.7"}, "198.51.100.7"},
		{"10.0.0.1:5", []string{"Forwarded: for=198.51.100.7", "X-Forwarded-For: 198.51.100.8"}, "10.0.0.1"},
		{"10.0.0.1:5", []string{"X-Forwarded-For: "}, "10.0.0.1"},
	} {
		if got := clientAddr(tt.peer, tt.lines...); got != tt.want {
			t.Errorf("%s %q: %s, want %s", tt.peer, tt.lines, got, tt.want)
		}
	}
}

// Whatever a client sends, what the proxy adds behind it is what counts.
func FuzzClientAddr(f *testing.F) {
	for _, text := range []string{"", "1.1.1.1", "for=1.1.1.1", `for="x`, `for="x\`, "10.0.0.1", "for=10.0.0.1;;,", ",", `"`, "a=b;for=_x", "[::1]"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		const own = "198.51.100.7"
		if got := clientAddr("192.0.2.1:1", "Forwarded: "+text, "X-Forwarded-For: "+text); got != "192.0.2.1" {
			t.Errorf("no proxy: %s", got)
		}
		if got := clientAddr("10.0.0.1:1", "X-Forwarded-For: "+text+", "+own); got != own {
			t.Errorf("a list that is added to: %s", got)
		}
		if got := clientAddr("10.0.0.1:1", "Forwarded: "+text+", for="+own); got != own && got != "10.0.0.1" {
			t.Errorf("a field that is added to: %s", got)
		}
		if got := clientAddr("10.0.0.1:1", "X-Forwarded-For: "+text, "X-Forwarded-For: "+own); got != own {
			t.Errorf("a list to which a line is added: %s", got)
		}
		if got := clientAddr("10.0.0.1:1", "Forwarded: "+text, "Forwarded: for="+own); got != own {
			t.Errorf("a field to which a line is added: %s", got)
		}
	})
}
