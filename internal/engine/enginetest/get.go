package enginetest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// strangers returns ids that were never given, where ids begin with the first and next is the next to be.
func strangers(first, next int64) []int64 {
	return []int64{
		first - 1, first - 2, first / 2, first - 1<<20,
		0, -1, -2, math.MinInt64, math.MinInt64 + 1, math.MaxInt64, math.MaxInt64 - 1,
		next, next + 1, next + 1<<20, next + 1<<32, next + 1<<62, -next,
	}
}

func unknownIDs(x *trial) {
	for _, jobs := range []int{0, 1, 3} {
		e := x.engine(engine.Limits{Delay: unreached})
		next := e.first
		for range jobs {
			next = e.accept("secret").ID + 1
		}
		x.wantUnknown(e, next)
		_ = e.Drain(x.ended())
		x.wantUnknown(e, next)
		e.wantCounts(engine.Stats{Accepted: int64(jobs), Pending: int64(jobs)})
	}
}

// wantUnknown asks everything there is to ask of ids never given.
func (x *trial) wantUnknown(e *subject, next int64) {
	x.Helper()
	for _, id := range strangers(e.first, next) {
		for what, err := range e.errorsOf(id) {
			x.wantErr(fmt.Sprintf("%s %d, where %d is next", what, id, next), err, engine.ErrUnknown)
		}
	}
}

// errorsOf returns what each method that takes an id says of this one. Cancel comes after the
// others, and on a job that is there it has its effect.
func (s *subject) errorsOf(id int64) map[string]error {
	ctx := s.x.Context()
	_, get := s.Get(ctx, id)
	_, wait := s.Wait(ctx, id)
	return map[string]error{"get": get, "wait for": wait, "cancel": s.Cancel(ctx, id)}
}

// Every reader sees one and the same result, whichever way it asks.
func oneResultPerID(x *trial) {
	e := x.engine(engine.Limits{Delay: short})
	a, b := e.accept("same"), e.accept("same")
	first := e.result(a.ID)
	for range 3 {
		if got, waited := e.state(a.ID), e.result(a.ID); got != first || waited != first {
			x.Errorf("job %d reads as %+v, then %+v, then %+v", a.ID, first, got, waited)
		}
	}
	if second := e.result(b.ID); second.Sum != first.Sum || second.ID != b.ID {
		x.Errorf("the same secret gives %+v and %+v", first, second)
	}
}

// The event waited for is the answer itself, so a slow machine cannot fail this.
func resultExpiresAndMakesRoom(x *trial) {
	e := x.engine(engine.Limits{Delay: short, Retention: time.Second, MaxResults: 1})
	r := e.accept("secret")
	if _, err := e.Wait(x.context(), r.ID); err != nil {
		x.wantErr("wait that came back after the retention", err, engine.ErrGone)
	}
	e.untilGone(r.ID)
	if now, end := time.Now(), r.Due.Add(time.Second); now.Before(end) {
		x.Errorf("the result is gone %v before its retention ends", end.Sub(now))
	}
	e.gone(r.ID)
	e.wantCounts(engine.Stats{Accepted: 1, Completed: 1})
	if next := e.accept("next").ID; next == r.ID {
		x.Errorf("id %d is given twice", next)
	}
}

// untilGone polls until the job is gone.
func (s *subject) untilGone(id int64) {
	s.x.Helper()
	s.x.until("job expires", func() bool {
		_, err := s.Get(s.x.Context(), id)
		return errors.Is(err, engine.ErrGone)
	})
}

// until polls for a condition that comes without an event, as expiry does. Any goroutine may.
func (x *trial) until(what string, holds func() bool) {
	x.Helper()
	ctx, cancel := context.WithTimeout(x.Context(), patience)
	defer cancel()
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for !holds() {
		select {
		case <-poll.C:
		case <-ctx.Done():
			x.Errorf("%s: not within %v", what, patience)
			return
		}
	}
}
