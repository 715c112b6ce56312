package jetstream

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/hashd-project/hashd/internal/digest"
	"github.com/hashd-project/hashd/internal/engine"
	"github.com/hashd-project/hashd/internal/seal"
)

// What the cluster stores is sealed whole. Inside the seal each record begins with its version:
//
//	job     version, algorithm, tenant (2), accepted (8), delay (8), secret
//	key     version, jobs (4), accepted (8), delay (8), fingerprint (16)
//	result  version, outcome, algorithm, tenant (2), stamp (8), digest
//
// Numbers are big-endian, times nanoseconds. Results of version 1 have no stamp.
const (
	version       = 1
	resultVersion = 2
)

const (
	jobHeader    = 1 + 1 + 2 + 8 + 8
	keyBytes     = 1 + 4 + 8 + 8 + 16
	resultHeader = 1 + 1 + 1 + 2
)

// stamp tells a sealed job from every other, also from one that had the same id: no two are sealed alike.
// The zero value is that of a result without one.
type stamp [8]byte

func stampOf(sealed []byte) stamp {
	sum := sha256.Sum256(sealed)
	return stamp(sum[:len(stamp{})])
}

// storedJob is a job as it lies in the jobs stream.
type storedJob struct {
	algorithm digest.Algorithm
	tenant    uint16
	accepted  time.Time     // by the clock of the instance that accepted it
	delay     time.Duration // its own, so that a change of the setting makes no job early
	secret    []byte
}

// due is when the job's digest may exist, as its receipt says.
func (j *storedJob) due() time.Time { return j.accepted.Add(j.delay) }

// storedKey is an idempotency key as it lies in the jobs stream, right behind the jobs of its request:
// where it lies says which they are.
type storedKey struct {
	jobs        int64
	accepted    time.Time
	delay       time.Duration
	fingerprint [16]byte
}

// storedResult is what the results stream holds of a job that has ended.
type storedResult struct {
	outcome   outcome
	algorithm digest.Algorithm
	tenant    uint16
	stamp     stamp  // of the job
	sum       []byte // of a done job
}

// codec seals and opens records. Each is bound to its service, store and kind, so that the cluster can't
// pass one off as another; a result also to its id and its job, and a key to its name. A job's id is not known
// before it is stored, so jobs can be put in each other's place.
type codec struct {
	sealer *seal.Sealer
	names  names
	store  string // "" binds to none, as format 1 did
	old    bool   // records of format 1 are there, too
}

func (c codec) associatedData(kind, name string) []byte {
	if c.store != "" {
		kind = c.store + "/" + kind
	}
	return []byte("hashd/" + c.names.prefix + "/" + kind + "/" + name)
}

func (c codec) sealJob(j *storedJob) ([]byte, error) {
	b := make([]byte, jobHeader, jobHeader+len(j.secret))
	b[0], b[1] = version, byte(j.algorithm)
	binary.BigEndian.PutUint16(b[2:], j.tenant)
	binary.BigEndian.PutUint64(b[4:], uint64(j.accepted.UnixNano()))
	binary.BigEndian.PutUint64(b[12:], uint64(j.delay))
	b = append(b, j.secret...)
	defer clear(b)
	return c.sealer.Seal(b, c.associatedData("job", ""))
}

// openJob returns the job. Its secret is the caller's to clear.
func (c codec) openJob(sealed []byte) (storedJob, error) {
	b, err := c.open(sealed, "job", "", jobHeader+1)
	if err != nil {
		return storedJob{}, err
	}
	j := storedJob{
		algorithm: digest.Algorithm(b[1]),
		tenant:    binary.BigEndian.Uint16(b[2:]),
		accepted:  time.Unix(0, int64(binary.BigEndian.Uint64(b[4:]))),
		delay:     time.Duration(binary.BigEndian.Uint64(b[12:])),
		secret:    b[jobHeader:],
	}
	if !j.algorithm.Valid() {
		clear(b)
		return storedJob{}, seal.ErrDamaged
	}
	return j, nil
}

func (c codec) sealKey(id [16]byte, k *storedKey) ([]byte, error) {
	b := make([]byte, keyBytes)
	b[0] = version
	binary.BigEndian.PutUint32(b[1:], uint32(k.jobs))
	binary.BigEndian.PutUint64(b[5:], uint64(k.accepted.UnixNano()))
	binary.BigEndian.PutUint64(b[13:], uint64(k.delay))
	copy(b[21:], k.fingerprint[:])
	return c.sealer.Seal(b, c.associatedData("key", hex.EncodeToString(id[:])))
}

func (c codec) openKey(id [16]byte, sealed []byte) (storedKey, error) {
	b, err := c.open(sealed, "key", hex.EncodeToString(id[:]), keyBytes)
	if err != nil {
		return storedKey{}, err
	}
	return storedKey{
		jobs:        int64(binary.BigEndian.Uint32(b[1:])),
		accepted:    time.Unix(0, int64(binary.BigEndian.Uint64(b[5:]))),
		delay:       time.Duration(binary.BigEndian.Uint64(b[13:])),
		fingerprint: [16]byte(b[21:]),
	}, nil
}

func (c codec) sealResult(id int64, r *storedResult) ([]byte, error) {
	b := make([]byte, resultHeader, resultHeader+len(r.stamp)+digest.MaxSize)
	b[0], b[1], b[2] = resultVersion, byte(r.outcome), byte(r.algorithm)
	binary.BigEndian.PutUint16(b[3:], r.tenant)
	b = append(append(b, r.stamp[:]...), r.sum...)
	return c.sealer.Seal(b, c.associatedData("result", strconv.FormatInt(id, 10)))
}

func (c codec) openResult(id int64, sealed []byte) (storedResult, error) {
	b, err := c.open(sealed, "result", strconv.FormatInt(id, 10), resultHeader)
	if err != nil {
		return storedResult{}, err
	}
	r := storedResult{
		outcome: outcome(b[1]), algorithm: digest.Algorithm(b[2]), tenant: binary.BigEndian.Uint16(b[3:]), sum: b[resultHeader:],
	}
	if b[0] == resultVersion {
		if len(r.sum) < len(r.stamp) {
			return storedResult{}, seal.ErrDamaged
		}
		r.stamp, r.sum = stamp(r.sum), r.sum[len(r.stamp):]
	}
	if !r.algorithm.Valid() || !r.outcome.valid() || r.outcome == isDone && len(r.sum) != r.algorithm.Size() {
		return storedResult{}, seal.ErrDamaged
	}
	return r, nil
}

// open returns a record of at least that many bytes. Where the ring lacks a key the engine is down:
// another instance may have it.
func (c codec) open(sealed []byte, kind, name string, least int) ([]byte, error) {
	b, err := c.sealer.Open(sealed, c.associatedData(kind, name))
	if errors.Is(err, seal.ErrDamaged) && c.old && c.store != "" {
		c.store = ""
		return c.open(sealed, kind, name, least)
	}
	_, unknown := errors.AsType[*seal.UnknownKeyError](err)
	switch {
	case unknown:
		return nil, down(err)
	case err != nil:
		return nil, err
	case len(b) < least || b[0] != version && (kind != "result" || b[0] != resultVersion):
		return nil, fmt.Errorf("record of %d bytes is of a version this hashd does not know", len(b))
	}
	return b, nil
}

// record returns the result as the engine shows it.
func (r *storedResult) record(id int64) engine.Record {
	rec := engine.Record{ID: id, State: engine.Done, Algorithm: r.algorithm, Tenant: r.tenant}
	copy(rec.Sum[:], r.sum)
	return rec
}
