// Package private owns the rule for files that hold what others must not see, such as keys: who may own
// them, who may read them, and how one is made or replaced as a whole. It must not know what is in them.
//
// The rule is the one PostgreSQL has for its private keys. The file belongs to the user of this process,
// who alone can read it, or to root, who may let a group read it: that is how secrets are mounted where
// an orchestrator runs containers. Nobody else may be able to put another file in its place.
// On Windows the access list takes the place of mode and owner: the user of this process, the system and
// the administrators may be on it, and nobody else.
package private

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// maxBytes is far more than any key takes, so that reading ends whatever the path leads to.
const maxBytes = 1 << 20

// ExposedError says that a file or folder is not private, and what to do. Its text does not name who asked.
type ExposedError struct{ Path, Why, Way string }

// Error implements error.
func (e *ExposedError) Error() string { return e.Path + " " + e.Why + ": " + e.Way }

// ErrUnreadable says that the user of this process may not read the file.
var ErrUnreadable = errors.New("a file that must be private cannot be read by uid")

// Read returns what is in the file, at most 1 MiB. It refuses one that is not private with an
// *ExposedError. The bytes are the caller's to clear. It waits for a pipe's writer.
func Read(path string) ([]byte, error) {
	f, err := open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return read(f)
}

// Check refuses what Read refuses. It is for a file that a library reads.
func Check(path string) error {
	f, err := open(path)
	if err != nil {
		return err
	}
	return f.Close()
}

// open looks at the very file that is then read.
func open(path string) (*os.File, error) {
	f, err := os.Open(path) //nolint:gosec // the operator names it
	if err != nil {
		return nil, unreadable(err)
	}
	info, err := f.Stat()
	if err == nil {
		err = check(f, path, info)
	}
	if err == nil && info.Mode().IsRegular() {
		err = checkFolders(path)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// read does not let its buffer grow: the smaller one before it would keep the secret.
func read(f *os.File) ([]byte, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	room := int64(1<<16) + 1 // of a pipe
	if info.Mode().IsRegular() {
		room = info.Size() + 1
	}
	if room > maxBytes {
		return nil, fmt.Errorf("%s is larger than %d bytes", f.Name(), maxBytes)
	}
	b := make([]byte, room)
	n, err := io.ReadFull(f, b)
	switch {
	case err == nil:
		clear(b)
		return nil, fmt.Errorf("%s is larger than it was, or than a pipe may give", f.Name())
	case !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF):
		clear(b)
		return nil, err
	}
	return b[:n], nil
}

func unreadable(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w %s: %w", ErrUnreadable, howToRead(), err)
	}
	return err
}

// checkFolders looks at the folder of the file and, where links lead to it, at that of the first link.
func checkFolders(path string) error {
	target, err := filepath.EvalSymlinks(path)
	if err == nil {
		err = CheckFolder(filepath.Dir(path))
	}
	if err == nil {
		err = CheckFolder(filepath.Dir(target))
	}
	return err
}

// CheckFolder refuses a folder in which anybody can replace the files of others, with an *ExposedError.
func CheckFolder(dir string) error { return checkFolder(dir) }
