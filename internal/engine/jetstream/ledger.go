package jetstream

import (
	"sync"
	"time"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// outcome is what has become of a job that is no longer pending.
type outcome uint8

// The values are stored in results and sent in notes: they never change.
const (
	isDone     outcome = 1
	isCanceled outcome = 2 // before it was hashed
	isErased   outcome = 3 // after it was hashed, or its retention is over
)

// valid reports whether the number is one of these: others may come from a later version.
func (o outcome) valid() bool { return o >= isDone && o <= isErased }

// ledger counts the jobs that this instance accepted, whichever instance hashes them. What it knows
// of others' work comes by notes, which can be lost: reconcile makes up for those.
type ledger struct {
	cfg *Config

	mu       sync.Mutex
	draining bool
	crowded  bool          // the service as a whole holds too many results
	drained  chan struct{} // closed once draining and nothing is pending

	pending, kept ids
	expiring      []expiring // oldest first
	keys          []expiring // idempotency keys used here, oldest first
	reserved      int64      // jobs on their way to the cluster
	last          int64      // highest id given to a job of ours
	moments       moments    // when jobs of ours were accepted
	early         map[int64]outcome

	accepted, completed, canceled, rejected int64
	lateness                                engine.Histogram // of the jobs hashed here
	recent                                  engine.Recent    // likewise
	made                                    time.Time
	accounts                                accounts // the same by tenant
}

// expiring is what ends at one time.
type expiring struct {
	at  time.Time
	ids ids // none for a key
}

func newLedger(cfg *Config) *ledger {
	return &ledger{cfg: cfg, drained: make(chan struct{}), early: make(map[int64]outcome), made: time.Now()}
}

// reserve makes room for n jobs of a tenant on their way, or says why there is none.
func (l *ledger) reserve(tenant uint16, n int64, key engine.IdempotencyKey) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.refusal(n, key)
	if err != nil {
		l.count(tenant, n)
		return err
	}
	l.reserved += n
	if key != (engine.IdempotencyKey{}) {
		l.keys = append(l.keys, expiring{at: time.Now().Add(l.cfg.IdempotencyWindow)})
	}
	return nil
}

func (l *ledger) refusal(n int64, key engine.IdempotencyKey) error {
	now := time.Now()
	l.expire(now)
	switch {
	case l.draining:
		return engine.ErrDraining
	case l.crowded:
		return full(maxResultsName, measureEvery)
	case l.pending.live+l.kept.live+l.reserved+n > l.cfg.MaxResults:
		eases := l.cfg.Delay + l.cfg.Retention
		if len(l.expiring) > 0 {
			eases = l.expiring[0].at.Sub(now)
		}
		return full(maxResultsName, eases)
	case key != (engine.IdempotencyKey{}) && int64(len(l.keys)) >= l.cfg.MaxIdempotencyKeys:
		eases := l.cfg.IdempotencyWindow
		if len(l.keys) > 0 {
			eases = l.keys[0].at.Sub(now)
		}
		return full("max-idempotency-keys", eases)
	}
	return nil
}

// maxResultsName is the name of the setting.
const maxResultsName = "max-results"

// full names the limit that refuses every job, and would even if none were pending.
func (l *ledger) full() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expire(time.Now())
	if l.crowded || l.pending.live+l.kept.live+l.reserved >= l.cfg.MaxResults {
		return maxResultsName
	}
	return ""
}

// full is a refusal that names its limit.
func full(limit string, eases time.Duration) error {
	return &engine.FullError{Limit: limit, RetryAfter: max(time.Second, eases)}
}

// expire drops what is over.
func (l *ledger) expire(now time.Time) {
	for len(l.keys) > 0 && !l.keys[0].at.After(now) {
		l.keys = l.keys[1:]
	}
	for len(l.expiring) > 0 && !l.expiring[0].at.After(now) {
		l.expiring[0].ids.each(func(id int64) bool {
			l.drop(id)
			return true
		})
		l.expiring = l.expiring[1:]
	}
}

// drop ends what is kept of a job.
func (l *ledger) drop(id int64) {
	if l.kept.remove(id) {
		l.accounts.end(id, engine.Stats{Kept: -1})
	}
}

// accept turns a tenant's reservation into pending jobs.
func (l *ledger) accept(tenant uint16, first, n int64, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reserved -= n
	l.accepted += n
	l.accounts.add(tenant, engine.Stats{Accepted: n, Pending: n})
	l.last = max(l.last, first+n-1)
	l.noteMoment(first, at)
	for id := first; id < first+n; id++ {
		l.pending.add(id)
		l.accounts.own(tenant, id)
		if o, ok := l.early[id]; ok {
			l.end(id, o)
		}
	}
	l.landed()
}

// refuse takes a reservation back. Only an engine without room counts as a rejection.
func (l *ledger) refuse(tenant uint16, n int64, key engine.IdempotencyKey, rejected bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reserved -= n
	if rejected {
		l.count(tenant, n)
	}
	if key != (engine.IdempotencyKey{}) && len(l.keys) > 0 {
		l.keys = l.keys[:len(l.keys)-1] // all have the same window, so any will do
	}
	l.landed()
}

// landed follows the end of a reservation. With none left, no note that came early can be of a job
// of ours any more.
func (l *ledger) landed() {
	if l.reserved == 0 {
		clear(l.early)
	}
	l.endDrain()
}

// observe notes what has become of a job. It may be told more than once.
func (l *ledger) observe(id int64, o outcome) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.reserved > 0 && id > l.last {
		l.early[id] = o
		return
	}
	l.end(id, o)
	l.endDrain()
}

func (l *ledger) end(id int64, o outcome) {
	if !l.pending.remove(id) {
		if o == isErased {
			l.drop(id)
		}
		return
	}
	switch o {
	case isCanceled:
		l.canceled++
		l.accounts.end(id, engine.Stats{Pending: -1, Canceled: 1})
	case isErased:
		l.completed++
		l.accounts.end(id, engine.Stats{Pending: -1, Completed: 1})
	case isDone:
		l.completed++
		l.accounts.end(id, engine.Stats{Pending: -1, Completed: 1, Kept: 1})
		l.keep(id)
	}
}

// keep counts a result as kept until its retention is over.
func (l *ledger) keep(id int64) {
	l.kept.add(id)
	const step = 100 * time.Millisecond // results that end this close together end together
	end := time.Now().Add(l.cfg.Retention)
	if n := len(l.expiring); n == 0 || end.Sub(l.expiring[n-1].at) > 0 {
		l.expiring = append(l.expiring, expiring{at: end.Add(step)})
	}
	l.expiring[len(l.expiring)-1].ids.add(id)
}

func (l *ledger) endDrain() {
	if !l.draining || l.pending.live > 0 || l.reserved > 0 {
		return
	}
	select {
	case <-l.drained:
	default:
		close(l.drained)
	}
}

// drain refuses new jobs from now on and returns what is closed when the last of the old has ended.
func (l *ledger) drain() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.draining = true
	l.endDrain()
	return l.drained
}

func (l *ledger) isDraining() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.draining
}

// crowd says whether the service as a whole holds too many results.
func (l *ledger) crowd(crowded bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.crowded = crowded
}

// late counts how late jobs hashed here became visible, which is now.
func (l *ledger) late(tasks []*task, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	since := now.Sub(l.made)
	for _, t := range tasks {
		d := now.Sub(t.due())
		l.lateness.Add(d)
		l.recent.Add(since, d)
		if one := l.accounts.get(t.tenant); one != nil {
			one.hashed.Add(since, 1)
		}
	}
}

// reject counts jobs of a tenant refused before they had a reservation.
func (l *ledger) reject(tenant uint16, n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count(tenant, n)
}

// count counts rejections.
func (l *ledger) count(tenant uint16, n int64) {
	l.rejected += n
	l.accounts.add(tenant, engine.Stats{Rejected: n})
}

// upTo returns at most n pending jobs with ids up to the given one.
func (l *ledger) upTo(id int64, n int) (found []int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pending.each(func(p int64) bool {
		if p <= id {
			found = append(found, p)
		}
		return len(found) < n
	})
	return found
}

// unplaced returns the pending jobs that have no place in the log.
func (l *ledger) unplaced(log lives) (found []int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pending.each(func(id int64) bool {
		if _, ok := log.sequence(id); !ok {
			found = append(found, id)
		}
		return true
	})
	return found
}

// latenesses returns those of the jobs hashed here.
func (l *ledger) latenesses() engine.Histogram {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lateness
}

// noteMoment notes when jobs were accepted, of which the first has that id.
func (l *ledger) noteMoment(first int64, at time.Time) {
	if l.moments.full() {
		oldest, ok := l.pending.lowest()
		if !ok {
			oldest = first
		}
		l.moments.forget(oldest)
	}
	l.moments.note(first, at)
}

// nextDue returns when the oldest pending job is due; the zero time if there is none.
func (l *ledger) nextDue() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	oldest, ok := l.pending.lowest()
	if !ok {
		return time.Time{}
	}
	return l.moments.of(oldest).Add(l.cfg.Delay)
}

func (l *ledger) stats() engine.Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all()
}

// statsOf returns one tenant's counters.
func (l *ledger) statsOf(tenant uint16) engine.Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.accounts.stats(tenant, l.all(), time.Since(l.made))
}

// room returns how many jobs of a tenant are pending, and how many more may be of all tenants.
func (l *ledger) room(tenant uint16) engine.Room {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expire(time.Now())
	pending, kept := l.accounts.left(tenant, l.pending.live, l.kept.live)
	return engine.Room{
		Pending: pending, FreePending: l.cfg.MaxPending - l.pending.live - l.reserved,
		Held: pending + kept, FreeHeld: l.cfg.MaxResults - l.pending.live - l.kept.live - l.reserved,
	}
}

func (l *ledger) all() engine.Stats {
	l.expire(time.Now())
	return engine.Stats{
		Accepted: l.accepted, Pending: l.pending.live, Completed: l.completed, Canceled: l.canceled,
		Rejected: l.rejected, Kept: l.kept.live, Lateness: l.lateness.Summary(),
		Recent: l.recent.Summary(time.Since(l.made)),
	}
}

// uses returns the limits, and how much of each this instance uses.
func (l *ledger) uses() []engine.Use {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expire(time.Now())
	return []engine.Use{
		{Name: "max-pending", Limit: l.cfg.MaxPending, Used: l.pending.live + l.reserved},
		{Name: maxResultsName, Limit: l.cfg.MaxResults, Used: l.pending.live + l.kept.live + l.reserved},
		{Name: "max-idempotency-keys", Limit: l.cfg.MaxIdempotencyKeys, Used: int64(len(l.keys))},
	}
}

// pendingIn returns how many of so many jobs from first on are ours and pending, and shown to the caller.
func (l *ledger) pendingIn(first int64, count int, to who) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range int64(count) {
		if id := first + i; l.pending.has(id) && (!to.one || to.sees(l.accounts.owner(id))) {
			n++
		}
	}
	return n
}
