//go:build !linux

package file

import "time"

// sinceBoot is not known here: the wall clock alone counts across restarts.
func sinceBoot() (time.Duration, uint64) { return 0, 0 }
