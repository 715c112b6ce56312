package memory

import (
	"time"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// refusal says why no more jobs are taken, or nil.
func (e *Engine) refusal() error { return e.refusalOf(e.next.Load()) }

// refusalOf says why jobs may not get the free ids up to this one, or nil. Jobs are done in their order,
// so a batch has room once as many jobs are done as there is room missing for it.
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

// arenaRefusal says why the long secrets may not be stored, or nil. The limit is on the memory mapped,
// for a few secrets can hold on to many chunks. It is checked for all before any is stored: taking one
// out again would leave a hole until its chunk empties.
func (e *Engine) arenaRefusal(secrets ...[]byte) error {
	if n := e.secrets.grows(secrets...); n > 0 && (e.secrets.mapped+n)*chunkBytes > e.cfg.MaxSecretBytes {
		return e.full("max-secret-bytes", e.headDue())
	}
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

// maxSegments bounds memory where results were erased here and there and every segment is
// held by the few that remain: never over twice what MaxResults jobs take side by side.
func (e *Engine) maxSegments() int64 { return 2*(e.cfg.MaxResults/segmentJobs) + 2 }
