//go:build linux

package main

import (
	"context"
	"flag"
	"fmt"
	"strings"
	"time"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// batchTask submits jobs to hashd in batches of a size; of one, they are single jobs. They go to
// the engine, to the handler chain in process, or over loopback.
type batchTask struct {
	Size    int
	Jobs    int64 // a multiple of the size
	By      way
	Clients int // over loopback
}

// way is how far a submission travels.
type way string

const (
	byCall     way = "call"
	byHandler  way = "handler"
	byLoopback way = "loopback"
)

type batchResult struct{ Nanoseconds float64 } // a job

// newBatch measures what a batch spares: both columns are hashd, the one in batches, the other
// one by one.
func newBatch(fs *flag.FlagSet) runner {
	jobs := fs.Int64("jobs", 3_000_000, "jobs to submit; by HTTP and one by one a thirtieth of them")
	size := fs.Int("size", 1_000, "jobs in a batch")
	clients := fs.Int("clients", 32, "connections over loopback")
	return func(ctx context.Context, s *session) error {
		if err := checkBatches(*jobs, *size, *clients); err != nil {
			return err
		}
		t := table{title: fmt.Sprintf("batch: %d jobs in batches of %d, beside jobs one by one", *jobs, *size)}
		cost := func(r batchResult) float64 { return r.Nanoseconds }
		for _, m := range []struct {
			what   string
			by     way
			single int64 // jobs one by one
			unit   unit
			figure func(batchResult) float64
		}{
			{"time a job, engine", byCall, *jobs, unit{name: "ns", digits: 1}, cost},
			{"time a job, handler chain in process", byHandler, *jobs / 30, unit{name: "ns"}, cost},
			{fmt.Sprintf("jobs over loopback, %d clients", *clients), byLoopback, *jobs / 30, unit{name: "/s", better: more},
				func(r batchResult) float64 { return 1e9 / r.Nanoseconds }},
		} {
			p, err := inTurn[batchResult](ctx, s, func(d design) any {
				if d == baseline {
					return batchTask{Size: 1, Jobs: max(1, m.single), By: m.by, Clients: *clients}
				}
				return batchTask{Size: *size, Jobs: max(1, *jobs/int64(*size)) * int64(*size), By: m.by, Clients: *clients}
			})
			if err != nil {
				return err
			}
			t.add(p.row(m.what, m.unit, m.figure))
		}
		t.note("hashd: in batches; baseline: hashd too, one by one")
		return s.print(&t)
	}
}

func checkBatches(jobs int64, size, clients int) error {
	if size < 1 || size > engine.MaxBatch {
		return fmt.Errorf("-size %d is not within 1 and %d", size, engine.MaxBatch)
	}
	if clients < 1 {
		return fmt.Errorf("-clients %d is not positive", clients)
	}
	return checkJobs(jobs, hashdJobBytes)
}

// batchCase measures one way in one size.
func batchCase(ctx context.Context, task batchTask) (r batchResult, err error) {
	requests := int(task.Jobs) / task.Size
	var took time.Duration
	if task.By == byCall {
		took, err = callEngine(ctx, task.Size, requests)
	} else {
		took, err = postBatches(ctx, task, requests)
	}
	r.Nanoseconds = float64(took.Nanoseconds()) / float64(task.Jobs)
	return r, err
}

// callEngine submits the batches from this goroutine.
func callEngine(ctx context.Context, size, batches int) (time.Duration, error) {
	e, err := openEngine(notDue, int64(size)*int64(batches))
	if err != nil {
		return 0, err
	}
	defer e.Close()
	if size == 1 {
		start := time.Now()
		err := submitRange(ctx, e, 0, int64(batches), nil)
		return time.Since(start), err
	}
	secrets := make([]secret, size)
	b := engine.Batch{Secrets: make([][]byte, size)}
	for n := range secrets {
		b.Secrets[n] = secrets[n][:]
	}
	start := time.Now()
	for i := range int64(batches) {
		for n := range secrets {
			secrets[n].set(i*int64(size) + int64(n))
		}
		if _, err := e.AcceptBatch(ctx, b); err != nil {
			return 0, fmt.Errorf("submit batch %d: %w", i, err)
		}
	}
	return time.Since(start), nil
}

// postBatches submits the batches by HTTP.
func postBatches(ctx context.Context, task batchTask, requests int) (time.Duration, error) {
	handler, stop, err := hashd.handler(task.Jobs)
	if err != nil {
		return 0, err
	}
	defer stop()
	what := single()
	if task.Size > 1 {
		what = submission{"/hash/batch", `{"passwords":["angryMonkey"` + strings.Repeat(`,"angryMonkey"`, task.Size-1) + `]}`}
	}
	if task.By == byHandler {
		return callHandler(ctx, handler, what, requests)
	}
	return callOverLoopback(ctx, handler, what, requests, task.Clients)
}
