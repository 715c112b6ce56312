package memory

import "github.com/hashd-project/hashd/v2/internal/engine"

// keys remembers the idempotency keys of the window, so that a retry finds its job.
type keys struct {
	jobs  map[[16]byte]firstUse
	order window[agedKey] // oldest first
}

// firstUse is the job that a key was first used for. It holds no pointer, so that the collector
// need not look at the keys.
type firstUse struct {
	fingerprint [16]byte
	id, due     int64
	until       int64 // end of the window
}

type agedKey struct {
	id    [16]byte
	until int64
}

// forgetKeys is how many outdated keys are forgotten when one is added: more than one, so that the keys
// of a burst do not stay long.
const forgetKeys = 4

// recall says whether the key was used within the window, and if so what to answer: the
// receipt of its job, or an error if that was another request.
func (e *Engine) recall(k engine.IdempotencyKey) (first engine.Receipt, used bool, err error) {
	if k == (engine.IdempotencyKey{}) {
		return engine.Receipt{}, false, nil
	}
	now := e.now()
	for range forgetKeys {
		e.forget(now)
	}
	job, found := e.keys.jobs[k.ID]
	switch {
	case !found || job.until <= now:
		return engine.Receipt{}, false, nil
	case job.fingerprint != k.Fingerprint:
		return engine.Receipt{}, true, engine.ErrIdempotencyKeyReused
	}
	return e.receipt(job.id, job.due), true, nil
}

// keyRefusal says why no more keys are taken, or nil.
func (e *Engine) keyRefusal(k engine.IdempotencyKey) error {
	if k == (engine.IdempotencyKey{}) || int64(len(e.keys.jobs)) < e.cfg.MaxIdempotencyKeys {
		return nil
	}
	eases := int64(never)
	if oldest, ok := e.keys.order.at(e.keys.order.start()); ok {
		eases = oldest.until
	}
	return e.full("max-idempotency-keys", eases)
}

// remember keeps the key of a job just accepted.
func (e *Engine) remember(k engine.IdempotencyKey, r engine.Receipt) {
	if k == (engine.IdempotencyKey{}) {
		return
	}
	until := e.now() + int64(e.cfg.IdempotencyWindow)
	e.keys.jobs[k.ID] = firstUse{k.Fingerprint, r.ID, int64(r.Due.Sub(e.epoch)), until}
	e.keys.order.push(agedKey{k.ID, until})
}

// forget drops the oldest key if its window has ended.
func (e *Engine) forget(now int64) {
	oldest, ok := e.keys.order.at(e.keys.order.start())
	if !ok || oldest.until > now {
		return
	}
	e.keys.order.pop()
	if e.keys.jobs[oldest.id].until == oldest.until { // else it was used anew since
		delete(e.keys.jobs, oldest.id)
	}
}

// unremember undoes remember for the key remembered last that was not yet undone. Its place in the
// order goes too, or retries that are refused again and again would make that grow.
func (e *Engine) unremember(k engine.IdempotencyKey, id int64) {
	if job, ok := e.keys.jobs[k.ID]; !ok || job.id != id {
		return
	}
	delete(e.keys.jobs, k.ID)
	if last, ok := e.keys.order.at(e.keys.order.end() - 1); ok && last.id == k.ID {
		e.keys.order.drop()
	}
}
