package file

import (
	"errors"
	"math"
	"slices"
	"time"

	"github.com/hashd-project/hashd/v2/internal/engine"
	"github.com/hashd-project/hashd/v2/internal/engine/memory"
	"github.com/hashd-project/hashd/v2/internal/wake"
)

// committer is a goroutine, run, and what belongs to it alone: the store, the order of ids, and the
// engine beneath.
type committer struct {
	cfg     *Config
	store   *store
	durable *memory.Durable
	queue   *queue
	health  *health
	stop    chan struct{} // closed to end it
	ended   chan struct{} // closed when it has ended, and has closed the store
	closed  error         // what closing the store came to, once it has ended

	next         int64      // as the store has it
	firstPending int64      // as the store has it: no job before it is pending
	dirty        []int64    // blocks in which a job was canceled or erased since the last flush
	group        []*request // those of the transaction under way
	jobs         []memory.Prepared
	record       []byte // the jobs of the group, in clear: wiped once it is sealed
	keys         []acceptedKey
	names        *names
	named        []string // tenants that the group gives numbers
	owners       ownership
	groups       engine.Durations // how long those took that were asked for
	lost         error            // why what is done cannot be kept, if the store is lost
}

// acceptedKey is an idempotency key of the group.
type acceptedKey struct {
	key   engine.IdempotencyKey
	first engine.Receipt
}

// How often results go to the store: often enough that a restart has little to hash again, seldom enough
// that a block is mostly written once. With nothing to do it is more seldom.
const (
	flushOften  = 100 * time.Millisecond
	flushSeldom = time.Second
)

// run commits until it is told to stop.
func (c *committer) run() {
	defer close(c.ended)
	defer func() { c.closed = errors.Join(c.lost, c.store.close(), c.store.folder.close()) }()
	interval := flushOften
	flush := time.NewTimer(interval)
	defer flush.Stop()
	for {
		flushing := false
		select {
		case <-c.queue.wake:
		case <-flush.C:
			flushing = true
			c.inspect()
		case <-c.stop:
			c.finish()
			return
		}
		c.group = c.queue.take(c.group[:0])
		worked := c.commit(flushing)
		if c.queue.len() > 0 {
			wake.Up(c.queue.wake)
		}
		switch {
		case flushing && worked, interval > flushOften && len(c.jobs) > 0:
			interval = flushOften
		case flushing:
			interval = flushSeldom
		default:
			continue
		}
		flush.Reset(interval)
	}
}

// inspect takes the engine down if the store or its lock file is not there any more, even if nobody
// submits.
func (c *committer) inspect() {
	if c.health.down.Load() {
		return
	}
	if err := errors.Join(c.store.present(), c.store.folder.present(), c.store.unchanged()); err != nil {
		c.fail(err)
	}
}

// finish answers the requests that still wait and stores the results that are there by now. It does not
// wait for what is being hashed.
func (c *committer) finish() {
	for {
		c.group = c.queue.take(c.group[:0])
		if len(c.group) == 0 {
			break
		}
		c.commit(false)
	}
	end := c.durable.FirstPending(c.firstPending, math.MaxInt32)
	for c.commit(true) && (c.firstPending < end || c.hasExpired()) {
	}
}

// commit stores what the group asks for, and with flush set what was done since, in one
// transaction, and answers. It reports whether there was anything to store.
func (c *committer) commit(flush bool) (worked bool) {
	if c.health.down.Load() {
		c.jobs = c.jobs[:0]
		c.answer(engine.ErrDown)
		return false
	}
	due := time.Now().Add(c.cfg.Delay)
	c.prepare(due, now()) // in this order, so that no restart makes a job due earlier than its receipt says
	firstPending := c.firstPending
	if flush {
		firstPending = c.durable.FirstPending(c.firstPending, flushJobs)
	}
	canceled := len(c.dirty) > 0
	asked := len(c.jobs) > 0 || len(c.named) > 0 || canceled
	worked = asked || flush && (firstPending > c.firstPending || c.hasExpired())
	var err error
	began := time.Now()
	if worked {
		err = c.write(firstPending)
	}
	if worked && err == nil { // before the answer: a job in a file that nobody finds is not kept
		err = errors.Join(c.store.present(), c.store.advance(c.next))
	}
	if asked && err == nil {
		c.groups.Add(time.Since(began))
	}
	c.conclude(err)
	return worked && err == nil
}

// flushJobs bounds the results that go into one transaction.
const flushJobs = 1 << 17

// prepare has the memory engine take the group's jobs, and writes down those that are new.
func (c *committer) prepare(due time.Time, accepted moment) {
	c.jobs, c.keys, c.named = c.jobs[:0], c.keys[:0], c.named[:0]
	size := groupHeader
	for _, r := range c.group {
		size += r.bytes()
	}
	// At its full size from the start: growing it later would leave secrets in the old buffer.
	c.record = appendGroupHeader(slices.Grow(c.record[:0], size), accepted, c.cfg.Delay)
	for _, r := range c.group {
		if r.name != "" {
			r.number, r.err = c.nameTenant(r.name)
			continue
		}
		if r.gone > 0 {
			for n := blockOf(r.gone); n <= blockOf(r.gone+r.count-1); n++ {
				c.dirty = append(c.dirty, n)
			}
			continue
		}
		r.prepared, r.err = c.durable.Prepare(&r.batch, due)
		if r.err != nil || r.prepared.Jobs == 0 {
			continue
		}
		c.jobs = append(c.jobs, r.prepared)
		c.record = appendToGroup(c.record, &r.batch)
		if r.batch.IdempotencyKey != (engine.IdempotencyKey{}) {
			c.keys = append(c.keys, acceptedKey{r.batch.IdempotencyKey, r.prepared.Receipt})
		}
	}
}

// wipe clears the jobs in clear. A buffer for many long secrets is not kept.
func (c *committer) wipe() {
	clear(c.record)
	if cap(c.record) > groupBytes {
		c.record = nil
	}
}

// conclude commits the group's jobs or aborts them, and answers.
func (c *committer) conclude(err error) {
	switch {
	case err == nil:
		c.health.noRoom.Store(false)
		c.names.add(c.named)
		for _, p := range c.jobs {
			c.durable.Commit(p)
		}
	case isFull(err) && c.intact():
		c.health.noRoom.Store(true)
		c.durable.Abort(c.jobs)
		err = &engine.FullError{Limit: diskLimit, RetryAfter: diskFullRetry}
	default:
		c.durable.Abort(c.jobs)
		c.fail(err)
		err = engine.ErrDown
	}
	c.answer(err)
}

// answer ends the waiting of the group, with the error for those that have none of their own.
func (c *committer) answer(err error) {
	for _, r := range c.group {
		r.answer(err)
	}
	clear(c.group)
	c.group = c.group[:0]
}

// fail takes the engine down: after a failure to write, nobody can say what the disk holds, and
// going on could make it worse.
func (c *committer) fail(err error) {
	if c.health.down.Swap(true) {
		return
	}
	if errors.Is(err, ErrLost) || c.store.broken != nil {
		c.lost = err
	}
	if c.cfg.Failed != nil {
		c.cfg.Failed(err)
	}
}
