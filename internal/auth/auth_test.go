package auth

import (
	"crypto/sha256"
	"errors"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

// made returns a key and its token.
func made(change func(*Key)) (Key, string) {
	token, id := newToken()
	k := Key{Name: "ci", ID: id, Tenant: DefaultTenant, Hash: sha256.Sum256([]byte(token)), Scopes: DefaultScopes, Created: noon.Add(-time.Hour)}
	if change != nil {
		change(&k)
	}
	return k, token
}

func TestFind(t *testing.T) {
	good, token := made(nil)
	other, _ := made(nil)
	expired, expiredToken := made(func(k *Key) { k.Expires = noon })
	soon, soonToken := made(func(k *Key) { k.Expires = noon.Add(time.Nanosecond) })
	revoked, revokedToken := made(func(k *Key) { k.Revoked = noon.Add(time.Hour) })
	_, unknown := made(nil)
	keys := NewKeys([]Key{good, other, expired, soon, revoked})
	for token, id := range map[string]string{token: good.ID, soonToken: soon.ID} {
		if k, err := keys.Find(token, noon); err != nil || k.ID != id {
			t.Errorf("%v, error %v", k, err)
		}
	}
	wrong, _ := newToken()
	wrong = wrong[:len(tokenPrefix)] + good.ID + wrong[len(tokenPrefix)+idLength:]
	fixed := []byte(wrong[:tokenLength-checksumLength])
	sum := checksum(fixed)
	wrongSecret := string(fixed) + string(sum[:])
	for what, bad := range map[string]string{
		"none": "", "unknown": unknown, "expired": expiredToken, "revoked": revokedToken, "another's secret": wrongSecret,
		"a wrong checksum": wrong, "longer": token + "x", "shorter": token[:len(token)-1], "a space": token + " ", "an id": "hashd_" + good.ID,
	} {
		if k, err := keys.Find(bad, noon); !errors.Is(err, ErrUnknownKey) || k != nil || err != ErrUnknownKey {
			t.Errorf("%s: %v, error %v", what, k, err)
		}
	}
	if _, err := NewKeys(nil).Find(token, noon); err != ErrUnknownKey {
		t.Errorf("without keys: error %v", err)
	}
}

func TestFindAllocatesNothing(t *testing.T) {
	good, token := made(nil)
	keys := NewKeys([]Key{good})
	wrong, _ := newToken()
	if n := testing.AllocsPerRun(100, func() {
		_, _ = keys.Find(token, noon)
		_, _ = keys.Find(wrong, noon)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
