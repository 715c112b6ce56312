package client

import (
	"context"
	"net/http"
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

	mu    sync.Mutex
	known bool       // an answer has told
	limit *RateLimit // nil for any number
	left  float64    // at that time, without those that are coming
	at    time.Time
	// coming are those whose turn or whose answer has not come.
	coming float64
}

func newPace() *pace { return &pace{scout: make(chan struct{}, 1)} }

// turn is the right to submit some jobs.
type turn struct {
	pace     *pace
	jobs     float64
	scouting bool
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
	if d := p.reserve(t, time.Now()); d > 0 {
		if err := sleep(ctx, d); err != nil {
			p.cancel(t)
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

// reserve takes the jobs from what is left and returns how long to wait for them. More than the server takes at once are
// taken where as many as that are left.
func (p *pace) reserve(t *turn, now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.coming += t.jobs
	if p.known {
		defer t.letOthersGo() // another has found out meanwhile
	}
	if p.limit == nil {
		return 0
	}
	p.left = min(float64(p.limit.Jobs), p.left+now.Sub(p.at).Seconds()*p.limit.perSecond())
	p.at = now
	missing := min(t.jobs, float64(p.limit.Jobs)) - p.left
	p.left -= t.jobs
	return time.Duration(min(max(missing, 0)/p.limit.perSecond(), longestReset) * float64(time.Second))
}

// cancel gives back what was taken for the turn.
func (p *pace) cancel(t *turn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.coming -= t.jobs
	p.left += t.jobs
}

// end learns from the answer to the submission, nil if none came. Then what was taken counts as taken.
func (t *turn) end(answer *http.Response) {
	defer t.letOthersGo()
	p := t.pace
	p.mu.Lock()
	defer p.mu.Unlock()
	p.coming -= t.jobs
	if answer == nil {
		return
	}
	limit, accepted := rateLimitOf(answer.Header), answer.StatusCode/100 == 2
	switch {
	case limit != nil:
		p.known, p.limit, p.left, p.at = true, limit, limit.tokens()-p.coming, time.Now()
	case accepted:
		p.known, p.limit = true, nil
	default:
		p.left += t.jobs
	}
}

func (t *turn) letOthersGo() {
	if t.scouting {
		t.scouting = false
		<-t.pace.scout
	}
}
