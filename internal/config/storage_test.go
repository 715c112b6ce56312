package config

import "testing"

// What an engine needs must be given, and what it would ignore must not.
func TestStorage(t *testing.T) {
	c := mustLoad(t, nil, "--engine=file", "--data-dir=/var/lib/hashd", "--key-file=/etc/hashd/key.json", "--drain=handover")
	if c.Engine != "file" || c.DataDir != "/var/lib/hashd" || c.KeyFile != "/etc/hashd/key.json" || c.Drain != "handover" {
		t.Errorf("got %+v", c)
	}
	wantRefused(t, "engine", "file")
	wantRefused(t, "data-dir", "/var/lib/hashd")
	wantRefused(t, "data-dir", "/var/lib/hashd", "--engine=memory")
	wantRefused(t, "key-file", "/etc/hashd/key.json")
	wantRefused(t, "drain", "handover")
}

// The key ring is no setting, for it is a secret and a configuration may be shown.
func TestKeyRingIsNoSetting(t *testing.T) {
	mustLoad(t, []string{KeyRingVariable + "={}"})
	if _, err := load(t, []string{KeyRingVariable + "S={}"}); err == nil {
		t.Error("a misspelt variable is taken")
	}
}
