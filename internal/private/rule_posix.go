//go:build !windows

package private

import (
	"fmt"
	"io/fs"
	"os"

	"github.com/hashd-project/hashd/v2/internal/filelock"
)

// The permissions that a file must not grant, by its owner.
const (
	notOwn   = 0o077
	notRoots = 0o037
)

// check looks at the open file.
func check(_ *os.File, path string, info fs.FileInfo) error { return judge(path, info, os.Geteuid()) }

func howToRead() string {
	return fmt.Sprintf("%d: have it own the file, or root with a group that may read it (mode 640)", os.Geteuid())
}

// judge looks at the owner and the permissions, for a process of that user.
func judge(path string, info fs.FileInfo, me int) error {
	uid, known := owner(info)
	forbidden := fs.FileMode(notOwn)
	switch {
	case known && uid != me && uid != 0:
		return &ExposedError{path, fmt.Sprintf("belongs to uid %d", uid),
			fmt.Sprintf("chown it to root or to uid %d, which runs this", me)}
	case known && uid == 0:
		forbidden = notRoots
	}
	if mode := info.Mode().Perm(); mode&forbidden != 0 {
		return &ExposedError{path, fmt.Sprintf("has mode %04o, open to others", mode),
			"chmod 600 it, or have root own it with mode 640 (in Kubernetes: defaultMode 0440 and an fsGroup)"}
	}
	return nil
}

func checkFolder(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if info.Mode().Perm()&0o002 != 0 && info.Mode()&fs.ModeSticky == 0 {
		return &ExposedError{"folder " + dir, fmt.Sprintf("has mode %04o: anybody can replace what is in it", info.Mode().Perm()), "chmod o-w it"}
	}
	return nil
}

// create makes a new file that only this user can read.
func create(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // beside a file that the operator names
}

// lockFolder waits until no other process holds the folder. Closing it lets it go.
func lockFolder(dir string) (*os.File, error) {
	d, err := os.Open(dir) //nolint:gosec // the folder of a file that the operator names
	if err != nil {
		return nil, err
	}
	if err := filelock.Wait(d); err != nil {
		_ = d.Close()
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	return d, nil
}

// syncFolder makes the names in a folder that is locked durable.
func syncFolder(d *os.File) error { return d.Sync() }
