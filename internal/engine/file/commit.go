package file

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/hashd-project/hashd/internal/engine"
	"github.com/hashd-project/hashd/internal/engine/memory"
)

// committer is the state of the goroutine that owns the store.
type committer struct {
	next    int64      // as the store has it
	settled int64      // as the store has it
	dirty   []int64    // blocks in which a job was canceled or erased since the last flush
	group   []*request // those of the transaction under way
	jobs    []memory.Prepared
	chunk   []byte // the jobs of the group, in clear: wiped once it is sealed
	keys    []keyed
	lost    error // why what is done cannot be kept, if the store is lost
	closed  error // what closing the store came to
}

// keyed is an idempotency key of the transaction under way.
type keyed struct {
	key   engine.Key
	first engine.Receipt
}

// How often results go to the store: often enough that a restart has little to do again, seldom
// enough that a block is mostly written once. With nothing to do, ever more seldom.
const (
	flushOften  = 100 * time.Millisecond
	flushSeldom = time.Second
)

// run is the committer.
func (e *Engine) run() {
	defer close(e.ended)
	defer func() { e.closed = errors.Join(e.lost, e.store.close(), e.store.folder.close()) }()
	interval := flushOften
	flush := time.NewTimer(interval)
	defer flush.Stop()
	for {
		flushing := false
		select {
		case <-e.queue.wake:
		case <-flush.C:
			flushing = true
			e.inspect()
		case <-e.stop:
			e.finish()
			return
		}
		e.group = e.queue.take(e.group[:0])
		worked := e.commit(flushing)
		if e.queue.len() > 0 {
			signal(e.queue.wake)
		}
		switch {
		case flushing && worked, interval > flushOften && len(e.jobs) > 0:
			interval = flushOften
		case flushing:
			interval = flushSeldom
		default:
			continue
		}
		flush.Reset(interval)
	}
}

// inspect takes the engine down if the store or its lock is not there any more, also while nobody submits.
func (e *Engine) inspect() {
	if e.down.Load() {
		return
	}
	if err := errors.Join(e.store.present(), e.store.folder.present(), e.store.unchanged()); err != nil {
		e.fail(err)
	}
}

// finish answers what still waits and stores what is done by now, but does not keep up with what is
// being hashed: a stop need not wait for that.
func (e *Engine) finish() {
	for {
		e.group = e.queue.take(e.group[:0])
		if len(e.group) == 0 {
			break
		}
		e.commit(false)
	}
	end := e.Settled(e.settled, math.MaxInt32)
	for e.commit(true) && (e.settled < end || e.hasExpired()) {
	}
}

// signal wakes whoever waits on c; if a signal is there already it adds none.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// commit stores what the group asks for, and with flush set what was done since, in one
// transaction, and answers. It reports whether there was anything to store.
func (e *Engine) commit(flush bool) (worked bool) {
	if e.down.Load() {
		e.jobs = e.jobs[:0]
		e.answer(engine.ErrDown)
		return false
	}
	due := time.Now().Add(e.cfg.Delay)
	e.prepare(due, now()) // in this order, that no restart makes a job due earlier than was said
	settled := e.settled
	if flush {
		settled = e.Settled(e.settled, flushJobs)
	}
	canceled := len(e.dirty) > 0
	worked = len(e.jobs) > 0 || canceled || flush && (settled > e.settled || e.hasExpired())
	var err error
	if worked {
		err = e.write(settled)
	}
	if worked && err == nil { // before the answer: what is in a file that nobody finds is not kept
		err = errors.Join(e.store.present(), e.store.follow(e.next))
	}
	e.conclude(err)
	return worked && err == nil
}

// flushJobs bounds the results that go into one transaction.
const flushJobs = 1 << 17

// prepare has the memory engine take the group's jobs, and writes down those that are new.
func (e *Engine) prepare(due time.Time, accepted moment) {
	e.jobs, e.keys = e.jobs[:0], e.keys[:0]
	size := chunkHeader
	for _, r := range e.group {
		size += r.bytes()
	}
	// Once and for all: growing it later would leave secrets behind in what it grew out of.
	e.chunk = appendChunkHeader(slices.Grow(e.chunk[:0], size), accepted, e.cfg.Delay)
	for _, r := range e.group {
		if r.gone > 0 {
			e.dirty = append(e.dirty, blockOf(r.gone))
			continue
		}
		r.prepared, r.err = e.Prepare(&r.batch, due)
		if r.err != nil || r.prepared.Jobs == 0 {
			continue
		}
		e.jobs = append(e.jobs, r.prepared)
		e.chunk = appendJobs(e.chunk, &r.batch)
		if r.batch.Key != (engine.Key{}) {
			e.keys = append(e.keys, keyed{r.batch.Key, r.prepared.Receipt})
		}
	}
}

// write is the transaction.
func (e *Engine) write(settled int64) error {
	defer e.wipe()
	e.asked.Store(max(1, int64(time.Since(e.made))))
	defer e.asked.Store(0)
	next := e.next
	for _, p := range e.jobs {
		next = p.Receipt.ID + int64(p.Jobs)
	}
	err := e.store.guard(func() error {
		return e.store.update(func(tx *bolt.Tx) error {
			if err := e.putJobs(tx, next); err != nil {
				return err
			}
			if err := e.putResults(tx, settled); err != nil {
				return err
			}
			return e.dropOld(tx, settled, next)
		})
	})
	if err == nil {
		e.next, e.settled, e.dirty = next, settled, e.dirty[:0]
	}
	return err
}

// wipe clears the jobs in clear. A buffer for many long secrets is not kept.
func (e *Engine) wipe() {
	clear(e.chunk)
	if cap(e.chunk) > groupBytes {
		e.chunk = nil
	}
}

// conclude hands the group's jobs over, or takes them back, and answers.
func (e *Engine) conclude(err error) {
	switch {
	case err == nil:
		e.noRoom.Store(false)
		for _, p := range e.jobs {
			e.HandOver(p)
		}
	case isFull(err) && e.intact():
		e.noRoom.Store(true)
		e.Retract(e.jobs)
		err = &engine.FullError{Limit: diskLimit, RetryAfter: diskFullRetry}
	default:
		e.Retract(e.jobs)
		e.fail(err)
		err = engine.ErrDown
	}
	e.answer(err)
}

// answer ends the waiting of the group, with the error for those that have none of their own.
func (e *Engine) answer(err error) {
	for _, r := range e.group {
		r.answer(err)
	}
	clear(e.group)
	e.group = e.group[:0]
}

// diskLimit names a disk without room among the limits.
const diskLimit = "disk"

// diskFullRetry is when a full disk is worth another try.
const diskFullRetry = 5 * time.Second

// intact says whether the store is still as the last good transaction left it.
func (e *Engine) intact() (same bool) {
	err := e.store.guard(func() error {
		return e.store.db.View(func(tx *bolt.Tx) error {
			same = number(tx.Bucket(bucketMeta).Get(metaNext)) == e.next &&
				number(tx.Bucket(bucketMeta).Get(metaSettled)) == e.settled
			return nil
		})
	})
	return err == nil && same
}

func (e *Engine) putJobs(tx *bolt.Tx, next int64) error {
	if len(e.jobs) == 0 {
		return nil
	}
	first := e.jobs[0].Receipt.ID
	key := numberBytes(first)
	sealed, err := e.store.sealer.Seal(e.chunk, e.store.seat(bucketJobs, key, first))
	if err != nil {
		return err
	}
	jobs := tx.Bucket(bucketJobs)
	jobs.FillPercent = 1 // ids only grow
	if err := jobs.Put(key, sealed); err != nil {
		return err
	}
	keys, until := tx.Bucket(bucketKeys), time.Now().Add(e.cfg.KeyWindow)
	for _, k := range e.keys {
		if err := keys.Put(appendKeyedKey(nil, until, k.key), appendKeyedValue(nil, k.key, k.first)); err != nil {
			return err
		}
	}
	return tx.Bucket(bucketMeta).Put(metaNext, numberBytes(next))
}

// putResults stores each block that has changed since the last time: those of jobs that are
// settled anew, and those in which a job was canceled or erased.
func (e *Engine) putResults(tx *bolt.Tx, settled int64) error {
	changed := slices.Clone(e.dirty)
	if settled > e.settled {
		for n := blockOf(e.settled); n <= blockOf(settled-1); n++ {
			changed = append(changed, n)
		}
	}
	slices.Sort(changed)
	results, today := tx.Bucket(bucketResults), time.Now()
	results.FillPercent = 1
	plain := make([]byte, 0, resultBytes(blockJobs))
	for _, n := range slices.Compact(changed) {
		key := numberBytes(n)
		if plain = e.appendBlock(plain[:0], n, settled, today); len(plain) == 0 {
			if err := results.Delete(key); err != nil {
				return err
			}
			continue
		}
		sealed, err := e.store.sealer.Seal(plain, e.store.seat(bucketResults, key, blockStart(n)))
		if err != nil {
			return err
		}
		if err := results.Put(key, sealed); err != nil {
			return err
		}
	}
	clear(plain[:cap(plain)])
	if settled == e.settled {
		return nil
	}
	return tx.Bucket(bucketMeta).Put(metaSettled, numberBytes(settled))
}

// appendBlock appends what became of the block's jobs. Below settled a job that is not in it is
// gone anyway, and from settled on one that was hashed counts as pending: so it holds only what
// cannot be told from that.
func (e *Engine) appendBlock(b []byte, n, settled int64, today time.Time) []byte {
	e.Results(blockStart(n), blockJobs, func(r memory.Result) {
		if r.Gone == (r.ID < settled) {
			return
		}
		done := today.Round(0).Add(r.Done.Sub(today)) // by the wall clock as it is now
		b = appendResult(b, placeIn(r.ID, n), r, done)
	})
	return b
}

// hasExpired says whether there is a block to drop.
func (e *Engine) hasExpired() (expired bool) {
	oldest := min(e.Oldest(), e.settled)
	err := e.store.guard(func() error {
		return e.store.db.View(func(tx *bolt.Tx) error {
			k, _ := tx.Bucket(bucketResults).Cursor().First()
			expired = k != nil && lastOf(k, e.next) < oldest
			return nil
		})
	})
	return expired || err != nil // a transaction then comes to the same, and says so
}

// lastOf returns the last job of the block with the key, or before next if that is earlier.
func lastOf(key []byte, next int64) int64 { return min(blockEnd(number(key)), next-1) }

// dropOld drops chunks whose jobs are all settled, blocks whose results have all expired, and keys
// whose window has ended. A block from settled on stays, for it says which jobs were canceled.
func (e *Engine) dropOld(tx *bolt.Tx, settled, next int64) error {
	oldest, today := min(e.Oldest(), settled), numberBytes(time.Now().UnixNano())
	last := func(following []byte) int64 {
		if following == nil {
			return next - 1
		}
		return number(following) - 1
	}
	if settled > e.settled {
		err := dropWhile(tx.Bucket(bucketJobs), func(_, following []byte) bool { return last(following) < settled })
		if err != nil {
			return err
		}
	}
	err := dropWhile(tx.Bucket(bucketResults), func(k, _ []byte) bool { return lastOf(k, next) < oldest })
	if err != nil {
		return err
	}
	return dropWhile(tx.Bucket(bucketKeys), func(k, _ []byte) bool { return bytes.Compare(k, today) < 0 })
}

// dropMost bounds what is dropped in one transaction: what there is more goes in the next.
const dropMost = 1 << 14

// dropWhile deletes the first keys for which old returns true, given the key that follows.
func dropWhile(b *bolt.Bucket, old func(k, following []byte) bool) error {
	var drop [][]byte
	c := b.Cursor()
	for k, _ := c.First(); k != nil && len(drop) < dropMost; {
		following, _ := c.Next()
		if !old(k, following) {
			break
		}
		drop = append(drop, k)
		k = following
	}
	for _, k := range drop {
		if err := b.Delete(k); err != nil {
			return err
		}
	}
	return nil
}
