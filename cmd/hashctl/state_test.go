package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A state cut off anywhere, as a loss of power may leave it, is one of an earlier time: the bulk
// that goes on from it repeats steps, and misses none.
func TestStateCutOff(t *testing.T) {
	name := filepath.Join(t.TempDir(), "state")
	a := asked{Server: "http://a", Format: formatCSV, Wait: true}
	s, err := openState(name, a)
	if err != nil || s.resumed {
		t.Fatalf("resumed %v, %v", s.resumed, err)
	}
	end := []int64{100, 250}
	steps := []step{
		{Batch: 0, Lines: 10, Fingerprint: "a"}, {Batch: 1, Lines: 5, Fingerprint: "b"},
		{Batch: 1, First: 11, Store: "store"}, {Batch: 0, First: 1, Store: "store"},
		{Batch: 0, End: &end[0], Missing: 1}, {Batch: 1, First: 31, Store: "store"}, {Batch: 1, End: &end[1], Missing: 2},
	}
	for _, step := range steps {
		if err := s.record(step); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.close(false); err != nil {
		t.Fatal(err)
	}
	text := read(t, name)
	for cut := strings.IndexByte(text, '\n') + 1; cut <= len(text); cut++ {
		write(t, name, text[:cut])
		again, err := openState(name, a)
		if err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		whole := strings.Count(text[:cut], "\n") - 1 // steps
		written, end, missing := again.progress()
		want := [3]int64{}
		if whole >= 5 {
			want = [3]int64{1, 100, 1}
		}
		if whole == len(steps) {
			want = [3]int64{2, 250, 3}
		}
		if got := [3]int64{int64(written), end, missing}; got != want || !again.resumed || again.asked.Run != s.asked.Run {
			t.Errorf("with %d steps: %v, want %v", whole, got, want)
		}
		if known, ok := again.known(1); ok != (whole >= 2) || whole >= 6 && (known.First != 31 || known.Store != "store") {
			t.Errorf("with %d steps: batch 1 is %+v, %v", whole, known, ok)
		}
		if err := again.close(false); err != nil || !strings.HasSuffix(read(t, name), "\n") {
			t.Errorf("cut at %d: left %q, %v", cut, read(t, name), err)
		}
	}
}

// Steps that can't follow are refused, and not written down.
func TestStateOrder(t *testing.T) {
	end := int64(5)
	for _, wrong := range []step{
		{Batch: 2, Lines: 1}, {Batch: 1, First: 1, Store: "store"}, {Batch: -1, Lines: 1}, {Batch: 0, First: 1}, {Batch: 0}, {Batch: 1, End: &end},
	} {
		s := newState(asked{})
		if err := s.record(step{Batch: 0, Lines: 1}); err != nil {
			t.Fatal(err)
		}
		if err := s.record(wrong); err == nil || len(s.batches) != 1 || s.written != 0 {
			t.Errorf("%+v is taken: %v", wrong, err)
		}
	}
}

// A step that could not be written whole, as on a full disk, is the last one: another behind what is left of
// it would make the state unreadable.
func TestStateEndsWithFailedStep(t *testing.T) {
	s, err := openState(filepath.Join(t.TempDir(), "state"), asked{})
	if err != nil {
		t.Fatal(err)
	}
	whole := s.file
	if s.file, err = os.Open(whole.Name()); err != nil { // which can't be written
		t.Fatal(err)
	}
	first := s.record(step{Batch: 0, Lines: 1})
	_ = s.file.Close()
	s.file = whole
	if second := s.record(step{Batch: 1, Lines: 1}); first == nil || second == nil || strings.Count(read(t, whole.Name()), "\n") != 1 {
		t.Errorf("%v, then %v, and it holds %q", first, second, read(t, whole.Name()))
	}
	if err := s.close(false); err != nil {
		t.Error(err)
	}
}

// The state is its owner's alone: what was readable for others is no longer, and a link is not followed.
func TestStateIsPrivate(t *testing.T) {
	dir := t.TempDir()
	name, target := filepath.Join(dir, "state"), filepath.Join(dir, "target")
	write(t, name, "")
	if err := os.Chmod(name, 0o666); err != nil {
		t.Fatal(err)
	}
	s, err := openState(name, asked{})
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("it is %v, %v", info.Mode(), err)
	}
	if err := s.close(true); err != nil {
		t.Error(err)
	}
	write(t, target, "")
	if err := os.Symlink(target, name); err != nil {
		t.Fatal(err)
	}
	if _, err := openState(name, asked{}); err == nil || !strings.Contains(err.Error(), "is no file of yours") || read(t, target) != "" {
		t.Errorf("a link: %v, and its target holds %q", err, read(t, target))
	}
}
