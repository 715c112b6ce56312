package client

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/dunglas/httpsfv"
)

// RateLimit is what the fields RateLimit-Policy and RateLimit of an answer tell (draft-ietf-httpapi-ratelimit-headers).
type RateLimit struct {
	Jobs  int64         // how many may be submitted at once where none was before, and as many again in each Per
	Per   time.Duration // whole seconds, one or more
	Left  int64         // how many may be submitted now; 0 also where a large batch is still being paid for
	Reset time.Duration // after which Jobs are left; -1 if the server does not say
}

// longestReset bounds times so that no sum of them overflows.
const longestReset = 1_000_000_000 // seconds

// rateLimitOf reads the fields, of which it returns nil if they do not tell both a rate for jobs and how much of it is left.
func rateLimitOf(h http.Header) *RateLimit {
	policy, rate := jobsItem(h.Values("RateLimit-Policy")), jobsItem(h.Values("RateLimit"))
	jobs, some := whole(policy, "q")
	window, long := whole(policy, "w")
	left, known := whole(rate, "r")
	if !some || !long || !known || jobs == 0 || window == 0 {
		return nil
	}
	l := &RateLimit{Jobs: jobs, Per: time.Duration(min(window, longestReset)) * time.Second, Left: min(left, jobs), Reset: -1}
	if reset, told := whole(rate, "t"); told {
		l.Reset = time.Duration(min(reset, longestReset)) * time.Second
	}
	return l
}

// jobsItem returns the parameters of the item "jobs" in a list; nil if it has none.
func jobsItem(field []string) *httpsfv.Params {
	list, err := httpsfv.UnmarshalList(field)
	if err != nil {
		return nil
	}
	for _, member := range list {
		if item, ok := member.(httpsfv.Item); ok && item.Value == "jobs" {
			return item.Params
		}
	}
	return nil
}

// whole returns a parameter that is a number from 0 on.
func whole(params *httpsfv.Params, name string) (int64, bool) {
	if params == nil {
		return 0, false
	}
	value, _ := params.Get(name)
	n, ok := value.(int64)
	return n, ok && n >= 0
}

// tokens returns how many jobs are left, fewer than none where a batch of more than Jobs is still being paid for: Reset
// tells how many.
func (l *RateLimit) tokens() float64 {
	if l.Left > 0 || l.Reset < 0 {
		return float64(l.Left)
	}
	return min(0, float64(l.Jobs)-l.Reset.Seconds()*l.perSecond())
}

func (l *RateLimit) perSecond() float64 { return float64(l.Jobs) / l.Per.Seconds() }

// pace has submissions wait until the server takes them, as far as its answers tell. While they have told nothing yet,
// one submission goes before all others, to find out.
type pace struct {
	scout chan struct{} // holds one while that one is on its way

	mu       sync.Mutex
	known    bool       // an answer has told
	limit    *RateLimit // nil for any number
	left     float64    // at that time, with the turns that have no answer yet
	at       time.Time
	turns    []*turn // those that have no answer yet, in their order
	accepted float64 // jobs of all answers
}

func newPace() *pace { return &pace{scout: make(chan struct{}, 1)} }

// turn is the right to submit some jobs.
type turn struct {
	pace     *pace
	jobs     float64
	scouting bool
	before   float64 // what was accepted when it was sent
}

// wait returns once the server should take so many jobs, or with the context's cause. The turn must be ended.
func (p *pace) wait(ctx context.Context, jobs int) (*turn, error) {
	t := &turn{pace: p, jobs: float64(jobs)}
	if !p.isKnown() {
		select {
		case p.scout <- struct{}{}:
			t.scouting = true
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	p.enter(t)
	for d := p.delay(t, time.Now()); d > 0; d = p.delay(t, time.Now()) { // others may have been slower than was thought
		if err := sleep(ctx, d); err != nil {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.leave(t)
			return nil, err
		}
	}
	return t, nil
}

func (p *pace) isKnown() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.known
}

func (p *pace) enter(t *turn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.turns = append(p.turns, t)
	if p.known { // another has found out meanwhile
		t.letOthersGo()
	}
}

// leave takes the turn out. The lock is held.
func (p *pace) leave(t *turn) {
	p.turns = slices.DeleteFunc(p.turns, func(other *turn) bool { return other == t })
}

// delay returns how long to wait for what the turns before this one leave. More than the server takes at once are
// taken where as many as that are left.
func (p *pace) delay(t *turn, now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	t.before = p.accepted
	if p.limit == nil {
		return 0
	}
	p.refill(now)
	missing := min(t.jobs, float64(p.limit.Jobs)) - p.left
	for _, other := range p.turns {
		if other == t {
			break
		}
		missing += other.jobs
	}
	if missing < 1e-6 {
		return 0
	}
	return max(time.Millisecond, time.Duration(min(missing/p.limit.perSecond(), longestReset)*float64(time.Second)))
}

// refill brings left up to the time. The lock is held.
func (p *pace) refill(now time.Time) {
	if p.limit != nil {
		p.left = min(float64(p.limit.Jobs), p.left+now.Sub(p.at).Seconds()*p.limit.perSecond())
	}
	p.at = now
}

// end learns from the answer to the submission, nil if none came. Then the jobs count as taken.
func (t *turn) end(answer *http.Response) {
	defer t.letOthersGo()
	p := t.pace
	p.mu.Lock()
	defer p.mu.Unlock()
	p.leave(t)
	p.refill(time.Now())
	accepted := answer != nil && answer.StatusCode/100 == 2
	alone := p.limit == nil || t.before == p.accepted
	if accepted {
		p.accepted += t.jobs
	}
	if accepted || answer == nil {
		p.left -= t.jobs
	}
	if answer == nil {
		return
	}
	limit := rateLimitOf(answer.Header)
	switch {
	case limit != nil && alone:
		p.known, p.limit, p.left = true, limit, limit.tokens()
	case limit != nil: // the answer may be older than one that came before it
		p.known, p.limit, p.left = true, limit, min(p.left, limit.tokens())
	case accepted:
		p.known, p.limit = true, nil
	}
}

func (t *turn) letOthersGo() {
	if t.scouting {
		t.scouting = false
		<-t.pace.scout
	}
}
