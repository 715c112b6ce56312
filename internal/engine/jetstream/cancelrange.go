package jetstream

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// CancelRange implements engine.Ranges. The tombstones of a piece are stored together. Where another has changed a
// job since it was looked at, it is canceled by itself.
func (e *Engine) CancelRange(ctx context.Context, first int64, count int) (engine.Ended, error) {
	var all engine.Ended
	err := inPieces(first, count, func(from int64, count int) error {
		piece, err := e.lookAtPiece(ctx, from, count)
		if err != nil {
			return err
		}
		return e.cancelPiece(ctx, piece, &all)
	})
	return all, err
}

func (e *Engine) cancelPiece(ctx context.Context, piece []*seen, all *engine.Ended) (failed error) {
	var jobs []*seen
	for _, s := range piece {
		if s.State == engine.Pending || s.State == engine.Done {
			jobs = append(jobs, s)
		} else {
			count(all, s.State)
		}
	}
	if len(jobs) == 0 {
		return nil
	}
	bisect(jobs, func(part []*seen) error {
		if failed != nil { // nothing more is begun
			return failed
		}
		err := e.putTombstones(part)
		switch {
		case err == nil:
			failed = e.endCanceled(ctx, part, all)
		case definite(err) && len(part) > 1:
			return err
		case definite(err):
			failed = e.cancelChanged(ctx, part[0].ID, all)
		default:
			failed = err
		}
		return failed
	})
	return failed
}

// count counts a job by the state that it was in.
func count(all *engine.Ended, was engine.State) {
	switch was {
	case engine.Pending:
		all.Canceled++
	case engine.Done:
		all.Erased++
	case engine.Gone:
		all.Gone++
	case engine.Unknown:
		all.Unknown++
	}
}

func (e *Engine) putTombstones(jobs []*seen) error {
	msgs := make([]*nats.Msg, len(jobs))
	for i, s := range jobs {
		var err error
		if msgs[i], err = e.tombstone(s.ID, s.canceled(), s.sight); err != nil {
			return err
		}
	}
	_, err := e.commit(msgs)
	return err
}

// endCanceled tells of jobs whose tombstones are stored, and overwrites the messages of those that were pending.
func (e *Engine) endCanceled(ctx context.Context, jobs []*seen, all *engine.Ended) error {
	ended := make(map[outcome][]int64)
	for _, s := range jobs {
		ended[s.canceled()] = append(ended[s.canceled()], s.ID)
		count(all, s.State)
	}
	for o, ids := range ended {
		e.tell(o, ids...)
	}
	return each(jobs, func(s *seen) bool { return s.State == engine.Pending }, func(s *seen) error {
		return e.call(ctx, func(ctx context.Context) error {
			e.wipe(ctx, s.ID, s.place)
			return nil
		})
	})
}

// cancelChanged cancels a job that is not what it was.
func (e *Engine) cancelChanged(ctx context.Context, id int64, all *engine.Ended) error {
	was, err := e.cancelJob(ctx, id)
	switch {
	case errors.Is(err, engine.ErrGone):
		was = engine.Gone
	case errors.Is(err, engine.ErrUnknown):
		was = engine.Unknown
	case err != nil:
		return fmt.Errorf("cancel %d: %w", id, err)
	}
	count(all, was)
	return nil
}
