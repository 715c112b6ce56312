package jetstream

import (
	"math"
	"math/bits"
)

// bitmapBits is how many ids one bitmap is for, as a power of two.
const bitmapBits = 10

// bitmap has one bit for each of its ids.
type bitmap struct {
	bits [1 << bitmapBits / 64]uint64
	live int
}

// ids is a set of job ids. Those of one instance lie close together, so that a set of millions takes
// a few bits for each. The zero value is an empty set.
type ids struct {
	bitmaps map[int64]*bitmap
	live    int64
}

// place returns where an id's bit lies.
func place(id int64) (key int64, word int, bit uint64) {
	i := id & (1<<bitmapBits - 1)
	return id >> bitmapBits, int(i / 64), 1 << (i % 64)
}

func (s *ids) has(id int64) bool {
	key, word, bit := place(id)
	b := s.bitmaps[key]
	return b != nil && b.bits[word]&bit != 0
}

// add reports whether the id was not in the set before.
func (s *ids) add(id int64) bool {
	key, word, bit := place(id)
	b := s.bitmaps[key]
	if b == nil {
		if s.bitmaps == nil {
			s.bitmaps = make(map[int64]*bitmap)
		}
		b = new(bitmap)
		s.bitmaps[key] = b
	}
	if b.bits[word]&bit != 0 {
		return false
	}
	b.bits[word] |= bit
	b.live++
	s.live++
	return true
}

// remove reports whether the id was in the set.
func (s *ids) remove(id int64) bool {
	key, word, bit := place(id)
	b := s.bitmaps[key]
	if b == nil || b.bits[word]&bit == 0 {
		return false
	}
	b.bits[word] &^= bit
	s.live--
	if b.live--; b.live == 0 {
		delete(s.bitmaps, key)
	}
	return true
}

// lowest returns the lowest id of the set, and false if it has none.
func (s *ids) lowest() (id int64, ok bool) {
	first := int64(math.MaxInt64)
	for key := range s.bitmaps {
		first = min(first, key)
	}
	b := s.bitmaps[first]
	if b == nil {
		return 0, false
	}
	for word, w := range b.bits {
		if w != 0 {
			return first<<bitmapBits | int64(word*64+bits.TrailingZeros64(w)), true
		}
	}
	return 0, false
}

// each calls f for every id of the set, in no order, until f returns false. f may remove the id it
// is called for.
func (s *ids) each(f func(id int64) bool) {
	for key, b := range s.bitmaps {
		for word, w := range b.bits {
			for ; w != 0; w &= w - 1 {
				if !f(key<<bitmapBits | int64(word*64+bits.TrailingZeros64(w))) {
					return
				}
			}
		}
	}
}
