package main

import (
	"context"
	"flag"
	"fmt"
	"time"
)

// flatWindow is how many jobs are timed at each level: about as many as hashd maps memory for
// at a time, so that no level escapes that cost.
const flatWindow = 30_000

// flatTask times the acceptance of flatWindow jobs on top of each level of pending jobs, in
// several passes, each with a new store.
type flatTask struct {
	Design design
	Levels []int64 // ascending
	Passes int
}

// flatResult has the nanoseconds a job takes: by pass, then by level.
type flatResult [][]float64

// newFlat shows whether a job costs more the more are pending, as it does in a heap.
func newFlat(fs *flag.FlagSet) runner {
	jobs := fs.Int64("jobs", 10_000_000, "the highest level of pending jobs; the others are a tenth, a hundredth, a thousandth")
	passes := fs.Int("passes", 5, "passes of hashd in a run; the baseline, whose timers outlive a pass, makes one")
	return func(ctx context.Context, s *session) error {
		if err := checkJobs(*jobs, baselineJobBytes); err != nil {
			return err
		}
		task := flatTask{Levels: []int64{*jobs / 1000, *jobs / 100, *jobs / 10, *jobs}}
		p, err := inTurn[flatResult](ctx, s, func(d design) any {
			task.Design, task.Passes = d, 1
			if d == hashd {
				task.Passes = max(1, *passes)
			}
			return task
		})
		if err != nil {
			return err
		}
		t := table{title: fmt.Sprintf("flat: time to accept each of the next %d jobs, one submitter", flatWindow)}
		for i, level := range task.Levels {
			t.add(flatRow(p, i, level))
		}
		t.note("the goal is on the medians of the ratios to the first line within each pass")
		return t.print(s.out)
	}
}

// flatRow makes the row of a level. A run's figure is the median of its passes.
func flatRow(p pairs[flatResult], i int, level int64) row {
	r := p.row(fmt.Sprintf("with %d pending", level), unit{name: "ns", digits: 1}, func(passes flatResult) float64 {
		return collect(passes, func(levels []float64) float64 { return levels[i] }).median()
	})
	if i == 0 {
		return r
	}
	var growth samples
	for _, passes := range p.hashd {
		// Levels of one pass are compared, for passes are seconds apart on a noisy machine.
		growth = append(growth, collect(passes, func(levels []float64) float64 { return levels[i] / levels[0] })...)
	}
	x := growth.median()
	return r.aim(fmt.Sprintf("%.2f <= 1.20 of the first", x), x <= 1.20)
}

// flatCase measures one design.
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
	st, err := task.Design.open(notDue, highest+flatWindow*int64(len(task.Levels)))
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
