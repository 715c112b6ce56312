//go:build linux

package main

import (
	"context"
	"flag"
	"fmt"
	"runtime"
	"time"
)

// acceptTask submits jobs to one design.
type acceptTask struct {
	Design     design
	Jobs       int64
	Submitters int
	Hash       bool // wait until all are hashed; else none comes due
}

// acceptResult has the cost of a job, and the memory of the process before the store was made
// and at the end.
type acceptResult struct {
	Jobs                       int64
	Nanoseconds, Allocs, Bytes float64
	CPU                        float64 // nanoseconds of all cores together
	Before, After              int64   // bytes

	Touches touches // of as much memory as the jobs take
}

// newAccept measures what acceptance costs, alone and under contention, and what memory jobs
// hold. Each figure of the store's comes from a process that submitted one burst and nothing else.
func newAccept(fs *flag.FlagSet) runner {
	jobs := fs.Int64("jobs", 10_000_000, "jobs to submit")
	return func(ctx context.Context, s *session) error {
		if err := checkJobs(*jobs, baselineJobBytes); err != nil {
			return err
		}
		t := table{title: fmt.Sprintf("accept: %d jobs with secrets of 12 bytes", *jobs)}
		var pending pairs[acceptResult]
		for _, submitters := range []int{1, 8, 64} {
			p, err := acceptPairs(ctx, s, acceptTask{Jobs: *jobs, Submitters: submitters})
			if err != nil {
				return err
			}
			t.add(costRows(p, submitters)...)
			pending.hashd = append(pending.hashd, p.hashd...)
			pending.baseline = append(pending.baseline, p.baseline...)
		}
		t.add(touchRows(pending)...)
		t.note("%s", fewerNote("to accept", fewer(*jobs)))
		t.note("memory was touched before: on memory that this machine has never used, a job takes longer by up to the difference of the two")
		t.add(memoryRows(pending, "pending")...)
		if err := addKept(ctx, s, &t, *jobs); err != nil {
			return err
		}
		return s.print(&t)
	}
}

// addKept adds the rows on jobs that have been hashed.
func addKept(ctx context.Context, s *session, t *table, jobs int64) error {
	fits, err := hashable(jobs)
	if err != nil {
		return err
	}
	p, err := inTurn[acceptResult](ctx, s, func(d design) any {
		task := acceptTask{Design: d, Jobs: jobs, Submitters: 8, Hash: true}
		if d == baseline {
			task.Jobs = fits
		}
		return task
	})
	if err != nil {
		return err
	}
	t.note("%s", fewerNote("to hash", fits))
	t.add(memoryRows(p, "hashed and kept")...)
	return nil
}

// acceptPairs runs the task with both designs.
func acceptPairs(ctx context.Context, s *session, task acceptTask) (pairs[acceptResult], error) {
	return inTurn[acceptResult](ctx, s, func(d design) any {
		own := task
		if own.Design = d; d == baseline {
			own.Jobs = fewer(task.Jobs)
		}
		return own
	})
}

// touchRows tell what the memory of the jobs costs by itself.
func touchRows(p pairs[acceptResult]) []row {
	line := func(what string, took func(acceptResult) time.Duration) row {
		return row{what: "memory alone, a job's, " + what, unit: unit{name: "ns", digits: 1}, hashd: collect(p.hashd, func(r acceptResult) float64 {
			return float64(took(r).Nanoseconds()) / float64(r.Jobs)
		})}
	}
	return []row{
		line("touched first", func(r acceptResult) time.Duration { return r.Touches.First }),
		line("touched again", func(r acceptResult) time.Duration { return r.Touches.Again }),
	}
}

// costRows has the goals on cost: absolute, and relative to the baseline, for a slow machine
// misses the first without anything being wrong.
func costRows(p pairs[acceptResult], submitters int) []row {
	what := func(figure string) string { return fmt.Sprintf("%s a job, submitters: %d", figure, submitters) }
	cost := p.row(what("time"), unit{name: "ns", digits: 1}, func(r acceptResult) float64 { return r.Nanoseconds })
	allocs := p.row(what("allocations"), unit{digits: 3}, func(r acceptResult) float64 { return r.Allocs })
	busy := p.row(what("CPU time"), unit{name: "ns", digits: 1}, func(r acceptResult) float64 { return r.CPU })
	heap := p.row(what("allocated"), unit{name: "B", digits: 1}, func(r acceptResult) float64 { return r.Bytes })
	return []row{
		cost.aim("<= 80 ns, >= 4x", cost.hashd.median() <= 80 && cost.factor() >= 4),
		busy,
		allocs.aim("0.000", allocs.hashd.median() < 0.0005),
		heap,
	}
}

// memoryRows has the goals on memory. The goal a job includes what the process needs anyway, so
// it is meant for millions of jobs; that on the total is for ten million.
func memoryRows(p pairs[acceptResult], state string) []row {
	each := p.row("memory a job, "+state, unit{name: "B", digits: 1}, func(r acceptResult) float64 {
		return float64(r.After-r.Before) / float64(r.Jobs)
	})
	total := p.row("memory in all, "+state, unit{name: "MiB"}, func(r acceptResult) float64 {
		return float64(r.After) / mebibyte
	})
	total.baseline = nil // not of the same number of jobs
	each = each.aim("<= 72 B", each.hashd.median() <= 72)
	if p.hashd[0].Jobs == 10_000_000 {
		total = total.aim("<= 750 MiB", total.hashd.median() <= 750)
	}
	return []row{each, total}
}

// acceptCase measures one design. The memory before is that of a process which has done
// nothing, and all it grows by is put down to the jobs.
func acceptCase(ctx context.Context, task acceptTask) (acceptResult, error) {
	r := acceptResult{Jobs: task.Jobs}
	var err error
	if r.Touches, err = touch(task.Jobs * slotBytes); err != nil {
		return r, err
	}
	if r.Before, err = resident(); err != nil {
		return r, err
	}
	delay := notDue
	if task.Hash {
		delay = task.Design.delayFor(task.Jobs)
	}
	st, err := task.Design.open(delay, task.Jobs)
	if err != nil {
		return r, err
	}
	defer st.Close()
	if err := r.submit(ctx, st, task); err != nil {
		return r, err
	}
	if task.Hash {
		if err := st.Drain(ctx); err != nil {
			return r, fmt.Errorf("drain: %w", err)
		}
	}
	r.After, err = resident()
	return r, err
}

// submit submits the jobs and notes what they cost.
func (r *acceptResult) submit(ctx context.Context, st store, task acceptTask) error {
	var before, after runtime.MemStats // read outside the time measured: reading stops the world
	runtime.ReadMemStats(&before)
	busy := cpuTime()
	start, err := submit(ctx, st, task.Jobs, task.Submitters, nil)
	elapsed := time.Since(start)
	busy = cpuTime() - busy
	runtime.ReadMemStats(&after)
	n := float64(task.Jobs)
	r.Nanoseconds = float64(elapsed.Nanoseconds()) / n
	r.CPU = float64(busy.Nanoseconds()) / n
	r.Allocs = float64(after.Mallocs-before.Mallocs) / n
	r.Bytes = float64(after.TotalAlloc-before.TotalAlloc) / n
	return err
}
