package memory

import (
	"context"
	"time"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// drainBit is set in next once no more ids are given out: the number is then above any limit,
// and a submitter's compare-and-swap that was under way fails.
const drainBit = 1 << 62

// Accept implements engine.Engine. It takes no lock and does not allocate, unless a segment is full, a
// limit is reached, or the job has an idempotency key, is traced or has a secret too long for a slot. A submitter draws
// an id by moving next, which makes the slot its own, and commits the job by storing its due time.
//
// Submitters that overlap may store due times that step back a little. That is harmless: a
// job is claimed after all before it, and never before its own due time.
func (e *Engine) Accept(_ context.Context, job engine.Job) (engine.Receipt, error) {
	if len(job.Secret) == 0 || len(job.Secret) > engine.MaxSecret || !job.Algorithm.Valid() {
		return engine.Receipt{}, engine.ErrInvalid
	}
	due := int64(time.Since(e.epoch) + e.cfg.Delay)
	if len(job.Secret) > inlineBytes || job.IdempotencyKey != (engine.IdempotencyKey{}) || job.Trace != "" {
		return e.acceptMany(&engine.Batch{
			Secrets: [][]byte{job.Secret}, Algorithm: job.Algorithm, Tenant: job.Tenant, IdempotencyKey: job.IdempotencyKey,
			Trace: job.Trace,
		}, due)
	}
	for {
		if s, id, ok := e.draw(); ok {
			e.countAccepted(job.Tenant, 1)
			return e.commit(s, id, due, newHeader(len(job.Secret), job.Algorithm, job.Tenant), job.Secret), nil
		}
		if err := e.makeRoom(job.Tenant); err != nil {
			return engine.Receipt{}, err
		}
	}
}

// AcceptBatch implements engine.Engine. It takes the mutex once for the whole batch, which does not
// block Accept for short secrets, and allocates nothing per job.
func (e *Engine) AcceptBatch(_ context.Context, b engine.Batch) (engine.Receipt, error) {
	if !b.Valid() {
		return engine.Receipt{}, engine.ErrInvalid
	}
	return e.acceptMany(&b, int64(time.Since(e.epoch)+e.cfg.Delay))
}

// acceptMany accepts a valid batch, or a single job that has a key or lies in the arena: the mutex
// guards both.
func (e *Engine) acceptMany(b *engine.Batch, due int64) (engine.Receipt, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	p, err := e.prepare(b, e.epoch.Add(time.Duration(due)))
	if err == nil && p.Jobs > 0 {
		e.traces.note(&p)
		e.commitMany(p.Receipt.ID, p.Jobs, due)
	}
	return p.Receipt, err
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

// commit fills the slot drawn and gives it to the engine.
func (e *Engine) commit(s *segment, id, due int64, header meta, payload []byte) engine.Receipt {
	i := int(id - s.first)
	s.fill(i, header, payload)
	s.due(i).Store(due)
	e.alert(due)
	return e.receipt(id, due)
}

func (e *Engine) receipt(id, due int64) engine.Receipt {
	return engine.Receipt{ID: id, Due: e.epoch.Add(time.Duration(due))}
}

// makeRoom is called when draw failed: it maps another segment if one is missing, or says which limit is
// reached.
func (e *Engine) makeRoom(tenant uint16) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	err := e.refusal()
	if err == nil && e.next.Load() > e.mappedEnd() {
		err = e.grow()
	}
	if err != nil {
		e.countRejected(tenant, 1)
		return err
	}
	e.follow()
	return nil
}
