package file

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/hashd-project/hashd/v2/internal/filelock"
	"github.com/hashd-project/hashd/v2/internal/seal"
)

// The names of the other files in the folder.
const (
	RingName = "ring.json"  // the ring, unless one is given
	LockName = "hashd.lock" // locked by the process that has the folder, and never replaced
)

// ErrLost says that the store is not there any more, or not the one that it was.
var ErrLost = errors.New("the store that was here is lost")

// ErrUnreadable says that reading failed. That tells nothing of what is on the disk.
var ErrUnreadable = errors.New("the store cannot be read: check the disk and try again; nothing says that it is damaged")

// unreadable says that an error came from reading. A lack of permission is reported as it is.
func unreadable(err error) error {
	if err == nil || errors.Is(err, fs.ErrPermission) {
		return err
	}
	return fmt.Errorf("%w (%w)", ErrUnreadable, err)
}

// lostAdvice is what to do when the store is lost at the start.
const lostAdvice = "restore the folder from a backup, or start with an empty one"

// lockWait is how long to wait for another process to release the folder, as after a restart.
const lockWait = time.Second

// folder is a data folder that belongs to this process alone.
type folder struct {
	dir       string
	log       *slog.Logger
	lock      *os.File
	info      os.FileInfo // of the lock file
	birth     int64       // of the lock file
	highWater highWater   // the latest one in it
}

// openFolder takes the folder, which is made if it is not there.
func openFolder(dir string, log *slog.Logger) (*folder, error) {
	if err := makeFolder(dir); err != nil {
		return nil, err
	}
	f := &folder{dir: dir, log: log}
	if err := f.checkModes(); err != nil {
		return nil, err
	}
	var err error
	if f.lock, err = openLocked(f.path(LockName), os.O_RDWR|os.O_CREATE); err != nil {
		return nil, err
	}
	if err := f.read(); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", f.lock.Name(), err), f.close())
	}
	return f, nil
}

func (f *folder) path(name string) string { return filepath.Join(f.dir, name) }

// makeFolder makes the folders of the path that are missing, each of them durably.
func makeFolder(dir string) error {
	_, err := os.Stat(dir)
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent := filepath.Dir(dir)
	if err := makeFolder(parent); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncFolder(parent)
}

// syncFolder makes the names in the folder durable. Windows has no way to, and its file systems keep a journal of names.
func syncFolder(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir) //nolint:gosec // the operator names it
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// checkModes refuses a folder in which any user can replace files. It takes all permissions on the
// store's files from others than their owner: only this program needs them.
func (f *folder) checkModes() error {
	if runtime.GOOS == "windows" { // where a mode says nothing
		return nil
	}
	info, err := os.Stat(f.dir)
	if err != nil {
		return err
	}
	switch mode := info.Mode().Perm(); {
	case !info.IsDir():
		return fmt.Errorf("%s is no folder", f.dir)
	case mode&0o002 != 0:
		return fmt.Errorf("%s has mode %04o: any user could replace what is in it: chmod o-w it, or name a folder in it", f.dir, mode)
	case mode&0o020 != 0: // as Kubernetes makes volumes for a group of their own
		f.log.Warn("the data folder is writable by its group, which could replace what is in it", "path", f.dir, "mode", fmt.Sprintf("%04o", mode))
	}
	for _, name := range []string{StoreName, LockName} {
		if err := f.closeToOthers(f.path(name)); err != nil {
			return err
		}
	}
	return nil
}

func (f *folder) closeToOthers(path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return unreadable(err)
	}
	mode := info.Mode().Perm()
	if mode&0o077 == 0 {
		return nil
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return fmt.Errorf("%s has mode %04o, open to others: chmod 600 it (%w)", path, mode, err)
	}
	f.log.Warn("a file of the store was open to others than its owner: it is not any more", "path", path, "mode", fmt.Sprintf("%04o", mode))
	return nil
}

// openLocked opens a file and locks it. It waits a while for another process to release it.
func openLocked(path string, flag int) (*os.File, error) {
	for end := time.Now().Add(lockWait); ; time.Sleep(lockWait / 20) {
		f, err := os.OpenFile(path, flag, 0o600) //nolint:gosec // the operator names the folder
		if err != nil {
			return nil, unreadable(err)
		}
		locked, err := filelock.Try(f)
		if err == nil && locked {
			locked, err = isAt(f, path)
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", path, unreadable(err)), f.Close())
		}
		if locked {
			return f, nil
		}
		if err := f.Close(); err != nil {
			return nil, err
		}
		if time.Now().After(end) {
			return nil, fmt.Errorf("%s is in use by another process", path)
		}
	}
}

// isAt says whether the file is still the one at its path: the process that had it before may have
// removed it.
func isAt(f *os.File, path string) (bool, error) {
	opened, err := f.Stat()
	if err != nil {
		return false, err
	}
	there, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && os.SameFile(opened, there), err
}

func (f *folder) read() (err error) {
	if f.info, err = f.lock.Stat(); err != nil {
		return unreadable(err)
	}
	f.birth = birthOf(f.lock)
	f.highWater, err = readHighWater(f.lock)
	return err
}

// begin records durably that this process makes a store, so that the next start may go on if this one
// is cut off.
func (f *folder) begin() error {
	if f.highWater.number > 0 {
		return nil
	}
	return errors.Join(f.write(highWater{}), f.lock.Sync(), syncFolder(f.dir))
}

// confirm records durably that this store is here now.
func (f *folder) confirm(store identity, tx uint64, next int64) error {
	return errors.Join(f.write(highWater{made: true, store: store, tx: tx, next: next}), f.lock.Sync())
}

// advance records a transaction that the disk has. That need not be durable: a mark that is behind the
// store is right.
func (f *folder) advance(tx uint64, next int64) error {
	m := f.highWater
	m.tx, m.next = tx, next
	return f.write(m)
}

// write writes the high-water mark as the latest one.
func (f *folder) write(m highWater) error {
	m.number, m.birth = f.highWater.number+1, f.birth
	if err := m.write(f.lock); err != nil {
		return err
	}
	f.highWater = m
	return nil
}

// doubt says why a store of that name, with that last transaction, may not be the one that was here
// last; "" if it certainly is.
func (f *folder) doubt(store identity, tx uint64) string {
	switch m := f.highWater; {
	case m.number == 0:
		return LockName + " is missing or new"
	case !m.made: // it was being made
		return ""
	case m.birth != f.birth:
		return "the folder is a copy"
	case m.store != store:
		return StoreName + " is another one"
	case m.tx > tx:
		return StoreName + " is an older copy"
	}
	return ""
}

// holdsStore says whether the store is there. It fails if the store was there and is not any more.
func (f *folder) holdsStore() (bool, error) {
	path := f.path(StoreName)
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && f.highWater.made:
		return false, fmt.Errorf("%s is missing: %w: %s", path, ErrLost, lostAdvice)
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, unreadable(err)
	case info.Size() == 0:
		return false, fmt.Errorf("%s is empty: %w: %s", path, ErrLost, lostAdvice)
	}
	return true, nil
}

// ring reads the ring in the folder. It is made with the store, and only then: neither may a store that
// has lost its ring get another, nor a ring that has lost its store.
func (f *folder) ring(there bool) (*seal.Sealer, error) {
	path := f.path(RingName)
	_, err := os.Lstat(path)
	missing := errors.Is(err, fs.ErrNotExist)
	switch {
	case there && missing:
		return nil, fmt.Errorf("%s is missing, and the jobs in %s are sealed with it: restore it from a backup", path, f.dir)
	case !there && !missing && f.highWater.number == 0:
		return nil, fmt.Errorf("%s is there and %s is not: %w: %s; a ring that was made for a new store is to be named with ring-file, and to lie elsewhere",
			path, StoreName, ErrLost, lostAdvice)
	}
	if !there && missing {
		if err := errors.Join(f.begin(), seal.CreateFile(path)); err != nil {
			return nil, err
		}
		f.log.Info("made a new ring: nothing stored can be read without it, so keep a copy apart from the data", "path", path)
	}
	return seal.ReadFile(path)
}

// present returns an error unless the lock file is still where it was: otherwise the lock keeps nobody
// out.
func (f *folder) present() error { return present(f.lock.Name(), f.info) }

func present(path string, opened os.FileInfo) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s was removed while in use: %w", path, ErrLost)
	case err != nil:
		return err
	case !os.SameFile(info, opened):
		return fmt.Errorf("%s was replaced while in use: %w", path, ErrLost)
	case info.Size() < opened.Size():
		return fmt.Errorf("%s was cut while in use: %w", path, ErrLost)
	}
	return nil
}

func (f *folder) close() error { return f.lock.Close() }
