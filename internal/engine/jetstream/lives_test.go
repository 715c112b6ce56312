package jetstream

import (
	"testing"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// Each message has an id, each id at most one message, in all lives; ids increase, are far from the
// ones before, and stay exact in JavaScript after many restorations.
func TestLives(t *testing.T) {
	t.Parallel()
	const exact = 1 << 53
	for _, first := range []uint64{1, 42, engine.MaxFirstID} {
		l, last := oneLife(first), first+9
		for range 200 {
			next := l.next(last + 1)
			if got := next.id(last) - l.id(last); got != 0 {
				t.Fatalf("a new life moves the id of message %d by %d", last, got)
			}
			if step := next.id(last+1) - next.id(last); step < leastStep {
				t.Fatalf("the ids of a new life begin %d above the last", step)
			}
			l, last = next, last+10
		}
		seen := make(map[int64]bool)
		for sequence := first; sequence <= last; sequence++ {
			id := l.id(sequence)
			if got, ok := l.sequence(id); !ok || got != sequence || seen[id] || id > exact {
				t.Fatalf("message %d has id %d, which has message %d, %v", sequence, id, got, ok)
			}
			seen[id] = true
		}
		for id := range seen {
			if at, ok := l.sequence(id + 1); ok && !seen[id+1] && at <= last {
				t.Errorf("id %d, which was never given, has message %d", id+1, at)
			}
		}
		if id := l.id(first - 1); id != 0 {
			t.Errorf("the message before the first has id %d", id)
		}
		if again, err := parseLives(l.String()); err != nil || again.String() != l.String() {
			t.Errorf("read again they are %v, %v", again, err)
		}
	}
}

// The same copy restored twice has other ids each time.
func TestLivesOfOneCopyDiffer(t *testing.T) {
	t.Parallel()
	l := oneLife(1)
	if a, b := l.next(10), l.next(10); a.id(10) == b.id(10) {
		t.Errorf("both begin with %d", a.id(10))
	}
}

func TestDamagedLives(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", "x", "1", "1:", ":1", "0:1", "1:0", "-1:1", "1:1,", "1:1,1:5", "5:5,4:9", "1:1,5:5,4:9", "1:1,10:10,20:15", "1:1,10:3"} {
		if l, err := parseLives(s); err == nil {
			t.Errorf("%q is read as %v", s, l)
		}
	}
}
