package file

import (
	"encoding/binary"
	"errors"
	"hash/fnv"
	"io"
	"os"
)

// mark is what the lock file says of the store beside it, so that a store that was lost, or replaced
// by another copy, is told from the one that was here last. It follows each transaction, and only
// once the disk has that: so the store is never behind its mark, whatever ends the process or the machine.
type mark struct {
	number uint64   // counts the marks; 0 if there is none
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
	markMagic = "hashd\x00m1"
	markBytes = 8 + 8 + 1 + len(identity{}) + 8 + 8 + 8 + 8
	markEvery = 4096 // apart, that no disk writes two in one piece
)

func (m *mark) encode() []byte {
	b := append(make([]byte, 0, markBytes), markMagic...)
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

// decodeMark returns no mark if the bytes are not one.
func decodeMark(b []byte) (m mark) {
	if len(b) < markBytes || string(b[:8]) != markMagic {
		return mark{}
	}
	u := func(at int) uint64 { return binary.BigEndian.Uint64(b[at:]) }
	if u(markBytes-8) != checksum(b[:markBytes-8]) {
		return mark{}
	}
	return mark{
		number: u(8), made: b[16] == 1, store: identity(b[17:]), tx: u(33), next: int64(u(41)), birth: int64(u(49)),
	}
}

func checksum(b []byte) uint64 {
	h := fnv.New64a()
	_, _ = h.Write(b) // never fails
	return h.Sum64()
}

// readMark returns the latest mark in the file, or none.
func readMark(f io.ReaderAt) (latest mark, err error) {
	for n := range int64(2) {
		b := make([]byte, markBytes)
		if _, err := f.ReadAt(b, n*markEvery); err != nil && !errors.Is(err, io.EOF) {
			return mark{}, unreadable(err)
		}
		if m := decodeMark(b); m.number > latest.number {
			latest = m
		}
	}
	return latest, nil
}

// write writes the mark in the place of the one before the last.
func (m *mark) write(f *os.File) error {
	_, err := f.WriteAt(m.encode(), int64(m.number%2)*markEvery)
	return err
}
