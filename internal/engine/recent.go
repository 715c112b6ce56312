package engine

import "time"

// The last minute is counted in steps, so that it is 55 to 60 seconds long.
const (
	RecentWindow = time.Minute
	RecentStep   = 5 * time.Second
	recentSteps  = int64(RecentWindow / RecentStep)
)

// RecentStepAt returns the number of the step at a time on a clock that never goes back, and where in a ring of
// the steps of RecentWindow it is counted.
func RecentStepAt(now time.Duration) (step int64, place int) {
	step = int64(now / RecentStep)
	return step, int(step % recentSteps)
}

// IsRecent says whether a step lies within RecentWindow of the one that is now.
func IsRecent(step, now int64) bool { return now-step < recentSteps }

// Recent is a Histogram of the last minute, in constant memory. The zero value is ready. It has no lock: its owner's
// lock guards it. Times are those of a clock that never goes back.
type Recent struct {
	steps [recentSteps]struct {
		step   int64
		counts Histogram
	}
}

// Add counts one lateness.
func (r *Recent) Add(now, lateness time.Duration) {
	step, place := RecentStepAt(now)
	s := &r.steps[place]
	if s.step != step {
		s.step, s.counts = step, Histogram{}
	}
	s.counts.Add(lateness)
}

// Summary returns how many were counted in the last minute, and their percentiles.
func (r *Recent) Summary(now time.Duration) RecentStats {
	var all Histogram
	current, _ := RecentStepAt(now)
	for i := range r.steps {
		if s := &r.steps[i]; IsRecent(s.step, current) {
			all.merge(&s.counts)
		}
	}
	return RecentStats{Completed: all.total, Lateness: all.Summary()}
}

// merge adds all that the other has counted.
func (h *Histogram) merge(other *Histogram) {
	if other.total == 0 {
		return
	}
	for i, n := range other.counts {
		h.counts[i] += n
	}
	h.total += other.total
	h.sum += other.sum
	h.max = max(h.max, other.max)
}

// RecentStats counts jobs of the last minute.
type RecentStats struct {
	Completed int64 // hashed
	Lateness  Lateness
}

// RecentCount counts what happened in the last minute, as Recent does what has a lateness. The zero value is ready, and
// its owner's lock guards it.
type RecentCount struct {
	steps [recentSteps]struct{ step, count int64 }
}

// Add counts n more.
func (r *RecentCount) Add(now time.Duration, n int64) {
	step, place := RecentStepAt(now)
	s := &r.steps[place]
	if s.step != step {
		s.step, s.count = step, 0
	}
	s.count += n
}

// Sum returns how much was counted in the last minute.
func (r *RecentCount) Sum(now time.Duration) (count int64) {
	current, _ := RecentStepAt(now)
	for _, s := range r.steps {
		if IsRecent(s.step, current) {
			count += s.count
		}
	}
	return count
}

// Use is how much of a limit is used.
type Use struct {
	Name        string // of the setting, as a *FullError has it
	Limit, Used int64
}
