package file

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"github.com/hashd-project/hashd/v2/internal/digest"
	"github.com/hashd-project/hashd/v2/internal/engine"
	"github.com/hashd-project/hashd/v2/internal/engine/memory"
)

// errRecord says that a record that was sealed by us is not of the form it should have.
var errRecord = fmt.Errorf("%w (a record is not of this format)", ErrDamaged)

// A group is the jobs of one transaction. Its key is its first job's id; the ids of the others
// follow one by one.
//
//	acceptance: wall, boot, tag   delay   jobs: algorithm, tenant, length, secret
//
// Whole numbers are big-endian or, for tenant and length, varints.
const (
	groupHeader = 4 * 8
	jobOverhead = 1 + 3 + 2 // at most
)

func appendGroupHeader(b []byte, accepted moment, delay time.Duration) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(accepted.wall))
	b = binary.BigEndian.AppendUint64(b, uint64(accepted.boot))
	b = binary.BigEndian.AppendUint64(b, accepted.tag)
	return binary.BigEndian.AppendUint64(b, uint64(delay))
}

func appendToGroup(b []byte, batch *engine.Batch) []byte {
	for _, secret := range batch.Secrets {
		b = append(b, byte(batch.Algorithm))
		b = binary.AppendUvarint(b, uint64(batch.Tenant))
		b = binary.AppendUvarint(b, uint64(len(secret)))
		b = append(b, secret...)
	}
	return b
}

// readGroup calls see for each job; the secret is valid until see returns. It returns how long
// after now they are due.
func readGroup(b []byte, now moment, see func(n int64, wait time.Duration, job engine.Job) error) (jobs int64, err error) {
	if len(b) < groupHeader {
		return 0, errRecord
	}
	u := func(n int) uint64 { return binary.BigEndian.Uint64(b[8*n:]) }
	accepted := moment{time.Duration(u(0)), time.Duration(u(1)), u(2)}
	wait := max(0, time.Duration(u(3))-accepted.elapsed(now))
	for b = b[groupHeader:]; len(b) > 0; jobs++ {
		job := engine.Job{Algorithm: digest.Algorithm(b[0])}
		tenant, n := binary.Uvarint(b[1:])
		length, m := binary.Uvarint(b[min(len(b), 1+max(0, n)):])
		start := 1 + n + m
		if n <= 0 || m <= 0 || length == 0 || length > engine.MaxSecret || tenant > math.MaxUint16 || uint64(len(b)-start) < length || !job.Algorithm.Valid() {
			return 0, errRecord
		}
		job.Tenant, job.Secret = uint16(tenant), b[start:start+int(length)]
		if err := see(jobs, wait, job); err != nil {
			return 0, err
		}
		b = b[start+int(length):]
	}
	return jobs, nil
}

// A block is what became of blockJobs jobs with consecutive ids. Its key is its number: id 1 is in
// block 0.
//
//	jobs: place in the block, 0 if it is gone, else 1 + algorithm, tenant, second when done, digest
//
// A job that is not in it is pending.
const blockJobs = 128

func blockOf(id int64) int64   { return (id - 1) / blockJobs }
func blockStart(n int64) int64 { return n*blockJobs + 1 }
func blockEnd(n int64) int64   { return (n + 1) * blockJobs }
func resultBytes(n int) int    { return n * (8 + digest.MaxSize) }
func placeIn(id, n int64) byte { return byte(id - blockStart(n)) }

func appendResult(b []byte, place byte, r memory.Result, done time.Time) []byte {
	if r.Gone {
		return append(b, place, 0)
	}
	b = append(b, place, 1+byte(r.Algorithm))
	b = binary.BigEndian.AppendUint16(b, r.Tenant)
	b = binary.BigEndian.AppendUint32(b, uint32(done.Unix()))
	return append(b, r.Sum[:r.Algorithm.Size()]...)
}

// readBlock calls see for each job in the block. The digest is valid until see returns.
func readBlock(b []byte, n int64, see func(memory.Result) error) error {
	const fixed = 2 + 2 + 4
	var sum [digest.MaxSize]byte
	for len(b) > 0 {
		if len(b) < 2 || b[0] >= blockJobs {
			return errRecord
		}
		r := memory.Result{ID: blockStart(n) + int64(b[0])}
		if r.Gone = b[1] == 0; r.Gone {
			b = b[2:]
		} else {
			r.Algorithm = digest.Algorithm(b[1] - 1)
			if !r.Algorithm.Valid() || len(b) < fixed+r.Algorithm.Size() {
				return errRecord
			}
			r.Tenant = binary.BigEndian.Uint16(b[2:])
			r.Done = time.Unix(int64(binary.BigEndian.Uint32(b[4:])), 0)
			r.Sum = &sum
			clear(sum[copy(sum[:], b[fixed:fixed+r.Algorithm.Size()]):])
			b = b[fixed+r.Algorithm.Size():]
		}
		if err := see(r); err != nil {
			return err
		}
	}
	return nil
}

// An idempotency key is stored under when it is forgotten and its id, so that those to forget come
// first. Neither tells anything of the client's key or of a secret.
//
//	until, id → fingerprint, first job, due
const (
	keyRecordKey   = 8 + 16
	keyRecordValue = 16 + 8 + 8
)

func appendKeyRecordKey(b []byte, until time.Time, k engine.IdempotencyKey) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(until.UnixNano()))
	return append(b, k.ID[:]...)
}

func appendKeyRecordValue(b []byte, k engine.IdempotencyKey, first engine.Receipt) []byte {
	b = append(b, k.Fingerprint[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(first.ID))
	return binary.BigEndian.AppendUint64(b, uint64(first.Due.UnixNano()))
}

func readKeyRecord(key, value []byte) (k engine.IdempotencyKey, first engine.Receipt, until time.Time, err error) {
	if len(key) != keyRecordKey || len(value) != keyRecordValue {
		return k, first, until, errRecord
	}
	until = time.Unix(0, int64(binary.BigEndian.Uint64(key)))
	copy(k.ID[:], key[8:])
	copy(k.Fingerprint[:], value)
	first.ID = int64(binary.BigEndian.Uint64(value[16:]))
	first.Due = time.Unix(0, int64(binary.BigEndian.Uint64(value[24:])))
	return k, first, until, nil
}
