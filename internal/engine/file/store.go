package file

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime/debug"
	"sync/atomic"
	"syscall"

	bolt "go.etcd.io/bbolt"

	"github.com/hashd-project/hashd/v2/internal/filelock"
	"github.com/hashd-project/hashd/v2/internal/seal"
)

// ErrDamaged says that the store is not as it was written. Nothing is repaired: use a backup or an empty
// folder.
var ErrDamaged = errors.New("the store is damaged: restore the folder from a backup, or start with an empty one")

// The versions of the store's format. This program writes the last one, and converts the first, in which
// ids were positions.
const (
	formerFormat = 1
	format       = 2
)

// The buckets of the store, and the keys of meta.
var (
	bucketMeta    = []byte("meta")    // see below
	bucketJobs    = []byte("jobs")    // first id → sealed group
	bucketResults = []byte("results") // number → sealed block
	bucketKeys    = []byte("keys")    // see records.go
	bucketTenants = []byte("tenants") // number → sealed name; made with the first
	bucketOwners  = []byte("owners")  // see owners.go; made with the first

	metaFormat         = []byte("format")
	metaNext           = []byte("next")    // the position after the last job's
	metaFirstPending   = []byte("settled") // no job before it is pending
	metaFingerprintKey = []byte("print")   // sealed: the key of the HMAC that makes fingerprints
	metaLives          = []byte("lives")   // sealed: see lives.go
	metaLastRun        = []byte("owner")   // see owners.go
)

// store is the file. It is for one goroutine at a time.
type store struct {
	folder         *folder
	sealer         *seal.Sealer
	path           string
	file           *os.File    // the library's
	info           os.FileInfo // of the file, as it was opened or was last seen
	db             *bolt.DB
	update         transact
	fingerprintKey []byte
	lives          lives
	tx             uint64       // the last transaction that was carried out
	broken         error        // why the store can only be closed: the library panicked, and what it had locked stays locked
	size           atomic.Int64 // of the file, as the last transaction left it; for all to read
	fsyncs         atomic.Int64 // of the file, since it was opened; for all to read
	synced         bool         // the disk has each transaction before it ends
	length         int64        // of the file, with what is not yet used
}

// transact carries out a transaction whole, or returns an error and changes nothing.
type transact func(func(*bolt.Tx) error) error

// openStore opens the folder's store. If none was ever made there, it makes one, which begins with the
// id given, or a drawn one if that is 0. Without a sealer the ring is the folder's.
func openStore(f *folder, sealer *seal.Sealer, noSync bool, firstID int64) (*store, error) {
	s := &store{folder: f, sealer: sealer, path: f.path(StoreName)}
	there, err := f.holdsStore()
	if err == nil && sealer == nil {
		s.sealer, err = f.ring(there)
	}
	if err == nil && !there {
		err = s.create(firstID)
	}
	if err != nil {
		return nil, err
	}
	if s.file, err = openLocked(s.path, os.O_RDWR); err != nil {
		return nil, err
	}
	err = s.guard(func() error { return s.openFile(noSync) })
	if err == nil {
		err = s.guard(s.identify)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", s.path, err), s.close())
	}
	return s, nil
}

// openFile verifies the file, and then has the library open it.
func (s *store) openFile(noSync bool) (err error) {
	if s.info, err = s.file.Stat(); err != nil {
		return unreadable(err)
	}
	s.size.Store(s.info.Size())
	if err := verifyFile(s.file, s.info.Size()); err != nil {
		return err
	}
	s.db, err = bolt.Open(s.path, 0o600, options(noSync, s.file))
	if err != nil { // the file itself is whole
		return unreadable(err)
	}
	s.update, s.synced, s.length = s.carryOut, !noSync, s.info.Size()
	return nil
}

// carryOut runs a transaction. If the library panics in it, carryOut leaves it open, unlike the
// library's own Update: to roll it back the library would walk the store in a goroutine of its own,
// where nobody could catch its next panic.
func (s *store) carryOut(f func(*bolt.Tx) error) error {
	tx, err := s.db.Begin(true)
	if err != nil {
		return err
	}
	if id := uint64(tx.ID()); id != s.tx+1 { // not to be rolled back either
		s.broken = s.overwritten()
		return s.broken
	}
	if err := f(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	size := tx.Size()
	if err := tx.Commit(); err != nil {
		return err
	}
	s.size.Store(size)
	s.tx++
	s.countFsyncs()
	return nil
}

// countFsyncs counts those of a transaction: the library has the disk write what is new, and then the page that
// says where that is, and before both the length of a file that has grown.
func (s *store) countFsyncs() {
	if s.synced {
		s.fsyncs.Add(2)
	}
	info, err := s.file.Stat() // an error is the next one's to meet: the transaction was carried out
	if err == nil && info.Size() > s.length {
		s.fsyncs.Add(1)
		s.length = info.Size()
	}
}

func options(noSync bool, file *os.File) *bolt.Options {
	o := &bolt.Options{
		Timeout:        lockWait,
		NoSync:         noSync,
		NoFreelistSync: true, // the next start finds it again, so it need not be written each time
		FreelistType:   bolt.FreelistMapType,
	}
	if file != nil {
		o.OpenFile = func(string, int, os.FileMode) (*os.File, error) { return file, nil }
	}
	return o
}

// guard runs f on a store that may be damaged, or be cut or fail under the library's hands. Then that
// panics, or reads memory that the file no longer backs; both come back as errors, and the store can
// only be closed: each later call returns the same error.
func (s *store) guard(f func() error) (err error) {
	if s.broken != nil { // else it would wait for what the panic left locked
		return s.broken
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		what := ErrDamaged
		if _, fault := v.(interface{ Addr() uintptr }); fault {
			what = ErrUnreadable
		}
		s.broken = fmt.Errorf("%w (%v)", what, v)
		err = s.broken
	}()
	return f()
}

// create makes a new store in its folder, under another name until it is whole and on the disk.
func (s *store) create(firstID int64) error {
	if err := s.folder.begin(); err != nil {
		return err
	}
	temporary := s.path + ".new"
	if err := os.Remove(temporary); err != nil && !errors.Is(err, fs.ErrNotExist) { // of a start that was cut off
		return err
	}
	db, err := bolt.Open(temporary, 0o600, options(false, nil))
	if err != nil {
		return err
	}
	err = errors.Join(db.Update(func(tx *bolt.Tx) error { return s.setUp(tx, firstID) }), db.Close())
	if err == nil {
		err = os.Rename(temporary, s.path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temporary))
	}
	return syncFolder(s.folder.dir)
}

func (s *store) setUp(tx *bolt.Tx, firstID int64) error {
	for _, name := range [][]byte{bucketMeta, bucketJobs, bucketResults, bucketKeys} {
		if _, err := tx.CreateBucket(name); err != nil {
			return err
		}
	}
	meta := tx.Bucket(bucketMeta)
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	sealed, err := s.sealer.Seal(key, metaFingerprintKey)
	return errors.Join(err,
		meta.Put(metaFingerprintKey, sealed),
		meta.Put(metaFormat, numberBytes(format)),
		meta.Put(metaNext, numberBytes(1)),
		meta.Put(metaFirstPending, numberBytes(1)),
		s.putLives(meta, lives{firstLife(firstID)}))
}

func (s *store) putLives(meta *bolt.Bucket, l lives) error {
	sealed, err := s.sealer.Seal(l.encode(), metaLives)
	if err != nil {
		return err
	}
	return meta.Put(metaLives, sealed)
}

// identify finds out whether this is the store that was here last. If that is not certain, it begins
// another life.
func (s *store) identify() error {
	former, next, err := s.readMeta()
	if err != nil {
		return err
	}
	switch why := s.folder.doubt(s.lives.last().store, s.tx); {
	case former && !s.folder.highWater.made:
		err = errors.Join(s.folder.begin(), s.adopt(s.lives))
	case former || why != "":
		s.lives = s.lives.another(next, s.folder.highWater.next)
		s.folder.log.Warn("the store may not be the latest of its copies: from now on it has another name and ids far above",
			"why", why, "next_id", s.lives.id(next))
		err = s.adopt(s.lives)
	}
	if err != nil {
		return err
	}
	return s.folder.confirm(s.lives.last().store, s.tx, s.lives.id(next))
}

// readMeta reads what the store says of itself. The fingerprint key is the first thing that is opened
// with the ring, so that a wrong ring is recognized at once.
func (s *store) readMeta() (former bool, next int64, err error) {
	err = s.db.View(func(tx *bolt.Tx) error {
		s.tx = uint64(tx.ID())
		meta := tx.Bucket(bucketMeta)
		if meta == nil {
			return fmt.Errorf("%w (it has no beginning)", ErrDamaged)
		}
		got := number(meta.Get(metaFormat))
		if former = got == formerFormat; !former && got != format {
			return fmt.Errorf("the store has format %d, and this version reads %d: start the version that wrote it", got, format)
		}
		next = number(meta.Get(metaNext))
		if s.fingerprintKey, err = s.open(meta.Get(metaFingerprintKey), metaFingerprintKey); err != nil {
			return err
		}
		if former {
			s.lives = lives{formerLife(s.fingerprintKey)}
			return nil
		}
		plain, err := s.open(meta.Get(metaLives), metaLives)
		if err != nil {
			return err
		}
		s.lives, err = decodeLives(plain)
		return err
	})
	return former, next, err
}

// adopt writes the lives into the store, which has this format from then on.
func (s *store) adopt(l lives) error {
	return s.update(func(tx *bolt.Tx) error {
		meta := tx.Bucket(bucketMeta)
		return errors.Join(s.putLives(meta, l), meta.Put(metaFormat, numberBytes(format)))
	})
}

// present returns an error unless the file that was opened is still the store: where it was, and not
// cut.
func (s *store) present() error {
	if err := present(s.path, s.info); err != nil {
		return err
	}
	info, err := s.file.Stat()
	if err == nil {
		s.info = info
	}
	return err
}

// unchanged returns an error unless the last transaction in the file is this store's own: else another copy
// was written over it in its place.
func (s *store) unchanged() error {
	return s.guard(func() error {
		return s.db.View(func(tx *bolt.Tx) error {
			if uint64(tx.ID()) != s.tx {
				return s.overwritten()
			}
			return nil
		})
	})
}

func (s *store) overwritten() error {
	return fmt.Errorf("%s was overwritten while in use: %w", s.path, ErrLost)
}

// advance moves the high-water mark to the last transaction. Where there is no room for that the mark
// stays behind, which is right.
func (s *store) advance(next int64) error {
	if err := s.folder.advance(s.tx, s.lives.id(next)); err != nil && !isFull(err) {
		return err
	}
	return nil
}

// close releases the file. If the library panicked, close does so without it: the library would wait for
// itself.
func (s *store) close() error {
	if s.db != nil && s.broken == nil {
		return s.db.Close()
	}
	_ = filelock.Unlock(s.file) // fails if the library has refused the file, and closed it
	if err := s.file.Close(); !errors.Is(err, os.ErrClosed) {
		return err
	}
	return nil
}

// open opens what was sealed in the context. Damage to it is damage to the store.
func (s *store) open(sealed, context []byte) ([]byte, error) {
	plain, err := s.sealer.Open(sealed, context)
	if errors.Is(err, seal.ErrDamaged) {
		return nil, fmt.Errorf("%w (%w)", ErrDamaged, err)
	}
	return plain, err
}

// associatedData binds a sealed record to its place, and to the id of the job at the position with which
// it begins: it opens nowhere else, and under no other id.
func (s *store) associatedData(bucket, key []byte, position int64) []byte {
	data := associatedData(bucket, key)
	if one := s.lives.at(position); one.bound {
		data = append(append(data, '/'), one.store[:]...)
		data = binary.BigEndian.AppendUint64(data, uint64(s.lives.id(position)))
	}
	return data
}

// associatedData binds a sealed record to its place in a store.
func associatedData(bucket, key []byte) []byte {
	return append(append([]byte("hashd/"), bucket...), key...)
}

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
