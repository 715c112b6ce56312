//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/hashd-project/hashd/v2/internal/engine"
	"github.com/hashd-project/hashd/v2/internal/engine/file"
)

// recovery is what a start made of the store of a process that was killed.
type recovery struct {
	Seconds float64 // until ready
	Pending int64
	Skipped int64 // ids between the last that was answered and the next
}

// addRecovery kills a process with all jobs pending.
func (b *fileBench) addRecovery(ctx context.Context) error {
	results, err := repeat[recovery](ctx, b.s, b.task("recover", b.jobs, 64))
	if err != nil {
		return err
	}
	line := func(what string, u unit, figure func(recovery) float64) row {
		return row{what: "after kill -9: " + what, unit: u, hashd: collect(results, figure)}
	}
	ready := line(fmt.Sprintf("ready with %d pending", b.jobs), unit{name: "s", digits: 2}, func(r recovery) float64 { return r.Seconds })
	b.t.add(
		ready.aim("<= 5 s", ready.hashd.median() <= 5),
		line("lost", unit{}, func(r recovery) float64 { return float64(b.jobs - r.Pending) }).none(),
		line("ids skipped", unit{}, func(r recovery) float64 { return float64(r.Skipped) }).none(),
	)
	return nil
}

// recoverKilled has a process of its own fill the store and die, and then starts an engine on it.
func recoverKilled(ctx context.Context, task fileTask) (recovery, error) {
	var r recovery
	filler := task
	filler.Measure = "fill"
	_, err := fresh[any](ctx, &session{command: "file", progress: os.Stderr}, filler)
	if !killed(err) {
		return r, fmt.Errorf("fill the store: want the process killed, not %w", err)
	}
	start := time.Now()
	e, err := openTask(task, notDue)
	if err != nil {
		return r, err
	}
	defer e.Close()
	if err := e.Ready(ctx); err != nil {
		return r, err
	}
	r.Seconds = time.Since(start).Seconds()
	r.Pending = e.Stats().Pending
	next, err := e.Accept(ctx, engine.Job{Secret: []byte("next")})
	r.Skipped = next.ID - task.Jobs - 1
	return r, err
}

// fill accepts the jobs, nine in ten of them in batches, and is killed by the system when all have
// been answered for.
func fill(ctx context.Context, task fileTask) (any, error) {
	e, err := openTask(task, notDue)
	if err != nil {
		return nil, err
	}
	defer e.Close()
	singles := task.Jobs / 10
	batches := make(chan error, 1)
	go func() { batches <- submitBatches(ctx, e, task.Jobs-singles, 2) }()
	_, err = submit(ctx, e, singles, task.Submitters, nil)
	if err := errors.Join(err, <-batches); err != nil {
		return nil, err
	}
	return nil, errors.Join(syscall.Kill(os.Getpid(), syscall.SIGKILL), errors.New("survived a SIGKILL"))
}

// spaceResult is what the store's file takes, in bytes.
type spaceResult struct {
	Jobs                           int64
	Pending, Kept, Expired, Reused fileSize
}

// fileSize is of a store that nobody has open.
type fileSize struct {
	Size int64 // of the file
	Used int64 // of that, not free to be used again
}

// addSpace shows what jobs take on disk, and that it comes back.
func (b *fileBench) addSpace(ctx context.Context) error {
	results, err := repeat[spaceResult](ctx, b.s, b.task("space", b.jobs/10, 64))
	if err != nil {
		return err
	}
	line := func(what string, u unit, figure func(spaceResult) float64) row {
		return row{what: "on disk: " + what, unit: u, hashd: collect(results, figure)}
	}
	bytes, size, percent := unit{name: "B"}, unit{name: "MiB", digits: 1}, unit{name: "%", digits: 1}
	b.t.add(
		line("a pending job", bytes, func(r spaceResult) float64 { return float64(r.Pending.Used) / float64(r.Jobs) }),
		line("a kept result", bytes, func(r spaceResult) float64 { return float64(r.Kept.Used) / float64(r.Jobs) }),
		line("the file, results kept", size, func(r spaceResult) float64 { return float64(r.Kept.Size) / mebibyte }),
		line("the file, results expired", size, func(r spaceResult) float64 { return float64(r.Expired.Size) / mebibyte }),
		line("of that free again", percent, func(r spaceResult) float64 { return r.Expired.free() }),
		line("the file, as many jobs again", size, func(r spaceResult) float64 { return float64(r.Reused.Size) / mebibyte }),
	)
	b.t.note("on disk: %d jobs with secrets of 12 bytes, one by one from 64 submitters; the file does not shrink, what is free in it is used again", results[0].Jobs)
	return nil
}

// free returns the percentage of the file that can be used again.
func (s fileSize) free() float64 { return 100 * float64(s.Size-s.Used) / float64(s.Size) }

// space takes jobs through their lives, and looks at the store after each part.
func space(ctx context.Context, task fileTask) (spaceResult, error) {
	r := spaceResult{Jobs: task.Jobs}
	pending, lives := task, task
	pending.Dir, lives.Dir = filepath.Join(task.Dir, "pending"), filepath.Join(task.Dir, "lives")
	if err := errors.Join(os.Mkdir(pending.Dir, 0o700), os.Mkdir(lives.Dir, 0o700)); err != nil {
		return r, err
	}
	var err error
	step := func(into *fileSize, task fileTask, delay, retention time.Duration, jobs int64) {
		if err == nil {
			*into, err = live(ctx, task, delay, retention, jobs)
		}
	}
	step(&r.Pending, pending, notDue, time.Hour, task.Jobs)
	step(&r.Kept, lives, 0, time.Hour, task.Jobs)
	step(&r.Expired, lives, 0, time.Second, 0)
	step(&r.Reused, lives, 0, time.Hour, task.Jobs)
	return r, err
}

// live has the engine take that many jobs, or none and let the results of before expire, and
// returns what the store's file takes then.
func live(ctx context.Context, task fileTask, delay, retention time.Duration, jobs int64) (fileSize, error) {
	cfg := limits(delay, task.Jobs)
	cfg.Retention = retention
	e, err := openFile(task.Dir, cfg)
	if err != nil {
		return fileSize{}, err
	}
	_, err = submit(ctx, e, jobs, task.Submitters, nil)
	if err == nil && delay < notDue {
		err = e.Drain(ctx)
	}
	for jobs == 0 && err == nil && e.Stats().Kept > 0 {
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
	}
	if err := errors.Join(err, e.Close()); err != nil {
		return fileSize{}, err
	}
	return measureFile(filepath.Join(task.Dir, file.StoreName))
}

// measureFile counts the pages that are neither free nor past the last that was ever used.
func measureFile(path string) (s fileSize, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return s, err
	}
	db, err := bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true, PreLoadFreelist: true})
	if err != nil {
		return s, fmt.Errorf("measure the store: %w", err)
	}
	s.Size = info.Size()
	err = db.View(func(tx *bolt.Tx) error {
		s.Used = tx.Size() - int64(db.Stats().FreePageN)*int64(db.Info().PageSize)
		return nil
	})
	return s, errors.Join(err, db.Close())
}
