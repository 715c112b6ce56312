package jetstream

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// A set behaves as a map would, wherever in its blocks the ids lie.
func TestIDs(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var s ids
	model := make(map[int64]bool)
	for range 20_000 {
		id := random.Int64N(5_000) + random.Int64N(2)<<40
		if random.IntN(2) == 0 {
			if s.add(id) == model[id] {
				t.Fatalf("add %d, which is there: %v", id, model[id])
			}
			model[id] = true
		} else {
			if s.remove(id) != model[id] {
				t.Fatalf("remove %d, which is there: %v", id, model[id])
			}
			delete(model, id)
		}
		if s.live != int64(len(model)) || s.has(id) != model[id] {
			t.Fatalf("%d live, want %d; has %d: %v", s.live, len(model), id, s.has(id))
		}
	}
	var all []int64
	s.each(func(id int64) bool {
		all = append(all, id)
		return true
	})
	if len(all) != len(model) || len(slices.Compact(slices.Sorted(slices.Values(all)))) != len(model) {
		t.Errorf("each gives %d ids, want %d", len(all), len(model))
	}
	for _, id := range all {
		s.remove(id)
	}
	if s.live != 0 || len(s.bitmaps) != 0 {
		t.Errorf("empty, with %d blocks", len(s.bitmaps))
	}
}
