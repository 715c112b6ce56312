package jetstream

import (
	"context"
	"errors"
	"math"

	"github.com/hashd-project/hashd/v2/internal/engine"
	"github.com/hashd-project/hashd/v2/internal/seal"
)

// who is whose jobs a call is shown. The zero value is shown all.
type who struct {
	tenant uint16
	one    bool
}

func whoOf(ctx context.Context) (w who) {
	w.tenant, w.one = engine.TenantOf(ctx)
	return w
}

// sees reports whether the call is shown jobs of that tenant.
func (w who) sees(tenant uint16) bool { return !w.one || w.tenant == tenant }

// lookOwn is look for one tenant. Each id that shows nothing takes the same requests, whether it is another's, was
// never given, or has left nothing behind, so that the time they take does not tell one from the other.
func (e *Engine) lookOwn(ctx context.Context, id int64) (sight, error) {
	if id < 1 {
		return sight{}, engine.ErrUnknown
	}
	if err := e.usable(); err != nil {
		return sight{}, err
	}
	if s, err := e.lookAtResult(ctx, id); !showsNothing(err) {
		return s, err
	}
	end, err := e.logEnd(ctx)
	if err != nil {
		return sight{}, err
	}
	place, ok := e.lives().sequence(id)
	given := ok && place <= end
	if !ok {
		place = math.MaxInt64 // where nothing is
	}
	s, err := e.lookAtLeaders(ctx, id, place)
	if !showsNothing(err) {
		return s, err
	}
	vanished := given && errors.Is(err, errNothing)
	again := 2 * e.cfg.Replicas // as lookAgain does
	if e.cfg.Replicas == 1 {
		again = 0 // there are no others to ask
	}
	for range again {
		s, err := e.lookAtResult(ctx, id)
		if !showsNothing(err) {
			return s, err
		}
		vanished = vanished && errors.Is(err, errNothing)
	}
	if vanished {
		e.vanish(id)
	}
	return sight{}, engine.ErrUnknown
}

// lookAtResult returns what any server has for a result of the job.
func (e *Engine) lookAtResult(ctx context.Context, id int64) (sight, error) {
	result, err := e.askAny(ctx, id)
	switch {
	case err != nil:
		return sight{}, err
	case result == nil:
		return sight{}, errNothing
	}
	s, err := e.conclude(ctx, id, result)
	if errors.Is(err, seal.ErrDamaged) { // it may be of a stream that was there before
		err = errNothing
	}
	return s, err
}

// showsNothing reports whether the error says that there is nothing to show to who asks.
func showsNothing(err error) bool {
	return errors.Is(err, engine.ErrUnknown) || errors.Is(err, errNothing)
}
