package memory

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// checkWindow compares the window with a slice of all items ever pushed, of which the first
// popped ones are gone.
func checkWindow(t *testing.T, w *window[int], pushed []int, popped int) {
	t.Helper()
	if w.start() != int64(popped) || w.end() != int64(len(pushed)) {
		t.Fatalf("window from %d to %d, want %d to %d", w.start(), w.end(), popped, len(pushed))
	}
	for n := -1; n <= len(pushed); n++ {
		item, ok := w.at(int64(n))
		if in := n >= popped && n < len(pushed); ok != in || ok && item != pushed[n] || !ok && item != 0 {
			t.Fatalf("item %d of %d to %d is %d, %v", n, popped, len(pushed), item, ok)
		}
	}
	if all := slices.Collect(w.all()); !slices.Equal(all, pushed[popped:]) {
		t.Fatalf("all yields %v, want %v", all, pushed[popped:])
	}
}

func TestWindowAgainstSlice(t *testing.T) {
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 3))
		var w window[int]
		var pushed []int
		popped := 0
		for range 200 {
			live := len(pushed) - popped
			switch random.IntN(5) {
			case 0, 1:
				pushed = append(pushed, random.Int())
				w.push(pushed[len(pushed)-1])
			case 2:
				if live > 0 {
					w.pop()
					popped++
				}
			case 3:
				if live > 0 {
					n := popped + random.IntN(live)
					pushed[n] = random.Int()
					w.set(int64(n), pushed[n])
				}
			case 4:
				if live > 0 {
					w.drop()
					pushed = pushed[:len(pushed)-1]
				}
			}
			checkWindow(t, &w, pushed, popped)
		}
	}
}

func TestWindowTrim(t *testing.T) {
	var w window[int]
	pushed := []int{0, 0, 0, 4, 0, 6, 0}
	for _, item := range pushed {
		w.push(item)
	}
	zero := func(item int) bool { return item == 0 }
	w.trim(zero)
	checkWindow(t, &w, pushed, 3)
	w.trim(zero) // the first is alive: the dead behind it stay
	checkWindow(t, &w, pushed, 3)
	w.pop()
	w.trim(zero)
	checkWindow(t, &w, pushed, 5)
	w.pop()
	w.trim(zero)
	checkWindow(t, &w, pushed, 7)
	w.trim(zero)
	checkWindow(t, &w, pushed, 7)
}

func TestWindowBeyondItsEnds(t *testing.T) {
	var w window[int]
	w.push(7)
	for _, n := range []int64{-1, 1, math.MinInt64, math.MaxInt64} {
		if item, ok := w.at(n); ok || item != 0 {
			t.Errorf("item %d is %d", n, item)
		}
	}
}

// A queue that is never empty must not keep what was popped, nor grow without end.
func TestWindowForgetsWhatIsPopped(t *testing.T) {
	var w window[*int]
	for n := range 10_000 {
		w.push(&n)
		if n >= 10 {
			w.pop()
		}
		if len(w.items) > 32 || cap(w.items) > 64 {
			t.Fatalf("10 items take the room of %d, in an array of %d", len(w.items), cap(w.items))
		}
	}
	for _, item := range w.items[len(w.items):cap(w.items)] {
		if item != nil {
			t.Error("a popped item is still referred to")
		}
	}
}
