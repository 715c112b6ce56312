package jetstream

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hashd-project/hashd/v2/internal/engine"
	"github.com/hashd-project/hashd/v2/internal/seal"
)

// seen is what is known of one job of a piece. It is pending until something else is known.
type seen struct {
	sight
	left  bool // the log's leader says that no job is in its place any more
	alone bool // look has to say what it is
}

// open reports whether nothing is known of the job.
func (s *seen) open() bool { return s.State == engine.Pending && s.place == 0 }

// mostBytes bounds what a server sends for one request for messages that lie together.
const mostBytes = 1 << 20

// atOnce is how many single requests a call has under way.
const atOnce = 64

// lookAtPiece is look for each of at most askJobs ids, by a few requests for all. What many requests would have to
// say of a job, look says.
func (e *Engine) lookAtPiece(ctx context.Context, first int64, count int) ([]*seen, error) {
	all := make([]*seen, count)
	for i := range all {
		all[i] = new(seen)
		all[i].ID = engine.IDAfter(first, i)
	}
	steps := []func(context.Context, []*seen) error{
		e.findNeighbors,
		func(ctx context.Context, all []*seen) error {
			_, err := e.findResults(ctx, all, nil)
			return err
		},
		e.findJobs, e.findLeft,
		e.findAllResults, // after the jobs, which leave once their results have come
		e.settle,
	}
	for _, step := range steps {
		if err := e.call(ctx, func(ctx context.Context) error { return step(ctx, all) }); err != nil {
			return nil, err
		}
		if !anyPending(all) {
			break
		}
	}
	return all, nil
}

func anyPending(all []*seen) bool {
	for _, s := range all {
		if s.State == engine.Pending {
			return true
		}
	}
	return false
}

// show takes in what look or its like says of the job.
func (s *seen) show(found sight, err error) error {
	switch {
	case err == nil:
		s.sight = found
	case errors.Is(err, engine.ErrGone):
		s.State = engine.Gone
	case errors.Is(err, engine.ErrUnknown):
		s.State = engine.Unknown
	default:
		return err
	}
	return nil
}

// findNeighbors finds results that a server has right behind that of the first job, in the order in which they were
// stored: most of a range, mostly, and a server reads them faster than by their subjects.
func (e *Engine) findNeighbors(ctx context.Context, all []*seen) error {
	jobs, subjects, err := e.pending(ctx, all)
	if err != nil || len(subjects) == 0 {
		return err
	}
	first, err := e.askAny(ctx, all[0].ID)
	if err != nil || first == nil {
		return err
	}
	_, err = e.askMany(ctx, e.names.results(), many{Seq: first.Sequence, Batch: len(all), MaxBytes: mostBytes}, func(m *message) error {
		return e.seeResult(ctx, jobs[m.Subject], m)
	})
	return err
}

// pending returns the pending jobs by the subjects of their results. Of one that is known to be erased a tenant has
// to be told by its tombstone, which says whose it was.
func (e *Engine) pending(ctx context.Context, all []*seen) (jobs map[string]*seen, subjects []string, err error) {
	if err := e.usable(); err != nil {
		return nil, nil, err
	}
	one := whoOf(ctx).one
	subjects = make([]string, 0, len(all)+1)
	jobs = make(map[string]*seen, len(all))
	for _, s := range all {
		switch {
		case s.State != engine.Pending:
		case !one && e.erased.has(s.ID):
			s.State = engine.Gone
		default:
			subject := e.names.result(s.ID)
			subjects, jobs[subject] = append(subjects, subject), s
		}
	}
	return jobs, subjects, nil
}

// seeResult takes in what the result says of the job; nil for one that nobody asked for.
func (e *Engine) seeResult(ctx context.Context, s *seen, m *message) error {
	if s == nil {
		return nil
	}
	found, err := e.conclude(ctx, s.ID, m)
	if errors.Is(err, seal.ErrDamaged) { // it may be of a stream that was there before: the leader knows
		s.alone = true
		return nil
	}
	return s.show(found, err)
}

// findResults finds those results of pending jobs that a server has, which may be behind. It returns how far the
// results go that it has; 0 if it has none of these, and not the mark either, which is nil for none.
func (e *Engine) findResults(ctx context.Context, all []*seen, mark *message) (upTo uint64, err error) {
	jobs, subjects, err := e.pending(ctx, all)
	if err != nil || len(subjects) == 0 {
		return 0, err
	}
	if mark != nil && jobs[mark.Subject] == nil {
		subjects = append(subjects, mark.Subject)
	}
	return e.askMany(ctx, e.names.results(), many{LastFor: subjects}, func(m *message) error {
		return e.seeResult(ctx, jobs[m.Subject], m)
	})
}

// findJobs finds the messages of pending jobs, and which ids were never given.
func (e *Engine) findJobs(ctx context.Context, all []*seen) error {
	end, err := e.logEnd(ctx)
	if err != nil {
		return err
	}
	log, jobs, from, last := e.lives(), make(map[uint64]*seen), uint64(0), uint64(0)
	for _, s := range all {
		if s.State != engine.Pending {
			continue
		}
		place, ok := log.sequence(s.ID)
		if !ok || place > end {
			s.State = engine.Unknown
			continue
		}
		if jobs[place] = s; from == 0 {
			from = place
		}
		last = place
	}
	err = e.readLog(ctx, from, last, func(m *message) error {
		if s := jobs[m.Sequence]; s != nil {
			e.see(ctx, s, m)
		}
		return nil
	})
	if errors.Is(err, errNoDirect) { // a log made by an earlier hashd
		return e.findJobsAtLeader(ctx, all)
	}
	return err
}

func (e *Engine) findJobsAtLeader(ctx context.Context, all []*seen) error {
	log := e.lives()
	return each(all, (*seen).open, func(s *seen) error {
		place, _ := log.sequence(s.ID)
		m, err := e.ask(ctx, e.names.jobs(), request{Seq: place})
		if err == nil && m != nil {
			e.see(ctx, s, m)
		}
		return err
	})
}

// see takes in what the message in the job's place says.
func (e *Engine) see(ctx context.Context, s *seen, m *message) {
	found, err := e.openSight(ctx, s.ID, m)
	if s.show(found, err) != nil {
		s.alone = true
	}
}

// readLog calls see for the messages that a server has in these places of the log. It may be behind.
func (e *Engine) readLog(ctx context.Context, from, last uint64, see func(*message) error) error {
	for from > 0 && from <= last {
		next := uint64(0)
		_, err := e.askMany(ctx, e.names.jobs(), many{Seq: from, Batch: int(last - from + 1), MaxBytes: mostBytes}, func(m *message) error {
			next = m.Sequence + 1
			if m.Sequence > last {
				return nil
			}
			return see(m)
		})
		if err != nil {
			return err
		}
		from = next
	}
	return nil
}

// findLeft finds out of which jobs the log's leader has nothing, by a request for each stretch of them.
func (e *Engine) findLeft(ctx context.Context, all []*seen) error {
	log, next := e.lives(), uint64(0)
	for _, s := range all {
		if !s.open() || s.alone {
			continue
		}
		place, _ := log.sequence(s.ID)
		if place >= next {
			m, err := e.ask(ctx, e.names.jobs(), request{Seq: place, NextFor: ">"})
			switch {
			case err != nil:
				return err
			case m == nil:
				next = 1<<64 - 1
			case m.Sequence == place: // the server that was asked for all is behind
				next = place + 1
				e.see(ctx, s, m)
				continue
			default:
				next = m.Sequence
			}
		}
		s.left = true
	}
	return nil
}

// findAllResults finds every result of a pending job that the results' leader had when this began.
func (e *Engine) findAllResults(ctx context.Context, all []*seen) error {
	current, err := e.findCurrentResults(ctx, all)
	if err != nil {
		return err
	}
	doubtful := func(s *seen) bool { return s.State == engine.Pending && (s.alone || !current) }
	return each(all, doubtful, func(s *seen) error {
		result, err := e.ask(ctx, e.names.results(), request{LastFor: e.names.result(s.ID)})
		if err != nil || result == nil {
			return err
		}
		found, err := e.conclude(ctx, s.ID, result)
		return s.show(found, err)
	})
}

// findCurrentResults reports whether a server that was not behind the results' leader has answered. As long as none
// has, it asks again. Of a job that has left the log it asks others, too, as lookAgain does.
func (e *Engine) findCurrentResults(ctx context.Context, all []*seen) (current bool, err error) {
	if e.cfg.Replicas == 1 {
		_, err := e.findResults(ctx, all, nil)
		return true, err
	}
	mark, err := e.lastResult(ctx)
	if err != nil {
		return false, err
	}
	current = mark == nil
	for n := range 2 * e.cfg.Replicas {
		upTo, err := e.findResults(ctx, all, mark)
		if err != nil {
			return false, err
		}
		now := mark != nil && upTo >= mark.Sequence
		if current = current || now; !anyPending(all) || current && !anyLeft(all) {
			break
		}
		if now {
			continue
		}
		select {
		case <-time.After(time.Millisecond << n):
		case <-ctx.Done():
			return false, down(ctx.Err())
		}
	}
	return current, nil
}

// lastResult returns the last message that the results' leader has, which whoever has it is not behind; nil if
// there is none.
func (e *Engine) lastResult(ctx context.Context) (m *message, err error) {
	for range 3 { // it may be replaced meanwhile
		info, err := e.link().results.Info(ctx)
		if err != nil || info.State.Msgs == 0 {
			return nil, down(err)
		}
		if m, err = e.ask(ctx, e.names.results(), request{Seq: info.State.LastSeq}); err != nil || m != nil {
			return m, err
		}
		m = &message{Subject: e.names.result(0), Sequence: info.State.LastSeq} // somebody has deleted it
	}
	return m, err
}

func anyLeft(all []*seen) bool {
	for _, s := range all {
		if s.State == engine.Pending && s.left {
			return true
		}
	}
	return false
}

// settle says what is still open: what is in neither stream is gone, and nobody knows whose it was.
func (e *Engine) settle(ctx context.Context, all []*seen) error {
	none := engine.Gone
	if whoOf(ctx).one {
		none = engine.Unknown
	}
	for _, s := range all {
		if s.open() && s.left && !s.alone {
			s.State = none
			e.vanish(s.ID)
		}
	}
	rest := func(s *seen) bool { return s.State == engine.Pending && (s.alone || s.place == 0) }
	return each(all, rest, func(s *seen) error {
		found, err := e.look(ctx, s.ID)
		return s.show(found, err)
	})
}

// each calls do for those of the jobs, some at a time.
func each(all []*seen, which func(*seen) bool, do func(*seen) error) error {
	var g errgroup.Group
	g.SetLimit(atOnce)
	for _, s := range all {
		if which(s) {
			g.Go(func() error { return do(s) })
		}
	}
	return g.Wait()
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
