package file

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"iter"
	"slices"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// The store counts its jobs by position, from 1 on without a gap. Clients know a job by its id, which is
// its position shifted. The shift is drawn when the store is made. It is drawn again whenever the store
// may not be the latest of its copies, for nobody knows which ids a later copy gave out. From then on
// the store has another life and another name: no id is given twice, and clients can tell.

// identity names a store in one of its lives.
type identity [16]byte

func newIdentity() (id identity) {
	_, _ = rand.Read(id[:]) // never fails
	return id
}

// life is what is true of the jobs from a position on, up to that of the next life.
type life struct {
	position int64    // of its first job
	id       int64    // of its first job
	store    identity // what the store is called
	bound    bool     // records open in this life only; those of format 1 say nothing of it
}

// firstLife is that of a new store. The id is drawn if it is 0.
func firstLife(id int64) life {
	if id == 0 {
		id = engine.DrawFirstID()
	}
	return life{position: 1, id: id, store: newIdentity(), bound: true}
}

// formerLife is that of a store of format 1, whose ids were its positions. It is named by the
// fingerprint key, which is as old as the store.
func formerLife(fingerprintKey []byte) life {
	sum := sha256.Sum256(fingerprintKey)
	return life{position: 1, id: 1, store: identity(sum[:])}
}

// lives are all lives of the store, in their order. There is at least one. Ids rise from each to the
// next; positions may be the same, if no job was accepted in a life.
type lives []life

// How far the ids of another life begin above those of the last: further than any store gets in
// years, and at random, so that two lives that begin at one point do not meet either.
const (
	leastJump = 1 << 40
	jumpShift = 8         // of a first id, so up to 2^44
	maxID     = 1<<53 - 1 // more than that is not exact in JavaScript
)

// another returns the lives with one more from the position on, whose ids are above the one given.
func (l lives) another(position, above int64) lives {
	above = max(above, l.id(position))
	jump := leastJump + engine.DrawFirstID()>>jumpShift
	jump = min(jump, (maxID-above)/1024) // so that thousands of lives do not use up what is left
	return append(slices.Clone(l), life{position: position, id: above + max(1, jump), store: newIdentity(), bound: true})
}

// last returns the life that the store is in.
func (l lives) last() life { return l[len(l)-1] }

// at returns the life that the position belongs to.
func (l lives) at(position int64) *life {
	n := len(l) - 1
	for n > 0 && position < l[n].position {
		n--
	}
	return &l[n]
}

// id returns the id of the job at the position.
func (l lives) id(position int64) int64 {
	one := l.at(position)
	return one.id + position - one.position
}

// position returns where the job with the id is, or will be; 0 for an id that is never given.
func (l lives) position(id int64) int64 {
	n := len(l) - 1
	for n > 0 && id < l[n].id {
		n--
	}
	position := l[n].position + (id - l[n].id)
	if id < l[n].id || n < len(l)-1 && position >= l[n+1].position {
		return 0
	}
	return position
}

// positionUpTo returns the highest position whose job has an id up to the one given; 0 if there is none.
func (l lives) positionUpTo(id int64) int64 {
	n := len(l) - 1
	for n > 0 && id < l[n].id {
		n--
	}
	position := max(l[n].position-1, l[n].position+(id-l[n].id))
	if n < len(l)-1 {
		position = min(position, l[n+1].position-1)
	}
	return position
}

// span is consecutive ids whose jobs have consecutive positions, or all none.
type span struct {
	id       int64
	position int64 // of the first; 0 if the ids are never given
	count    int
}

// spans yields those of so many ids from the first on.
func (l lives) spans(first int64, count int) iter.Seq[span] {
	return func(yield func(span) bool) {
		for count > 0 {
			s := span{id: first, position: l.position(first), count: count}
			for _, one := range l { // a span ends where a life begins, or has no more positions
				if one.id > first {
					s.count = int(min(int64(s.count), one.id-first))
				}
				if s.position > 0 && one.position > s.position {
					s.count = int(min(int64(s.count), one.position-s.position))
				}
			}
			if !yield(s) {
				return
			}
			first, count = engine.IDAfter(first, s.count), count-s.count
		}
	}
}

// lifeBytes is what a life takes in the store: position, id, name, and 1 if it is bound.
const lifeBytes = 8 + 8 + len(identity{}) + 1

func (l lives) encode() []byte {
	b := make([]byte, 0, len(l)*lifeBytes)
	for _, one := range l {
		b = binary.BigEndian.AppendUint64(b, uint64(one.position))
		b = binary.BigEndian.AppendUint64(b, uint64(one.id))
		b = append(b, one.store[:]...)
		b = append(b, 0)
		if one.bound {
			b[len(b)-1] = 1
		}
	}
	return b
}

func decodeLives(b []byte) (l lives, err error) {
	if len(b) == 0 || len(b)%lifeBytes != 0 {
		return nil, errRecord
	}
	for one := range slices.Chunk(b, lifeBytes) {
		l = append(l, life{
			position: number(one[:8]), id: number(one[8:16]), store: identity(one[16:]), bound: one[lifeBytes-1] == 1,
		})
	}
	return l, nil
}
