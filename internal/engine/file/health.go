package file

import (
	"sync/atomic"
	"time"
)

// diskLimit names a disk without room among the limits.
const diskLimit = "disk"

// diskFullRetry is when a full disk is worth another try.
const diskFullRetry = 5 * time.Second

// diskWait is how long a disk may take before it counts as one that hangs.
const diskWait = 8 * time.Second

// health is what the committer has found out about the store, for all to see.
type health struct {
	patience time.Duration // how long the disk may take
	made     time.Time
	down     atomic.Bool  // the store failed for good
	noRoom   atomic.Bool  // the last write found the disk full
	asked    atomic.Int64 // since made, when the disk was asked what it has not answered; 0 for nothing
}

func (h *health) ask() { h.asked.Store(max(1, int64(time.Since(h.made)))) }

func (h *health) answered() { h.asked.Store(0) }

// isDown says whether the store failed for good, or the disk hangs: then it is down until that answers.
func (h *health) isDown() bool {
	asked := h.asked.Load()
	return h.down.Load() || asked != 0 && time.Since(h.made)-time.Duration(asked) > h.patience
}
