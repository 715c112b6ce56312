//go:build linux

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"sync"
	"time"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// latenessTask submits jobs at a steady rate.
type latenessTask struct {
	Rate  int64         // jobs a second
	For   time.Duration // of submission
	Delay time.Duration

	Submitters int // 0 is 1, which an engine that answers at once needs no more than
}

type latenessResult struct {
	Rate     float64 // jobs a second, as reached
	Lateness engine.Lateness
	sightings
}

// newLateness has no baseline: the plain design does not know how late it is, and what told
// it would slow it.
func newLateness(fs *flag.FlagSet) runner {
	rate := fs.Int64("rate", 50_000, "jobs a second")
	period := fs.Duration("for", 5*time.Second, "how long jobs are submitted")
	delay := fs.Duration("delay", time.Second, "from the acceptance of a job to its hash")
	return func(ctx context.Context, s *session) error {
		task := latenessTask{Rate: *rate, For: *period, Delay: *delay}
		if err := checkJobs(task.jobs(), hashdJobBytes); err != nil {
			return fmt.Errorf("-rate times -for: %w", err)
		}
		results, err := repeat[latenessResult](ctx, s, task)
		if err != nil {
			return err
		}
		t, seen := latenessTable(task, results)
		if err := s.print(t); err != nil {
			return err
		}
		return faults(seen, findings{})
	}
}

// jobs returns how many are submitted in all.
func (t latenessTask) jobs() int64 { return int64(float64(t.Rate) * t.For.Seconds()) }

// latenessTable also returns what was seen in all runs together.
func latenessTable(task latenessTask, results []latenessResult) (*table, sightings) {
	t := &table{title: fmt.Sprintf("lateness: %d jobs/s for %v, delay %v", task.Rate, task.For, task.Delay)}
	line := func(what string, u unit, figure func(latenessResult) float64) row {
		return row{what: what, unit: u, hashd: collect(results, figure)}
	}
	p99 := line("p99", inMillis(), func(r latenessResult) float64 { return millis(r.Lateness.P99) })
	t.add(
		line("submitted a second", unit{}, func(r latenessResult) float64 { return r.Rate }),
		line("p50", inMillis(), func(r latenessResult) float64 { return millis(r.Lateness.P50) }),
		line("p90", inMillis(), func(r latenessResult) float64 { return millis(r.Lateness.P90) }),
		p99.aim("<= 1 ms", p99.hashd.median() <= 1),
		line("max", inMillis(), func(r latenessResult) float64 { return millis(r.Lateness.Max) }),
		line("early", unit{}, func(r latenessResult) float64 { return float64(r.Early) }).none(),
	)
	var seen sightings
	for _, r := range results {
		seen.add(r.sightings)
	}
	t.note("a percentile is rounded up by 12.5 %% at most; %v", seen)
	return t, seen
}

// latenessCase measures the engine.
func latenessCase(ctx context.Context, task latenessTask) (latenessResult, error) {
	var r latenessResult
	e, err := openEngine(task.Delay, task.jobs())
	if err != nil {
		return r, err
	}
	defer e.Close()
	if err := r.pace(ctx, e, task); err != nil {
		return r, err
	}
	r.Lateness = e.Stats().Lateness
	return r, nil
}

// pace submits all jobs at the rate and waits until they are hashed, under watch.
func (r *latenessResult) pace(ctx context.Context, e engine.Engine, task latenessTask) error {
	watching, cancel := context.WithCancel(ctx)
	defer cancel()
	w := newWatch(watching, e)
	start := time.Now()
	err := task.submit(ctx, e, w.sample(task.jobs()))
	r.Rate = float64(task.jobs()) / time.Since(start).Seconds()
	if err == nil {
		err = e.Drain(ctx)
	}
	if err != nil {
		cancel() // nobody need wait for the jobs left
	}
	r.sightings = w.end()
	return err
}

// submit has each submitter submit its share at its share of the rate.
func (t latenessTask) submit(ctx context.Context, e engine.Engine, noted func(int64, engine.Receipt)) error {
	errs := make([]error, max(1, t.Submitters))
	var active sync.WaitGroup
	count := int64(len(errs))
	for n := range count {
		from, to := t.jobs()*n/count, t.jobs()*(n+1)/count
		active.Go(func() { errs[n] = submitPaced(ctx, e, from, to, float64(t.Rate)/float64(count), noted) })
	}
	active.Wait()
	return errors.Join(errs...)
}

// submitPaced is submitRange at a rate.
func submitPaced(ctx context.Context, e engine.Engine, from, to int64, rate float64, noted func(int64, engine.Receipt)) error {
	start := time.Now()
	for done := from; done < to; time.Sleep(paceStep) {
		goal := min(to, from+int64(time.Since(start).Seconds()*rate))
		if err := submitRange(ctx, e, done, goal, noted); err != nil {
			return err
		}
		done = goal
	}
	return nil
}

// paceStep is how often jobs are submitted: several at a time, for no timer is as fine as
// the gap between two jobs.
const paceStep = 500 * time.Microsecond
