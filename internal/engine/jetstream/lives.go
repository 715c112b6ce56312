package jetstream

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// life is a stretch of the log in which ids count up with the sequences.
type life struct {
	from  uint64 // sequence of its first message
	first int64  // that message's id
}

// lives say which id each message of the log has. A log is made with one life, in which the two numbers
// are the same. One that is restored from a copy has lost messages, whose ids were given out and must
// not be given out again: what is stored from then on has its ids far above, in a life of its own, and what
// the copy holds keeps its ids. Lives are in the order of both numbers, and there is at least one.
type lives []life

// oneLife returns the lives of a log that begins with that sequence.
func oneLife(first uint64) lives { return lives{{first, int64(first)}} }

// id returns the id of the message with that sequence; 0 for one before the log begins.
func (l lives) id(sequence uint64) int64 {
	for _, one := range slices.Backward(l) {
		if sequence >= one.from {
			return one.first + int64(sequence-one.from)
		}
	}
	return 0
}

// sequence returns the place of an id in the log. An id that lies in no life has none: it was
// never given, or by a log that had gone on from where a copy of it was made.
func (l lives) sequence(id int64) (uint64, bool) {
	for n, one := range slices.Backward(l) {
		if id < one.first {
			continue
		}
		at := one.from + uint64(id-one.first)
		return at, n == len(l)-1 || at < l[n+1].from
	}
	return 0, false
}

// placeAfter returns the first place of the log whose id is above the one given.
func (l lives) placeAfter(id int64) uint64 {
	for n, one := range slices.Backward(l) {
		if id < one.first {
			continue
		}
		at := one.from + uint64(id-one.first) + 1
		if n < len(l)-1 {
			at = min(at, l[n+1].from)
		}
		return at
	}
	return l[0].from
}

// How far above the last id the ids of a new life begin: by more than were given out since any copy
// was made, and elsewhere each time that the same copy is restored. 255 such steps lead from the
// highest first id of a store to the end of the integers that JavaScript holds exactly.
const (
	leastStep = 1 << 32
	mostStep  = 1 << 44
)

// next returns the lives with a new one, which begins with that sequence.
func (l lives) next(from uint64) lives {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	step := leastStep + int64(binary.BigEndian.Uint64(b[:])%(mostStep-leastStep))
	return append(slices.Clip(l), life{from, l.id(from-1) + step})
}

// String returns the lives as parseLives reads them.
func (l lives) String() string {
	var b strings.Builder
	for n, one := range l {
		if n > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%d:%d", one.from, one.first)
	}
	return b.String()
}

func parseLives(s string) (l lives, err error) {
	for part := range strings.SplitSeq(s, ",") {
		from, first, _ := strings.Cut(part, ":")
		var one life
		if one.from, err = strconv.ParseUint(from, 10, 64); err == nil {
			one.first, err = strconv.ParseInt(first, 10, 64)
		}
		switch n := len(l); {
		case err != nil:
			return nil, fmt.Errorf("lives %q: %w", s, err)
		case one.from < 1 || one.first < 1 || n > 0 && (one.from <= l[n-1].from || one.first <= l.id(one.from-1)):
			return nil, fmt.Errorf("lives %q are not in order", s)
		}
		l = append(l, one)
	}
	return l, nil
}
