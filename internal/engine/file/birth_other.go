//go:build !linux

package file

import "os"

// birthOf is not known here: a folder that was copied as a whole is taken for the one it was.
func birthOf(*os.File) int64 { return 0 }
