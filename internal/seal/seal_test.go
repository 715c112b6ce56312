package seal

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func ring(t *testing.T) []byte {
	t.Helper()
	r, err := Generate()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func sealer(t *testing.T, ring []byte) *Sealer {
	t.Helper()
	s, err := New(ring)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustSeal(t *testing.T, s *Sealer, plain, context string) []byte {
	t.Helper()
	sealed, err := s.Seal([]byte(plain), []byte(context))
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func TestSealAndOpen(t *testing.T) {
	s := sealer(t, ring(t))
	for _, plain := range []string{"", "x", "angryMonkey", strings.Repeat("long ", 100_000)} {
		sealed := mustSeal(t, s, plain, "here")
		if plain == "angryMonkey" && bytes.Contains(sealed, []byte(plain)) {
			t.Error("what is sealed can be read")
		}
		if again := mustSeal(t, s, plain, "here"); bytes.Equal(sealed, again) {
			t.Error("the same is sealed to the same: equal secrets can be told")
		}
		if got, err := s.Open(sealed, []byte("here")); err != nil || string(got) != plain {
			t.Errorf("%d bytes open to %d, error %v", len(plain), len(got), err)
		}
	}
}

// Whatever bit is changed, and wherever it is put, sealed data does not open.
func TestDamage(t *testing.T) {
	s := sealer(t, ring(t))
	sealed := mustSeal(t, s, "angryMonkey", "here")
	if _, err := s.Open(sealed, []byte("there")); !errors.Is(err, ErrDamaged) {
		t.Errorf("in another place: error %v", err)
	}
	for n := range sealed {
		bad := bytes.Clone(sealed)
		bad[n] ^= 0x10
		_, err := s.Open(bad, []byte("here"))
		if _, otherKey := errors.AsType[*UnknownKeyError](err); !errors.Is(err, ErrDamaged) && (!otherKey || n < 1 || n >= prefixBytes) {
			t.Errorf("byte %d changed: error %v", n, err)
		}
		if _, err := s.Open(sealed[:n], []byte("here")); err == nil {
			t.Errorf("cut to %d bytes it opens", n)
		}
	}
}

func TestRotate(t *testing.T) {
	first := ring(t)
	second, err := Rotate(first)
	if err != nil {
		t.Fatal(err)
	}
	before, after := sealer(t, first), sealer(t, second)
	old := mustSeal(t, before, "old", "")
	if got, err := after.Open(old, nil); err != nil || string(got) != "old" {
		t.Errorf("after a rotation the old opens to %q, error %v", got, err)
	}
	unknown, ok := errors.AsType[*UnknownKeyError](func() error { _, err := before.Open(mustSeal(t, after, "new", ""), nil); return err }())
	if !ok || !strings.Contains(unknown.Error(), "restore the ring") {
		t.Errorf("without the new key: %v", unknown)
	}
	if bytes.Equal(first, second) || !bytes.Contains(second, []byte("primaryKeyId")) {
		t.Error("the ring was not rotated")
	}
}

func TestNotARing(t *testing.T) {
	for _, bad := range []string{"", "{}", "angryMonkey", `{"primaryKeyId":1,"key":[]}`, strings.Replace(string(ring(t)), "ENABLED", "DESTROYED", 1)} {
		if _, err := New([]byte(bad)); err == nil || strings.Contains(err.Error(), "angryMonkey") {
			t.Errorf("%.20q: error %v", bad, err)
		}
		if _, err := Rotate([]byte(bad)); err == nil && !strings.Contains(bad, "DESTROYED") {
			t.Errorf("%.20q can be rotated", bad)
		}
	}
}

// An editor's mark before a ring is told, in each encoding, for nobody sees it.
func TestRingWithAMark(t *testing.T) {
	t.Parallel()
	ring, err := Generate()
	if err != nil {
		t.Fatal(err)
	}
	for mark, want := range map[string]string{"\xef\xbb\xbf": "(EF BB BF)", "\xff\xfe": "(FF FE)", "\xfe\xff": "(FE FF)"} {
		if _, err := New(append([]byte(mark), ring...)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("a ring behind % X: %v", mark, err)
		}
	}
	if _, err := New([]byte("{}")); err == nil || strings.Contains(err.Error(), "mark") {
		t.Errorf("no ring, and no mark: %v", err)
	}
}

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ring.json")
	if _, err := ReadFile(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: error %v", err)
	}
	if err := CreateFile(path); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, error %v", info.Mode(), err)
	}
	if err := CreateFile(path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("created again: error %v", err)
	}
	s, err := ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	sealed := mustSeal(t, s, "kept", "")
	if err := RotateFile(path); err != nil {
		t.Fatal(err)
	}
	s, err = ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.Open(sealed, nil); err != nil || string(got) != "kept" {
		t.Errorf("after a rotation: %q, error %v", got, err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".ring-*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

func TestFileRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ring.json")
	if err := os.WriteFile(path, []byte("angryMonkey"), 0o600); err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{
		"read":   func() error { _, err := ReadFile(path); return err }(),
		"rotate": RotateFile(path),
	} {
		if err == nil || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "angryMonkey") {
			t.Errorf("%s of what is no ring: error %v", what, err)
		}
	}
	if err := os.WriteFile(path, ring(t), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadFile(path); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a file open to others: error %v", err)
	}
	if err := CreateFile(filepath.Join(path, "below", "a-file")); err == nil {
		t.Error("a ring was created below a file")
	}
}
