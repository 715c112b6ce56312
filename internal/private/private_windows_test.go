package private

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/windows"
)

// allow sets who may use the file, as text of an access list.
func allow(t *testing.T, path, list string) {
	t.Helper()
	sd, err := windows.SecurityDescriptorFromString(list)
	if err != nil {
		t.Fatal(err)
	}
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		t.Fatal(err)
	}
	h, err := windows.CreateFile(name, windows.WRITE_DAC, windows.FILE_SHARE_READ|windows.FILE_SHARE_WRITE, nil, windows.OPEN_EXISTING, windows.FILE_FLAG_BACKUP_SEMANTICS, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = windows.CloseHandle(h) }()
	if err := windows.SetKernelObjectSecurity(h, windows.DACL_SECURITY_INFORMATION|windows.PROTECTED_DACL_SECURITY_INFORMATION, sd); err != nil {
		t.Fatal(err)
	}
}

// What Create makes is private, stays so when it is replaced, and Create replaces nothing.
func TestCreateAndReplace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ring.json")
	if err := Create(path, []byte("one")); err != nil {
		t.Fatal(err)
	}
	if err := Create(path, []byte("two")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("created again: error %v", err)
	}
	var g sync.WaitGroup
	for range 8 {
		g.Go(func() {
			if err := Replace(path, func(old []byte) ([]byte, error) { return append(bytes.Clone(old), 'x'), nil }); err != nil {
				t.Error(err)
			}
		})
	}
	g.Wait()
	if b, err := Read(path); err != nil || string(b) != "onexxxxxxxx" {
		t.Errorf("read %q, error %v", b, err)
	}
}

// A file that others may read is refused, and so is one in a folder where they can replace it.
func TestExposed(t *testing.T) {
	user, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		t.Fatal(err)
	}
	own := "(A;;FA;;;" + user.User.Sid.String() + ")"
	for what, lists := range map[string][2]string{
		"read by everyone":           {"D:P" + own + "(A;;FR;;;WD)", "D:P" + own},
		"written by everyone":        {"D:P" + own + "(A;;FW;;;WD)", "D:P" + own},
		"in a folder open to others": {"D:P" + own, "D:P" + own + "(A;;FA;;;WD)"},
		"private":                    {"D:P" + own, "D:P" + own},
	} {
		path := filepath.Join(t.TempDir(), "ring.json")
		if err := os.WriteFile(path, []byte("ring"), 0o600); err != nil {
			t.Fatal(err)
		}
		allow(t, path, lists[0])
		allow(t, filepath.Dir(path), lists[1])
		_, err := Read(path)
		exposed, is := errors.AsType[*ExposedError](err)
		if what == "private" {
			if err != nil {
				t.Errorf("%s: error %v", what, err)
			}
			continue
		}
		if !is || !strings.Contains(exposed.Why, "open to") || !strings.Contains(exposed.Way, "icacls") {
			t.Errorf("%s: error %v", what, err)
		}
		allow(t, filepath.Dir(path), "D:P"+own) // so that it can be removed
	}
}
