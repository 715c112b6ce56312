package file

import (
	"errors"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/hashd-project/hashd/v2/internal/engine"
	"github.com/hashd-project/hashd/v2/internal/engine/memory"
)

// restore starts the memory engine with what the store holds.
func (c *committer) restore() (err error) {
	positions := c.cfg.Limits
	positions.FirstID = 1
	c.durable, err = memory.Restore(positions, c.fill)
	return err
}

func (c *committer) fill(r *memory.Restorer) error {
	return c.store.db.View(func(tx *bolt.Tx) error {
		meta := tx.Bucket(bucketMeta)
		c.next, c.firstPending = number(meta.Get(metaNext)), number(meta.Get(metaFirstPending))
		if c.firstPending < 1 || c.firstPending > c.next {
			return fmt.Errorf("%w (first pending %d, next %d)", ErrDamaged, c.firstPending, c.next)
		}
		first := c.firstPending
		if k, _ := tx.Bucket(bucketResults).Cursor().First(); k != nil {
			first = min(first, blockStart(number(k)))
		}
		r.Begin(first, c.firstPending, c.next)
		owners, err := c.restoreOwners(tx)
		if err != nil {
			return err
		}
		r.Owners(owners)
		canceled, err := c.restoreResults(tx, r)
		if err != nil {
			return err
		}
		if err := c.restoreJobs(tx, r, canceled); err != nil {
			return err
		}
		return errors.Join(c.restoreKeys(tx, r), c.restoreTenants(tx))
	})
}

// restoreResults returns the jobs that were canceled, which would otherwise be taken for pending.
func (c *committer) restoreResults(tx *bolt.Tx, r *memory.Restorer) (canceled map[int64]bool, err error) {
	canceled = make(map[int64]bool)
	err = tx.Bucket(bucketResults).ForEach(func(key, sealed []byte) error {
		plain, err := c.store.open(sealed, c.store.associatedData(bucketResults, key, blockStart(number(key))))
		if err != nil {
			return err
		}
		defer clear(plain)
		return readBlock(plain, number(key), func(res memory.Result) error {
			if res.Gone {
				canceled[res.ID] = true
				return nil
			}
			return r.Result(res)
		})
	})
	return canceled, err
}

// restoreJobs also checks that no job is missing.
func (c *committer) restoreJobs(tx *bolt.Tx, r *memory.Restorer, canceled map[int64]bool) error {
	moment := now() // before the other: see commit
	today := time.Now()
	follows := c.firstPending
	err := tx.Bucket(bucketJobs).ForEach(func(key, sealed []byte) error {
		first := number(key)
		if first > follows || follows > c.firstPending && first != follows {
			return fmt.Errorf("%w (jobs %d to %d are missing)", ErrDamaged, follows, first-1)
		}
		plain, err := c.store.open(sealed, c.store.associatedData(bucketJobs, key, first))
		if err != nil {
			return err
		}
		defer clear(plain)
		n, err := readGroup(plain, moment, func(n int64, wait time.Duration, job engine.Job) error {
			switch id := first + n; {
			case id < c.firstPending:
				return nil
			case canceled[id]:
				return r.Canceled(id, job.Tenant)
			default:
				return c.restoreJob(r, id, job, today, wait)
			}
		})
		follows = max(follows, first+n)
		return err
	})
	if err == nil && follows != c.next {
		return fmt.Errorf("%w (jobs %d to %d are missing)", ErrDamaged, follows, c.next-1)
	}
	return err
}

// restoreJob refuses a job that is due later than a job accepted now: that would have to wait for it.
func (c *committer) restoreJob(r *memory.Restorer, id int64, job engine.Job, today time.Time, wait time.Duration) error {
	if wait > c.cfg.Delay {
		return fmt.Errorf("job %d was accepted with a longer delay and is due in %v: start with that delay, or after that time", id, wait.Round(time.Second))
	}
	return r.Pending(id, job, today.Add(wait))
}

func (c *committer) restoreKeys(tx *bolt.Tx, r *memory.Restorer) error {
	return tx.Bucket(bucketKeys).ForEach(func(key, value []byte) error {
		k, first, until, err := readKeyRecord(key, value)
		if err == nil {
			r.Key(k, first, until)
		}
		return err
	})
}
