package jetstream

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hashd-project/hashd/internal/engine"
	"github.com/hashd-project/hashd/internal/seal"
)

// A range is read in pieces of askJobs ids. One request gets all results of a piece; what has none is looked
// at job by job, atOnce of them at a time.
const (
	askJobs = 1_000 // a server answers up to 1,024 subjects at a time
	atOnce  = 64
)

// inPieces calls do for the range's ids, askJobs at a time.
func inPieces(first int64, count int, do func(first int64, count int) error) error {
	if first < 1 || count < 1 || count > engine.MaxRange {
		return engine.ErrInvalid
	}
	for n := 0; n < count; n += askJobs {
		if err := do(first+int64(n), min(askJobs, count-n)); err != nil {
			return err
		}
	}
	return nil
}

// Read implements engine.Ranges.
func (e *Engine) Read(ctx context.Context, first int64, to []engine.Record) error {
	return inPieces(first, len(to), func(from int64, count int) error {
		piece := to[from-first:][:count]
		return e.call(ctx, func(ctx context.Context) error { return e.readPiece(ctx, from, piece) })
	})
}

// readPiece says of each id what look says of it.
func (e *Engine) readPiece(ctx context.Context, first int64, to []engine.Record) error {
	for i := range to {
		to[i] = engine.Record{ID: first + int64(i), State: engine.Pending} // until something else is known
	}
	if _, err := e.readResults(ctx, to); err != nil {
		return err
	}
	end, err := e.logEnd(ctx)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for i := range to {
		rec := &to[i]
		if rec.State != engine.Pending {
			continue
		}
		if place, ok := e.lives().sequence(rec.ID); !ok || place > end {
			rec.State = engine.Unknown
			continue
		}
		g.Go(func() error {
			s, err := e.look(ctx, rec.ID)
			return show(rec, s, err)
		})
	}
	return g.Wait()
}

// show puts into the record what look says of its job.
func show(rec *engine.Record, s sight, err error) error {
	switch {
	case err == nil:
		*rec = s.Record
	case errors.Is(err, engine.ErrGone):
		rec.State = engine.Gone
	case errors.Is(err, engine.ErrUnknown):
		rec.State = engine.Unknown
	default:
		return err
	}
	return nil
}

// logEnd returns the last place of the log that was given, by its leader.
func (e *Engine) logEnd(ctx context.Context) (uint64, error) {
	if err := e.usable(); err != nil {
		return 0, err
	}
	info, err := e.link().jobs.Info(ctx)
	if err != nil {
		return 0, down(err)
	}
	return info.State.LastSeq, nil
}

// readResults completes those of the pending records, whose ids are any, that a server has results for. The
// server may be behind: what stays pending need not be. It returns how far the results went that it has;
// 0 if it has none of these.
func (e *Engine) readResults(ctx context.Context, to []engine.Record) (upTo uint64, err error) {
	if err := e.usable(); err != nil {
		return 0, err
	}
	var subjects []string
	records := make(map[string]*engine.Record, len(to))
	for i := range to {
		rec := &to[i]
		switch {
		case rec.State != engine.Pending:
		case e.erased.has(rec.ID):
			rec.State = engine.Gone
		default:
			subject := e.names.result(rec.ID)
			subjects, records[subject] = append(subjects, subject), rec
		}
	}
	if len(subjects) == 0 {
		return 0, nil
	}
	return e.askMany(ctx, e.names.results(), subjects, func(m *message) error {
		rec := records[m.Subject]
		if rec == nil {
			return nil
		}
		s, err := e.conclude(rec.ID, m)
		if errors.Is(err, seal.ErrDamaged) {
			return nil // it may be of a stream that was there before: look asks the leaders
		}
		return show(rec, s, err)
	})
}

// Survey implements engine.Ranges. Of the jobs that this instance accepted it knows which are pending, unless a note
// was lost, which Wait and Read make up for.
func (e *Engine) Survey(ctx context.Context, first int64, count int) (found engine.Survey, err error) {
	records := make([]engine.Record, min(count, askJobs))
	err = inPieces(first, count, func(from int64, count int) error {
		if own := e.ledger.pendingIn(from, count); own == count {
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
	if errors.Is(err, engine.ErrGone) || err == nil && last.State == engine.Done {
		last, err = engine.Record{ID: found.Last.ID, Due: time.Now()}, nil // it has ended since
	}
	found.Last = last
	return found, err
}

// Completed implements engine.Ranges. It looks at a bounded number of places of the log, so that it may go on
// without having found anything. A job is pending until its message has left the log, which is a little
// after its result is there.
func (e *Engine) Completed(ctx context.Context, after int64, to []engine.Record) (n int, next int64, err error) {
	if after < 0 || len(to) < 1 || len(to) > engine.MaxRange {
		return 0, after, engine.ErrInvalid
	}
	next = after
	var from, end uint64
	err = e.call(ctx, func(ctx context.Context) (err error) {
		from, end, err = e.ended(ctx, after)
		return err
	})
	for pieces := 0; err == nil && from < end && n < len(to) && pieces < engine.MaxRange/askJobs && ctx.Err() == nil; pieces++ {
		piece := make([]engine.Record, 0, min(askJobs, len(to)-n))
		for ; from < end && len(piece) < cap(piece); from++ {
			piece = append(piece, engine.Record{ID: e.lives().id(from), State: engine.Pending})
		}
		err = e.call(ctx, func(ctx context.Context) error { return e.readEnded(ctx, piece) })
		if err != nil {
			break
		}
		for i := range piece {
			if piece[i].State == engine.Done {
				if n == len(to) {
					break
				}
				to[n] = piece[i]
				n++
			}
			next = piece[i].ID
		}
	}
	return n, next, err
}

// ended returns the places of the log, from the first after the id on and before the second, whose jobs have
// ended.
func (e *Engine) ended(ctx context.Context, after int64) (from, end uint64, err error) {
	last, err := e.logEnd(ctx) // before the job is looked for: what comes later is pending
	if err != nil {
		return 0, 0, err
	}
	from = e.lives().placeAfter(after)
	if from > last {
		return from, from, nil
	}
	job, err := e.ask(ctx, e.names.jobs(), request{Seq: from, NextFor: e.names.job()})
	switch {
	case err != nil:
		return 0, 0, err
	case job == nil:
		return from, last + 1, nil
	}
	return from, min(job.Sequence, last+1), nil
}

// readEnded says what has become of jobs that have ended. As long as a server is behind the results' leader,
// others are asked, and the leader at last.
func (e *Engine) readEnded(ctx context.Context, piece []engine.Record) error {
	info, err := e.link().results.Info(ctx)
	if err != nil {
		return down(err)
	}
	for range 2 * e.cfg.Replicas {
		upTo, err := e.readResults(ctx, piece)
		if err != nil {
			return err
		}
		if upTo >= info.State.LastSeq || e.cfg.Replicas == 1 || !anyPending(piece) {
			return nil
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for i := range piece {
		if rec := &piece[i]; rec.State == engine.Pending {
			g.Go(func() error { return e.readFromLeader(ctx, rec) })
		}
	}
	return g.Wait()
}

func anyPending(records []engine.Record) bool {
	for i := range records {
		if records[i].State == engine.Pending {
			return true
		}
	}
	return false
}

// readFromLeader says what has become of a job that has ended.
func (e *Engine) readFromLeader(ctx context.Context, rec *engine.Record) error {
	result, err := e.ask(ctx, e.names.results(), request{LastFor: e.names.result(rec.ID)})
	if err != nil || result == nil {
		return err
	}
	s, err := e.conclude(rec.ID, result)
	return show(rec, s, err)
}

// How often a wait for the cursor looks: while nothing is accepted, and while a job has its result but is still in
// the log.
const (
	lookOften  = 20 * time.Millisecond
	lookSeldom = 250 * time.Millisecond
)

// AwaitCompleted implements engine.Ranges.
func (e *Engine) AwaitCompleted(ctx context.Context, after int64) error {
	if after < 0 {
		return engine.ErrInvalid
	}
	for ctx.Err() == nil {
		var from, end uint64
		var given bool
		err := e.call(ctx, func(ctx context.Context) (err error) {
			if from, end, err = e.ended(ctx, after); err != nil {
				return err
			}
			last, err := e.logEnd(ctx)
			given = from <= last
			return err
		})
		if err != nil || from < end {
			return err
		}
		pause := lookSeldom
		if given {
			pause = lookOften
			if _, err := e.Wait(engine.Glance(ctx), e.lives().id(from)); errors.Is(err, engine.ErrClosed) || errors.Is(err, engine.ErrDown) {
				return err
			}
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		case <-e.ctx.Done():
			return engine.ErrClosed
		}
	}
	return nil
}

// CancelRange implements engine.Ranges.
func (e *Engine) CancelRange(ctx context.Context, first int64, count int) (all engine.Ended, err error) {
	var mu sync.Mutex
	err = inPieces(first, count, func(from int64, count int) error {
		records := make([]engine.Record, count)
		if err := e.Read(engine.Glance(ctx), from, records); err != nil {
			return err
		}
		var g errgroup.Group
		g.SetLimit(atOnce)
		for _, rec := range records {
			g.Go(func() error {
				ended, err := e.cancelOne(ctx, rec)
				mu.Lock()
				defer mu.Unlock()
				ended.addTo(&all)
				return err
			})
		}
		return g.Wait()
	})
	return all, err
}

// fate is what a cancel has made of a job.
type fate engine.State

func (f fate) addTo(all *engine.Ended) {
	switch engine.State(f) {
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

// cancelOne cancels the job, and says in which state it was before, which may be a later one than the record's.
func (e *Engine) cancelOne(ctx context.Context, rec engine.Record) (fate, error) {
	if rec.State == engine.Gone || rec.State == engine.Unknown {
		return fate(rec.State), nil
	}
	was, err := e.cancelJob(ctx, rec.ID)
	switch {
	case errors.Is(err, engine.ErrGone):
		return fate(engine.Gone), nil
	case err != nil:
		return fate(engine.Gone), fmt.Errorf("cancel %d: %w", rec.ID, err)
	}
	return fate(was), nil
}
