package file

import (
	"bytes"
	"errors"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/hashd-project/hashd/v2/internal/engine/memory"
)

// write is the transaction.
func (c *committer) write(firstPending int64) error {
	defer c.wipe()
	c.health.ask()
	defer c.health.answered()
	next := c.next
	for _, p := range c.jobs {
		next = p.Receipt.ID + int64(p.Jobs)
	}
	var owners ownership
	err := c.store.guard(func() error {
		return c.store.update(func(tx *bolt.Tx) (err error) {
			if err := errors.Join(c.putJobs(tx, next), c.putTenants(tx)); err != nil {
				return err
			}
			if owners, err = c.putOwners(tx); err != nil {
				return err
			}
			if err := c.putResults(tx, firstPending); err != nil {
				return err
			}
			return c.dropOld(tx, firstPending, next)
		})
	})
	if err == nil {
		c.next, c.firstPending, c.dirty, c.owners = next, firstPending, c.dirty[:0], owners
	}
	return err
}

// intact says whether the store is still as the last good transaction left it.
func (c *committer) intact() (same bool) {
	err := c.store.guard(func() error {
		return c.store.db.View(func(tx *bolt.Tx) error {
			same = number(tx.Bucket(bucketMeta).Get(metaNext)) == c.next &&
				number(tx.Bucket(bucketMeta).Get(metaFirstPending)) == c.firstPending
			return nil
		})
	})
	return err == nil && same
}

func (c *committer) putJobs(tx *bolt.Tx, next int64) error {
	if len(c.jobs) == 0 {
		return nil
	}
	first := c.jobs[0].Receipt.ID
	key := numberBytes(first)
	sealed, err := c.store.sealer.Seal(c.record, c.store.associatedData(bucketJobs, key, first))
	if err != nil {
		return err
	}
	jobs := tx.Bucket(bucketJobs)
	jobs.FillPercent = 1 // ids only grow
	if err := jobs.Put(key, sealed); err != nil {
		return err
	}
	keys, until := tx.Bucket(bucketKeys), time.Now().Add(c.cfg.IdempotencyWindow)
	for _, k := range c.keys {
		if err := keys.Put(appendKeyRecordKey(nil, until, k.key), appendKeyRecordValue(nil, k.key, k.first)); err != nil {
			return err
		}
	}
	return tx.Bucket(bucketMeta).Put(metaNext, numberBytes(next))
}

// putResults stores each block that has changed since the last time: those of jobs that firstPending
// has passed, and those in which a job was canceled or erased.
func (c *committer) putResults(tx *bolt.Tx, firstPending int64) error {
	changed := slices.Clone(c.dirty)
	if firstPending > c.firstPending {
		for n := blockOf(c.firstPending); n <= blockOf(firstPending-1); n++ {
			changed = append(changed, n)
		}
	}
	slices.Sort(changed)
	results, today := tx.Bucket(bucketResults), time.Now()
	results.FillPercent = 1
	plain := make([]byte, 0, resultBytes(blockJobs))
	for _, n := range slices.Compact(changed) {
		key := numberBytes(n)
		if plain = c.appendBlock(plain[:0], n, firstPending, today); len(plain) == 0 {
			if err := results.Delete(key); err != nil {
				return err
			}
			continue
		}
		sealed, err := c.store.sealer.Seal(plain, c.store.associatedData(bucketResults, key, blockStart(n)))
		if err != nil {
			return err
		}
		if err := results.Put(key, sealed); err != nil {
			return err
		}
	}
	clear(plain[:cap(plain)])
	if firstPending == c.firstPending {
		return nil
	}
	return tx.Bucket(bucketMeta).Put(metaFirstPending, numberBytes(firstPending))
}

// appendBlock appends what became of the block's jobs. A job that is not in it counts as gone if it is
// before firstPending, and as pending from there on. So the block holds only the other ones.
func (c *committer) appendBlock(b []byte, n, firstPending int64, today time.Time) []byte {
	c.durable.Results(blockStart(n), blockJobs, func(r memory.Result) {
		if r.Gone == (r.ID < firstPending) {
			return
		}
		done := today.Round(0).Add(r.Done.Sub(today)) // by the wall clock as it is now
		b = appendResult(b, placeIn(r.ID, n), r, done)
	})
	return b
}

// hasExpired says whether there is a block to drop.
func (c *committer) hasExpired() (expired bool) {
	oldest := min(c.durable.Oldest(), c.firstPending)
	err := c.store.guard(func() error {
		return c.store.db.View(func(tx *bolt.Tx) error {
			k, _ := tx.Bucket(bucketResults).Cursor().First()
			expired = k != nil && lastOf(k, c.next) < oldest
			return nil
		})
	})
	return expired || err != nil // a transaction then meets the same error, and reports it
}

// lastOf returns the last job of the block with the key, or before next if that is earlier.
func lastOf(key []byte, next int64) int64 { return min(blockEnd(number(key)), next-1) }

// dropOld drops groups of which no job is pending, blocks whose results have all expired, and keys
// whose window has ended. A block from firstPending on stays, for it says which jobs were canceled.
func (c *committer) dropOld(tx *bolt.Tx, firstPending, next int64) error {
	oldest, today := min(c.durable.Oldest(), firstPending), numberBytes(time.Now().UnixNano())
	last := func(following []byte) int64 {
		if following == nil {
			return next - 1
		}
		return number(following) - 1
	}
	if firstPending > c.firstPending {
		err := dropWhile(tx.Bucket(bucketJobs), func(_, following []byte) bool { return last(following) < firstPending })
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

// dropMost bounds what is dropped in one transaction: the rest goes in the next.
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
