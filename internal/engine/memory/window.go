package memory

import (
	"iter"
	"slices"
)

// window is a queue whose items keep their number for ever: the first item ever pushed is
// number 0, and at(n) finds item n as long as it was not popped. The zero value is empty.
type window[T any] struct {
	items []T
	first int64 // number of items[0]
	skip  int   // popped items that still stand at the start of items
}

func (w *window[T]) push(item T) { w.items = append(w.items, item) }

// end returns the number the next item gets.
func (w *window[T]) end() int64 { return w.first + int64(len(w.items)) }

// at returns item n, and false for one that was popped or never pushed.
func (w *window[T]) at(n int64) (item T, ok bool) {
	if n < w.first+int64(w.skip) || n >= w.end() {
		return item, false
	}
	return w.items[n-w.first], true
}

// set replaces item n, which must be there.
func (w *window[T]) set(n int64, item T) { w.items[n-w.first] = item }

// start returns the oldest item's number.
func (w *window[T]) start() int64 { return w.first + int64(w.skip) }

// pop drops the oldest item; there must be one. Items move down only when half of them are
// dead, so that each moves once on average.
func (w *window[T]) pop() {
	w.skip++
	if 2*w.skip >= len(w.items) {
		w.items = slices.Delete(w.items, 0, w.skip)
		w.first += int64(w.skip)
		w.skip = 0
	}
}

// drop takes back the newest item; there must be one.
func (w *window[T]) drop() { w.items = slices.Delete(w.items, len(w.items)-1, len(w.items)) }

// trim pops the oldest items for as long as they are dead.
func (w *window[T]) trim(dead func(T) bool) {
	for item, ok := w.at(w.start()); ok && dead(item); item, ok = w.at(w.start()) {
		w.pop()
	}
}

// all yields what is in the window, oldest first.
func (w *window[T]) all() iter.Seq[T] { return slices.Values(w.items[w.skip:]) }
