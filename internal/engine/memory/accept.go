package memory

import (
	"context"
	"time"

	"github.com/hashd-project/hashd/internal/engine"
	"github.com/hashd-project/hashd/internal/wake"
)

// drainBit is set in next once no more ids are given out: the number is then above any limit,
// and a submitter's compare-and-swap that was under way fails.
const drainBit = 1 << 62

// Accept implements engine.Engine. It takes no lock and does not allocate, but where a segment
// is full, a limit is reached, or the job has a key or a secret too long for a slot. A
// submitter draws an id by moving next, which makes the slot its own, and hands the slot over by
// storing its due time.
//
// Submitters that overlap may store due times that step back a little. That is harmless: a
// job is claimed after all before it, and never before its own due time.
func (e *Engine) Accept(_ context.Context, job engine.Job) (engine.Receipt, error) {
	if len(job.Secret) == 0 || len(job.Secret) > engine.MaxSecret || !job.Algorithm.Valid() {
		return engine.Receipt{}, engine.ErrInvalid
	}
	due := int64(time.Since(e.epoch) + e.cfg.Delay)
	if len(job.Secret) > inlineBytes || job.Key != (engine.Key{}) {
		return e.acceptMany(&engine.Batch{
			Secrets: [][]byte{job.Secret}, Algorithm: job.Algorithm, Tenant: job.Tenant, Key: job.Key,
		}, due)
	}
	for {
		if s, id, ok := e.draw(); ok {
			return e.hand(s, id, due, newHeader(len(job.Secret), job.Algorithm, job.Tenant), job.Secret), nil
		}
		if err := e.makeRoom(); err != nil {
			return engine.Receipt{}, err
		}
	}
}

// arenaRefusal says why the long ones of the secrets may not be stored, or nil. The limit is on the
// memory mapped, for a few secrets can hold on to many chunks. All are asked for before any is
// stored: taking one out again leaves a hole that stays until its chunk empties.
func (e *Engine) arenaRefusal(secrets ...[]byte) error {
	if n := e.secrets.grows(secrets...); n > 0 && (e.secrets.mapped+n)*chunkBytes > e.cfg.MaxSecretBytes {
		return e.full("max-secret-bytes", e.headDue())
	}
	return nil
}

// storeLong puts a long secret into the arena.
func (e *Engine) storeLong(secret []byte) (ref, error) {
	r, err := e.secrets.put(secret)
	if err != nil {
		return ref{}, e.full("memory", never)
	}
	return r, nil
}

// draw takes the next id and its slot, or returns false if the limit does not allow one more or
// the tail is full.
func (e *Engine) draw() (*segment, int64, bool) {
	for {
		s := e.tail.Load()
		id := e.next.Load()
		if id > e.limit.Load() {
			return nil, 0, false
		}
		if id >= s.first+segmentJobs {
			if e.tail.Load() == s {
				return nil, 0, false
			}
			continue
		}
		if e.next.CompareAndSwap(id, id+1) {
			return s, id, true
		}
	}
}

// hand fills the slot drawn and hands it over to the engine.
func (e *Engine) hand(s *segment, id, due int64, header meta, payload []byte) engine.Receipt {
	i := int(id - s.first)
	s.fill(i, header, payload)
	s.due(i).Store(due)
	e.alert(due)
	return e.receipt(id, due)
}

// alert follows the handing over of a job: it wakes the leader if that would sleep past it.
func (e *Engine) alert(due int64) {
	// Either this sees the leader's new alarm, or the leader, who looks at the FIFO again after
	// setting its alarm, sees this job.
	if alarm := e.alarm.Load(); due < alarm && e.alarm.CompareAndSwap(alarm, due) {
		wake.Up(e.wake)
	}
}

func (e *Engine) receipt(id, due int64) engine.Receipt {
	return engine.Receipt{ID: id, Due: e.epoch.Add(time.Duration(due))}
}

// makeRoom is called when draw failed: it maps another segment if that is what lacks, or
// says which limit is reached.
func (e *Engine) makeRoom() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	err := e.refusal()
	if err == nil && e.next.Load() > e.mappedEnd() {
		err = e.grow()
	}
	if err != nil {
		e.rejected++
		return err
	}
	e.follow()
	return nil
}

// follow makes the tail the segment that the next job lies in, if there is one, and lets ids be
// drawn from it.
func (e *Engine) follow() {
	if s, ok := e.segments.at(e.segmentOf(e.end())); ok {
		e.tail.Store(s)
	}
	e.raise()
}

// refusal says why no more jobs are taken, or nil.
func (e *Engine) refusal() error { return e.refusalOf(e.next.Load()) }

// refusalOf says why no job may get the id and those before it that are free, or nil. Jobs are done
// in their order, so there is room for a batch when as many are done as it lacks.
func (e *Engine) refusalOf(id int64) error {
	switch {
	case e.closed:
		return engine.ErrClosed
	case id&drainBit != 0:
		return engine.ErrDraining
	case id > e.pendingEnd():
		return e.full("max-pending", e.dueOf(e.head+id-e.pendingEnd()-1))
	case e.resultsFull(id):
		return e.full(maxResultsName, e.nextExpiry())
	}
	return nil
}

// maxResultsName is the name of the setting.
const maxResultsName = "max-results"

// resultsFull says whether MaxResults does not allow the id.
func (e *Engine) resultsFull(id int64) bool {
	return id > e.resultsEnd() || id > e.mappedEnd() && e.mapped >= e.maxSegments()
}

// full makes the refusal for a limit that eases at the given instant.
func (e *Engine) full(limit string, eases int64) error {
	wait := time.Second
	if eases != never {
		wait = max(wait, time.Duration(eases)-time.Since(e.epoch))
	}
	return &engine.FullError{Limit: limit, RetryAfter: wait}
}

// grow maps one more segment. It becomes the tail only when the next job lies in it.
func (e *Engine) grow() error {
	s, err := newSegment(e.mappedEnd() + 1)
	if err != nil {
		return e.full("memory", never)
	}
	e.mapped++
	e.segments.push(s)
	return nil
}

// raise lets ids be drawn up to the nearest limit. No limit ever goes down, so a submitter
// that reads an old one errs on the safe side.
func (e *Engine) raise() {
	e.limit.Store(min(e.pendingEnd(), e.resultsEnd(), e.mappedEnd()))
}

// pendingEnd returns the highest id that MaxPending allows.
func (e *Engine) pendingEnd() int64 {
	return e.before.ended + e.completed + e.canceled + e.cfg.MaxPending
}

// resultsEnd returns the highest id that MaxResults allows.
func (e *Engine) resultsEnd() int64 {
	return e.before.ended - e.before.kept + e.canceled + e.erased + e.cfg.MaxResults
}

// mappedEnd returns the highest id that there has been memory for.
func (e *Engine) mappedEnd() int64 { return e.cfg.FirstID - 1 + e.segments.end()*segmentJobs }

// maxSegments bounds memory where results were erased here and there and every segment is
// held by the few that remain: never over twice what MaxResults jobs take side by side.
func (e *Engine) maxSegments() int64 { return 2*(e.cfg.MaxResults/segmentJobs) + 2 }
