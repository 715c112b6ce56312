package file

import (
	"encoding/binary"

	bolt "go.etcd.io/bbolt"

	"github.com/hashd-project/hashd/v2/internal/engine/memory"
)

// The store remembers whose jobs were at which positions, so that also after a restart a tenant is told that a job of
// its own is gone, and no other tenant is. Jobs of one tenant that follow one another are a run; the last run stands
// in meta, for it grows with most transactions. A run ends at its last job: what a version that keeps no runs has
// accepted is nobody's.
//
//	first → end, tenant   and in meta   first, end, tenant
const (
	runValue    = 8 + 2
	lastRunSize = 8 + runValue
)

// mostRuns bounds the runs in the store. The oldest are dropped.
const mostRuns = 1 << 16

func appendRunValue(b []byte, r memory.Run) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(r.End))
	return binary.BigEndian.AppendUint16(b, r.Tenant)
}

func readRun(first, value []byte) (memory.Run, error) {
	if len(first) != 8 || len(value) != runValue {
		return memory.Run{}, errRecord
	}
	return memory.Run{First: number(first), End: number(value[:8]), Tenant: binary.BigEndian.Uint16(value[8:])}, nil
}

// ownership is the runs as the store has them.
type ownership struct {
	last memory.Run
	runs int // before the last
}

// after returns the ownership once the jobs are accepted, and the runs that are complete then.
func (o ownership) after(jobs []memory.Prepared) (next ownership, complete []memory.Run) {
	next = o
	for _, p := range jobs {
		first, end := p.Receipt.ID, p.Receipt.ID+int64(p.Jobs)
		if next.last.End == first && next.last.Tenant == p.Tenant {
			next.last.End = end
			continue
		}
		if next.last.End > 0 {
			complete = append(complete, next.last)
		}
		next.last = memory.Run{First: first, End: end, Tenant: p.Tenant}
	}
	next.runs += len(complete)
	return next, complete
}

// putOwners stores whose the group's jobs are.
func (c *committer) putOwners(tx *bolt.Tx) (ownership, error) {
	next, complete := c.owners.after(c.jobs)
	if next == c.owners {
		return next, nil
	}
	last := appendRunValue(numberBytes(next.last.First), next.last)
	if err := tx.Bucket(bucketMeta).Put(metaLastRun, last); err != nil || len(complete) == 0 {
		return next, err
	}
	b, err := tx.CreateBucketIfNotExists(bucketOwners)
	if err != nil {
		return next, err
	}
	b.FillPercent = 1 // positions only grow
	for _, r := range complete {
		if err := b.Put(numberBytes(r.First), appendRunValue(nil, r)); err != nil {
			return next, err
		}
	}
	excess := min(max(0, next.runs-mostRuns), dropMost)
	next.runs -= excess
	return next, dropWhile(b, func(_, _ []byte) bool {
		excess--
		return excess >= 0
	})
}

// restoreOwners returns all runs.
func (c *committer) restoreOwners(tx *bolt.Tx) (runs []memory.Run, err error) {
	if b := tx.Bucket(bucketOwners); b != nil {
		err = b.ForEach(func(first, value []byte) error {
			r, err := readRun(first, value)
			runs = append(runs, r)
			return err
		})
	}
	last := tx.Bucket(bucketMeta).Get(metaLastRun)
	if err != nil || last == nil {
		return runs, err
	}
	if len(last) != lastRunSize {
		return nil, errRecord
	}
	c.owners.runs = len(runs)
	c.owners.last, err = readRun(last[:8], last[8:])
	return append(runs, c.owners.last), err
}
