package config

import (
	"strings"
	"testing"
)

// PORT, which hosting platforms set, says where to listen if nothing else does; beyond this machine only
// where that was allowed.
func TestPlatformPort(t *testing.T) {
	file := write(t, "port: 7\n")
	for name, tt := range map[string]struct {
		environ, args []string
		want          string
	}{
		"alone":                   {[]string{"PORT=9000"}, nil, "127.0.0.1:9000"},
		"open":                    {[]string{"PORT=9000", "HASHD_INSECURE_NO_AUTH=true"}, nil, ":9000"},
		"keys alone":              {[]string{"PORT=9000", "HASHD_API_KEYS=keys.json"}, nil, "127.0.0.1:9000"},
		"open to keys":            {[]string{"PORT=9000", "HASHD_API_KEYS=keys.json", "HASHD_INSECURE_NO_TLS=true"}, nil, ":9000"},
		"open to keys, TLS":       {[]string{"PORT=9000", "HASHD_API_KEYS=keys.json"}, []string{"--tls-cert=c", "--tls-key=k"}, ":9000"},
		"any":                     {[]string{"PORT=0"}, nil, "127.0.0.1:0"},
		"empty":                   {[]string{"PORT="}, nil, "127.0.0.1:8080"},
		"under a port":            {[]string{"PORT=9000", "HASHD_PORT=1"}, nil, "127.0.0.1:1"},
		"under a flag":            {[]string{"PORT=9000"}, []string{"--port=2"}, "127.0.0.1:2"},
		"under a file":            {[]string{"PORT=9000", "HASHD_CONFIG=" + file}, nil, "127.0.0.1:7"},
		"under an address":        {[]string{"PORT=9000"}, []string{"--listen=localhost:3"}, "localhost:3"},
		"bad, under a port":       {[]string{"PORT=/dev/ttyS0"}, []string{"--port=2"}, "127.0.0.1:2"},
		"bad, under an address":   {[]string{"PORT=tcp://10.0.0.1:80", "HASHD_LISTEN=[::1]:4"}, nil, "[::1]:4"},
		"of another program":      {[]string{"MY_PORT=9000", "PORTS=9000"}, nil, "127.0.0.1:8080"},
		"under an address, open":  {[]string{"PORT=9000", "HASHD_LISTEN=:4", "HASHD_INSECURE_NO_AUTH=true"}, nil, ":4"},
		"under the default given": {[]string{"PORT=9000", "HASHD_LISTEN=127.0.0.1:8080"}, nil, "127.0.0.1:8080"},
	} {
		cfg, err := load(t, tt.environ, tt.args...)
		if err != nil || cfg.Address() != tt.want {
			t.Errorf("%s: %s, error %v, want %s", name, cfg.Address(), err, tt.want)
		}
	}
	for _, bad := range []string{"http", "70000", "-1", "tcp://10.0.0.1:80"} {
		_, err := load(t, []string{"PORT=" + bad})
		if err == nil || !strings.HasPrefix(err.Error(), "environment PORT: ") || !strings.Contains(err.Error(), "0 to 65535") {
			t.Errorf("PORT=%s: error %v", bad, err)
		}
	}
}
