package private

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Create writes a file that must not exist yet, with mode 0600; else it returns fs.ErrExist, and the file
// that is there is as it was. Once it returns, the file is on the disk; should it be cut off at any
// point, the file is whole or not there. Of several processes one makes the file.
func Create(path string, content []byte) error {
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(&fs.PathError{Op: "create", Path: path, Err: fs.ErrExist}, err)
	}
	return inFolder(path, func(temp string) error {
		f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // beside a file that the operator names
		if err != nil {
			return err
		}
		if err := fill(f, content); err != nil {
			return err
		}
		return os.Link(temp, path) // which replaces nothing, whoever was faster
	})
}

// Replace writes what edit makes of the file in its place, with the same owner, group and mode; where the
// path is a link, in the place of what that leads to. It refuses a file that Read refuses. Should it be
// cut off at any point, the file holds the old content or the new one. Of several processes one after the
// other does so. Both contents are cleared.
func Replace(path string, edit func(old []byte) ([]byte, error)) error {
	target, err := filepath.EvalSymlinks(path)
	if err == nil {
		err = CheckFolder(filepath.Dir(path))
	}
	if err != nil {
		return err
	}
	if info, err := os.Stat(target); err != nil || !info.Mode().IsRegular() { // one could wait for a pipe's writer for ever
		return errors.Join(fmt.Errorf("%s is no file that can be replaced", target), err)
	}
	return inFolder(target, func(temp string) error {
		old, err := open(target)
		if err != nil {
			return err
		}
		defer func() { _ = old.Close() }()
		before, err := old.Stat()
		if err != nil {
			return err
		}
		content, err := read(old)
		if err != nil {
			return err
		}
		defer clear(content)
		edited, err := edit(content)
		if err != nil {
			return err
		}
		defer clear(edited)
		return put(temp, target, edited, before)
	})
}

// put writes the new content beside the file and then moves it there.
func put(temp, target string, content []byte, before fs.FileInfo) error {
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // beside a file that the operator names
	if err != nil {
		return err
	}
	if err := keepOwner(f, before); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := errors.Join(f.Chmod(before.Mode().Perm()), fill(f, content)); err != nil {
		return err
	}
	return os.Rename(temp, target)
}

func fill(f *os.File, content []byte) error {
	_, err := f.Write(content)
	return errors.Join(err, f.Sync(), f.Close())
}

// inFolder runs write, which is to bring a temporary file to its path, while no other process does so in
// the same folder. What one that was killed has left is removed before, and so is the temporary file
// after. Then the folder is made to last.
func inFolder(path string, write func(temp string) error) error {
	dir := filepath.Dir(path)
	d, err := os.Open(dir) //nolint:gosec // the folder of a file that the operator names
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }() // and with it the lock
	if err := lock(d); err != nil {
		return fmt.Errorf("lock %s: %w", dir, err)
	}
	temp := filepath.Join(dir, "."+filepath.Base(path)+".new")
	if err := remove(temp); err != nil {
		return explain(path, err)
	}
	if err := write(temp); err != nil {
		return errors.Join(explain(path, err), remove(temp))
	}
	return errors.Join(remove(temp), d.Sync())
}

func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// explain adds what can be done where a folder cannot be written in.
func explain(path string, err error) error {
	switch {
	case errors.Is(err, syscall.EROFS):
		return fmt.Errorf("%w: %s is mounted to be read only, as an orchestrator's secrets are: write a copy, and replace the secret with it", err, path)
	case errors.Is(err, syscall.EBUSY):
		return fmt.Errorf("%w: %s is a mount by itself: write the file that is mounted there", err, path)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: run it as a user who may write in %s", err, filepath.Dir(path))
	}
	return err
}
