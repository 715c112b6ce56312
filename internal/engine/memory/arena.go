package memory

import (
	"encoding/binary"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// arena keeps the secrets too long for a slot, in chunks filled one after the other. Jobs end
// nearly in the order they came, so a chunk empties as a whole and goes back to the system.
type arena struct {
	chunks window[*chunk]
	mapped int64 // chunks that hold memory
	used   int64 // bytes of secrets held
}

// chunk is one mapping of the arena.
type chunk struct {
	mem  []byte
	fill int // bytes given out
	live int // secrets in it
}

const chunkBytes = engine.MinSecretBytes

// ref is where a long secret lies.
type ref struct {
	chunk  int64
	offset uint32
	length uint32
}

// refBytes is what a ref takes in a slot.
const refBytes = 16

// encode returns the ref as it stands in a slot, in the secret's place.
func (r ref) encode() []byte {
	b := make([]byte, 0, refBytes)
	b = binary.NativeEndian.AppendUint64(b, uint64(r.chunk))
	b = binary.NativeEndian.AppendUint32(b, r.offset)
	return binary.NativeEndian.AppendUint32(b, r.length)
}

func decodeRef(b []byte) ref {
	return ref{
		chunk:  int64(binary.NativeEndian.Uint64(b[0:])),
		offset: binary.NativeEndian.Uint32(b[8:]),
		length: binary.NativeEndian.Uint32(b[12:]),
	}
}

// refIn reads the ref from a pending slot.
func refIn(slot *[slotBytes]byte) ref { return decodeRef(slot[secretAt:]) }

// put copies the secret in.
func (a *arena) put(secret []byte) (ref, error) {
	c := a.open(len(secret))
	if c == nil {
		mem, err := mapMemory(chunkBytes)
		if err != nil {
			return ref{}, err
		}
		c = &chunk{mem: mem}
		a.chunks.push(c)
		a.mapped++
	}
	r := ref{chunk: a.chunks.end() - 1, offset: uint32(c.fill), length: uint32(len(secret))}
	c.fill += copy(c.mem[c.fill:], secret)
	c.live++
	a.used += int64(len(secret))
	return r, nil
}

// grows returns how many chunks more it takes to put these secrets in one after the other; those
// that fit a slot are not put.
func (a *arena) grows(secrets ...[]byte) (chunks int64) {
	room := 0
	if c := a.open(0); c != nil {
		room = chunkBytes - c.fill
	}
	for _, s := range secrets {
		if len(s) <= inlineBytes {
			continue
		}
		if len(s) > room {
			chunks++
			room = chunkBytes
		}
		room -= len(s)
	}
	return chunks
}

// open returns the newest chunk if it has room for size bytes, else nil.
func (a *arena) open(size int) *chunk {
	c, ok := a.chunks.at(a.chunks.end() - 1)
	if !ok || c == nil || c.fill+size > chunkBytes {
		return nil
	}
	return c
}

// get returns the secret in place: valid until it is freed.
func (a *arena) get(r ref) []byte {
	c, _ := a.chunks.at(r.chunk)
	return c.mem[r.offset : r.offset+r.length]
}

// free wipes the secret, and gives its chunk back with the last one in it.
func (a *arena) free(r ref) {
	clear(a.get(r))
	a.used -= int64(r.length)
	c, _ := a.chunks.at(r.chunk)
	if c.live--; c.live > 0 {
		return
	}
	unmapMemory(c.mem)
	a.mapped--
	a.chunks.set(r.chunk, nil)
	a.chunks.trim(func(c *chunk) bool { return c == nil })
}

// close gives all memory back.
func (a *arena) close() {
	for c := range a.chunks.all() {
		if c != nil {
			unmapMemory(c.mem)
		}
	}
	*a = arena{}
}
