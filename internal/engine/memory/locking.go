package memory

import (
	"math"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// Lockable returns how much memory pending jobs take at most under these limits, and how much of it
// the system keeps out of swap space for this process, both in bytes. An engine locks the memory of
// secrets as far as it may, and goes on without where it may not.
func Lockable(l engine.Limits) (need, allowed int64) {
	need = (l.MaxPending/segmentJobs + 2) * segmentBytes // the first and the last one may hold others
	need += min(l.MaxSecretBytes, math.MaxInt64-need)
	return need, lockable(need)
}
