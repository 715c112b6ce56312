package memory

import (
	"testing"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// Claims may be published in another order than they were taken. A request ends with its last job, and what is known of
// requests is bounded and forgotten with them.
func TestTracesEndInAnyOrder(t *testing.T) {
	var all traces
	for first := int64(1); first <= 3*mostTraced; first += 3 {
		all.note(&Prepared{Receipt: engine.Receipt{ID: first}, Jobs: 2, trace: "a"})
	}
	all.note(&Prepared{Receipt: engine.Receipt{ID: 1 << 40}, Jobs: 2, trace: "too many"})
	all.note(&Prepared{Receipt: engine.Receipt{ID: 1 << 41}, Jobs: 2})
	if len(all) != mostTraced {
		t.Fatalf("%d are followed", len(all))
	}
	every := func(int64) bool { return true }
	if over := all.pass(nil, 5, 11, 20, 30, every); len(over) != 0 { // the first is not done
		t.Errorf("over are %+v", over)
	}
	over := all.pass(nil, 1, 5, 10, 15, func(id int64) bool { return id != 2 })
	if len(over) != 3 || len(all) != mostTraced-3 {
		t.Fatalf("over are %d, left %d", len(over), len(all))
	}
	for i, want := range []traced{{hashed: 1, began: 10, ended: 15}, {hashed: 2, began: 10, ended: 30}, {hashed: 2, began: 20, ended: 30}} {
		if got := over[i]; got.hashed != want.hashed || got.began != want.began || got.ended != want.ended || got.left != 0 {
			t.Errorf("%d: %+v", i, got)
		}
	}
	if over = all.pass(nil, 11, 3*mostTraced+1, 40, 50, every); len(over) != mostTraced-3 || len(all) != 0 {
		t.Errorf("over are %d, left %d", len(over), len(all))
	}
}
