//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package private

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// owner returns whose the file is.
func owner(info fs.FileInfo) (uid int, known bool) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return int(stat.Uid), true
}

// keepOwner gives the file the owner and group of the one that it is to replace.
func keepOwner(f *os.File, _ string, before fs.FileInfo) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	was, ok := before.Sys().(*syscall.Stat_t)
	is, okToo := info.Sys().(*syscall.Stat_t)
	if !ok || !okToo || was.Uid == is.Uid && was.Gid == is.Gid {
		return nil
	}
	if err := f.Chown(int(was.Uid), int(was.Gid)); err != nil {
		return fmt.Errorf("it would not keep its owner (uid %d, gid %d): run this as root: %w", was.Uid, was.Gid, err)
	}
	return nil
}
