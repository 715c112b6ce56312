package jetstream

import (
	"context"
	"errors"
	"time"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// A range is read in pieces of askJobs ids, since a server answers for up to 1,024 subjects at a time.
const askJobs = 1_000

// inPieces calls do for the range's ids, askJobs at a time.
func inPieces(first int64, count int, do func(first int64, count int) error) error {
	if !engine.ValidRange(first, count) {
		return engine.ErrInvalid
	}
	for n := 0; n < count; n += askJobs {
		if err := do(engine.IDAfter(first, n), min(askJobs, count-n)); err != nil {
			return err
		}
	}
	return nil
}

// Read implements engine.Ranges.
func (e *Engine) Read(ctx context.Context, first int64, to []engine.Record) error {
	read := 0
	return inPieces(first, len(to), func(from int64, count int) error {
		piece, err := e.lookAtPiece(ctx, from, count)
		for i := range piece {
			to[read+i] = piece[i].Record
		}
		read += len(piece)
		return err
	})
}

// Survey implements engine.Ranges. Of the jobs that this instance accepted it knows which are pending, unless a note
// was lost, which Wait and Read make up for.
func (e *Engine) Survey(ctx context.Context, first int64, count int) (found engine.Survey, err error) {
	records := make([]engine.Record, max(0, min(count, askJobs)))
	err = inPieces(first, count, func(from int64, count int) error {
		if own := e.ledger.pendingIn(from, count, whoOf(ctx)); own == count {
			found.Pending += count
			found.Last = engine.Record{ID: from + int64(count) - 1}
			return nil
		}
		if err := e.Read(engine.Glance(ctx), from, records[:count]); err != nil {
			return err
		}
		for _, rec := range records[:count] {
			if rec.State == engine.Pending {
				found.Pending++
				found.Last = rec
			}
		}
		return nil
	})
	if err != nil || found.Last.ID == 0 || !found.Last.Due.IsZero() {
		return found, err
	}
	last, err := e.Get(ctx, found.Last.ID)
	if isOver(err) || err == nil && last.State == engine.Done {
		last, err = engine.Record{ID: found.Last.ID, Due: time.Now()}, nil // it has ended since
	}
	found.Last = last
	return found, err
}

// isOver reports whether the error says of a job that there was that it has ended. A tenant is told nothing of one that
// has left nothing behind.
func isOver(err error) bool {
	return errors.Is(err, engine.ErrGone) || errors.Is(err, engine.ErrUnknown)
}
