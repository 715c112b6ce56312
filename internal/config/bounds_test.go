package config

import (
	"strings"
	"testing"
)

// bounds holds for each setting the values at its limits and others that are good, and values
// just beyond the limits or otherwise bad.
var bounds = map[string]struct{ good, bad []string }{
	"listen": {
		[]string{"127.0.0.1:0", "127.255.255.255:65535", "[::1]:80", "localhost:80", "LocalHost:80"},
		[]string{"127.0.0.1", ":", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:080", "127.0.0.1:http",
			"::1:80", "http://127.0.0.1:80", "local host:80", "[localhost]x:80", "[fe80::1 ]:80", "ĺocalhost:80", "/tmp/sock"},
	},
	"port": {
		[]string{"0", "65535"},
		[]string{"-1", "65536", "080", "+80", "80.0", "0x50", "http", "tcp://10.0.0.1:80", " 80"},
	},
	"hosts": {
		[]string{"hash.example.com", "hash.example.com:8443", "a,b:0,c:65535", "192.0.2.1", "192.0.2.1:80", "[2001:db8::1]", "[2001:db8::1]:80", "Hash.Example.", "x_y-z"},
		[]string{",", "a,", ",a", "a,,b", "a, b", " a", "2001:db8::1", "[192.0.2.1]", "[a]", "[2001:db8::1", "a:65536", "a:-1", "a:080", "a:", ":80", "a:b", "http://a", "a/b", "*", "*.a", "ä"},
	},
	"ops-listen": {
		[]string{"127.0.0.1:0", ":9090", "0.0.0.0:0", "[::1]:80", "localhost:80"},
		[]string{"127.0.0.1", "127.0.0.1:65536", "http://127.0.0.1:80"},
	},
	"api-keys": {nil, nil},
	"cors-origins": {
		[]string{"https://app.example.com", "http://localhost:3000,https://a:8443", "http://[::1]:8080", "https://192.0.2.1"},
		[]string{"", "*", "null", "https://*", "https://*.example.com", "https://a/", "https://a/b", "https://a?b", "https://a#b", "https://u@a", "a", "ftp://a", "https://", "https://A",
			"HTTPS://a", "https://a:443", "http://a:80", "http://[::1]:80", "https://a, https://b", "https://a,", "https://a:99999", "https://a."},
	},
	"trusted-proxies": {
		[]string{"192.0.2.1", "10.0.0.0/8,2001:db8::/32", "::1"},
		[]string{"", "a", "10.0.0.0/33", "10.0.0.1/8", "0.0.0.0/0", "::/0", "10.0.0.1,", "::ffff:10.0.0.1", "fe80::1%eth0", "10.0.0.1:80", "10.0.0.1, 10.0.0.2"},
	},
	"insecure-no-auth":     {[]string{"true", "false"}, []string{"yes", "1", "True", "truefalse"}},
	"tls-cert":             {nil, nil},
	"tls-key":              {nil, nil},
	"tls-client-ca":        {nil, nil},
	"insecure-no-tls":      {[]string{"true", "false"}, []string{"yes"}},
	"delay":                {[]string{"0s", "0", "24h"}, []string{"-1ns", "24h0m1ns", "5", "5 s", "1d", "soon"}},
	"retention":            {[]string{"1s", "720h"}, []string{"999ms", "720h1s"}},
	"idempotency-window":   {[]string{"1s", "24h"}, []string{"999ms", "24h1s"}},
	"max-idempotency-keys": {[]string{"1", "100000000"}, []string{"0", "100000001"}},
	"max-wait":             {[]string{"1s", "10m"}, []string{"999ms", "10m1s"}},
	"drain-timeout":        {[]string{"5s", "48h"}, []string{"-1s", "48h1s", "4.9s"}},
	"linger":               {[]string{"0s", "1h"}, []string{"-1s", "1h1s", "5"}},
	"drain":                {[]string{"finish"}, []string{"hand-over", "Finish"}},
	"engine":               {[]string{"memory"}, []string{"disk", "Memory"}},
	"first-id":             {[]string{"1", "4503599627370496"}, []string{"0", "-1", "4503599627370497", "1e6", "random"}},
	"data-dir":             {nil, nil},
	"ring-file":            {nil, nil},
	"sync":                 {nil, []string{"sometimes"}},
	"nats-url":             {nil, []string{"127.0.0.1:4222", "http://127.0.0.1:4222", "nats://", "nats://u:p@127.0.0.1", "nats://a,", "nats://a/b", "nats://a?b"}},
	"nats-creds":           {nil, nil},
	"nats-ca":              {nil, nil},
	"nats-cert":            {nil, nil},
	"nats-key":             {nil, nil},
	"nats-replicas":        {nil, []string{"0", "2", "4", "7", "-1", "03"}},
	"nats-prefix":          {nil, []string{"a.b", "a b", "a>", "ä", "*", "123456789012345678901234567890123"}},
	"max-pending":          {[]string{"1", "1000000000"}, []string{"0", "1000000001", "1e6", "1_000", "99999999999999999999"}},
	"max-results":          {[]string{"1", "1000000000"}, []string{"0", "1000000001"}},
	"max-secret-bytes": {
		[]string{"1MiB", "1048576", "1TiB", "1024GiB", "1099511627776"},
		[]string{"1048575", "1023KiB", "1025GiB", "2TiB", "1099511627777"},
	},
	"max-body-bytes": {
		[]string{"1KiB", "1024", "1MiB", "1048576"},
		[]string{"0", "1023", "1048577", "-1KiB", "1KB", "1kib", "1.5KiB", "1 KiB", "KiB", "iB", "1PiB", "8388608TiB",
			"18014398509481985KiB", "-18014398509481983KiB", "99999999999999999999"}, // KiB: would wrap to 1024
	},
	"max-batch-bytes":     {[]string{"1KiB", "256MiB", "268435456"}, []string{"1023", "257MiB", "268435457", "8MB"}},
	"max-batch-memory":    {[]string{"1MiB", "1TiB"}, []string{"1048575", "1025GiB", "lots"}},
	"max-connections":     {[]string{"1", "1000000"}, []string{"0", "1000001"}},
	"anonymous-rate":      {[]string{"1/d", "1000000000/s", "6000/m", "1/h"}, []string{"0/s", "1000000001/s", "100", "100/", "1/w", "01/s", "1/ms"}},
	"max-in-flight":       {[]string{"0", "1000000"}, []string{"-1", "1000001"}},
	"workers":             {[]string{"0", "1024"}, []string{"-1", "1025"}},
	"read-header-timeout": {[]string{"100ms", "1h"}, []string{"99ms", "1h1ms"}},
	"read-timeout":        {[]string{"100ms", "1h"}, []string{"99ms", "1h1ms"}},
	"write-timeout":       {[]string{"100ms", "1h"}, []string{"99ms", "1h1ms"}},
	"idle-timeout":        {[]string{"100ms", "1h"}, []string{"99ms", "1h1ms"}},
	"log-format":          {[]string{"text", "json"}, []string{"xml", "JSON"}},
	"access-log":          {[]string{"true", "false"}, []string{"yes", "1", "True", "truefalse"}},
	"log-level":           {[]string{"debug", "info", "warn", "error"}, []string{"trace", "INFO", "info+1"}},
	"config":              {nil, []string{"/does/not/exist"}},
}

func TestBounds(t *testing.T) {
	for _, row := range table() {
		values, ok := bounds[row.name]
		if !ok {
			t.Errorf("%s has no bounds in the test", row.name)
		}
		for _, text := range values.good {
			if _, err := load(t, nil, "--"+row.name+"="+text); err != nil {
				t.Errorf("%s %q: %v", row.name, text, err)
			}
		}
		for _, text := range append(values.bad, "") {
			wantRefused(t, row.name, text, "--insecure-no-auth") // not because it is exposed
		}
	}
}

// wantRefused checks that a value makes one error, which names the setting.
func wantRefused(t *testing.T, name, text string, more ...string) {
	t.Helper()
	c, err := load(t, nil, append(more, "--"+name+"="+text)...)
	list := split(err)
	if len(list) != 1 || list[0].Setting != name || list[0].Source != "flag --"+name {
		t.Errorf("%s %q: got %v, want one error for it", name, text, err)
	}
	if c != (Config{}) {
		t.Errorf("%s %q: a refused configuration is not zero: %+v", name, text, c)
	}
}

// What help says is allowed is what is allowed: both ends of each range, as help writes them,
// are good.
func TestAllowedIsTrue(t *testing.T) {
	for _, row := range table() {
		least, most, isRange := strings.Cut(row.allowed, " to ")
		if row.word == "host:port" || !isRange {
			continue
		}
		for _, text := range []string{least, most} {
			if err := row.set(&Config{}, text); err != nil {
				t.Errorf("%s: %s is said to be allowed: %v", row.name, text, err)
			}
		}
	}
}

func TestExposure(t *testing.T) {
	for _, listen := range []string{
		":80", "0.0.0.0:80", "[::]:80", "10.0.0.1:80", "128.0.0.1:80", "[::2]:80", "[fe80::1%eth0]:80",
		"[::ffff:10.0.0.1]:80", "hashd.example:80", "localhost.example:80", "127.1:80", "[localhost.]:80",
	} {
		wantRefused(t, "listen", listen)
		for _, way := range [][]string{{"--insecure-no-auth"}, {"--api-keys=keys.json", "--insecure-no-tls"}} {
			if c := mustLoad(t, nil, append(way, "--listen", listen)...); c.Listen != listen {
				t.Errorf("listen: got %s, want %s", c.Listen, listen)
			}
		}
	}
}

// With keys, TLS is needed beyond loopback too, here or in front.
func TestExposureWithoutTLS(t *testing.T) {
	wantRefused(t, "listen", ":80", "--api-keys=k")
	wantRefused(t, "listen", ":80", "--api-keys=k", "--insecure-no-auth")
	wantRefused(t, "listen", ":80", "--tls-cert=c", "--tls-key=k")
	wantRefused(t, "listen", ":80", "--insecure-no-tls")
	for _, more := range [][]string{
		{"--api-keys=k", "--insecure-no-tls"}, {"--api-keys=k", "--tls-cert=c", "--tls-key=k"}, {"--insecure-no-auth"},
		{"--insecure-no-auth", "--tls-cert=c", "--tls-key=k"},
	} {
		mustLoad(t, nil, append(more, "--listen=:80")...)
	}
	mustLoad(t, nil, "--api-keys=k")
}

// A part of TLS is of no use alone.
func TestTLSIsWhole(t *testing.T) {
	wantRefused(t, "tls-cert", "c")
	wantRefused(t, "tls-key", "k")
	wantRefused(t, "tls-client-ca", "a")
}

func TestShow(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0", 1: "1", 1023: "1023", 1024: "1KiB", 1025: "1025", 1536: "1536", 1 << 20: "1MiB",
		3 << 30: "3GiB", 1 << 40: "1TiB", 1 << 50: "1024TiB",
	} {
		if got := showSize(n); got != want {
			t.Errorf("size %d: got %s, want %s", n, got, want)
		}
	}
	for _, want := range []string{"0s", "100ms", "1s", "10s", "1m", "10m", "1m30s", "1h", "10h", "1h10m", "1h0m1s", "720h"} {
		n, err := parseDuration(want)
		if got := showDuration(n); err != nil || got != want {
			t.Errorf("duration: got %s, want %s (%v)", got, want, err)
		}
	}
}

func FuzzParseSize(f *testing.F) {
	for _, text := range []string{"0", "1", "-1", "16KiB", "1TiB", "8388607TiB", "8388608TiB", "-8388608TiB", "iB", "KiB", "1e3", "٣KiB"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, err := parseSize(text)
		if err != nil {
			return
		}
		if again, err := parseSize(showSize(n)); err != nil || again != n {
			t.Errorf("%q is %d, shown as %s, which is %d (%v)", text, n, showSize(n), again, err)
		}
	})
}
