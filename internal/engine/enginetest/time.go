package enginetest

import (
	"context"
	"errors"
	"time"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// sleep moves the clock and lets all happen that is to happen by then.
func (x *trial) sleep(d time.Duration) {
	time.Sleep(d)
	x.waitIdle()
}

// sleepUntil is sleep up to an instant that is not past.
func (x *trial) sleepUntil(t time.Time) { x.sleep(time.Until(t)) }

// Pending a nanosecond before, done at the very instant, whatever timer an engine uses.
func doneExactlyWhenDue(x *trial) {
	for _, delay := range []time.Duration{
		0, 1, 999, time.Microsecond, 200 * time.Microsecond, time.Millisecond - 1, time.Millisecond, time.Millisecond + 1,
		2 * time.Millisecond, time.Second, 5 * time.Second, time.Hour - 1, time.Hour, time.Hour + 1, 48 * time.Hour,
	} {
		e := x.engine(engine.Limits{Delay: delay})
		for range 2 {
			job := engine.Job{Secret: secret(8)}
			r := e.acceptJob(job)
			if got := time.Until(r.Due); got != delay {
				x.Fatalf("delay %v: due in %v", delay, got)
			}
			if delay > 0 {
				x.sleep(delay - 1)
				x.wantPending(e.state(r.ID), r, job)
				x.sleep(1)
			}
			x.waitIdle()
			x.wantResult(e.state(r.ID), r.ID, job)
		}
		if l := e.Stats().Lateness; l != (engine.Lateness{}) {
			x.Errorf("delay %v: an idle engine was late: %+v", delay, l)
		}
	}
}

// The second job must not come with the first, nor the first wait for the second.
func eachJobAtItsOwnInstant(x *trial) {
	for _, apart := range []time.Duration{1, time.Microsecond, 500 * time.Microsecond, 3 * time.Millisecond, time.Second} {
		e := x.engine(engine.Limits{Delay: 5 * time.Second})
		job := engine.Job{Secret: secret(8)}
		var receipts []engine.Receipt
		for range 5 {
			receipts = append(receipts, e.acceptJob(job))
			x.sleep(apart)
		}
		for i, r := range receipts {
			x.sleepUntil(r.Due)
			x.wantResult(e.state(r.ID), r.ID, job)
			for _, later := range receipts[i+1:] {
				x.wantPending(e.state(later.ID), later, job)
			}
		}
	}
}

func canceledIsNeverHashed(x *trial) {
	e := x.engine(engine.Limits{Delay: 5 * time.Second})
	var canceled []int64
	for n := range 10 {
		id := e.acceptJob(engine.Job{Secret: secret(1 + n*20)}).ID
		if n%3 != 0 {
			canceled = append(canceled, id)
		}
	}
	x.sleep(5*time.Second - 1)
	for _, id := range canceled {
		e.cancel(id)
	}
	x.sleep(1)
	e.wantCounts(engine.Stats{Accepted: 10, Completed: 4, Canceled: 6, Kept: 4})
	for _, id := range canceled {
		e.gone(id)
	}
	x.sleep(time.Minute)
	e.wantCounts(engine.Stats{Accepted: 10, Completed: 4, Canceled: 6, Kept: 4})
}

// A result is there up to its retention, and gone a second after at the latest.
func keptForTheRetention(x *trial) {
	for _, retention := range []time.Duration{time.Second, 1500 * time.Millisecond, time.Hour} {
		for _, delay := range []time.Duration{0, 5 * time.Second} {
			e := x.engine(engine.Limits{Delay: delay, Retention: retention})
			r := e.accept("secret")
			x.sleep(delay)
			first := e.result(r.ID)
			x.sleep(retention - 1)
			if rec := e.state(r.ID); rec != first {
				x.Errorf("at the end of its retention the result is %+v, and was %+v", rec, first)
			}
			x.sleep(time.Second + 1)
			e.gone(r.ID)
			e.wantCounts(engine.Stats{Accepted: 1, Completed: 1})
		}
	}
}

// The promise holds for each of many jobs that are done at different times.
func retentionOfJobsInARow(x *trial) {
	const retention = 3 * time.Second
	e := x.engine(engine.Limits{Delay: time.Second, Retention: retention})
	due := make(map[int64]time.Time)
	for n := range 60 {
		for range n % 3 {
			r := e.accept("secret")
			due[r.ID] = r.Due
		}
		x.sleep(170 * time.Millisecond)
	}
	for range 60 {
		for id, at := range due {
			_, err := e.Get(x.Context(), id)
			switch age := time.Since(at); {
			case err != nil && age < retention:
				x.Errorf("job %d, done for %v: %v", id, age, err)
			case err == nil && age >= retention+time.Second:
				x.Errorf("job %d, done for %v, is still there", id, age)
			}
		}
		x.sleep(170 * time.Millisecond)
	}
	e.wantCounts(engine.Stats{Accepted: 60, Completed: 60})
}

// All who wait come back at the instant at which the job is done, or their time is over.
func waitsEndWhenDue(x *trial) {
	e := x.engine(engine.Limits{Delay: 5 * time.Second})
	r := e.accept("secret")
	start := time.Now()
	brief, cancel := context.WithTimeout(x.Context(), 2*time.Second)
	defer cancel()
	early, late := e.polls(brief, r.ID, 3), e.polls(x.context(), r.ID, 3)
	for _, a := range early() {
		x.wantErr("wait of two seconds", a.err, nil)
		x.wantPending(a.rec, r, engine.Job{})
	}
	if got := time.Since(start); got != 2*time.Second {
		x.Errorf("a wait of 2s took %v", got)
	}
	for _, a := range late() {
		x.wantErr("wait", a.err, nil)
		x.wantResult(a.rec, r.ID, engine.Job{Secret: []byte("secret")})
	}
	if got := time.Since(start); got != 5*time.Second {
		x.Errorf("a wait for a job of 5s took %v", got)
	}
}

func drainEndsWithTheLastJob(x *trial) {
	e := x.engine(engine.Limits{Delay: 5 * time.Second})
	e.accept("first")
	x.sleep(time.Second)
	last := e.accept("last")
	x.sleep(time.Second)
	brief, cancel := context.WithTimeout(x.Context(), 3500*time.Millisecond) // over when only the first is done
	defer cancel()
	err := e.Drain(brief)
	x.wantErr("brief drain", err, context.DeadlineExceeded)
	if left, ok := errors.AsType[*engine.LeftError](err); !ok || left.Left != 1 {
		x.Errorf("brief drain: %v, want 1 job left", err)
	}
	x.wantErr("drain", e.Drain(x.context()), nil)
	if got := time.Until(last.Due); got != 0 {
		x.Errorf("the drain ended %v before the last job was due", got)
	}
	e.wantCounts(engine.Stats{Accepted: 2, Completed: 2, Kept: 2})
}

// A client that does as it is told finds room.
func retryAfterIsTrue(x *trial) {
	for limit, cfg := range map[string]engine.Limits{
		"max-pending": {Delay: 5 * time.Second, MaxPending: 2},
		"max-results": {Delay: 100 * time.Millisecond, MaxResults: 2, Retention: 30 * time.Second},
	} {
		e := x.engine(cfg)
		e.accept("a")
		e.accept("b")
		x.sleep(200 * time.Millisecond)
		_, err := e.Accept(x.Context(), engine.Job{Secret: secret(8)})
		full := x.wantFullError(err, limit)
		if full.RetryAfter > 31*time.Second {
			x.Errorf("%s: room only in %v", limit, full.RetryAfter)
		}
		x.sleep(full.RetryAfter)
		e.accept("in the room there is now")
	}
}

// An engine that had nothing to do for long is as exact as a new one.
func longIdleTime(x *trial) {
	e := x.engine(engine.Limits{Delay: 3 * time.Second})
	for _, idle := range []time.Duration{0, time.Minute, time.Hour, 1000 * time.Hour, 50_000 * time.Hour} {
		x.sleep(idle)
		r := e.accept("secret")
		x.sleep(3*time.Second - 1)
		x.wantPending(e.state(r.ID), r, engine.Job{})
		x.sleep(1)
		x.wantResult(e.state(r.ID), r.ID, engine.Job{Secret: []byte("secret")})
	}
}
