package file

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
)

// The library's file format, version 2, in the machine's byte order. A page begins with its id (8
// bytes), flags (2), count of elements (2) and number of pages that continue it (4). An element has
// 16 bytes: in a branch the place of its key from there (4), its length (4) and a page (8); in a
// leaf flags (4), the place (4) and the lengths of key and value (4, 4), which lie together.
const (
	pageHeader  = 16
	elementSize = 16
	metaSize    = 64

	pageBranch = 1
	pageLeaf   = 2

	leafIsBucket = 1
	bucketHeader = 16 // root page, 0 if what follows is the page itself, and a number of no meaning here

	boltMagic   = 0xED0CDAED
	boltVersion = 2
)

var order = binary.NativeEndian

// verifier walks the tree of a store.
type verifier struct {
	file     io.ReaderAt
	pageSize int64
	pages    uint64 // the file's pages in use have ids below
	seen     map[uint64]bool
}

// verifyFile finds out whether the store's file of that size is whole, page by page, before the
// library trusts it: that walks a damaged tree in goroutines of its own, where nobody can catch its
// panics. It returns ErrDamaged only for what it has read, and ErrUnreadable where it cannot read.
func verifyFile(f io.ReaderAt, size int64) error {
	v := &verifier{file: f, seen: make(map[uint64]bool)}
	err := v.verify(size)
	if err == nil || errors.Is(err, ErrUnreadable) {
		return err
	}
	return fmt.Errorf("%w (%w)", ErrDamaged, err)
}

func (v *verifier) verify(size int64) error {
	root, err := v.readMetas()
	if err != nil {
		return err
	}
	if v.pages > uint64(size/v.pageSize) {
		return fmt.Errorf("of %d pages there are %d", v.pages, size/v.pageSize)
	}
	return v.tree(root, nil, nil)
}

// read fills b from the file. Its end is damage to it.
func (v *verifier) read(b []byte, at int64) error {
	_, err := v.file.ReadAt(b, at)
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	return unreadable(err)
}

// readMetas reads the two pages that say where all begins, of which the later one counts, and
// returns the root. Each fits a sector, which disks write whole or not at all, so neither may be
// bad: the one may be that of the last transaction.
func (v *verifier) readMetas() (root uint64, err error) {
	first, err := v.readMeta(0)
	if err != nil {
		return 0, err
	}
	if v.pageSize = int64(order.Uint32(first[8:])); v.pageSize < 512 || v.pageSize > 1<<20 {
		return 0, fmt.Errorf("pages of %d bytes", v.pageSize)
	}
	second, err := v.readMeta(v.pageSize)
	if err != nil {
		return 0, err
	}
	last := first
	if order.Uint64(second[48:]) > order.Uint64(first[48:]) {
		last = second
	}
	v.pages = order.Uint64(last[40:])
	return order.Uint64(last[16:]), nil
}

func (v *verifier) readMeta(at int64) ([]byte, error) {
	b := make([]byte, pageHeader+metaSize)
	if err := v.read(b, at); err != nil {
		return nil, err
	}
	b = b[pageHeader:]
	sum := fnv.New64a()
	_, _ = sum.Write(b[:metaSize-8])
	if order.Uint32(b) != boltMagic || order.Uint32(b[4:]) != boltVersion || order.Uint64(b[metaSize-8:]) != sum.Sum64() {
		return nil, fmt.Errorf("the page at %d does not describe a store", at)
	}
	return b, nil
}

// tree verifies the page and all below it. Their keys must be from least on and below most; nil is
// no bound.
func (v *verifier) tree(id uint64, least, most []byte) error {
	b, err := v.page(id)
	if err != nil {
		return err
	}
	return v.elements(id, b, least, most)
}

// page reads a page that was not read before, with those that continue it.
func (v *verifier) page(id uint64) ([]byte, error) {
	header := make([]byte, pageHeader)
	if id < 2 || id >= v.pages {
		return nil, fmt.Errorf("there is no page %d", id)
	}
	if err := v.read(header, int64(id)*v.pageSize); err != nil {
		return nil, err
	}
	more := uint64(order.Uint32(header[12:]))
	if order.Uint64(header) != id || more >= v.pages-id {
		return nil, fmt.Errorf("page %d is not in its place", id)
	}
	for n := id; n <= id+more; n++ {
		if v.seen[n] {
			return nil, fmt.Errorf("page %d is there twice", n)
		}
		v.seen[n] = true
	}
	b := make([]byte, int64(1+more)*v.pageSize)
	return b, v.read(b, int64(id)*v.pageSize)
}

// elements verifies a page's elements and what they lead to.
func (v *verifier) elements(id uint64, b, least, most []byte) error {
	flags, count := order.Uint16(b[8:]), int(order.Uint16(b[10:]))
	if flags != pageBranch && flags != pageLeaf || flags == pageBranch && count == 0 || pageHeader+count*elementSize > len(b) {
		return fmt.Errorf("page %d is of no known kind", id)
	}
	keys := make([][]byte, count+1)
	values := make([][]byte, count)
	for n := range count {
		var ok bool
		if keys[n], values[n], ok = element(b, flags, n); !ok {
			return fmt.Errorf("page %d ends before its elements", id)
		}
		if n == 0 && bytes.Compare(keys[n], least) < 0 || n > 0 && bytes.Compare(keys[n-1], keys[n]) >= 0 {
			return fmt.Errorf("page %d is out of order", id)
		}
	}
	keys[count] = most
	if count > 0 && most != nil && bytes.Compare(keys[count-1], most) >= 0 {
		return fmt.Errorf("page %d is out of order", id)
	}
	for n := range count {
		at := b[pageHeader+n*elementSize:]
		var err error
		switch {
		case flags == pageBranch:
			err = v.tree(order.Uint64(at[8:]), keys[n], keys[n+1])
		case order.Uint32(at)&leafIsBucket != 0:
			err = v.bucket(id, values[n])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// element returns the key, and in a leaf the value, of the page's n-th element.
func element(b []byte, flags uint16, n int) (key, value []byte, ok bool) {
	at := pageHeader + n*elementSize
	place, keyLength, valueLength := uint64(order.Uint32(b[at:])), uint64(order.Uint32(b[at+4:])), uint64(0)
	if flags == pageLeaf {
		place, keyLength, valueLength = keyLength, uint64(order.Uint32(b[at+8:])), uint64(order.Uint32(b[at+12:]))
	}
	start := uint64(at) + place
	if start+keyLength+valueLength > uint64(len(b)) {
		return nil, nil, false
	}
	return b[start : start+keyLength], b[start+keyLength : start+keyLength+valueLength], true
}

// bucket verifies the tree whose root the value names or is.
func (v *verifier) bucket(id uint64, value []byte) error {
	if len(value) < bucketHeader {
		return fmt.Errorf("page %d holds a bucket without a root", id)
	}
	if root := order.Uint64(value); root != 0 {
		return v.tree(root, nil, nil)
	}
	if len(value) < bucketHeader+pageHeader || order.Uint16(value[bucketHeader+8:]) != pageLeaf {
		return fmt.Errorf("page %d holds a bucket without a root", id)
	}
	return v.elements(id, value[bucketHeader:], nil, nil)
}
