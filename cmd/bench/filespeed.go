//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// duel has the speeds of both engines, and of the bare disk, in rounds that took turns within one
// process: a disk that others use changes its speed from second to second.
type duel struct {
	File, Memory samples // jobs a second
	Bare         samples // transactions a second; see timeWrites
}

// duelRounds is how often they take turns.
const duelRounds = 10

// fight has both engines take a share of the jobs in each round, in the way that run does.
func fight(ctx context.Context, task fileTask, run func(e engine.Engine, jobs int64) (time.Duration, error)) (d duel, err error) {
	volatile := task
	volatile.Durable = false
	var engines [2]engine.Engine
	for n, t := range []fileTask{task, volatile} {
		if engines[n], err = openTask(t, notDue); err != nil {
			return d, err
		}
		defer engines[n].Close()
	}
	share := max(int64(task.Submitters), task.Jobs/duelRounds)
	for range min(duelRounds, task.Jobs/share) {
		for n, speeds := range []*samples{&d.File, &d.Memory} {
			took, err := run(engines[n], share)
			if err != nil {
				return d, err
			}
			*speeds = append(*speeds, float64(share)/took.Seconds())
		}
		micros, err := timeWrites(task.Dir, bareWrites, bareBytes)
		if err != nil {
			return d, err
		}
		d.Bare = append(d.Bare, 1e6/micros)
	}
	return d, context.Cause(ctx)
}

// What a round of the bare disk writes: about what a transaction of 64 jobs does.
const (
	bareWrites = 50
	bareBytes  = 16 << 10
)

// duelRows are of the rounds of all runs: the engines' speeds, and the file engine's beside the most
// that transactions with one job of each submitter could reach on the bare disk.
func duelRows(duels []duel, what string, submitters int) (speeds, share row) {
	what = fmt.Sprintf("%s: %d", what, submitters)
	speeds = row{what: what, unit: unit{name: "/s", better: more}}
	share = row{what: what + ", of what the disk allows", unit: unit{name: "%", digits: 1}}
	for _, d := range duels {
		speeds.hashd = append(speeds.hashd, d.File...)
		speeds.baseline = append(speeds.baseline, d.Memory...)
		for n, bare := range d.Bare {
			share.hashd = append(share.hashd, 100*d.File[n]/bare/float64(submitters))
		}
	}
	return speeds, share
}

// addAccept has one submitter wait for the disk each time; the others share transactions.
func (b *fileBench) addAccept(ctx context.Context) error {
	for _, c := range []struct {
		jobs       int64
		submitters int
	}{{b.jobs / 200, 1}, {b.jobs / 5, 64}, {b.jobs / 5, 1024}} {
		duels, err := repeat[duel](ctx, b.s, b.task("accept", c.jobs, c.submitters))
		if err != nil {
			return err
		}
		speeds, share := duelRows(duels, "accepted in process, submitters", c.submitters)
		if c.submitters != 64 {
			b.t.add(speeds)
			continue
		}
		b.t.add(speeds.aim(">= 75000/s", speeds.hashd.median() >= 75_000), share)
	}
	b.t.note("the disk allows one job of each submitter in each bare transaction: %d KiB written over old ones, all but a page and fdatasync, the page and fdatasync", bareBytes>>10)
	return nil
}

func acceptDurably(ctx context.Context, task fileTask) (duel, error) {
	return fight(ctx, task, func(e engine.Engine, jobs int64) (time.Duration, error) {
		start, err := submit(ctx, e, jobs, task.Submitters, nil)
		return time.Since(start), err
	})
}

// addHTTP has the server with everything on.
func (b *fileBench) addHTTP(ctx context.Context) error {
	const clients = 64
	duels, err := repeat[duel](ctx, b.s, b.task("http", b.jobs/20, clients))
	if err != nil {
		return err
	}
	speeds, share := duelRows(duels, "POST /hash over loopback, clients", clients)
	b.t.add(speeds.aim(">= 0.80x", speeds.factor() >= 0.8), share)
	return nil
}

func postDurably(ctx context.Context, task fileTask) (duel, error) {
	return fight(ctx, task, func(e engine.Engine, jobs int64) (time.Duration, error) {
		return callOverLoopback(ctx, fullHandler(e), single(), int(jobs), task.Submitters)
	})
}

// addCycle covers a job's whole life: accepted, hashed, its result stored.
func (b *fileBench) addCycle(ctx context.Context) error {
	p, err := beside[speed](ctx, b, b.task("cycle", b.jobs, 8))
	if err != nil {
		return err
	}
	b.t.add(p.row(fmt.Sprintf("full cycle of %d jobs in batches", b.jobs), unit{name: "/s", better: more},
		func(r speed) float64 { return r.Jobs }))
	b.t.note("full cycle: batches of %d, due at once, until every result is stored and the engine closed", cycleBatch)
	return nil
}

// speed is jobs a second.
type speed struct{ Jobs float64 }

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
	return speed{float64(task.Jobs) / time.Since(start).Seconds()}, err
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
