package memory

import (
	"context"
	"iter"
	"time"

	"github.com/hashd-project/hashd/internal/engine"
)

// AcceptBatch implements engine.Engine. It holds the mutex once for all of the batch, which keeps
// no one from submitting short secrets alone, and allocates nothing per job.
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
		e.handMany(p.Receipt.ID, p.Jobs, due)
	}
	return p.Receipt, err
}

// place stores the batch's jobs in slots of their own, and does all but hand them over.
func (e *Engine) place(b *engine.Batch) (first int64, err error) {
	n := int64(len(b.Secrets))
	// First what a client should know first: that the engine is draining, or full as a whole.
	if err := e.refusalOf(e.next.Load() + n - 1); err != nil {
		return 0, err
	}
	if err := e.keyRefusal(b.Key); err != nil {
		return 0, err
	}
	if err := e.arenaRefusal(b.Secrets...); err != nil {
		return 0, err
	}
	refs, err := e.storeLongs(b.Secrets)
	if err != nil {
		return 0, err
	}
	first, err = e.drawMany(n)
	if err != nil {
		e.freeAll(refs)
		return 0, err
	}
	e.fillMany(b, first, refs)
	return first, nil
}

// handMany hands over n jobs that were placed from first on.
func (e *Engine) handMany(first int64, n int, due int64) {
	for s, i := range e.slots(first, n) {
		s.due(i).Store(due)
	}
	e.alert(due)
}

// slots yields where n jobs from first on lie. The segments must be there.
func (e *Engine) slots(first int64, n int) iter.Seq2[*segment, int] {
	return func(yield func(*segment, int) bool) {
		var s *segment
		for id := first; id < first+int64(n); id++ {
			if s == nil || id == s.first+segmentJobs {
				s, _ = e.segments.at(e.segmentOf(id))
			}
			if !yield(s, int(id-s.first)) {
				return
			}
		}
	}
}

// storeLongs puts those of the secrets that are too long for a slot into the arena, or none.
func (e *Engine) storeLongs(secrets [][]byte) (refs []ref, err error) {
	for i, s := range secrets {
		if len(s) <= inlineBytes {
			continue
		}
		if refs == nil {
			refs = make([]ref, 0, len(secrets)-i)
		}
		r, err := e.storeLong(s)
		if err != nil {
			e.freeAll(refs)
			return nil, err
		}
		refs = append(refs, r)
	}
	return refs, nil
}

func (e *Engine) freeAll(refs []ref) {
	for _, r := range refs {
		e.secrets.free(r)
	}
}

// drawMany takes the next n ids and their slots, and maps what these lack, or says which limit is
// reached. Submitters of single jobs go on drawing meanwhile; the first that finds the tail full, or
// the batch beyond it, makes room.
func (e *Engine) drawMany(n int64) (first int64, err error) {
	for {
		id := e.next.Load()
		last := id + n - 1
		if err := e.refusalOf(last); err != nil {
			return 0, err
		}
		if last > e.mappedEnd() {
			if err := e.grow(); err != nil {
				return 0, err
			}
			continue
		}
		if e.next.CompareAndSwap(id, id+n) {
			return id, nil
		}
	}
}

// fillMany fills the slots drawn, from first on. refs are those of the long secrets, in their
// order.
func (e *Engine) fillMany(b *engine.Batch, first int64, refs []ref) {
	n := 0
	for s, i := range e.slots(first, len(b.Secrets)) {
		secret := b.Secrets[n]
		header, payload := newHeader(len(secret), b.Algorithm, b.Tenant), secret
		if len(secret) > inlineBytes {
			header, payload = newHeader(inArena, b.Algorithm, b.Tenant), refs[0].encode()
			refs = refs[1:]
		}
		s.fill(i, header, payload)
		n++
	}
}
