package service

import (
	"sync"
	"time"

	"github.com/hashd-project/hashd/internal/engine"
)

// recent counts submissions of the last minute. It is safe for concurrent use.
type recent struct {
	made  time.Time
	mu    sync.Mutex
	steps [engine.RecentWindow / engine.RecentStep]recentStep
}

// recentStep is what was counted in one step of the window.
type recentStep struct {
	step      int64
	jobs      int64 // accepted
	answers   int64 // to submissions
	answering time.Duration
}

func (r *recent) add(one recentStep) {
	step, place := engine.RecentStepAt(time.Since(r.made))
	r.mu.Lock()
	defer r.mu.Unlock()
	s := &r.steps[place]
	if s.step != step {
		*s = recentStep{step: step}
	}
	s.jobs += one.jobs
	s.answers += one.answers
	s.answering += one.answering
}

// sum returns what was counted in the last minute, and how long that is.
func (r *recent) sum() (all recentStep, seconds int64) {
	age := time.Since(r.made)
	now, _ := engine.RecentStepAt(age)
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.steps {
		if s := &r.steps[i]; engine.IsRecent(s.step, now) {
			all.jobs += s.jobs
			all.answers += s.answers
			all.answering += s.answering
		}
	}
	window := age%engine.RecentStep + engine.RecentWindow - engine.RecentStep
	return all, int64(min(age, window).Round(time.Second) / time.Second)
}
