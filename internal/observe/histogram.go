package observe

import (
	"math"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// Native buckets grow by the fourth root of 2.
const (
	schema    = 2
	perDouble = 1 << schema
)

// buckets are those of a histogram: the ends of the classic ones, in seconds, and up to where a value counts as zero in
// the native ones. So there are fewer than 200 of these, up to the longest time that a setting may have.
type buckets struct {
	ends []float64
	zero time.Duration
}

// responses returns those of what a user or an operator waits for.
func responses() buckets {
	return buckets{[]float64{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600}, time.Microsecond}
}

// hashing returns those of single hashes: cheap ones take about a microsecond.
func hashing() buckets {
	return buckets{[]float64{0.00000025, 0.0000005, 0.000001, 0.0000025, 0.000005, 0.00001, 0.000025, 0.0001, 0.001, 0.01, 0.1, 1}, 64 * time.Nanosecond}
}

// histogram is a native histogram that has classic buckets too.
type histogram struct {
	prometheus.Metric
	buckets []*dto.Bucket
}

// newHistogram makes a metric of what the engine has counted. A value counts as the largest one of the engine's own
// bucket, which is at most an eighth above it.
func newHistogram(desc *prometheus.Desc, h *engine.Histogram, in buckets, labels ...string) prometheus.Metric {
	ends := in.ends
	counts := make([]uint64, len(ends)+1)
	native := make(map[int]int64)
	below := uint64(0)
	for end, n := range h.Buckets() {
		seconds := end.Seconds()
		at, _ := slices.BinarySearch(ends, seconds)
		counts[at] += uint64(n)
		if end <= in.zero {
			below += uint64(n)
		} else {
			native[int(math.Ceil(math.Log2(seconds)*perDouble))] += n
		}
	}
	made := &histogram{
		Metric: prometheus.MustNewConstNativeHistogram(desc, uint64(h.Count()), h.Sum().Seconds(), native, nil, below, schema, in.zero.Seconds(), time.Time{}, labels...),
	}
	total := uint64(0)
	for i, end := range ends {
		total += counts[i]
		made.buckets = append(made.buckets, &dto.Bucket{UpperBound: new(end), CumulativeCount: new(total)})
	}
	return made
}

// Write implements prometheus.Metric.
func (h *histogram) Write(to *dto.Metric) error {
	if err := h.Metric.Write(to); err != nil {
		return err //nolint:wrapcheck // it is prometheus that asks
	}
	to.Histogram.Bucket = h.buckets
	to.Histogram.CreatedTimestamp = nil // it is not known
	return nil
}
