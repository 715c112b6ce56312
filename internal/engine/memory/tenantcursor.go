package memory

import (
	"context"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// A tenant's cursor passes the jobs of others, whatever becomes of them. It goes up to the tenant's last job that
// is done, and so never over a job that no worker has claimed: of all that it sees the meta says whose they are.

// completedOf is Completed for one tenant. The id to go on after is that of a job of theirs, so that it tells
// nothing of others'.
func (e *Engine) completedOf(ctx context.Context, tenant uint16, after int64, to []engine.Record) (n int, next int64, err error) {
	c := cursor{after: after, to: to, glance: engine.IsGlance(ctx)}
	for more := true; more && err == nil && ctx.Err() == nil; {
		err = e.locked(func() { more = e.moveOf(tenant, &c) })
	}
	if c.n > 0 {
		after = to[c.n-1].ID
	}
	return c.n, after, err
}

// moveOf is move for one tenant. It comes to an end also before a done job for which there is no room.
func (e *Engine) moveOf(tenant uint16, c *cursor) (more bool) {
	t := e.tallies.of(tenant)
	c.after = t.passed.Skip(c.after)
	from := c.after
	defer func() { t.passed.Note(from, c.after, notePassed) }()
	for range lookJobs {
		id := max(engine.IDAfter(c.after, 1), e.cfg.FirstID)
		if id > t.lastDone || c.after >= t.lastDone {
			return false
		}
		s, ok := e.segments.at(e.segmentOf(id))
		if !ok || s == nil {
			c.after = min(e.nextSegment(id)-1, t.lastDone)
			continue
		}
		i := int(id - s.first)
		switch m := s.meta(i); {
		case m.tenant() != tenant || m.state() == gone:
		case m.state() == pending:
			return false
		case c.n == len(c.to):
			c.full = true
			return false
		default:
			t.passed.Note(from, c.after, notePassed)
			from = id
			c.to[c.n] = engine.Record{}
			e.show(&c.to[c.n], s, i, c.glance)
			c.n++
		}
		c.after = id
	}
	return true
}

// awaitOf is AwaitCompleted for one tenant. It waits for the end of any of their jobs.
func (e *Engine) awaitOf(ctx context.Context, tenant uint16, after int64) error {
	for c := (cursor{after: after}); ; {
		progress, err := e.seek(tenant, &c)
		switch {
		case err != nil || c.full || ctx.Err() != nil:
			return err
		case progress == nil:
			continue
		}
		select {
		case <-progress:
		case <-ctx.Done():
		case <-e.stop:
		}
	}
}

// seek moves a cursor without room towards the next done job, and returns what is closed when any of the
// tenant's jobs ends if there is none.
func (e *Engine) seek(tenant uint16, c *cursor) (progress <-chan struct{}, err error) {
	err = e.locked(func() {
		if e.moveOf(tenant, c) || c.full {
			return
		}
		t := e.tallies.of(tenant)
		if t.progress == nil {
			t.progress = make(chan struct{})
		}
		progress = t.progress
	})
	return progress, err
}

// notePassed is how long a stretch must be for it to be noted.
const notePassed = 64
