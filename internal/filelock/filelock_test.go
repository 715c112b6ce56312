package filelock

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// open opens the file, for this test.
func open(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func wantTry(t *testing.T, f *os.File, want bool) {
	t.Helper()
	if got, err := Try(f); got != want || err != nil {
		t.Errorf("locked: %v, error %v, want %v", got, err, want)
	}
}

// One opening at a time has the lock: until it unlocks, or is closed. The others can read and write meanwhile.
func TestOneHasTheLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	a, b := open(t, path), open(t, path)
	wantTry(t, a, true)
	wantTry(t, b, false)
	if _, err := b.WriteAt([]byte("text"), 0); err != nil {
		t.Error(err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "text" {
		t.Errorf("read %q, error %v", text, err)
	}
	if err := Unlock(a); err != nil {
		t.Error(err)
	}
	wantTry(t, b, true)
	wantTry(t, a, false)
	_ = b.Close()
	wantTry(t, a, true)
}

// Who waits has the lock once it is free, and not before.
func TestWait(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	a, b := open(t, path), open(t, path)
	wantTry(t, a, true)
	locked := make(chan error, 1)
	go func() { locked <- Wait(b) }()
	select {
	case err := <-locked:
		t.Fatalf("locked twice, error %v", err)
	case <-time.After(20 * time.Millisecond): // which a broken lock would not need
	}
	if err := Unlock(a); err != nil {
		t.Error(err)
	}
	if err := <-locked; err != nil {
		t.Error(err)
	}
	wantTry(t, a, false)
}
