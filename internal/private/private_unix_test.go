//go:build unix

package private

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// seen is a file as the system would describe it.
type seen struct {
	mode fs.FileMode
	uid  uint32
}

func (s seen) Name() string       { return "ring.json" }
func (s seen) Size() int64        { return 1 }
func (s seen) Mode() fs.FileMode  { return s.mode }
func (s seen) ModTime() time.Time { return time.Time{} }
func (s seen) IsDir() bool        { return false }
func (s seen) Sys() any           { return &syscall.Stat_t{Uid: s.uid} }

// A file belongs to its reader alone, or to root, who may let a group read it.
func TestWhoMayHaveAFile(t *testing.T) {
	const me, other = 65532, 1000
	for _, tc := range []struct {
		mode fs.FileMode
		uid  uint32
		me   int
		ok   bool
	}{
		{0o600, me, me, true}, {0o400, me, me, true}, {0o700, me, me, true},
		{0o640, me, me, false}, {0o440, me, me, false}, {0o660, me, me, false}, {0o604, me, me, false}, {0o644, me, me, false}, {0o602, me, me, false},
		{0o600, 0, me, true}, {0o440, 0, me, true}, {0o640, 0, me, true},
		{0o644, 0, me, false}, {0o660, 0, me, false}, {0o444, 0, me, false}, {0o642, 0, me, false}, {0o650, 0, me, false},
		{0o640, 0, 0, true}, {0o600, 0, 0, true}, {0o644, 0, 0, false},
		{0o600, other, me, false}, {0o400, other, me, false}, {0o600, other, 0, false},
	} {
		err := judge("ring.json", seen{tc.mode, tc.uid}, tc.me)
		if (err == nil) != tc.ok {
			t.Errorf("mode %04o of uid %d for uid %d: error %v", tc.mode, tc.uid, tc.me, err)
		}
		if exposed, is := errors.AsType[*ExposedError](err); err != nil && (!is || exposed.Way == "" || !strings.HasPrefix(err.Error(), "ring.json ")) {
			t.Errorf("mode %04o of uid %d for uid %d: %v", tc.mode, tc.uid, tc.me, err)
		}
	}
}

func write(t *testing.T, path, content string, mode fs.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
	chmod(t, path, mode)
}

func chmod(t *testing.T, path string, mode fs.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// wantFile checks what is in the file, and that nothing is beside what should be.
func wantFile(t *testing.T, path, content string, beside ...string) {
	t.Helper()
	if b, err := os.ReadFile(path); err != nil || string(b) != content {
		t.Errorf("%s holds %q, error %v; want %q", path, b, err, content)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 1+len(beside) {
		t.Errorf("the folder has %v", entries)
	}
}

// A mounted secret: the file is a link through a link, in a folder that all may write in but where each
// has his own.
func TestReadBehindLinks(t *testing.T) {
	dir := t.TempDir()
	data := filepath.Join(dir, "..2026_11_26")
	if err := errors.Join(os.Mkdir(data, 0o700), os.Symlink("..2026_11_26", filepath.Join(dir, "..data")),
		os.Symlink("..data/ring.json", filepath.Join(dir, "ring.json"))); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(data, "ring.json"), "ring", 0o400)
	chmod(t, data, 0o755)
	chmod(t, dir, 0o777|fs.ModeSticky)
	path := filepath.Join(dir, "ring.json")
	if b, err := Read(path); err != nil || string(b) != "ring" {
		t.Errorf("read %q, error %v", b, err)
	}
	for what, exposed := range map[string]string{"that of the link": dir, "that of the file": data} {
		info, err := os.Stat(exposed)
		if err != nil {
			t.Fatal(err)
		}
		chmod(t, exposed, 0o777)
		_, err = Read(path)
		if _, is := errors.AsType[*ExposedError](err); !is || !strings.Contains(err.Error(), "folder "+exposed) {
			t.Errorf("in a folder open to all, %s: error %v", what, err)
		}
		chmod(t, exposed, info.Mode())
	}
}

func TestReadEnds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "large")
	write(t, path, strings.Repeat("x", maxBytes+1), 0o600)
	if _, err := Read(path); err == nil || !strings.Contains(err.Error(), "larger") {
		t.Errorf("a large file: error %v", err)
	}
	if _, err := Read("/dev/zero"); err == nil {
		t.Error("an endless file is read")
	}
	if _, err := Read(t.TempDir()); err == nil {
		t.Error("a folder is read")
	}
	if _, err := Read(filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: error %v", err)
	}
}

// A pipe, as a shell's <(…) is, has no folder.
func TestReadPipe(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	if _, err := w.WriteString("ring"); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	if b, err := Read(fmt.Sprintf("/dev/fd/%d", r.Fd())); err != nil || string(b) != "ring" {
		t.Errorf("read %q, error %v", b, err)
	}
}

func TestCreateReplacesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ring.json")
	if err := Create(path, []byte("first")); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, error %v", info, err)
	}
	if err := Create(path, []byte("second")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("created again: error %v", err)
	}
	wantFile(t, path, "first")
	dangling := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink("nowhere", dangling); err != nil {
		t.Fatal(err)
	}
	if err := Create(dangling, []byte("x")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("in the place of a link: error %v", err)
	}
}

// Of many that create a file at once one does, and all find its content.
func TestCreateAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ring.json")
	var g sync.WaitGroup
	var made atomic.Pointer[string]
	for n := range 16 {
		g.Go(func() {
			content := fmt.Sprint("content ", n)
			err := Create(path, []byte(content))
			if err == nil && made.Swap(&content) != nil || err != nil && !errors.Is(err, fs.ErrExist) {
				t.Errorf("error %v, or made twice", err)
			}
		})
	}
	g.Wait()
	wantFile(t, path, *made.Load())
}

// appended is an edit.
func appended(text string) func([]byte) ([]byte, error) {
	return func(old []byte) ([]byte, error) { return append(bytes.Clone(old), text...), nil }
}

// What a link leads to is replaced, and the link stays.
func TestReplaceBehindALink(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	target, link := filepath.Join(elsewhere, "ring.json"), filepath.Join(dir, "link")
	write(t, target, "old", 0o600)
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	if err := Replace(link, appended(" new")); err != nil {
		t.Fatal(err)
	}
	wantFile(t, target, "old new")
	if to, err := os.Readlink(link); err != nil || to != target {
		t.Errorf("the link leads to %q, error %v", to, err)
	}
	wantFile(t, link, "old new")
}

// Of many that edit a file at once none undoes what another did, nor leaves anything.
func TestReplaceAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ring.json")
	write(t, path, "", 0o600)
	var g sync.WaitGroup
	for range 16 {
		g.Go(func() {
			if err := Replace(path, appended("x")); err != nil {
				t.Error(err)
			}
		})
	}
	g.Wait()
	wantFile(t, path, strings.Repeat("x", 16))
}

// What is left by a process that was killed goes with the next change, and nothing else does.
func TestLeftoversGo(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "ring.json")
	write(t, path, "old", 0o600)
	write(t, filepath.Join(dir, ".ring.json.new"), "left", 0o600)
	write(t, filepath.Join(dir, ".ring-not-ours"), "kept", 0o600)
	if err := Replace(path, appended(" new")); err != nil {
		t.Fatal(err)
	}
	wantFile(t, path, "old new", ".ring-not-ours")
}

// A second name of the file, which a kill of Create leaves, is not written through.
func TestLeftoverIsTheFileItself(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "ring.json")
	write(t, path, "old", 0o600)
	if err := os.Link(path, filepath.Join(dir, ".ring.json.new")); err != nil {
		t.Fatal(err)
	}
	failed := errors.New("no edit")
	if err := Replace(path, func([]byte) ([]byte, error) { return nil, failed }); !errors.Is(err, failed) {
		t.Errorf("error %v", err)
	}
	wantFile(t, path, "old")
}

func TestReplaceKeepsTheMode(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ring.json")
	write(t, path, "old", 0o400)
	if err := Replace(path, appended(" new")); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o400 {
		t.Errorf("%v, error %v", info, err)
	}
}

func TestReplaceRefusesWhatReadDoes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ring.json")
	write(t, path, "old", 0o644)
	if err := Replace(path, appended("new")); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("error %v", err)
	}
	wantFile(t, path, "old")
}

func TestCannotWrite(t *testing.T) {
	for cause, says := range map[error]string{
		syscall.EROFS: "read only", syscall.EBUSY: "mount by itself", syscall.EACCES: "may write in /folder",
	} {
		err := explain("/folder/ring.json", &fs.PathError{Op: "rename", Path: "x", Err: cause})
		if !errors.Is(err, cause) || !strings.Contains(err.Error(), says) {
			t.Errorf("%v: %v", cause, err)
		}
	}
}

func TestReplaceWaitsForNoPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Replace(path, appended("x")); err == nil || !strings.Contains(err.Error(), "no file that can be replaced") {
		t.Errorf("error %v", err)
	}
}
