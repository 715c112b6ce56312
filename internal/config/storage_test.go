package config

import (
	"reflect"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// What an engine needs must be given, and what it would ignore must not.
func TestStorage(t *testing.T) {
	c := mustLoad(t, nil, "--engine=file", "--data-dir=/var/lib/hashd", "--ring-file=/etc/hashd/ring.json", "--drain=handover")
	if c.Engine != "file" || c.DataDir != "/var/lib/hashd" || c.RingFile != "/etc/hashd/ring.json" || c.Drain != "handover" {
		t.Errorf("got %+v", c)
	}
	wantRefused(t, "engine", "file")
	wantRefused(t, "data-dir", "/var/lib/hashd")
	wantRefused(t, "data-dir", "/var/lib/hashd", "--engine=memory")
	wantRefused(t, "ring-file", "/etc/hashd/ring.json")
	wantRefused(t, "drain", "handover")
	wantRefused(t, "sync", "always")
	wantRefused(t, "sync", "always", "--engine=jetstream", "--nats-url=nats://a")
}

// The ring is no setting, for it is a secret and a configuration may be shown.
func TestRingIsNoSetting(t *testing.T) {
	mustLoad(t, []string{RingVariable + "={}"})
	if _, err := load(t, []string{RingVariable + "S={}"}); err == nil {
		t.Error("a misspelt variable is taken")
	}
}

// One ring in a file and another in the environment: neither is chosen in silence.
func TestTwoRingsAreRefused(t *testing.T) {
	for _, environ := range [][]string{{"HASHD_RING_FILE=ring.json"}, nil} {
		args := []string{"--engine=file", "--data-dir=d"}
		if environ == nil {
			args = append(args, "--ring-file=ring.json")
		}
		mustLoad(t, environ, args...)
		_, err := load(t, append(environ, RingVariable+"={topsecret}"), args...)
		if err == nil || !strings.Contains(err.Error(), "keep one of them") || strings.Contains(err.Error(), "topsecret") {
			t.Errorf("%q: error %v", environ, err)
		}
	}
}

// Who gives a path's setting what belongs into the file is told so, and it is not shown.
func TestContentIsNoPath(t *testing.T) {
	for _, name := range []string{"ring-file", "tls-key", "api-keys", "nats-creds", "nats-key", "data-dir"} {
		for _, content := range []string{`{"primaryKeyId":topsecret}`, " {topsecret}", "-----BEGIN PRIVATE KEY-----topsecret", "topsecret\n"} {
			_, err := load(t, nil, "--engine=jetstream", "--nats-url=nats://a", "--"+name+"="+content)
			if err == nil || !strings.Contains(err.Error(), "not the path of one") || strings.Contains(err.Error(), "topsecret") {
				t.Errorf("%s=%q: error %v", name, content, err)
			}
		}
	}
}

// The ring comes beside the settings, where there is one, also if it is empty: that is then refused.
func TestLoadReturnsTheRing(t *testing.T) {
	for entry, want := range map[string]*string{"PATH=/bin": nil, RingVariable + "=": new(""), RingVariable + "={a=b}": new("{a=b}")} {
		_, got, err := New(pflag.NewFlagSet("test", pflag.ContinueOnError)).Load([]string{entry})
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %v, error %v", entry, got, err)
		}
	}
	_, got, err := New(pflag.NewFlagSet("test", pflag.ContinueOnError)).Load([]string{RingVariable + "={}", "HASHD_DELAY=soon"})
	if err == nil || got != nil {
		t.Errorf("with an error: got %v, error %v", got, err)
	}
}

// What the jetstream engine needs must be given, and no other engine takes it.
func TestNATS(t *testing.T) {
	const servers = "nats://127.0.0.1:4222,tls://nats.example:4222"
	on := []string{"--engine=jetstream", "--nats-url=" + servers}
	c := mustLoad(t, nil, on...)
	if c.NATSURL != servers || c.NATSReplicas != 3 || c.NATSPrefix != "hashd" {
		t.Errorf("got %+v", c)
	}
	c = mustLoad(t, nil, append(on, "--nats-creds=a", "--nats-ca=b", "--nats-cert=c", "--nats-key=d", "--nats-replicas=5",
		"--nats-prefix=Team-A_1", "--ring-file=k", "--drain=handover")...)
	if c.NATSCreds != "a" || c.NATSCA != "b" || c.NATSCert != "c" || c.NATSKey != "d" || c.NATSReplicas != 5 ||
		c.NATSPrefix != "Team-A_1" || c.RingFile != "k" || c.Drain != "handover" {
		t.Errorf("got %+v", c)
	}
	wantRefused(t, "engine", "jetstream")
	wantRefused(t, "nats-cert", "c", on...)
	wantRefused(t, "nats-key", "c", on...)
	for name, value := range map[string]string{"nats-url": servers, "nats-creds": "a", "nats-ca": "b", "nats-replicas": "1", "nats-prefix": "p"} {
		wantRefused(t, name, value)
		wantRefused(t, name, value, "--engine=file", "--data-dir=/var/lib/hashd")
	}
	wantRefused(t, "data-dir", "/var/lib/hashd", on...)
}

// A password in a URL is refused, and not repeated.
func TestNATSPasswordIsNotShown(t *testing.T) {
	_, err := load(t, nil, "--engine=jetstream", "--nats-url=nats://me:angryMonkey@127.0.0.1:4222")
	if err == nil || strings.Contains(err.Error(), "angryMonkey") {
		t.Errorf("got %v", err)
	}
}
