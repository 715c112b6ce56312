//go:build !unix

package main

import "os"

// owned is not known where files have no owner as Unix has.
func owned(os.FileInfo) bool { return true }
