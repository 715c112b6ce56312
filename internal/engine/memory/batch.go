package memory

import (
	"context"
	"time"

	"github.com/hashd-project/hashd/internal/engine"
)

// AcceptBatch implements engine.Engine. It holds the mutex once for all of the batch, which keeps
// no one from submitting short secrets alone, and allocates nothing per job.
func (e *Engine) AcceptBatch(_ context.Context, b engine.Batch) (engine.Receipt, error) {
	if !b.Valid() {
		return engine.Receipt{}, engine.ErrInvalid
	}
	due := int64(time.Since(e.epoch) + e.cfg.Delay)
	e.mu.Lock()
	defer e.mu.Unlock()
	if first, used, err := e.recall(b.Key); used {
		return first, err
	}
	receipt, err := e.placeBatch(&b, due)
	if err != nil {
		e.rejected += int64(len(b.Secrets))
		return engine.Receipt{}, err
	}
	e.remember(b.Key, receipt)
	return receipt, nil
}

// placeBatch stores the batch's jobs.
func (e *Engine) placeBatch(b *engine.Batch, due int64) (engine.Receipt, error) {
	n := int64(len(b.Secrets))
	if err := e.refusalOf(e.next.Load() + n - 1); err != nil {
		return engine.Receipt{}, err
	}
	if err := e.keyRefusal(b.Key); err != nil {
		return engine.Receipt{}, err
	}
	if err := e.arenaRefusal(b.Secrets...); err != nil {
		return engine.Receipt{}, err
	}
	refs, err := e.storeLongs(b.Secrets)
	if err != nil {
		return engine.Receipt{}, err
	}
	first, err := e.drawMany(n)
	if err != nil {
		e.freeAll(refs)
		return engine.Receipt{}, err
	}
	e.fillMany(b, first, due, refs)
	e.alert(due)
	return e.receipt(first, due), nil
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

// fillMany fills the slots drawn, from first on, and hands them over. refs are those of the long
// secrets, in their order.
func (e *Engine) fillMany(b *engine.Batch, first, due int64, refs []ref) {
	var s *segment
	for n, secret := range b.Secrets {
		id := first + int64(n)
		if s == nil || id == s.first+segmentJobs {
			s, _ = e.segments.at((id - 1) / segmentJobs)
		}
		header, payload := newHeader(len(secret), b.Algorithm, b.Tenant), secret
		if len(secret) > inlineBytes {
			header, payload = newHeader(inArena, b.Algorithm, b.Tenant), refs[0].encode()
			refs = refs[1:]
		}
		i := int(id - s.first)
		s.fill(i, header, payload)
		s.due(i).Store(due)
	}
}
