package follow

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

func TestNextTellsEachChangeOnce(t *testing.T) {
	var content string
	var failure error
	f := New(func() ([]byte, error) { return []byte(content), failure })
	for n, step := range []struct {
		content string
		err     error
		changed bool
	}{
		{"", nil, true}, {"", nil, false}, {"a", nil, true}, {"a", nil, false}, {"b", nil, true}, {"a", nil, true},
		{"a", errors.New("gone"), true}, {"a", errors.New("gone"), false}, {"b", errors.New("gone"), false},
		{"b", errors.New("exposed"), true}, {"error: exposed", nil, true}, {"a", nil, true},
	} {
		content, failure = step.content, step.err
		got, changed, err := f.Next()
		if changed != step.changed || !errors.Is(err, step.err) || string(got) != step.content {
			t.Errorf("step %d: changed %v, error %v, content %q", n, changed, err, got)
		}
	}
}

// An orchestrator swaps a link of a link; size and time of the new file may be those of the old one.
func TestNextFollowsSwappedLinks(t *testing.T) {
	dir := t.TempDir()
	same := time.Now()
	for name, content := range map[string]string{"1": "old", "2": "new"} {
		path := filepath.Join(dir, name, "file")
		if err := errors.Join(os.Mkdir(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(content), 0o600), os.Chtimes(path, same, same)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Symlink("1", filepath.Join(dir, "..data")), os.Symlink("..data/file", filepath.Join(dir, "file"))); err != nil {
		t.Fatal(err)
	}
	f := New(func() ([]byte, error) { return os.ReadFile(filepath.Join(dir, "file")) })
	if b, changed, err := f.Next(); string(b) != "old" || !changed || err != nil {
		t.Fatalf("%q, changed %v, error %v", b, changed, err)
	}
	if err := errors.Join(os.Symlink("2", filepath.Join(dir, "..tmp")), os.Rename(filepath.Join(dir, "..tmp"), filepath.Join(dir, "..data"))); err != nil {
		t.Fatal(err)
	}
	if b, changed, err := f.Next(); string(b) != "new" || !changed || err != nil {
		t.Errorf("%q, changed %v, error %v", b, changed, err)
	}
}

func TestEvery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		steps := 0
		stop := Every(time.Second, func() {
			steps++
			time.Sleep(time.Millisecond)
		})
		time.Sleep(3*time.Second + time.Microsecond) // in the middle of the third step
		stop()
		stop()
		if steps != 3 {
			t.Errorf("%d steps", steps)
		}
		time.Sleep(time.Minute)
		if steps != 3 {
			t.Errorf("%d steps, some after the stop", steps)
		}
	})
}
