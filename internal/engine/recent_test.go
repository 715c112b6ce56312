package engine

import (
	"testing"
	"time"
)

// What is counted is forgotten a minute later at the latest, and not before 55 seconds, however long nothing
// happens in between.
func TestRecent(t *testing.T) {
	for _, start := range []time.Duration{0, 1, 4999 * time.Millisecond, time.Hour, 1000 * time.Hour} {
		var r Recent
		if got := r.Summary(start); got != (RecentStats{}) {
			t.Errorf("at %v: %+v", start, got)
		}
		r.Add(start, time.Millisecond)
		r.Add(start+30*time.Second, 3*time.Millisecond)
		for after, want := range map[time.Duration]int64{
			30 * time.Second: 2, 55 * time.Second: 2, time.Minute: 1, 84 * time.Second: 1, 90 * time.Second: 0, 1000 * time.Hour: 0,
		} {
			if got := r.Summary(start + after); got.Completed != want || want > 0 && got.Lateness.Max != 3*time.Millisecond {
				t.Errorf("%v after %v: %+v, want %d", after, start, got, want)
			}
		}
		r.Add(start+time.Hour, 2*time.Millisecond)
		if got := r.Summary(start + time.Hour); got.Completed != 1 || got.Lateness.P99 != 2*time.Millisecond {
			t.Errorf("an hour after %v: %+v", start, got)
		}
	}
}

func TestRecentPercentiles(t *testing.T) {
	var r Recent
	var all Histogram
	for i := range 10_000 {
		d := time.Duration(i) * time.Microsecond
		r.Add(time.Duration(i)*time.Millisecond, d)
		all.Add(d)
	}
	if got := r.Summary(10 * time.Second); got.Completed != 10_000 || got.Lateness != all.Summary() {
		t.Errorf("%+v, want %+v", got, all.Summary())
	}
}

// What was counted is recent for a minute.
func TestRecentCount(t *testing.T) {
	t.Parallel()
	var r RecentCount
	r.Add(0, 2)
	r.Add(time.Second, 1)
	r.Add(30*time.Second, 4)
	for now, want := range map[time.Duration]int64{30 * time.Second: 7, 61 * time.Second: 4, 5 * time.Minute: 0} {
		if got := r.Sum(now); got != want {
			t.Errorf("at %v there are %d, want %d", now, got, want)
		}
	}
}
