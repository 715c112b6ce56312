package main

import (
	"context"
	"crypto/sha512"
	"flag"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// drainTask lets a burst come due at once.
type drainTask struct {
	Design design
	Jobs   int64
	Raw    time.Duration // how long the raw speed is measured, before and after
}

// drainResult is in hashes a second.
type drainResult struct {
	Hashed float64 // from the first due time until all were hashed
	Raw    float64 // what the cores can do, the mean of before and after
	InTime bool    // all were accepted, and Raw measured, before the first was due
	Spread float64 // seconds from the first due time to the last, at most
}

// newDrain shows how near the engine comes to a loop that only hashes. The two are measured a
// moment apart in one process, for their ratio is the figure, and a busy machine slows both.
func newDrain(fs *flag.FlagSet) runner {
	jobs := fs.Int64("jobs", 10_000_000, "jobs in the burst")
	raw := fs.Duration("raw", 500*time.Millisecond, "how long the cores' raw speed is measured, before and after")
	return func(ctx context.Context, s *session) error {
		if err := checkJobs(*jobs, baselineJobBytes); err != nil {
			return err
		}
		fits, err := hashable(*jobs)
		if err != nil {
			return err
		}
		p, err := inTurn[drainResult](ctx, s, func(d design) any {
			if d == baseline {
				return drainTask{d, fits, *raw}
			}
			return drainTask{d, *jobs, *raw}
		})
		if err != nil {
			return err
		}
		t := drainTable(p, *jobs)
		if fits < *jobs {
			t.note("%s", fewer(fits))
		}
		return t.print(s.out)
	}
}

// drainTable has the goal on the share alone: how fast the cores hash is no merit of ours.
func drainTable(p pairs[drainResult], jobs int64) *table {
	t := &table{title: fmt.Sprintf("drain: %d jobs pending, all due in a burst", jobs)}
	speed := unit{name: "M/s", digits: 2, better: more}
	share := p.row("share of raw", unit{name: "%", digits: 1, better: more}, func(r drainResult) float64 { return 100 * r.Hashed / r.Raw })
	t.add(
		p.row("raw sha512.Sum512, all cores", unit{name: "M/s", digits: 2, better: neither}, func(r drainResult) float64 { return r.Raw / 1e6 }),
		p.row("hashed from first due to drained", speed, func(r drainResult) float64 { return r.Hashed / 1e6 }),
		share.aim(">= 90 %", share.hashd.median() >= 90),
		p.row("due times lie within", unit{name: "s", digits: 2, better: neither}, func(r drainResult) float64 { return r.Spread }),
	)
	if late := slices.ContainsFunc(slices.Concat(p.hashd, p.baseline), func(r drainResult) bool { return !r.InTime }); late {
		t.note("in a run the machine had not accepted all jobs before the first was due: its share of raw says little")
	}
	return t
}

// drainCase measures one design. The burst cannot come due in one instant, as each job is due a
// fixed delay after its own acceptance: it does within the time that submission took, which is
// shorter than hashing takes unless there are many cores.
func drainCase(ctx context.Context, task drainTask) (drainResult, error) {
	var r drainResult
	delay := task.Design.delayFor(task.Jobs) + 2*task.Raw
	st, err := task.Design.open(delay, task.Jobs)
	if err != nil {
		return r, err
	}
	defer st.Close()
	start, err := submit(ctx, st, task.Jobs, runtime.GOMAXPROCS(0), nil)
	if err != nil {
		return r, err
	}
	r.Spread = time.Since(start).Seconds()
	firstDue := start.Add(delay)

	// The last moments before the first due time are for the raw speed, so that little time
	// lies between the two measurements.
	const margin = 50 * time.Millisecond
	before := 0.0
	if r.InTime = time.Until(firstDue) > task.Raw+margin; r.InTime {
		time.Sleep(time.Until(firstDue) - task.Raw - margin)
		before = rawSpeed(task.Raw)
	}
	if err := st.Drain(ctx); err != nil {
		return r, fmt.Errorf("drain: %w", err)
	}
	r.Hashed = float64(task.Jobs) / time.Since(firstDue).Seconds()
	if r.Raw = rawSpeed(task.Raw); r.InTime {
		r.Raw = (r.Raw + before) / 2
	}
	return r, nil
}

// rawSpeed returns how many secrets a second all cores hash when they do nothing else.
func rawSpeed(d time.Duration) float64 {
	var hashed atomic.Int64
	var cores sync.WaitGroup
	start := time.Now()
	for range runtime.GOMAXPROCS(0) {
		cores.Go(func() {
			var s secret
			for time.Since(start) < d {
				const chunk = 1000 // so that reading the clock costs nothing
				for i := range int64(chunk) {
					s.set(i)
					sum := sha512.Sum512(s[:])
					s[0] = sum[0] // the result is used: no compiler may skip it
				}
				hashed.Add(chunk)
			}
		})
	}
	cores.Wait()
	return float64(hashed.Load()) / time.Since(start).Seconds()
}
