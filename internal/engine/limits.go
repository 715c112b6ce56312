package engine

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// The ends of the ranges of Limits. Sums of a few still fit their type.
const (
	MaxTime        = 10_000 * time.Hour
	MaxJobs        = 1 << 40
	MinSecretBytes = 1 << 20
	maxWorkers     = 1 << 16
)

// Limits are the settings that every engine has. Each engine says which of them several processes on one
// store share.
type Limits struct {
	Delay     time.Duration // from acceptance to due; 0 to MaxTime
	Retention time.Duration // how long a result is kept once done; 1 s to MaxTime

	MaxPending int64 // jobs accepted and not yet done; 1 to MaxJobs
	MaxResults int64 // jobs held in all, pending ones counted; 1 to MaxJobs

	// MaxSecretBytes is the memory for pending secrets over 52 bytes; MinSecretBytes or more. An
	// engine that keeps secrets elsewhere does not use it.
	MaxSecretBytes int64

	IdempotencyWindow  time.Duration // how long an idempotency key is remembered; 0 to MaxTime
	MaxIdempotencyKeys int64         // idempotency keys remembered; 0 to MaxJobs; with 0, a job with one is refused

	Workers int // goroutines that hash; 0 to 65,536; 0 means one a core

	// FirstID is the first id of a new store, from 1 to MaxFirstID; 0 means one that is drawn. An
	// existing store goes on with its own ids.
	FirstID int64

	// Traced is told of the hashes of requests that are traced, once all are visible; nil for nobody. It must not block.
	Traced func(Hashing)
}

// Validate returns an error that names each limit outside its range.
func (l *Limits) Validate() error {
	return errors.Join(
		inRange("delay", int64(l.Delay), 0, int64(MaxTime)),
		inRange("retention", int64(l.Retention), int64(time.Second), int64(MaxTime)),
		inRange("max pending", l.MaxPending, 1, MaxJobs),
		inRange("max results", l.MaxResults, 1, MaxJobs),
		inRange("max secret bytes", l.MaxSecretBytes, MinSecretBytes, math.MaxInt64),
		inRange("idempotency window", int64(l.IdempotencyWindow), 0, int64(MaxTime)),
		inRange("max idempotency keys", l.MaxIdempotencyKeys, 0, MaxJobs),
		inRange("workers", int64(l.Workers), 0, maxWorkers),
		inRange("first id", l.FirstID, 0, MaxFirstID),
	)
}

// inRange returns an error that names the setting unless the value is from lowest to highest.
func inRange(name string, value, lowest, highest int64) error {
	if value < lowest || value > highest {
		return fmt.Errorf("%s %d is not from %d to %d", name, value, lowest, highest)
	}
	return nil
}
