package jetstream

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/hashd-project/hashd/v2/internal/digest"
	"github.com/hashd-project/hashd/v2/internal/engine"
	"github.com/hashd-project/hashd/v2/internal/seal"
)

// What the cluster stores is sealed whole. Inside the seal each record begins with its version:
//
//	job     version, algorithm, tenant (2), accepted (8), delay (8), after (8), shift (8), secret
//	key     version, jobs (4), accepted (8), delay (8), fingerprint (16), after (8), shift (8)
//	result  version, outcome, algorithm, tenant (2), stamp (8), digest
//
// Numbers are big-endian, times nanoseconds. Records of version 1 have no after, shift and stamp.
const (
	firstVersion = 1
	version      = 2
)

// The least that a record of version 1 has.
const (
	jobHeader    = 1 + 1 + 2 + 8 + 8
	keyBytes     = 1 + 4 + 8 + 8 + 16
	resultHeader = 1 + 1 + 1 + 2
)

// origin says of what is sent to the log what its sender knew of that. In a log that has lost its end since, it
// may come into the place of another job, or of another life.
type origin struct {
	after uint64 // a sequence that had been given out
	shift int64  // how far the ids are above the sequences
	known bool   // false for records of version 1, which do not say it
}

const originBytes = 8 + 8

// holds reports whether the origin is right for a place whose job has that id. If it is not, nobody was told that the job
// is there.
func (o origin) holds(place uint64, id int64) bool {
	return !o.known || place > o.after && id == int64(place)+o.shift
}

func (o origin) append(b []byte) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(b, o.after), uint64(o.shift))
}

// cutOrigin takes the origin off the front of a record of that version.
func cutOrigin(v byte, b []byte) (o origin, rest []byte, err error) {
	switch {
	case v == firstVersion:
		return origin{}, b, nil
	case len(b) < originBytes:
		return origin{}, nil, seal.ErrDamaged
	}
	return origin{binary.BigEndian.Uint64(b), int64(binary.BigEndian.Uint64(b[8:])), true}, b[originBytes:], nil
}

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
	origin    origin
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
	origin      origin // of its jobs
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
	b := make([]byte, jobHeader, jobHeader+originBytes+len(j.secret))
	b[0], b[1] = version, byte(j.algorithm)
	binary.BigEndian.PutUint16(b[2:], j.tenant)
	binary.BigEndian.PutUint64(b[4:], uint64(j.accepted.UnixNano()))
	binary.BigEndian.PutUint64(b[12:], uint64(j.delay))
	b = append(j.origin.append(b), j.secret...)
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
	}
	j.origin, j.secret, err = cutOrigin(b[0], b[jobHeader:])
	if err != nil || len(j.secret) == 0 || !j.algorithm.Valid() {
		clear(b)
		return storedJob{}, seal.ErrDamaged
	}
	return j, nil
}

func (c codec) sealKey(id [16]byte, k *storedKey) ([]byte, error) {
	b := make([]byte, keyBytes, keyBytes+originBytes)
	b[0] = version
	binary.BigEndian.PutUint32(b[1:], uint32(k.jobs))
	binary.BigEndian.PutUint64(b[5:], uint64(k.accepted.UnixNano()))
	binary.BigEndian.PutUint64(b[13:], uint64(k.delay))
	copy(b[21:], k.fingerprint[:])
	return c.sealer.Seal(k.origin.append(b), c.associatedData("key", hex.EncodeToString(id[:])))
}

func (c codec) openKey(id [16]byte, sealed []byte) (storedKey, error) {
	b, err := c.open(sealed, "key", hex.EncodeToString(id[:]), keyBytes)
	if err != nil {
		return storedKey{}, err
	}
	k := storedKey{
		jobs:        int64(binary.BigEndian.Uint32(b[1:])),
		accepted:    time.Unix(0, int64(binary.BigEndian.Uint64(b[5:]))),
		delay:       time.Duration(binary.BigEndian.Uint64(b[13:])),
		fingerprint: [16]byte(b[21:]),
	}
	k.origin, _, err = cutOrigin(b[0], b[keyBytes:])
	return k, err
}

func (c codec) sealResult(id int64, r *storedResult) ([]byte, error) {
	b := make([]byte, resultHeader, resultHeader+len(r.stamp)+digest.MaxSize)
	b[0], b[1], b[2] = version, byte(r.outcome), byte(r.algorithm)
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
	if b[0] == version {
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
	case len(b) < least || b[0] != firstVersion && b[0] != version:
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
