package memory

import (
	"encoding/binary"
	"sync/atomic"
	"unsafe"

	"github.com/hashd-project/hashd/v2/internal/digest"
)

// A job takes slotBytes + metaBytes = 68 bytes all its life. While pending, its slot holds
//
//	[0:8] due   [8:12] header   [12:64] the secret, or for a long one its place in the arena
//
// and once done the slot holds the digest. Who may touch a slot changes three times. The submitter that
// drew the id owns it until it stores due; then the mutex guards it; then the worker that claimed it
// owns it until it publishes the digest; from then on the mutex guards it again.
//
// A segment is one 2 MiB mapping, the size of a huge page on amd64 and arm64: all slots
// first, then all metas, which the mutex guards always.
const (
	slotBytes   = digest.MaxSize
	metaBytes   = 4
	headerAt    = 8
	secretAt    = headerAt + metaBytes
	inlineBytes = slotBytes - secretAt

	segmentBytes = 2 << 20
	segmentJobs  = segmentBytes / (slotBytes + metaBytes)
	metaAt       = segmentJobs * slotBytes
)

// segment holds segmentJobs consecutive jobs.
type segment struct {
	first int64 // id of its first job
	mem   []byte
	live  int // slots not retired, those not yet given out counted
	owing int // slots whose secret may still be there or is yet to come; the memory is locked until there is none
}

func newSegment(first int64) (*segment, error) {
	mem, err := mapMemory(segmentBytes)
	if err != nil {
		return nil, err
	}
	return &segment{first: first, mem: mem, live: segmentJobs, owing: segmentJobs}, nil
}

// wiped notes that n more slots hold no secret and never will again.
func (s *segment) wiped(n int) {
	if s.owing -= n; s.owing == 0 {
		unlockMemory(s.mem)
	}
}

// unmap gives the memory back to the system, which clears it before anyone gets it.
func (s *segment) unmap() {
	unmapMemory(s.mem)
	s.mem = nil
}

// slot returns the slot of the segment's i-th job.
func (s *segment) slot(i int) *[slotBytes]byte {
	return (*[slotBytes]byte)(s.mem[i*slotBytes:])
}

// due is where the i-th job's due time lies: 0 until the submitter has written the rest of
// the slot, for storing it commits the job.
func (s *segment) due(i int) *atomic.Int64 {
	return (*atomic.Int64)(unsafe.Pointer(s.slot(i))) //nolint:gosec // aligned: mappings start on a page
}

// header returns what a pending slot says of its job.
func (s *segment) header(i int) meta {
	return meta(binary.NativeEndian.Uint32(s.slot(i)[headerAt:]))
}

// fill writes a pending slot but for its due time.
func (s *segment) fill(i int, header meta, payload []byte) {
	slot := s.slot(i)
	binary.NativeEndian.PutUint32(slot[headerAt:], uint32(header))
	copy(slot[secretAt:], payload)
}

func (s *segment) meta(i int) meta {
	return meta(binary.NativeEndian.Uint32(s.mem[metaAt+i*metaBytes:]))
}

func (s *segment) setMeta(i int, m meta) {
	binary.NativeEndian.PutUint32(s.mem[metaAt+i*metaBytes:], uint32(m))
}

// meta packs what a job is beside its digest:
//
//	bits 0-1 state   2 awaited or owed   3-8 length of the secret   9-15 algorithm   16-31 tenant
//
// Of a pending job bit 2 says that somebody waits for it, of a done one that it was hashed while
// draining and nobody has read it yet.
// Until a job is claimed, the part from bit 3 on is in its slot's header alone. Of a job that was gone before a
// restart the algorithm may be noAlgorithm: then nothing is known of it.
type meta uint32

// state is where a job stands.
type state uint32

const (
	pending state = iota // accepted, perhaps claimed by a worker
	done                 // the slot holds the digest
	gone                 // canceled, erased or expired
)

const (
	stateMask      = 1<<2 - 1
	awaitedBit     = 1 << 2
	owedBit        = awaitedBit
	lengthShift    = 3
	lengthMask     = 1<<6 - 1
	algorithmShift = 9
	algorithmMask  = 1<<7 - 1
	tenantShift    = 16

	noAlgorithm = algorithmMask // no other algorithm has this number

	inArena = lengthMask // the length of a secret that lies in the arena
)

func newHeader(length int, a digest.Algorithm, tenant uint16) meta {
	return meta(uint32(length)<<lengthShift | uint32(a)<<algorithmShift | uint32(tenant)<<tenantShift)
}

// ownerless is the header of a job of which nothing is known.
const ownerless meta = noAlgorithm << algorithmShift

func (m meta) state() state      { return state(m & stateMask) }
func (m meta) with(s state) meta { return m&^stateMask | meta(s) }
func (m meta) awaited() bool     { return m&awaitedBit != 0 }
func (m meta) owed() bool        { return m&owedBit != 0 }
func (m meta) length() int       { return int(m >> lengthShift & lengthMask) }
func (m meta) algorithm() digest.Algorithm {
	return digest.Algorithm(m >> algorithmShift & algorithmMask)
}
func (m meta) ownerless() bool { return m>>algorithmShift&algorithmMask == noAlgorithm }
func (m meta) sameOwner(other meta) bool {
	return m.tenant() == other.tenant() && m.ownerless() == other.ownerless()
}
func (m meta) tenant() uint16 { return uint16(m >> tenantShift) }
