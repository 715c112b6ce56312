package engine

import (
	"sync/atomic"
	"time"

	"github.com/hashd-project/hashd/v2/internal/digest"
)

// Durations is a Histogram that any number of goroutines may add to. The zero value is ready.
type Durations struct {
	counts [64 * subBuckets]atomic.Int64
	sum    atomic.Int64
}

// Add counts one duration; a negative one counts as zero. It takes no lock and does not allocate.
func (d *Durations) Add(took time.Duration) {
	took = max(took, 0)
	d.counts[bucket(uint64(took))].Add(1)
	d.sum.Add(int64(took))
}

// Histogram returns what was added so far. Its largest value is rounded up to its bucket, and what is added
// meanwhile may be in it or not.
func (d *Durations) Histogram() (h Histogram) {
	h.sum = time.Duration(d.sum.Load())
	for i := range d.counts {
		if n := d.counts[i].Load(); n > 0 {
			h.counts[i] = n
			h.total += n
			h.max = upper(i)
		}
	}
	return h
}

// HashTimes has how long it took to compute single hashes, by their algorithm.
type HashTimes []Histogram

// NewHashTimes returns what has room for every algorithm.
func NewHashTimes() HashTimes { return make(HashTimes, len(digest.All())) }
