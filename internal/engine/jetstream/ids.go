package jetstream

import "math/bits"

// blockBits is how many ids lie in one block of a set, as a power of two.
const blockBits = 10

// block holds one bit for each id of a block.
type block struct {
	bits [1 << blockBits / 64]uint64
	live int
}

// ids is a set of job ids. Those of one instance lie close together, so that a set of millions takes
// a few bits for each. The zero value is an empty set.
type ids struct {
	blocks map[int64]*block
	live   int64
}

// place returns where an id's bit lies.
func place(id int64) (key int64, word int, bit uint64) {
	i := id & (1<<blockBits - 1)
	return id >> blockBits, int(i / 64), 1 << (i % 64)
}

func (s *ids) has(id int64) bool {
	key, word, bit := place(id)
	b := s.blocks[key]
	return b != nil && b.bits[word]&bit != 0
}

// add reports whether the id was not in the set before.
func (s *ids) add(id int64) bool {
	key, word, bit := place(id)
	b := s.blocks[key]
	if b == nil {
		if s.blocks == nil {
			s.blocks = make(map[int64]*block)
		}
		b = new(block)
		s.blocks[key] = b
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
	b := s.blocks[key]
	if b == nil || b.bits[word]&bit == 0 {
		return false
	}
	b.bits[word] &^= bit
	s.live--
	if b.live--; b.live == 0 {
		delete(s.blocks, key)
	}
	return true
}

// each calls f for every id of the set, in no order, until f returns false. f may remove the id it
// is called for.
func (s *ids) each(f func(id int64) bool) {
	for key, b := range s.blocks {
		for word, w := range b.bits {
			for ; w != 0; w &= w - 1 {
				if !f(key<<blockBits | int64(word*64+bits.TrailingZeros64(w))) {
					return
				}
			}
		}
	}
}
