package service

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// recent counts the submissions of the last minute. It is safe for concurrent use.
type recent struct {
	made     time.Time
	accepted func() int64 // the engine's count of accepted jobs, in which retries are none
	current  atomic.Int64 // 1 + the number of the step that was begun last; 0 before the first

	mu    sync.Mutex
	steps [engine.RecentWindow / engine.RecentStep]recentStep
}

// recentStep is what was counted in one step of the window.
type recentStep struct {
	begun     int64 // 1 + its number; 0 for none
	before    int64 // jobs accepted before it
	answers   int64 // to submissions
	answering time.Duration
}

// begin begins the step that is now, unless it has begun. It comes before each submission.
func (r *recent) begin() {
	if step, _ := engine.RecentStepAt(time.Since(r.made)); r.current.Load() != step+1 {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.now()
	}
}

// now returns the step that is now.
func (r *recent) now() *recentStep {
	step, place := engine.RecentStepAt(time.Since(r.made))
	s := &r.steps[place]
	if s.begun != step+1 {
		*s = recentStep{begun: step + 1, before: r.accepted()}
		r.current.Store(step + 1)
	}
	return s
}

// answered counts an answer to a submission.
func (r *recent) answered(took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.now()
	s.answers++
	s.answering += took
}

// recentSum is what was counted in the last minute.
type recentSum struct {
	seconds   int64 // how long that is
	jobs      int64 // accepted
	answers   int64
	answering time.Duration
}

func (r *recent) sum() (all recentSum) {
	age := time.Since(r.made)
	now, _ := engine.RecentStepAt(age)
	accepted := r.accepted()
	r.mu.Lock()
	defer r.mu.Unlock()
	before := accepted
	for i := range r.steps {
		s := &r.steps[i]
		if s.begun == 0 || !engine.IsRecent(s.begun-1, now) {
			continue
		}
		before = min(before, s.before)
		all.answers += s.answers
		all.answering += s.answering
	}
	window := age%engine.RecentStep + engine.RecentWindow - engine.RecentStep
	all.jobs = accepted - before
	all.seconds = int64(min(age, window).Round(time.Second) / time.Second)
	return all
}
