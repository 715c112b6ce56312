package file

import (
	"encoding/binary"
	"errors"
	"hash/fnv"
	"io"
	"os"
)

// highWater is the high-water mark of the store, in the lock file beside it: by it a store that was lost,
// or replaced by another copy, is told from the one that was here last. It advances with each
// transaction, once the disk has that: so the store is never behind its mark, whatever ends the process
// or the machine.
type highWater struct {
	number uint64   // counts the marks written; 0 if there is none
	made   bool     // whether the store was there as a whole, and not only about to be made
	store  identity // what the store was called
	tx     uint64   // its last transaction
	next   int64    // the id after the last that was given out
	birth  int64    // of the lock file that this was written to; see birthOf
}

// A mark is written over the last but one, so that one that is cut off costs nothing.
//
//	magic, number, made, store, tx, next, birth, FNV-1a of all that
const (
	highWaterMagic = "hashd\x00m1"
	highWaterBytes = 8 + 8 + 1 + len(identity{}) + 8 + 8 + 8 + 8
	highWaterEvery = 4096 // apart, that no disk writes two in one piece
)

func (m *highWater) encode() []byte {
	b := append(make([]byte, 0, highWaterBytes), highWaterMagic...)
	b = binary.BigEndian.AppendUint64(b, m.number)
	b = append(b, 0)
	if m.made {
		b[len(b)-1] = 1
	}
	b = append(b, m.store[:]...)
	b = binary.BigEndian.AppendUint64(b, m.tx)
	b = binary.BigEndian.AppendUint64(b, uint64(m.next))
	b = binary.BigEndian.AppendUint64(b, uint64(m.birth))
	return binary.BigEndian.AppendUint64(b, checksum(b))
}

// decodeHighWater returns the zero value if the bytes are no mark.
func decodeHighWater(b []byte) (m highWater) {
	if len(b) < highWaterBytes || string(b[:8]) != highWaterMagic {
		return highWater{}
	}
	u := func(at int) uint64 { return binary.BigEndian.Uint64(b[at:]) }
	if u(highWaterBytes-8) != checksum(b[:highWaterBytes-8]) {
		return highWater{}
	}
	return highWater{
		number: u(8), made: b[16] == 1, store: identity(b[17:]), tx: u(33), next: int64(u(41)), birth: int64(u(49)),
	}
}

func checksum(b []byte) uint64 {
	h := fnv.New64a()
	_, _ = h.Write(b) // never fails
	return h.Sum64()
}

// readHighWater returns the latest mark in the file, or the zero value.
func readHighWater(f io.ReaderAt) (latest highWater, err error) {
	for n := range int64(2) {
		b := make([]byte, highWaterBytes)
		if _, err := f.ReadAt(b, n*highWaterEvery); err != nil && !errors.Is(err, io.EOF) {
			return highWater{}, unreadable(err)
		}
		if m := decodeHighWater(b); m.number > latest.number {
			latest = m
		}
	}
	return latest, nil
}

// write writes the mark in the place of the one before the last.
func (m *highWater) write(f *os.File) error {
	_, err := f.WriteAt(m.encode(), int64(m.number%2)*highWaterEvery)
	return err
}
