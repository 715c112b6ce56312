package engine

import (
	"iter"
	"math/bits"
	"time"
)

// Lateness is how long after their due time digests became visible, over all jobs since start.
// A percentile is rounded up to its histogram bucket, at most 12.5 % above the true value.
type Lateness struct {
	P50, P90, P99, Max time.Duration
}

// Each power of two of nanoseconds is split in this many buckets.
const (
	subBits    = 3
	subBuckets = 1 << subBits
)

// Histogram counts latenesses, or other durations, in constant memory. The zero value is ready. It has no lock:
// its owner's lock guards it.
type Histogram struct {
	counts [64 * subBuckets]int64
	total  int64
	sum    time.Duration
	max    time.Duration
}

// Add counts one lateness; a negative one counts as zero.
func (h *Histogram) Add(d time.Duration) {
	d = max(d, 0)
	h.counts[bucket(uint64(d))]++
	h.total++
	h.sum += d
	h.max = max(h.max, d)
}

// Count returns how many latenesses were added.
func (h *Histogram) Count() int64 { return h.total }

// Sum returns the sum of all that was added.
func (h *Histogram) Sum() time.Duration { return h.sum }

// Buckets yields each bucket that is not empty, in their order: the largest lateness that it holds, and how many
// were added to it.
func (h *Histogram) Buckets() iter.Seq2[time.Duration, int64] {
	return func(yield func(time.Duration, int64) bool) {
		for i, n := range h.counts {
			if n > 0 && !yield(upper(i), n) {
				return
			}
		}
	}
}

// Summary returns the percentiles of all that was added; all zero if nothing was.
func (h *Histogram) Summary() Lateness {
	return Lateness{P50: h.quantile(50), P90: h.quantile(90), P99: h.quantile(99), Max: h.max}
}

// quantile returns the upper end of the bucket that holds the given percentile.
func (h *Histogram) quantile(percent int64) time.Duration {
	rank := (h.total*percent + 99) / 100
	for i, n := range h.counts {
		if rank -= n; rank <= 0 && n > 0 {
			return min(upper(i), h.max)
		}
	}
	return 0
}

// bucket maps v to its bucket: exact below subBuckets, then subBuckets for each power of two.
func bucket(v uint64) int {
	if v < subBuckets {
		return int(v)
	}
	shift := bits.Len64(v) - subBits - 1
	return (shift+1)*subBuckets + int(v>>shift) - subBuckets
}

// upper returns the largest value that bucket i holds.
func upper(i int) time.Duration {
	if i < subBuckets {
		return time.Duration(i)
	}
	shift := i/subBuckets - 1
	return time.Duration((uint64(i%subBuckets)+subBuckets+1)<<shift - 1)
}
