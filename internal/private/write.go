package private

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Create writes a file that must not exist yet, with mode 0600; if it exists, Create returns fs.ErrExist
// and does not change it. Once Create returns, the file is on the disk; if it is killed at any point,
// the file is whole or not there. Of several processes that try at once, one makes the file.
func Create(path string, content []byte) error {
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(&fs.PathError{Op: "create", Path: path, Err: fs.ErrExist}, err)
	}
	return inFolder(path, func(temp string) error {
		f, err := create(temp)
		if err != nil {
			return err
		}
		if err := fill(f, content); err != nil {
			return err
		}
		return os.Link(temp, path) // which replaces nothing, whoever was faster
	})
}

// Replace replaces the content of the file by what edit makes of it. The owner, group and mode stay.
// Where the path is a link, it replaces the file that the link leads to. It refuses a file that Read
// refuses. If it is killed at any point, the file holds the old content or the new one. Several
// processes do this one after the other. Both contents are cleared.
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
		before, err := old.Stat()
		if err != nil {
			return errors.Join(err, old.Close())
		}
		content, err := read(old)
		if err := errors.Join(err, old.Close()); err != nil { // Windows replaces no file that is open
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
	f, err := create(temp)
	if err != nil {
		return err
	}
	if err := keepOwner(f, target, before); err != nil {
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

// inFolder calls write, which brings a temporary file to its path, while no other process does so in the
// same folder. It removes the temporary file before, which a killed process may have left, and after.
// Then it syncs the folder.
func inFolder(path string, write func(temp string) error) error {
	dir := filepath.Dir(path)
	d, err := lockFolder(dir)
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }() // and with it the lock
	temp := filepath.Join(dir, "."+filepath.Base(path)+".new")
	if err := remove(temp); err != nil {
		return explain(path, err)
	}
	if err := write(temp); err != nil {
		return errors.Join(explain(path, err), remove(temp))
	}
	return errors.Join(remove(temp), syncFolder(d))
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
		return fmt.Errorf("%w: %s is on a mount that is read only, as an orchestrator's secrets are: change a copy, and replace the secret with it", err, path)
	case errors.Is(err, syscall.EBUSY):
		return fmt.Errorf("%w: %s is a mount by itself: write the file that is mounted there", err, path)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: run it as a user who may write in %s", err, filepath.Dir(path))
	}
	return err
}
