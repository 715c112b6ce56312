package engine

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// edges returns values on both sides of each power of two and of each bucket's border.
func edges() []uint64 {
	var all []uint64
	for shift := range 63 {
		for eighth := range uint64(8) {
			v := uint64(1)<<shift + eighth<<shift/8
			all = append(all, v-1, v, v+1)
		}
	}
	all = append(all, 0, math.MaxInt64-1, math.MaxInt64)
	return slices.DeleteFunc(all, func(v uint64) bool { return v > math.MaxInt64 })
}

// A value's bucket ends at or above the value, and at most an eighth above.
func TestBucketRoundTrip(t *testing.T) {
	for _, v := range edges() {
		end := uint64(upper(bucket(v)))
		if end < v || end-v > v/8 {
			t.Errorf("%d is in bucket %d, which ends at %d", v, bucket(v), end)
		}
	}
}

// Buckets follow one another without a gap: the value after an end is in the next bucket.
func TestBucketsAreContiguous(t *testing.T) {
	last := bucket(math.MaxInt64)
	for i := range last {
		end := uint64(upper(i))
		if bucket(end) != i || bucket(end+1) != i+1 {
			t.Fatalf("bucket %d ends at %d, which is in %d, followed by one in %d", i, end, bucket(end), bucket(end+1))
		}
	}
	if upper(last) != math.MaxInt64 {
		t.Errorf("the last bucket ends at %d", upper(last))
	}
	if slots := len(Histogram{}.counts); last >= slots {
		t.Errorf("bucket %d of %d", last, slots)
	}
}

func TestEmptyHistogram(t *testing.T) {
	var h Histogram
	if got := h.Summary(); got != (Lateness{}) {
		t.Errorf("nothing added gives %+v", got)
	}
}

func TestNegativeCountsAsZero(t *testing.T) {
	var h Histogram
	h.Add(-time.Hour)
	h.Add(math.MinInt64)
	if got := h.Summary(); got != (Lateness{}) || h.total != 2 {
		t.Errorf("two negative latenesses give %+v of %d", got, h.total)
	}
}

// One value is told exactly: a percentile is never above the maximum.
func TestSingleValueIsExact(t *testing.T) {
	for _, v := range edges() {
		var h Histogram
		d := time.Duration(v)
		h.Add(d)
		if got, want := h.Summary(), (Lateness{P50: d, P90: d, P99: d, Max: d}); got != want {
			t.Errorf("only %d gives %+v", d, got)
		}
	}
}

func TestQuantilesAgainstSortedData(t *testing.T) {
	for seed := range uint64(50) {
		random := rand.New(rand.NewPCG(seed, 1))
		var h Histogram
		values := make([]time.Duration, 1+random.IntN(1000))
		for i := range values {
			values[i] = time.Duration(random.Int64() >> random.IntN(63))
			h.Add(values[i])
		}
		slices.Sort(values)
		checkSummary(t, seed, h.Summary(), values)
	}
}

func checkSummary(t *testing.T, seed uint64, got Lateness, sorted []time.Duration) {
	t.Helper()
	if largest := sorted[len(sorted)-1]; got.Max != largest {
		t.Errorf("seed %d: max is %v, want %v", seed, got.Max, largest)
	}
	for percent, value := range map[int]time.Duration{50: got.P50, 90: got.P90, 99: got.P99} {
		// The nearest rank: the least value that so many percent do not exceed.
		want := sorted[(len(sorted)*percent+99)/100-1]
		if value < want || value-want > want/8 {
			t.Errorf("seed %d: p%d of %d values is %v, want %v to an eighth above", seed, percent, len(sorted), value, want)
		}
	}
}
