//go:build linux

package main

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"time"
)

// flatWindow is how many jobs are timed at each level: about as many as hashd maps memory for
// at a time, so that no level escapes that cost.
const flatWindow = 30_000

// flatTask times the acceptance of flatWindow jobs on top of each level of pending jobs, in
// several passes, each with a new store.
type flatTask struct {
	Levels []int64 // ascending
	Passes int
}

// flatResult has the nanoseconds a job takes: by pass, then by level.
type flatResult [][]float64

// newFlat shows whether a job costs more the more are pending, as it does in a heap.
func newFlat(fs *flag.FlagSet) runner {
	jobs := fs.Int64("jobs", 10_000_000, "the highest level of pending jobs; the others are a tenth, a hundredth, a thousandth")
	passes := fs.Int("passes", 5, "passes in a run")
	return func(ctx context.Context, s *session) error {
		if err := checkJobs(*jobs, hashdJobBytes); err != nil {
			return err
		}
		task := flatTask{Levels: []int64{*jobs / 1000, *jobs / 100, *jobs / 10, *jobs}, Passes: max(1, *passes)}
		results, err := repeat[flatResult](ctx, s, task)
		if err != nil {
			return err
		}
		t := table{title: fmt.Sprintf("flat: time to accept each of the next %d jobs, one submitter", flatWindow)}
		for i, level := range task.Levels {
			t.add(flatRow(results, i, level))
		}
		t.note("the goal is on the medians of the ratios to the first line within each pass")
		return s.print(&t)
	}
}

// flatRow makes the row of a level, with the figures of all passes.
func flatRow(results []flatResult, i int, level int64) row {
	passes := slices.Concat(results...)
	r := row{
		what: fmt.Sprintf("with %d pending", level), unit: unit{name: "ns", digits: 1},
		hashd: collect(passes, func(levels []float64) float64 { return levels[i] }),
	}
	if i == 0 {
		return r
	}
	// Levels of one pass are compared, for passes are seconds apart on a noisy machine.
	growth := collect(passes, func(levels []float64) float64 { return levels[i] / levels[0] })
	return r.aim(fmt.Sprintf("%s <= 1.20 of the first", unit{digits: 2}.spread(growth)), growth.median() <= 1.20)
}

// flatCase measures the engine.
func flatCase(ctx context.Context, task flatTask) (flatResult, error) {
	var r flatResult
	for range task.Passes {
		levels, err := flatPass(ctx, task)
		if err != nil {
			return nil, err
		}
		r = append(r, levels)
	}
	return r, nil
}

// flatPass fills a new store level by level and times the jobs on top of each.
func flatPass(ctx context.Context, task flatTask) ([]float64, error) {
	highest := task.Levels[len(task.Levels)-1]
	st, err := openEngine(notDue, highest+flatWindow*int64(len(task.Levels)))
	if err != nil {
		return nil, err
	}
	defer st.Close()
	var costs []float64
	pending := int64(0)
	for _, level := range task.Levels {
		// On small levels the window before may have gone past this one already.
		if level > pending {
			if err := submitRange(ctx, st, pending, level, nil); err != nil {
				return nil, err
			}
			pending = level
		}
		start := time.Now()
		if err := submitRange(ctx, st, pending, pending+flatWindow, nil); err != nil {
			return nil, err
		}
		costs = append(costs, float64(time.Since(start).Nanoseconds())/flatWindow)
		pending += flatWindow
	}
	return costs, nil
}
