package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What hashd config print prints starts the same server.
func TestConfigPrint(t *testing.T) {
	t.Parallel()
	o := finish(t, []string{"HASHD_DELAY=100ms"}, "config", "print", "--port=0", "--max-pending=7", "--log-format=json")
	for _, want := range []string{"delay: 100ms # environment HASHD_DELAY\n", "max-pending: 7 # flag --max-pending\n", "max-results: 20000000 # default\n"} {
		if o.code != 0 || !strings.Contains(o.stdout, want) {
			t.Errorf("exit code %d, no %q in:\n%s%s", o.code, want, o.stdout, o.stderr)
		}
	}
	const token = "hashd_5k7bsby4qb_0123456789abcdefghijklmnopqrstuv"
	if o := finish(t, []string{"HASHD_API_KEYS=" + token}, "config", "print"); o.code != 0 || strings.Contains(o.stdout, token) || !strings.Contains(o.stdout, "environment HASHD_API_KEYS") {
		t.Errorf("a token in place of a file: %+v", o)
	}
	file := filepath.Join(t.TempDir(), "hashd.yaml")
	if err := os.WriteFile(file, []byte(o.stdout), 0o600); err != nil {
		t.Fatal(err)
	}
	i := started(t, launch(t, nil, "--config="+file))
	c := i.client(t)
	c.submit(t, "angryMonkey")
	found := false
	for _, use := range c.stats(t).Limits {
		found = found || use.Name == "max-pending" && use.Limit == 7
	}
	if !found {
		t.Error("the server has other settings")
	}
	i.stop(t)
}

// hashd config check says what would keep a server from starting, and neither opens a store nor a port.
func TestConfigCheck(t *testing.T) {
	t.Parallel()
	keys := newKeysFile(t)
	keys.add(t, "good")
	bad := filepath.Join(t.TempDir(), "bad.json")
	if err := os.WriteFile(bad, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	dir, ring := filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "ring.json")
	if o := finish(t, nil, "ring", "create", ring); o.code != 0 {
		t.Fatalf("%+v", o)
	}
	cluster := []string{"--engine=jetstream", "--nats-url=nats://127.0.0.1:1"}
	for _, tt := range []struct {
		code int
		says string
		args []string
	}{
		{0, "", nil},
		{0, "", []string{"--api-keys=" + string(keys), "--engine=file", "--data-dir=" + dir}},
		{1, "api-keys", []string{"--api-keys=" + bad}},
		{1, "tls", []string{"--tls-cert=" + bad, "--tls-key=" + bad}},
		{1, "ring", []string{"--engine=file", "--data-dir=" + dir, "--ring-file=" + bad}},
		{1, "no folder", []string{"--engine=file", "--data-dir=" + bad}},
		{1, "ring", cluster},
		{1, "nats-creds", append(cluster, "--ring-file="+ring, "--nats-creds="+filepath.Join(dir, "none"))},
		{1, "nats-key", append(cluster, "--ring-file="+ring, "--nats-cert="+bad, "--nats-key="+bad)},
		{1, "nats-ca", append(cluster, "--ring-file="+ring, "--nats-ca="+bad)},
		{0, "", append(cluster, "--ring-file="+ring)},
		{2, "delay", []string{"--delay=-1s"}},
		{2, "api-keys", []string{"--listen=0.0.0.0:80"}},
	} {
		o := finish(t, nil, append([]string{"config", "check"}, tt.args...)...)
		good := o.stdout == "the settings are good\n" && o.stderr == ""
		if o.code != tt.code || good != (tt.code == 0) || !strings.Contains(strings.ToLower(o.stderr), tt.says) {
			t.Errorf("%q: %+v", tt.args, o)
		}
	}
	if o := finish(t, nil, "config", "check", "--api-keys="+writeFile(t, `{"format": 1, "keys": []}`)); o.code != 0 || !strings.Contains(o.stderr, "no api key is valid") {
		t.Errorf("without a valid key: %+v", o)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the folder of the store: %v", err)
	}
}
