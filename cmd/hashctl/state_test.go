package main

import (
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
