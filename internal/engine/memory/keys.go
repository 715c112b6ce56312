package memory

import "github.com/hashd-project/hashd/internal/engine"

// keys remembers the idempotency keys of the window, so that a retry finds its job.
type keys struct {
	jobs  map[[16]byte]keyed
	order window[agedKey] // oldest first
}

// keyed is the job that a key was first used for. It holds no pointer, so that the collector
// need not look at the keys.
type keyed struct {
	print   [16]byte
	id, due int64
	until   int64 // end of the window
}

type agedKey struct {
	id    [16]byte
	until int64
}

// forgetKeys is how many outdated keys are forgotten when one is added: more than one, so
// that those of a burst go in time.
const forgetKeys = 4

// recall returns the receipt of the job that the key was first used for, if there is one in the
// window, or an error if the key cannot be used.
func (e *Engine) recall(k engine.Key) (engine.Receipt, error) {
	if k == (engine.Key{}) {
		return engine.Receipt{}, nil
	}
	now := e.now()
	for range forgetKeys {
		e.forget(now)
	}
	first, found := e.keys.jobs[k.ID]
	switch {
	case e.closed:
		return engine.Receipt{}, engine.ErrClosed
	case found && first.until > now && first.print == k.Print:
		return e.receipt(first.id, first.due), nil
	case found && first.until > now:
		return engine.Receipt{}, engine.ErrKeyReused
	case int64(len(e.keys.jobs)) >= e.cfg.MaxKeys:
		oldest, _ := e.keys.order.at(e.keys.order.start())
		return engine.Receipt{}, e.full("max-idempotency-keys", oldest.until)
	}
	return engine.Receipt{}, nil
}

// remember keeps the key of a job just accepted.
func (e *Engine) remember(k engine.Key, r engine.Receipt) {
	if k == (engine.Key{}) {
		return
	}
	until := e.now() + int64(e.cfg.KeyWindow)
	e.keys.jobs[k.ID] = keyed{k.Print, r.ID, int64(r.Due.Sub(e.epoch)), until}
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
