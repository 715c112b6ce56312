package memory

import (
	"context"
	"errors"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// caller is for whom a method works.
type caller struct {
	tenant uint16
	one    bool // else all jobs are theirs
}

func callerOf(ctx context.Context) (c caller) {
	c.tenant, c.one = engine.TenantOf(ctx)
	return c
}

// findFor is find for a caller: to them, a job that is not theirs was never given.
func (e *Engine) findFor(c caller, id int64) (*segment, int, error) {
	s, i, err := e.find(id)
	if !c.one || err != nil && !errors.Is(err, engine.ErrGone) {
		return s, i, err
	}
	if owner, known := e.ownerOf(id); !known || owner != c.tenant {
		return nil, 0, engine.ErrUnknown
	}
	return s, i, err
}

// ownerOf returns whose job the one with the id is or was; false if that is not known any more. The id must
// be that of a job that is there or gone.
func (e *Engine) ownerOf(id int64) (tenant uint16, known bool) {
	s, ok := e.segments.at(e.segmentOf(id))
	if !ok || s == nil {
		return e.owners.of(id)
	}
	m := e.about(s, int(id-s.first))
	if m.ownerless() {
		return e.owners.of(id)
	}
	return m.tenant(), true
}

// about returns what is known of the job but for its state.
func (e *Engine) about(s *segment, i int) meta {
	if s.first+int64(i) >= e.head {
		return s.header(i)
	}
	return s.meta(i)
}

// TenantNumber implements engine.Tenants.
func (e *Engine) TenantNumber(_ context.Context, name string) (uint16, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	number, known := e.numbers[name]
	switch {
	case e.closed:
		return 0, engine.ErrClosed
	case !engine.ValidTenant(name):
		return 0, engine.ErrInvalid
	case known:
		return number, nil
	case len(e.numbers) == engine.MaxTenants:
		return 0, engine.ErrTenants
	}
	number = uint16(len(e.numbers))
	e.numbers[name] = number
	return number, nil
}
