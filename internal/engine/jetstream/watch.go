package jetstream

import (
	"errors"
	"sync"
	"time"
)

// fault is what is wrong in the cluster. A lasting one is there until somebody changes something: until
// then nothing is asked of the cluster, since it could answer for other jobs than ours.
type fault struct {
	error
	lasting bool
}

// How often an instance looks whether all in the cluster is as it must be.
const (
	watchEvery = 2 * time.Second
	watchAgain = 250 * time.Millisecond // while something is wrong, or may be
	// relinkEvery is how often an instance makes its connection anew while it cannot work: only a new one
	// learns what the servers allow now.
	relinkEvery = 10 * time.Second
)

// watch is the goroutine that looks whether the cluster still has what the engine needs, whoever changed it,
// with or without traffic.
func (e *Engine) watch() {
	pause, linked := watchEvery, time.Now()
	for failures := 0; ; {
		select {
		case <-e.ctx.Done():
			return
		case <-time.After(pause):
		case <-e.suspect:
			select { // look, but not without pause
			case <-e.ctx.Done():
				return
			case <-time.After(watchAgain / 5):
			}
		}
		err := e.call(e.ctx, e.check)
		if e.ctx.Err() != nil {
			return
		}
		if failures, pause = failures+1, watchAgain; err == nil {
			failures, pause, linked = 0, watchEvery, time.Now()
		}
		e.judge(err, failures)
		if err != nil && time.Since(linked) >= relinkEvery && (transient(err) || errors.Is(err, errMaxPayload)) {
			linked = time.Now()
			_ = e.call(e.ctx, e.relink) // or later: the old one is still there
		}
	}
}

// judge takes in what a look has shown. One failure to look may be an election.
func (e *Engine) judge(err error, failures int) {
	old := e.fault.Load()
	if err == nil {
		if old != nil {
			e.fault.Store(nil)
			e.cfg.Log.Info("NATS: everything works again")
			e.waiters.wakeAll()
		}
		return
	}
	now := &fault{err, !transient(err)}
	if !now.lasting && failures < 2 {
		return
	}
	e.fault.Store(now)
	if old == nil || old.lasting != now.lasting {
		e.cfg.Log.Error("NATS: down: new jobs are refused until this is repaired", "error", err)
	}
	if now.lasting {
		e.waiters.wakeAll()
	}
}

// usable returns ErrDown while something is wrong that lasts.
func (e *Engine) usable() error {
	if f := e.fault.Load(); f != nil && f.lasting {
		return down(f.error)
	}
	return nil
}

// repeats knows what was said a short while ago. The zero value knows nothing.
type repeats struct {
	mu   sync.Mutex
	said map[string]time.Time
}

// again reports whether the same was said within the last minute.
func (r *repeats) again(text string, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for old, at := range r.said {
		if now.Sub(at) >= time.Minute {
			delete(r.said, old)
		}
	}
	if _, known := r.said[text]; known {
		return true
	}
	if r.said == nil {
		r.said = make(map[string]time.Time)
	}
	r.said[text] = now
	return false
}
