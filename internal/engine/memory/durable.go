package memory

import (
	"slices"
	"sort"
	"time"

	"github.com/hashd-project/hashd/v2/internal/digest"
	"github.com/hashd-project/hashd/v2/internal/engine"
)

// Durable is the side of an engine that another one uses, which keeps the jobs in a store too. That one
// accepts jobs with Prepare, then its store, then Commit or Abort, and never with Accept. It calls
// these three from one goroutine; all else may be called by any number of them.
type Durable struct{ e *Engine }

// Engine returns the engine whose jobs these are: for all but accepting more.
func (d *Durable) Engine() *Engine { return d.e }

// Prepared is what Prepare has set up.
type Prepared struct {
	Receipt engine.Receipt
	Jobs    int // how many; 0 for a retry, which adds none
	Tenant  uint16
	key     engine.IdempotencyKey

	algorithm digest.Algorithm
	trace     engine.Trace
}

// Prepare does all that AcceptBatch does, but the jobs cannot be seen, nor come due, before they
// are committed. due is when they will be due; it must not go back from one call to the next.
// Its errors are those of AcceptBatch.
func (d *Durable) Prepare(b *engine.Batch, due time.Time) (Prepared, error) {
	if !b.Valid() {
		return Prepared{}, engine.ErrInvalid
	}
	d.e.mu.Lock()
	defer d.e.mu.Unlock()
	return d.e.prepare(b, due)
}

// Commit lets prepared jobs be seen and come due.
func (d *Durable) Commit(p Prepared) {
	e := d.e
	e.mu.Lock()
	defer e.mu.Unlock()
	e.traces.note(&p)
	e.commitMany(p.Receipt.ID, p.Jobs, e.instant(p.Receipt.Due))
}

// Abort undoes Prepare for all jobs that were prepared and not committed. Their ids are given out
// again, for nobody has seen them.
func (d *Durable) Abort(prepared []Prepared) {
	e := d.e
	e.mu.Lock()
	defer e.mu.Unlock()
	next := e.next.Load()
	for _, p := range prepared {
		for s, i := range e.slots(p.Receipt.ID, p.Jobs) {
			if s.header(i).length() == inArena {
				e.secrets.free(refIn(s.slot(i)))
			}
			clear(s.slot(i)[:])
		}
		if p.Jobs > 0 {
			next = min(next&^drainBit, p.Receipt.ID) | next&drainBit
			e.countAccepted(p.Tenant, -int64(p.Jobs))
			e.countRejected(p.Tenant, int64(p.Jobs))
		}
	}
	for _, p := range slices.Backward(prepared) {
		e.unremember(p.key, p.Receipt.ID)
	}
	e.next.Store(next)
	e.follow()
	e.endDrain()
}

// Refused counts jobs of a tenant that the other engine refused by itself.
func (d *Durable) Refused(tenant uint16, jobs int) {
	e := d.e
	e.mu.Lock()
	defer e.mu.Unlock()
	e.countRejected(tenant, int64(jobs))
}

// instant returns the time as the engine counts it.
func (e *Engine) instant(t time.Time) int64 { return int64(t.Sub(e.epoch)) }

// Result is what has become of a job that is not pending.
type Result struct {
	ID        int64
	Gone      bool // canceled, erased or expired: only the ID is set beside
	Algorithm digest.Algorithm
	Tenant    uint16
	Done      time.Time             // when it was hashed, to a second; its retention counts from then
	Sum       *[digest.MaxSize]byte // valid while it is looked at
}

// FirstPending returns the lowest id from the given one on, and at most limit ids further, whose job is
// not done or gone.
func (d *Durable) FirstPending(from int64, limit int) int64 {
	e := d.e
	e.mu.Lock()
	defer e.mu.Unlock()
	end := min(e.head, from+int64(limit))
	for id := from; id < end; {
		s, _ := e.segments.at(e.segmentOf(id))
		next := min(end, e.cfg.FirstID+(e.segmentOf(id)+1)*segmentJobs)
		for ; id < next; id++ {
			if s != nil && s.meta(int(id-s.first)).state() == pending {
				return id
			}
		}
	}
	return max(from, end)
}

// Results calls see for each of n jobs from first on that is not pending, with the engine locked.
func (d *Durable) Results(first int64, n int, see func(Result)) {
	e := d.e
	e.mu.Lock()
	defer e.mu.Unlock()
	for id := first; id < min(first+int64(n), e.end()); id++ {
		s, ok := e.segments.at(e.segmentOf(id))
		if !ok || s == nil {
			see(Result{ID: id, Gone: true})
			continue
		}
		i := int(id - s.first)
		switch m := s.meta(i); m.state() {
		case done:
			see(Result{ID: id, Algorithm: m.algorithm(), Tenant: m.tenant(), Done: e.claimedAt(id), Sum: s.slot(i)})
		case gone:
			see(Result{ID: id, Gone: true})
		case pending:
		}
	}
}

// claimedAt returns when the job was claimed, to a second.
func (e *Engine) claimedAt(id int64) time.Time {
	start := e.claimTimes.start()
	n := sort.Search(int(e.claimTimes.end()-start), func(n int) bool {
		m, _ := e.claimTimes.at(start + int64(n))
		return m.first > id
	})
	m, _ := e.claimTimes.at(start + int64(max(0, n-1)))
	return e.epoch.Add(time.Duration(m.at))
}

// Oldest returns the lowest id whose result may still be there: no job before it is.
func (d *Durable) Oldest() int64 {
	e := d.e
	e.mu.Lock()
	defer e.mu.Unlock()
	if m, ok := e.claimTimes.at(e.claimTimes.start()); ok {
		return m.first
	}
	return e.head
}
