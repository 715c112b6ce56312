package memory

import (
	"iter"
	"time"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// prepare returns the receipt of a valid batch: that of the first request with its key, or that of jobs
// which it places, and which are to be committed.
func (e *Engine) prepare(b *engine.Batch, due time.Time) (Prepared, error) {
	if first, used, err := e.recall(b.IdempotencyKey); used {
		return Prepared{Receipt: first}, err
	}
	first, err := e.place(b)
	if err != nil {
		e.countRejected(b.Tenant, int64(len(b.Secrets)))
		return Prepared{}, err
	}
	p := Prepared{engine.Receipt{ID: first, Due: due}, len(b.Secrets), b.Tenant, b.IdempotencyKey, b.Algorithm, b.Trace}
	e.remember(b.IdempotencyKey, p.Receipt)
	return p, nil
}

// place stores the batch's jobs in slots of their own, and does all but commit them.
func (e *Engine) place(b *engine.Batch) (first int64, err error) {
	n := int64(len(b.Secrets))
	// First what a client should know first: that the engine is draining, or full as a whole.
	if err := e.refusalOf(e.next.Load() + n - 1); err != nil {
		return 0, err
	}
	if err := e.keyRefusal(b.IdempotencyKey); err != nil {
		return 0, err
	}
	if err := e.arenaRefusal(b.Secrets...); err != nil {
		return 0, err
	}
	refs, err := e.storeLongs(b.Secrets)
	if err != nil {
		return 0, err
	}
	first, err = e.drawMany(b.Tenant, n)
	if err != nil {
		e.freeAll(refs)
		return 0, err
	}
	e.fillMany(b, first, refs)
	return first, nil
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

// storeLong puts a long secret into the arena.
func (e *Engine) storeLong(secret []byte) (ref, error) {
	r, err := e.secrets.put(secret)
	if err != nil {
		return ref{}, e.full("memory", never)
	}
	return r, nil
}

func (e *Engine) freeAll(refs []ref) {
	for _, r := range refs {
		e.secrets.free(r)
	}
}

// drawMany takes the next n ids and their slots, and maps the segments that are missing, or says which
// limit is reached. Submitters of single jobs go on drawing meanwhile; the first that finds the tail
// full, or the batch beyond it, makes room.
func (e *Engine) drawMany(tenant uint16, n int64) (first int64, err error) {
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
			e.countAccepted(tenant, n)
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

// commitMany commits n jobs that were placed from first on.
func (e *Engine) commitMany(first int64, n int, due int64) {
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

// follow makes the tail the segment that the next job lies in, if there is one, and lets ids be
// drawn from it.
func (e *Engine) follow() {
	if s, ok := e.segments.at(e.segmentOf(e.end())); ok {
		e.tail.Store(s)
	}
	e.raise()
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

// mappedEnd returns the highest id that there has been memory for.
func (e *Engine) mappedEnd() int64 { return e.cfg.FirstID - 1 + e.segments.end()*segmentJobs }
