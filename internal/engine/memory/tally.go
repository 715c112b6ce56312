package memory

import (
	"sync/atomic"
	"time"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// tally is what the engine counts and remembers of one tenant. The engine's mutex guards all but accepted.
type tally struct {
	// accepted counts jobs given an id, before they are committed; it is that of foreign for tenant 0.
	accepted atomic.Int64

	restored                              int64 // jobs that were pending when the engine began
	kept                                  int64 // results that were there when it began
	completed, canceled, erased, rejected int64
	recent                                engine.RecentCount

	lastDone int64         // the highest id that ever was done
	progress chan struct{} // closed at the next end of a job; nil while nobody waits for one
	passed   engine.Passed
}

// tallies are those of all tenants, each made when it is first used. They are found without a lock.
type tallies struct {
	pages [tallyPage]atomic.Pointer[[tallyPage]atomic.Pointer[tally]]
}

// tallyPage squared is how many tenants there are.
const tallyPage = 1 << 8

func (all *tallies) of(tenant uint16) *tally {
	page := made(&all.pages[tenant/tallyPage])
	return made(&page[tenant%tallyPage])
}

// made returns what is pointed to, and makes it if there is nothing.
func made[T any](p *atomic.Pointer[T]) *T {
	if p.Load() == nil {
		p.CompareAndSwap(nil, new(T))
	}
	return p.Load()
}

// countAccepted counts jobs of a tenant that got ids and are not yet committed; n is negative where they are
// taken back. Those of tenant 0 are all but the foreign ones, so that they are accepted at no cost.
func (e *Engine) countAccepted(tenant uint16, n int64) {
	if tenant != 0 {
		e.tallies.of(tenant).accepted.Add(n)
		e.foreign.Add(n)
	}
}

// countRejected counts refused jobs.
func (e *Engine) countRejected(tenant uint16, n int64) {
	e.rejected += n
	e.tallies.of(tenant).rejected += n
}

// countDone counts a job whose result is published.
func (e *Engine) countDone(tenant uint16, id, now int64) {
	t := e.tallies.of(tenant)
	t.completed++
	t.recent.Add(time.Duration(now), 1)
	t.lastDone = max(t.lastDone, id)
	t.advance()
}

// acceptedOf returns how many of the tenant's jobs got an id since the engine began.
func (e *Engine) acceptedOf(tenant uint16) int64 {
	if tenant != 0 {
		return e.tallies.of(tenant).accepted.Load()
	}
	// Submitters go on meanwhile. Those of others that have drawn an id and not yet counted it are taken
	// for tenant 0: a handful, for some nanoseconds.
	for tries := 0; ; tries++ {
		given, foreign := e.end()-1, e.foreign.Load()
		if e.end()-1 == given || tries == acceptedTries {
			return given - e.before.given - foreign
		}
	}
}

// acceptedTries bounds how long a reader of the counters tries to find no submitter at work.
const acceptedTries = 16

// StatsOf implements engine.Tenants. The latenesses are those of all tenants.
func (e *Engine) StatsOf(tenant uint16) engine.Stats {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := time.Duration(e.now())
	t, accepted := e.tallies.of(tenant), e.acceptedOf(tenant)
	recent := e.recent.Summary(now)
	recent.Completed = t.recent.Sum(now)
	return engine.Stats{
		Accepted:  accepted,
		Pending:   t.restored + accepted - t.completed - t.canceled,
		Completed: t.completed,
		Canceled:  t.canceled,
		Rejected:  t.rejected,
		Kept:      t.kept + t.completed - t.erased,
		Lateness:  e.lateness.Summary(),
		Recent:    recent,
	}
}

// Room implements engine.Tenants.
func (e *Engine) Room(tenant uint16) engine.Room {
	e.mu.Lock()
	defer e.mu.Unlock()
	t := e.tallies.of(tenant)
	pending := t.restored + e.acceptedOf(tenant) - t.completed - t.canceled
	return engine.Room{
		Pending: pending, FreePending: e.cfg.MaxPending - e.pendingJobs(),
		Held: pending + t.kept + t.completed - t.erased, FreeHeld: e.resultsEnd() - e.end() + 1,
	}
}

// advance tells those who wait for the end of any of the tenant's jobs that there was one.
func (t *tally) advance() {
	if t.progress != nil {
		close(t.progress)
		t.progress = nil
	}
}
