package seal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// keyMode lets the owner alone read a key file.
const keyMode = 0o600

// ReadFile returns a Sealer with the ring in the file. A file that others than its owner can read
// is refused. The error of a file that is not there is fs.ErrNotExist.
func ReadFile(path string) (*Sealer, error) {
	ring, err := readRing(path)
	if err != nil {
		return nil, err
	}
	s, err := New(ring)
	if err != nil {
		return nil, fmt.Errorf("key file %s: %w", path, err)
	}
	return s, nil
}

func readRing(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("key file: %w", err)
	}
	if open := info.Mode().Perm() &^ keyMode; open != 0 {
		return nil, fmt.Errorf("key file %s has mode %04o, open to others: chmod 600 it", path, info.Mode().Perm())
	}
	ring, err := os.ReadFile(path) //nolint:gosec // the operator names it
	if err != nil {
		return nil, fmt.Errorf("key file: %w", err)
	}
	return ring, nil
}

// CreateFile writes a new ring of one key to a file that must not exist yet, with mode 0600. Once
// it returns, the file is on the disk.
func CreateFile(path string) error {
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("key file %s: %w", path, errors.Join(fs.ErrExist, err))
	}
	ring, err := Generate()
	if err != nil {
		return err
	}
	return write(path, ring)
}

// RotateFile adds a new primary key to the ring in the file. Should it be cut off at any point, the
// file holds the old ring or the new one.
func RotateFile(path string) error {
	ring, err := readRing(path)
	if err != nil {
		return err
	}
	rotated, err := Rotate(ring)
	if err != nil {
		return fmt.Errorf("key file %s: %w", path, err)
	}
	return write(path, rotated)
}

// write puts the ring in the file's place as a whole.
func write(path string, ring []byte) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".key-*") // with mode 0600
	if err != nil {
		return fmt.Errorf("key file: %w", err)
	}
	_, err = f.Write(ring)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return fmt.Errorf("key file: %w", err)
	}
	return syncDir(dir)
}

// syncDir makes a rename in the folder last.
func syncDir(dir string) error {
	d, err := os.Open(dir) //nolint:gosec // the folder of a file that the operator names
	if err != nil {
		return fmt.Errorf("key file: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("key file: %w", err)
	}
	return nil
}
