//go:build linux

package main

import (
	"context"
	"crypto/sha512"
	"errors"
	"flag"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// drainTask has jobs hashed that are all overdue.
type drainTask struct {
	Design design
	Jobs   int64
	Raw    time.Duration // how long the raw speed is measured, before and after
}

// drainResult compares the engine with what the cores can do.
type drainResult struct {
	Hashed hashing // from when all were overdue until all were hashed
	Raw    hashing // the cores alone, the mean of before and after
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
		t.note("%s", fewerNote("to hash", fits))
		t.note("the process was stopped until the last job was due, so that no job was hashed while others were accepted")
		return s.print(t)
	}
}

// drainTable has the goal on the share alone: how fast the cores hash is no merit of ours.
func drainTable(p pairs[drainResult], jobs int64) *table {
	t := &table{title: fmt.Sprintf("drain: %d jobs pending, all overdue", jobs)}
	speed := unit{name: "M/s", digits: 2, better: more}
	share := p.row("share of raw", unit{name: "%", digits: 1, better: more}, func(r drainResult) float64 { return 100 * r.Hashed.Speed / r.Raw.Speed })
	busy := p.row("share of raw, by CPU time", share.unit, func(r drainResult) float64 { return 100 * r.Raw.CPU / r.Hashed.CPU })
	t.add(
		p.row("raw sha512.Sum512, all cores", unit{name: "M/s", digits: 2, better: neither}, func(r drainResult) float64 { return r.Raw.Speed / 1e6 }),
		p.row("hashed until drained", speed, func(r drainResult) float64 { return r.Hashed.Speed / 1e6 }),
		share.aim(">= 90 %", share.hashd.median() >= 90),
		busy,
	)
	return t
}

// drainCase measures one design on jobs that are all overdue: how fast they were accepted, and
// in which order they came due, makes no difference.
func drainCase(ctx context.Context, task drainTask) (drainResult, error) {
	before := rawSpeed(task.Raw)
	delay := task.Design.delayFor(task.Jobs)
	for range 4 {
		hashed, err := drainOverdue(ctx, task, delay)
		if errors.Is(err, errHashedBefore) {
			delay *= 3 // the machine is busy
			continue
		}
		after := rawSpeed(task.Raw)
		return drainResult{hashed, hashing{(before.Speed + after.Speed) / 2, (before.CPU + after.CPU) / 2}}, err
	}
	return drainResult{}, errHashedBefore
}

var errHashedBefore = errors.New("the machine is too busy: jobs were due before all were accepted")

// drainOverdue returns how fast jobs are hashed when all are overdue. Each is due a fixed
// delay after its own acceptance, so the process is frozen from before the first is due until after
// the last is.
func drainOverdue(ctx context.Context, task drainTask, delay time.Duration) (h hashing, err error) {
	st, err := task.Design.open(delay, task.Jobs)
	if err != nil {
		return h, err
	}
	defer st.Close()
	start, err := submit(ctx, st, task.Jobs, runtime.GOMAXPROCS(0), nil)
	if err != nil {
		return h, err
	}
	frozen, thawed, err := freeze(ctx, time.Now().Add(delay))
	if err != nil {
		return h, err
	}
	busy := cpuTime()
	if err := st.Drain(ctx); err != nil {
		return h, fmt.Errorf("drain: %w", err)
	}
	if frozen.After(start.Add(delay)) {
		return h, errHashedBefore
	}
	return hashingOf(task.Jobs, time.Since(thawed), cpuTime()-busy), nil
}

// hashing is how fast secrets are hashed.
type hashing struct {
	Speed float64 // hashes a second
	CPU   float64 // nanoseconds a hash, of all cores together
}

func hashingOf(hashes int64, took, busy time.Duration) hashing {
	n := float64(hashes)
	return hashing{Speed: n / took.Seconds(), CPU: float64(busy.Nanoseconds()) / n}
}

// rawSpeed returns how fast all cores hash when they do nothing else.
func rawSpeed(d time.Duration) hashing {
	var hashed atomic.Int64
	var cores sync.WaitGroup
	start, busy := time.Now(), cpuTime()
	for range runtime.GOMAXPROCS(0) {
		cores.Go(func() {
			var s secret
			for more := true; more; more = time.Since(start) < d { // once at least, however late it begins
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
	return hashingOf(hashed.Load(), time.Since(start), cpuTime()-busy)
}
