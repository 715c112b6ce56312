//go:build linux

package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hashd-project/hashd/v2/internal/engine"
	"github.com/hashd-project/hashd/v2/internal/engine/memory"
)

// design names one of the two that are compared.
type design string

const (
	hashd    design = "hashd"
	baseline design = "baseline"
)

// store is the part of engine.Engine that both designs have.
type store interface {
	Accept(context.Context, engine.Job) (engine.Receipt, error)
	Drain(context.Context) error
	Close() error
}

// open makes an empty store with room for that many jobs.
func (d design) open(delay time.Duration, jobs int64) (store, error) {
	if d == hashd {
		return openEngine(delay, jobs)
	}
	if _, err := touch(jobs * baselineJobBytes); err != nil {
		return nil, err
	}
	return newTimers(delay), nil
}

// openEngine makes hashd's engine as the server would, but for limits that let all jobs in and
// a retention that keeps every result until it has been verified. Memory for the jobs has been
// touched.
func openEngine(delay time.Duration, jobs int64) (*memory.Engine, error) {
	if _, err := touch(jobs * slotBytes); err != nil {
		return nil, err
	}
	return memory.New(limits(delay, jobs))
}

// slotBytes is what a job takes in the memory engine.
const slotBytes = 68

func limits(delay time.Duration, jobs int64) engine.Limits {
	return engine.Limits{
		Delay:          delay,
		Retention:      time.Hour,
		MaxPending:     jobs,
		MaxResults:     jobs,
		MaxSecretBytes: mebibyte,
		FirstID:        1, // so that a job's number in the run is its id
	}
}

// notDue is a delay past the end of any run.
const notDue = 3 * time.Hour

// delayFor returns a delay within which that many jobs can be submitted, with much to spare.
func (d design) delayFor(jobs int64) time.Duration {
	perJob := 400 * time.Nanosecond
	if d == baseline {
		perJob = 2500 * time.Nanosecond
	}
	return 200*time.Millisecond + time.Duration(jobs)*perJob
}

// The most memory a job takes, to refuse what cannot fit. In the baseline each job that is due
// has a goroutine and its stack, and a burst is due faster than any machine hashes it.
const (
	hashdJobBytes    = 100
	baselineJobBytes = 512
	baselineDueBytes = 6 << 10
)

// fewer returns how many jobs the baseline gets beside that many of hashd's. It is slow, and fewer
// jobs make it faster.
func fewer(jobs int64) int64 { return max(1, jobs/baselineShare) }

const baselineShare = 5

// hashable returns how many of the jobs the baseline can be let hash. The machine has other
// programs than this one: it gets half of the memory that is free.
func hashable(jobs int64) (int64, error) {
	free, err := available()
	return min(jobs/(2*baselineShare)+1, max(1, free/2/baselineDueBytes)), err
}

// fewerNote is the note on a baseline that had fewer jobs.
func fewerNote(what string, jobs int64) string {
	return fmt.Sprintf("the baseline had %d jobs %s: fewer make it faster", jobs, what)
}

// maxJobs is the most a run takes; the burst's ledger counts in 32 bits.
const maxJobs = 1 << 31

// checkJobs returns an error for a number that makes no sense or does not fit the machine,
// rather than let the system run out of memory.
func checkJobs(jobs, bytesEach int64) error {
	if jobs < 1 || jobs > maxJobs {
		return fmt.Errorf("-jobs %d is not within 1 and %d", jobs, int64(maxJobs))
	}
	return needMemory(jobs * bytesEach)
}

// secret is the 12 bytes that job number i has: distinct, and made anew to verify its hash.
type secret [12]byte

// set makes the secret of job number i: without a number's digits to write, submitters spend
// next to nothing on it.
func (s *secret) set(i int64) { binary.BigEndian.PutUint64(s[4:], uint64(i)) }

// submit has that many goroutines submit the jobs numbered 0 to jobs-1, a share each, and
// returns when they began. For each accepted job it calls noted, unless that is nil.
func submit(ctx context.Context, st store, jobs int64, submitters int, noted func(i int64, r engine.Receipt)) (time.Time, error) {
	var (
		begin  = make(chan struct{})
		errs   = make([]error, submitters)
		active sync.WaitGroup
	)
	for n := range int64(submitters) {
		from, to := jobs*n/int64(submitters), jobs*(n+1)/int64(submitters)
		active.Go(func() {
			<-begin
			errs[n] = submitRange(ctx, st, from, to, noted)
		})
	}
	start := time.Now()
	close(begin)
	active.Wait()
	return start, errors.Join(errs...)
}

// submitRange submits the jobs whose numbers are at least from and below to.
func submitRange(ctx context.Context, st store, from, to int64, noted func(int64, engine.Receipt)) error {
	var s secret
	job := engine.Job{Secret: s[:]}
	for i := from; i < to; i++ {
		s.set(i)
		r, err := st.Accept(ctx, job)
		if err != nil {
			return fmt.Errorf("submit job %d: %w", i, err)
		}
		if noted != nil {
			noted(i, r)
		}
	}
	return nil
}
