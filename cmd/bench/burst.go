//go:build linux

package main

import (
	"context"
	"flag"
	"fmt"
	"time"

	"github.com/hashd-project/hashd/v2/internal/engine"
	"github.com/hashd-project/hashd/v2/internal/engine/memory"
)

// burstTask submits jobs as fast as it can, and verifies all that comes of them.
type burstTask struct {
	Jobs       int64
	Submitters int
	Delay      time.Duration
}

type burstResult struct {
	Accepted float64 // seconds until all were accepted
	Hashed   float64 // seconds until all were hashed, from the first job submitted
	Peak     int64   // bytes of memory of the whole process, before it verifies
	Lateness engine.Lateness
	sightings
	findings
}

// smallBurst comes before the large one.
const smallBurst = 10_000

// newBurst is the question whether the server takes ten thousand jobs, or ten million, before the
// first of them is done; with the answer comes the proof that every one was hashed right.
func newBurst(fs *flag.FlagSet) runner {
	jobs := fs.Int64("jobs", 10_000_000, fmt.Sprintf("jobs in the large burst; the small one has %d or fewer", smallBurst))
	delay := fs.Duration("delay", 5*time.Second, "from the acceptance of a job to its hash")
	submitters := fs.Int("submitters", 8, "goroutines that submit")
	return func(ctx context.Context, s *session) error {
		if err := checkJobs(*jobs, hashdJobBytes+ledgerJobBytes); err != nil {
			return err
		}
		t := &table{title: fmt.Sprintf("burst: all at once, delay %v, submitters: %d", *delay, *submitters)}
		var all burstResult
		for _, n := range []int64{min(smallBurst, *jobs), *jobs} {
			task := burstTask{Jobs: n, Submitters: max(1, *submitters), Delay: *delay}
			results, err := repeat[burstResult](ctx, s, task)
			if err != nil {
				return err
			}
			addBurst(t, task, results)
			for _, r := range results {
				all.sightings.add(r.sightings)
				all.findings.add(r.findings)
			}
		}
		t.note("every hash was computed anew; %v", all.sightings)
		t.note("peak memory has %d B a job of this command's own, to know which id is whose", ledgerJobBytes)
		if err := s.print(t); err != nil {
			return err
		}
		return faults(all.sightings, all.findings)
	}
}

// addBurst adds the rows of one size of burst.
func addBurst(t *table, task burstTask, results []burstResult) {
	line := func(what string, u unit, figure func(burstResult) float64) row {
		return row{what: fmt.Sprintf("%d jobs: %s", task.Jobs, what), unit: u, hashd: collect(results, figure)}
	}
	seconds := unit{name: "s", digits: 3}
	took := line("all accepted after", seconds, func(r burstResult) float64 { return r.Accepted })
	inTime := took.hashd.median() <= task.Delay.Seconds()
	if !inTime {
		t.note("this machine did not accept %d jobs within %v: the first were hashed meanwhile", task.Jobs, task.Delay)
	}
	t.add(
		took.aim(fmt.Sprintf("<= %v", task.Delay), inTime),
		line("accepted a second", unit{name: "M/s", digits: 2}, func(r burstResult) float64 { return float64(task.Jobs) / r.Accepted / 1e6 }),
		line("all hashed after", seconds, func(r burstResult) float64 { return r.Hashed }),
		line("peak memory", unit{name: "MiB"}, func(r burstResult) float64 { return float64(r.Peak) / mebibyte }),
		line("lateness p50", inMillis(), func(r burstResult) float64 { return millis(r.Lateness.P50) }),
		line("lateness p99", inMillis(), func(r burstResult) float64 { return millis(r.Lateness.P99) }),
		line("lateness max", inMillis(), func(r burstResult) float64 { return millis(r.Lateness.Max) }),
		line("early", unit{}, func(r burstResult) float64 { return float64(r.Early) }).none(),
		line("lost", unit{}, func(r burstResult) float64 { return float64(r.Lost) }).none(),
		line("wrong", unit{}, func(r burstResult) float64 { return float64(r.Wrong) }).none(),
	)
}

// burstCase measures the engine.
func burstCase(ctx context.Context, task burstTask) (burstResult, error) {
	e, err := memory.New(limits(task.Delay, task.Jobs)) // memory is what the system gives, as for a server that starts
	if err != nil {
		return burstResult{}, err
	}
	defer e.Close()
	return burst(ctx, e, task)
}

// burst runs one burst on an engine that has had no job yet, and verifies it.
func burst(ctx context.Context, e engine.Engine, task burstTask) (burstResult, error) {
	var r burstResult
	l := newLedger(task.Jobs)
	if err := r.flood(ctx, e, task, l); err != nil {
		return r, err
	}
	r.Lateness = e.Stats().Lateness
	// The peak is read before verifying, which is no part of what is measured.
	var err error
	if r.Peak, err = peakResident(); err != nil {
		return r, err
	}
	r.findings = l.verify(ctx, e)
	return r, nil
}

// flood submits all jobs and waits until they are hashed, under watch.
func (r *burstResult) flood(ctx context.Context, e engine.Engine, task burstTask, l *ledger) error {
	watching, cancel := context.WithCancel(ctx)
	defer cancel()
	w := newWatch(watching, e)
	watch := w.sample(task.Jobs)
	start, err := submit(ctx, e, task.Jobs, task.Submitters, func(i int64, receipt engine.Receipt) {
		l.note(i, receipt.ID)
		watch(i, receipt)
	})
	r.Accepted = time.Since(start).Seconds()
	if err == nil {
		err = e.Drain(ctx)
	}
	r.Hashed = time.Since(start).Seconds()
	if err != nil {
		cancel() // nobody need wait for the jobs left
	}
	r.sightings = w.end()
	return err
}
