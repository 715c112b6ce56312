// Package memory is the engine that keeps everything in RAM: the fastest, and gone with the
// process. It owns the schedule, the results and the goroutines that hash; it must not know
// of HTTP or of any store.
//
// Because the delay is constant, due order is acceptance order: the schedule is a FIFO and
// needs one timer, for its head. Jobs lie side by side in segments outside the garbage
// collector's heap, and a job's digest overwrites the slot that held its secret:
//
//	first id … [ done | gone | done | claimed | claimed | pending | pending | free ]
//	                                                      ▲ head              ▲ next
//
// Submitters draw ids without a lock (accept.go), those of many jobs under the mutex (place.go);
// workers claim due jobs under it, hash them in place outside it, and publish the digests under it
// again (schedule.go). What refuses a job is in limits.go.
package memory

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// never is an instant that does not come.
const never = math.MaxInt64

// Engine implements engine.Engine. Instants are nanoseconds of the monotonic clock since
// epoch, so that no step of the wall clock can make a job early or late.
type Engine struct {
	cfg   engine.Limits
	epoch time.Time

	wake chan struct{}  // tells the leader of a job that is due before its alarm
	help chan struct{}  // calls a helper when more than one claim is due
	stop chan struct{}  // closed by Close
	done sync.WaitGroup // the leader and the helpers
	fine *fineTimer     // the leader's

	// Every submitter writes next and reads the three below it: they lie on cache lines apart.
	_       [64]byte
	next    atomic.Int64 // id the next job gets; drainBit
	foreign atomic.Int64 // jobs accepted of tenants other than 0
	_       [48]byte
	limit   atomic.Int64            // highest id that may be drawn
	tail    atomic.Pointer[segment] // where the next job lies
	alarm   atomic.Int64            // when the leader looks at the FIFO again
	_       [40]byte

	tallies tallies

	mu         sync.Mutex // guards all below
	closed     bool
	over       bool          // the drain has ended
	drained    chan struct{} // closed then
	segments   window[*segment]
	mapped     int64 // segments that hold memory
	head       int64 // lowest id not yet claimed
	secrets    arena
	keys       keys
	claimTimes window[claimTime]
	waiters    map[int64]*waiter
	traces     traces
	progress   chan struct{} // closed at the next end of a job; nil while nobody waits for one

	owners  owners            // of gone jobs
	numbers map[string]uint16 // of tenants, by name

	before                                restored
	completed, canceled, erased, rejected int64
	owed                                  int64 // results that were hashed while draining and nobody has read
	lateness                              engine.Histogram
	hashTimes                             engine.HashTimes
	recent                                engine.Recent
}

var _ engine.Engine = (*Engine)(nil)

// New starts an engine; Close stops it.
func New(cfg engine.Limits) (*Engine, error) {
	e, err := unstarted(cfg)
	if err == nil {
		e.start()
	}
	return e, err
}

// unstarted makes an engine whose goroutines are not yet running.
func unstarted(cfg engine.Limits) (*Engine, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("memory engine: %w", err)
	}
	if cfg.Workers == 0 {
		cfg.Workers = runtime.GOMAXPROCS(0)
	}
	if cfg.FirstID == 0 {
		cfg.FirstID = engine.DrawFirstID()
	}
	fine, err := newFineTimer()
	if err != nil {
		return nil, fmt.Errorf("memory engine: %w", err)
	}
	e := &Engine{
		cfg:     cfg,
		epoch:   time.Now().Add(-1), // no instant is 0, which a slot's due time means "not yet"
		wake:    make(chan struct{}, 1),
		help:    make(chan struct{}, cfg.Workers),
		stop:    make(chan struct{}),
		fine:    fine,
		drained: make(chan struct{}),
		head:    cfg.FirstID,
		before:  restored{given: cfg.FirstID - 1, ended: cfg.FirstID - 1},
		waiters: make(map[int64]*waiter),
		keys:    keys{jobs: make(map[[16]byte]firstUse)},
		numbers: map[string]uint16{engine.DefaultTenant: 0},

		hashTimes: engine.NewHashTimes(),
	}
	e.next.Store(cfg.FirstID)
	e.tail.Store(&segment{first: cfg.FirstID - segmentJobs}) // full, and never written to
	e.alarm.Store(never)
	return e, nil
}

func (e *Engine) start() {
	e.done.Go(e.lead)
	for range e.cfg.Workers - 1 {
		e.done.Go(e.assist)
	}
}

// now returns the instant.
func (e *Engine) now() int64 { return int64(time.Since(e.epoch)) }

// end returns the id the next job gets, also when no more are given out.
func (e *Engine) end() int64 { return e.next.Load() &^ drainBit }

// segmentOf returns the number of the segment that the id lies in: the first id begins segment 0.
func (e *Engine) segmentOf(id int64) int64 { return (id - e.cfg.FirstID) / segmentJobs }

// pendingJobs returns how many jobs are accepted and neither done nor canceled.
func (e *Engine) pendingJobs() int64 { return e.pendingOf(e.end() - 1) }

// pendingOf is pendingJobs with the highest id given out.
func (e *Engine) pendingOf(given int64) int64 {
	return given - e.before.ended - e.completed - e.canceled
}

// Get implements engine.Engine.
func (e *Engine) Get(ctx context.Context, id int64) (engine.Record, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.get(ctx, id)
}

func (e *Engine) get(ctx context.Context, id int64) (rec engine.Record, err error) {
	s, i, err := e.findFor(callerOf(ctx), id)
	if err != nil {
		return engine.Record{}, err
	}
	e.show(&rec, s, i, engine.IsGlance(ctx))
	return rec, nil
}

// show fills in the record of a job that is pending or done.
func (e *Engine) show(rec *engine.Record, s *segment, i int, glance bool) {
	m := s.meta(i)
	rec.ID = s.first + int64(i)
	switch {
	case m.state() == done:
		rec.State = engine.Done
		rec.Sum = *s.slot(i)
		if m.owed() && !glance {
			e.collected(s, i)
		}
	case rec.ID < e.head: // claimed: the slot is a worker's, and the job was due by now
		rec.State, rec.Due = engine.Pending, time.Now()
	default:
		m = s.header(i)
		rec.State, rec.Due = engine.Pending, e.epoch.Add(time.Duration(s.due(i).Load()))
	}
	rec.Algorithm, rec.Tenant = m.algorithm(), m.tenant()
}

// find returns where the job lies, if it is pending or done.
func (e *Engine) find(id int64) (*segment, int, error) {
	if e.closed {
		return nil, 0, engine.ErrClosed
	}
	if id < e.cfg.FirstID || id >= e.end() {
		return nil, 0, engine.ErrUnknown
	}
	s, ok := e.segments.at(e.segmentOf(id))
	if !ok || s == nil {
		return nil, 0, engine.ErrGone
	}
	i := int(id - s.first)
	switch {
	case s.meta(i).state() == gone:
		return nil, 0, engine.ErrGone
	case id >= e.head && s.due(i).Load() == 0: // drawn, but not yet committed or answered
		return nil, 0, engine.ErrUnknown
	}
	return s, i, nil
}

// Cancel implements engine.Engine.
func (e *Engine) Cancel(ctx context.Context, id int64) error {
	c := callerOf(ctx)
	e.mu.Lock()
	defer e.mu.Unlock()
	s, i, err := e.findFor(c, id)
	if err != nil {
		return err
	}
	e.cancel(s, i)
	e.canceledSome()
	return nil
}

// cancel ends a pending job or erases a result. canceledSome must follow.
func (e *Engine) cancel(s *segment, i int) {
	id, m := s.first+int64(i), s.meta(i)
	t := e.tallies.of(e.about(s, i).tenant())
	s.setMeta(i, m.with(gone))
	if m.state() == done {
		if m.owed() {
			e.collected(s, i)
		}
		e.erased++
		t.erased++
		e.retire(s, i)
		return
	}
	if id >= e.head { // else its worker sees the new state when it publishes
		e.wipe(s, i)
	}
	if m.awaited() {
		e.notify(id)
	}
	e.canceled++
	t.canceled++
	t.advance()
}

// canceledSome does what follows from canceled jobs and erased results.
func (e *Engine) canceledSome() {
	e.raise()
	e.advance()
	e.endDrain()
}

// collected notes that a result of the drain has been read, or never will be.
func (e *Engine) collected(s *segment, i int) {
	s.setMeta(i, s.meta(i)&^owedBit)
	e.owed--
}

// Uncollected implements engine.Engine.
func (e *Engine) Uncollected() int64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.owed
}

// wipe clears the secret of a job not yet claimed. Due time and header stay: the FIFO still
// passes the slot.
func (e *Engine) wipe(s *segment, i int) {
	slot := s.slot(i)
	if s.header(i).length() == inArena {
		e.secrets.free(refIn(slot))
	}
	clear(slot[secretAt:])
}

// retire clears a slot that nobody needs any more and gives its segment back with the last.
func (e *Engine) retire(s *segment, i int) {
	clear(s.slot(i)[:])
	if s.live--; s.live > 0 {
		return
	}
	e.rememberOwners(s)
	s.unmap()
	e.mapped--
	e.segments.set(e.segmentOf(s.first), nil)
	e.segments.trim(func(s *segment) bool { return s == nil })
}

// endDrain ends a drain with the last pending job.
func (e *Engine) endDrain() {
	if e.next.Load()&drainBit != 0 && !e.over && e.pendingJobs() == 0 {
		e.over = true
		close(e.drained)
	}
}

// Ready implements engine.Engine.
func (e *Engine) Ready(context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.closed:
		return engine.ErrClosed
	case e.next.Load()&drainBit != 0:
		return engine.ErrDraining
	}
	return nil
}

// Full implements engine.Engine.
func (e *Engine) Full() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.resultsFull(e.end()) {
		return maxResultsName
	}
	return ""
}

// Stats implements engine.Engine.
func (e *Engine) Stats() engine.Stats {
	e.mu.Lock()
	defer e.mu.Unlock()
	given := e.end() - 1 // read once: submitters move it without the mutex
	return engine.Stats{
		Accepted:  given - e.before.given,
		Pending:   e.pendingOf(given),
		Completed: e.completed,
		Canceled:  e.canceled,
		Rejected:  e.rejected,
		Kept:      e.before.kept + e.completed - e.erased,
		Lateness:  e.lateness.Summary(),
		Recent:    e.recent.Summary(time.Duration(e.now())),
	}
}

// Latenesses implements engine.Engine.
func (e *Engine) Latenesses() engine.Histogram {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.lateness
}

// HashTimes implements engine.Engine.
func (e *Engine) HashTimes() engine.HashTimes {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.hashTimes)
}

// NextDue implements engine.Engine. Jobs that are being hashed are done within microseconds: it is that of the
// oldest other one, which may have been canceled since it was accepted.
func (e *Engine) NextDue() time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed || e.pendingJobs() == 0 { // a closed engine has given its memory back
		return time.Time{}
	}
	due := e.headDue()
	if due == never {
		return time.Time{}
	}
	return e.epoch.Add(time.Duration(due))
}

// Uses implements engine.Engine.
func (e *Engine) Uses() []engine.Use {
	e.mu.Lock()
	defer e.mu.Unlock()
	given := e.end() - 1
	for before := -1; before != len(e.keys.jobs); {
		before = len(e.keys.jobs)
		e.forget(e.now())
	}
	return []engine.Use{
		{Name: "max-pending", Limit: e.cfg.MaxPending, Used: e.pendingOf(given)},
		{Name: maxResultsName, Limit: e.cfg.MaxResults, Used: given + e.cfg.MaxResults - e.resultsEnd()},
		{Name: "max-secret-bytes", Limit: e.cfg.MaxSecretBytes, Used: e.secrets.mapped * chunkBytes},
		{Name: "max-idempotency-keys", Limit: e.cfg.MaxIdempotencyKeys, Used: int64(len(e.keys.jobs))},
	}
}

// Drain implements engine.Engine.
func (e *Engine) Drain(ctx context.Context) error {
	e.mu.Lock()
	e.next.Or(drainBit)
	e.endDrain()
	e.mu.Unlock()
	select {
	case <-e.drained:
		return nil
	case <-e.stop:
		return engine.Left(e, engine.ErrClosed)
	case <-ctx.Done():
		return engine.Left(e, context.Cause(ctx))
	}
}

// Close implements engine.Engine.
func (e *Engine) Close() error {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return nil
	}
	e.closed = true
	e.next.Or(drainBit)
	close(e.stop)
	e.mu.Unlock()

	e.done.Wait()
	e.fine.close()

	e.mu.Lock()
	defer e.mu.Unlock()
	e.awaitSubmitters()
	for s := range e.segments.all() {
		if s != nil {
			s.unmap()
		}
	}
	e.segments, e.keys, e.owners = window[*segment]{}, keys{}, owners{}
	e.secrets.close()
	return nil
}

// awaitSubmitters returns once every slot drawn has been committed: nobody writes to a
// segment after that. A submitter between the two is never blocked, so this is short.
func (e *Engine) awaitSubmitters() {
	for id := e.head; id < e.end(); id++ {
		s, ok := e.segments.at(e.segmentOf(id))
		if !ok { // a restored engine that never ran may lack some
			continue
		}
		for s.due(int(id-s.first)).Load() == 0 {
			runtime.Gosched()
		}
	}
}
