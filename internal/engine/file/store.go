package file

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime/debug"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/hashd-project/hashd/internal/seal"
)

// ErrDamaged says that the store is not as it was written. Nothing is mended: a backup is the way
// back, or an empty folder.
var ErrDamaged = errors.New("the store is damaged: restore the folder from a backup, or start with an empty one")

// format is the version of all that is in the store.
const format = 1

// The buckets of the store, and the keys of meta.
var (
	bucketMeta    = []byte("meta")    // see below
	bucketJobs    = []byte("jobs")    // first id → sealed chunk
	bucketResults = []byte("results") // number → sealed block
	bucketKeys    = []byte("keys")    // see records.go

	metaFormat  = []byte("format")
	metaNext    = []byte("next")    // the id after the last that was given out
	metaSettled = []byte("settled") // below it no job is pending
	metaPrint   = []byte("print")   // sealed: what keys the prints of idempotency keys
)

// store is the file. It is for one goroutine at a time.
type store struct {
	db     *bolt.DB
	sealer *seal.Sealer
	update transact
}

// transact carries out a transaction, or not, and says so.
type transact func(func(*bolt.Tx) error) error

// lockWait is how long another process gets to let go of the store, as after a restart.
const lockWait = time.Second

func openStore(path string, sealer *seal.Sealer, noSync bool) (*store, error) {
	s := &store{sealer: sealer}
	err := s.guard(func() (err error) {
		if err = verify(path); err != nil {
			return err
		}
		s.db, err = bolt.Open(path, 0o600, &bolt.Options{
			Timeout:        lockWait,
			NoSync:         noSync,
			NoFreelistSync: true, // it is found again at the next start, and need not be written each time
			FreelistType:   bolt.FreelistMapType,
		})
		return err
	})
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, fmt.Errorf("%s is in use by another process", path)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	s.update = s.db.Update
	if err := s.guard(s.prepare); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), s.close())
	}
	return s, nil
}

// guard runs f on a store that may be damaged. Then the library panics, or reads memory that the
// file no longer backs; both come back as ErrDamaged.
func (s *store) guard(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("%w (%v)", ErrDamaged, v)
		}
	}()
	return f()
}

// prepare checks the store's format, or sets up a new one.
func (s *store) prepare() error {
	return s.db.Update(func(tx *bolt.Tx) error {
		if meta := tx.Bucket(bucketMeta); meta != nil {
			if got := number(meta.Get(metaFormat)); got != format {
				return fmt.Errorf("the store has format %d, and this version reads %d: start the version that wrote it", got, format)
			}
			return nil
		}
		for _, name := range [][]byte{bucketMeta, bucketJobs, bucketResults, bucketKeys} {
			if _, err := tx.CreateBucket(name); err != nil {
				return err
			}
		}
		return s.setUp(tx.Bucket(bucketMeta))
	})
}

func (s *store) setUp(meta *bolt.Bucket) error {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	sealed, err := s.sealer.Seal(key, metaPrint)
	return errors.Join(err,
		meta.Put(metaPrint, sealed),
		meta.Put(metaFormat, numberBytes(format)),
		meta.Put(metaNext, numberBytes(1)),
		meta.Put(metaSettled, numberBytes(1)))
}

// printKey returns what keys the prints. It is the first thing opened with the ring, so that a wrong
// ring is told at once.
func (s *store) printKey() (key []byte, err error) {
	err = s.db.View(func(tx *bolt.Tx) error {
		key, err = s.open(tx.Bucket(bucketMeta).Get(metaPrint), metaPrint)
		return err
	})
	return key, err
}

func (s *store) close() error { return s.db.Close() }

// open opens what was sealed in the context. Damage to it is damage to the store.
func (s *store) open(sealed, context []byte) ([]byte, error) {
	plain, err := s.sealer.Open(sealed, context)
	if errors.Is(err, seal.ErrDamaged) {
		return nil, fmt.Errorf("%w (%w)", ErrDamaged, err)
	}
	return plain, err
}

// seat says where a sealed record belongs: it opens nowhere else.
func seat(bucket, key []byte) []byte { return append(append([]byte("hashd/"), bucket...), key...) }

// isFull says whether the disk has no room. What was to be written then is not in the store: room
// is taken before anything that is in use is written over.
func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// number reads a whole number; a missing one is 0.
func number(b []byte) int64 {
	if len(b) != 8 {
		return 0
	}
	return int64(binary.BigEndian.Uint64(b))
}

func numberBytes(n int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }
