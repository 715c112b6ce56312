package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hashd-project/hashd/internal/engine"
)

// speed is jobs a second.
type speed struct{ Jobs float64 }

func perSecond(jobs int64, since time.Time) speed {
	return speed{float64(jobs) / time.Since(since).Seconds()}
}

// speedRow makes a row of speeds.
func speedRow(p pairs[speed], what string) row {
	return p.row(what, unit{name: "/s", better: more}, func(r speed) float64 { return r.Jobs })
}

// addAccept has one submitter wait for the disk each time; the others share transactions.
func (b *fileBench) addAccept(ctx context.Context) error {
	for _, c := range []struct {
		jobs       int64
		submitters int
	}{{b.jobs / 200, 1}, {b.jobs / 2, 64}, {b.jobs / 2, 1024}} {
		p, err := beside[speed](ctx, b, b.task("accept", c.jobs, c.submitters))
		if err != nil {
			return err
		}
		r := speedRow(p, fmt.Sprintf("accepted in process, submitters: %d", c.submitters))
		if c.submitters == 64 {
			r = r.aim(">= 75000/s", r.hashd.median() >= 75_000)
		}
		b.t.add(r)
	}
	return nil
}

func acceptDurably(ctx context.Context, task fileTask) (speed, error) {
	e, err := openTask(task, notDue)
	if err != nil {
		return speed{}, err
	}
	defer e.Close()
	start, err := submit(ctx, e, task.Jobs, task.Submitters, nil)
	return perSecond(task.Jobs, start), err
}

// addHTTP has the server with everything on.
func (b *fileBench) addHTTP(ctx context.Context) error {
	const clients = 64
	p, err := beside[speed](ctx, b, b.task("http", b.jobs/10, clients))
	if err != nil {
		return err
	}
	r := speedRow(p, fmt.Sprintf("POST /hash over loopback, %d clients", clients))
	b.t.add(r.aim(">= 0.80x", r.factor() >= 0.8))
	return nil
}

func postDurably(ctx context.Context, task fileTask) (speed, error) {
	e, err := openTask(task, notDue)
	if err != nil {
		return speed{}, err
	}
	defer e.Close()
	took, err := callOverLoopback(ctx, fullHandler(e), single(), int(task.Jobs), task.Submitters)
	return speed{float64(task.Jobs) / took.Seconds()}, err
}

// addCycle covers a job's whole life: accepted, hashed, its result stored.
func (b *fileBench) addCycle(ctx context.Context) error {
	p, err := beside[speed](ctx, b, b.task("cycle", b.jobs, 8))
	if err != nil {
		return err
	}
	b.t.add(speedRow(p, fmt.Sprintf("full cycle of %d jobs in batches", b.jobs)))
	b.t.note("full cycle: batches of %d, due at once, until every result is stored and the engine closed", cycleBatch)
	return nil
}

// cycle returns how fast jobs go through the engine, from the first batch until it is closed, which
// is when a file engine has stored the last result.
func cycle(ctx context.Context, task fileTask) (speed, error) {
	e, err := openTask(task, 0)
	if err != nil {
		return speed{}, err
	}
	start := time.Now()
	err = submitBatches(ctx, e, task.Jobs, task.Submitters)
	if err == nil {
		err = e.Drain(ctx)
	}
	err = errors.Join(err, e.Close())
	return perSecond(task.Jobs, start), err
}

const cycleBatch = 1000

// submitBatches is submit in batches of cycleBatch, the last of each submitter's perhaps smaller.
func submitBatches(ctx context.Context, e engine.Engine, jobs int64, submitters int) error {
	errs := make([]error, submitters)
	var active sync.WaitGroup
	for n := range int64(submitters) {
		from, to := jobs*n/int64(submitters), jobs*(n+1)/int64(submitters)
		active.Go(func() {
			secrets := make([]secret, cycleBatch)
			for ; from < to && errs[n] == nil; from += cycleBatch {
				b := engine.Batch{}
				for i := range min(cycleBatch, to-from) {
					secrets[i].set(from + i)
					b.Secrets = append(b.Secrets, secrets[i][:])
				}
				_, errs[n] = e.AcceptBatch(ctx, b)
			}
		})
	}
	active.Wait()
	return errors.Join(errs...)
}

// addLateness has jobs come due while others are being stored.
func (b *fileBench) addLateness(ctx context.Context) error {
	task := b.task("pace", b.pace.jobs(), b.pace.Submitters)
	task.Pace = b.pace
	p, err := beside[latenessResult](ctx, b, task)
	if err != nil {
		return err
	}
	line := func(what string, u unit, figure func(latenessResult) float64) row {
		return p.row(fmt.Sprintf("%d jobs/s: %s", b.pace.Rate, what), u, figure)
	}
	p99 := line("lateness p99", inMillis(), func(r latenessResult) float64 { return millis(r.Lateness.P99) })
	b.t.add(
		line("submitted a second", unit{better: neither}, func(r latenessResult) float64 { return r.Rate }),
		p99.aim("<= 50 ms", p99.hashd.median() <= 50),
		line("lateness max", inMillis(), func(r latenessResult) float64 { return millis(r.Lateness.Max) }),
		line("early", unit{}, func(r latenessResult) float64 { return float64(r.Early) }).none(),
	)
	for _, r := range append(p.hashd, p.baseline...) {
		b.seen.add(r.sightings)
	}
	b.t.note("%v", b.seen)
	return nil
}

func paceDurably(ctx context.Context, task fileTask) (latenessResult, error) {
	var r latenessResult
	e, err := openTask(task, task.Pace.Delay)
	if err != nil {
		return r, err
	}
	defer e.Close()
	if err := r.pace(ctx, e, task.Pace); err != nil {
		return r, err
	}
	r.Lateness = e.Stats().Lateness
	return r, nil
}
