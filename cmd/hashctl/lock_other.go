//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package main

import "os"

// lock does nothing where there is no flock: running one bulk twice at a time is the user's to avoid.
func lock(*os.File) error { return nil }

// owned is not known where files have no owner as Unix has.
func owned(os.FileInfo) bool { return true }

func unlock(*os.File) error { return nil }
