package service

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	wire "github.com/hashd-project/hashd/v2/gen/server"
	"github.com/hashd-project/hashd/v2/internal/engine"
	"github.com/hashd-project/hashd/v2/internal/guard"
)

// figures are what the service counts beside the engine. They are safe for concurrent use.
type figures struct {
	recent    recent
	answers   atomic.Int64 // submissions answered with an accepted job
	answering atomic.Int64 // nanoseconds that took in all
}

func (f *figures) answered(took time.Duration) {
	f.answers.Add(1)
	f.answering.Add(int64(took))
	f.recent.answered(took)
}

// average returns the mean time in microseconds that accepting answers took, rounded; 0
// before the first.
func (f *figures) average() int64 {
	return meanOf(time.Duration(f.answering.Load()), f.answers.Load())
}

// callersFigures returns those of the caller's tenant; nil on a server that is open to all.
func (s *Service) callersFigures(ctx context.Context) *figures {
	caller := guard.CallerOf(ctx)
	if caller == nil || caller.Key == nil {
		return nil
	}
	return s.figuresOf(caller.Tenant)
}

// figuresOf returns a tenant's figures.
func (s *Service) figuresOf(tenant uint16) *figures {
	if f, ok := s.tenants.Load(tenant); ok {
		return f.(*figures)
	}
	f := &figures{recent: recent{made: time.Now(), accepted: func() int64 { return s.cfg.Engine.StatsOf(tenant).Accepted }}}
	made, _ := s.tenants.LoadOrStore(tenant, f)
	return made.(*figures)
}

// tenantOf returns the tenant whose jobs the caller submits.
func tenantOf(ctx context.Context) uint16 {
	if caller := guard.CallerOf(ctx); caller != nil {
		return caller.Tenant
	}
	return 0
}

// GetStats implements GET /stats. A caller that sees one tenant's jobs alone gets that tenant's figures.
func (s *Service) GetStats(ctx context.Context, _ wire.GetStatsRequestObject) (wire.GetStatsResponseObject, error) {
	st, f, uses := s.cfg.Engine.Stats(), &s.figures, s.uses()
	if tenant, one := engine.TenantOf(ctx); one {
		st, f = own(s.cfg.Engine.StatsOf(tenant)), s.figuresOf(tenant)
		uses = quotaOf(ctx, st.Pending)
	}
	return wire.GetStats200JSONResponse{Body: wire.Stats{
		Total:     st.Accepted,
		Average:   f.average(),
		Pending:   st.Pending,
		Completed: st.Completed,
		Canceled:  st.Canceled,
		Rejected:  st.Rejected,
		Kept:      st.Kept,
		Lateness:  latenessOf(st.Lateness),
		Recent:    recentOf(f.recent.sum(), st.Recent),
		Limits:    uses,
		Full:      nonEmpty(s.cfg.Engine.Full()),
		Started:   s.started.UTC(),
		Refusing:  nonEmpty(s.refusing(ctx)),
	}}, nil
}

// readyWithin is how long counters wait for a store that may be far away to say whether it works.
const readyWithin = time.Second

// refusing says why all new jobs are refused, or "" if none are or it is not known yet.
func (s *Service) refusing(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	switch err := s.ready(ctx); {
	case errors.Is(err, engine.ErrDraining):
		return "draining"
	case err == nil || ctx.Err() != nil:
		return ""
	default:
		return "down"
	}
}

// own takes away what a tenant that had no job done would learn from: that others had.
func own(st engine.Stats) engine.Stats {
	if st.Completed == 0 {
		st.Lateness = engine.Lateness{}
	}
	if st.Recent.Completed == 0 {
		st.Recent.Lateness = engine.Lateness{}
	}
	return st
}

// quotaOf returns how much is used of what limits the caller alone: the others' jobs are not its to count.
func quotaOf(ctx context.Context, pending int64) []wire.Use {
	caller := guard.CallerOf(ctx)
	if caller == nil || caller.Key == nil || caller.Key.Quota == 0 {
		return []wire.Use{}
	}
	return []wire.Use{{Name: "quota", Limit: caller.Key.Quota, Used: pending}}
}

func latenessOf(l engine.Lateness) wire.Lateness {
	return wire.Lateness{P50: l.P50.Microseconds(), P90: l.P90.Microseconds(), P99: l.P99.Microseconds(), Max: l.Max.Microseconds()}
}

func recentOf(sum recentSum, done engine.RecentStats) wire.Recent {
	return wire.Recent{
		Seconds: sum.seconds, Accepted: sum.jobs, Completed: done.Completed,
		Average: meanOf(sum.answering, sum.answers), Lateness: latenessOf(done.Lateness),
	}
}

// Uses returns how much of each limit is used. Batches that are read and answers that are written have
// max-batch-memory each to themselves: the fuller counts.
func (s *Service) Uses() []engine.Use {
	uses := append(s.cfg.Engine.Uses(), s.cfg.Uses()...)
	for i := range uses {
		if u := &uses[i]; u.Name == answerLimit {
			u.Used = max(u.Used, min(u.Limit, s.room.taken.Load()*pieceMemory))
		}
	}
	return uses
}

// uses returns them as clients see them.
func (s *Service) uses() []wire.Use {
	uses := []wire.Use{}
	for _, u := range s.Uses() {
		uses = append(uses, wire.Use{Name: u.Name, Limit: u.Limit, Used: u.Used})
	}
	return uses
}

// Answers returns how many submissions were answered with an accepted job, and how long that took in all.
func (s *Service) Answers() (n int64, took time.Duration) {
	return s.figures.answers.Load(), time.Duration(s.figures.answering.Load())
}

// Draining says whether a stop was asked for.
func (s *Service) Draining() bool { return s.draining.Load() }

// nonEmpty returns nil for an empty text, which the contract leaves out.
func nonEmpty(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// meanOf returns the mean of n times in microseconds; 0 of none.
func meanOf(sum time.Duration, n int64) int64 {
	if n == 0 {
		return 0
	}
	return (sum / time.Duration(n)).Round(time.Microsecond).Microseconds()
}
