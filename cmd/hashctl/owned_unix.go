//go:build unix

package main

import (
	"os"
	"syscall"
)

// owned says whether the file is the user's own; root takes any.
func owned(info os.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return !ok || int(stat.Uid) == os.Geteuid() || os.Geteuid() == 0
}
