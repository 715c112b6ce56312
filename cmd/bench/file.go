//go:build linux

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/hashd-project/hashd/v2/internal/engine"
	"github.com/hashd-project/hashd/v2/internal/engine/file"
	"github.com/hashd-project/hashd/v2/internal/engine/memory"
	"github.com/hashd-project/hashd/v2/internal/seal"
)

// fileTask is one measurement of the file engine, or of the memory engine in its turn.
type fileTask struct {
	Measure    string // one of fileMeasures
	Durable    bool   // measure the file engine
	Dir        string // where the case makes a folder of its own
	Jobs       int64
	Submitters int
	Pace       latenessTask `json:",omitzero"`
}

// fileMeasures are what a fresh process can be asked for.
func fileMeasures() map[string]func(context.Context, fileTask) (any, error) {
	return map[string]func(context.Context, fileTask) (any, error){
		"accept":  measure(acceptDurably),
		"http":    measure(postDurably),
		"cycle":   measure(cycle),
		"pace":    measure(paceDurably),
		"idle":    measure(idle),
		"fill":    measure(fill),
		"recover": measure(recoverKilled),
		"space":   measure(space),
	}
}

// measure gives the case a folder that is empty before and gone after. Only a killed case leaves
// it, within the folder that the whole command removes.
func measure[R any](f func(context.Context, fileTask) (R, error)) func(context.Context, fileTask) (any, error) {
	return func(ctx context.Context, task fileTask) (result any, err error) {
		if task.Measure != "fill" { // that one fills the folder of the case that has it killed
			if task.Dir, err = os.MkdirTemp(task.Dir, task.Measure+"-*"); err != nil {
				return nil, fmt.Errorf("data folder: %w", err)
			}
			defer func() { _ = os.RemoveAll(task.Dir) }()
		}
		return f(ctx, task)
	}
}

func fileCase(ctx context.Context, task fileTask) (any, error) {
	f, ok := fileMeasures()[task.Measure]
	if !ok {
		return nil, fmt.Errorf("no measure %q", task.Measure)
	}
	return f(ctx, task)
}

// newFile compares the file engine with the memory engine: what does it cost that nothing is lost?
func newFile(fs *flag.FlagSet) runner {
	jobs := fs.Int64("jobs", 1_000_000, "jobs of the full cycle and of the recovery; the other cases have a part of it")
	rate := fs.Int64("rate", 10_000, "jobs a second while lateness is measured")
	period := fs.Duration("for", 3*time.Second, "how long lateness is measured")
	dir := fs.String("dir", ".", "the folder on whose disk a data folder is made, and removed again")
	return func(ctx context.Context, s *session) (err error) {
		if err := checkJobs(*jobs, 4*hashdJobBytes); err != nil {
			return err
		}
		data, err := os.MkdirTemp(*dir, ".bench-*")
		if err != nil {
			return fmt.Errorf("data folder: %w", err)
		}
		defer func() { err = errors.Join(err, os.RemoveAll(data)) }()
		b := fileBench{s: s, dir: data, jobs: *jobs, pace: latenessTask{
			Rate: *rate, For: *period, Delay: min(time.Second, *period), Submitters: 64,
		}}
		return b.run(ctx)
	}
}

// fileBench is a run of the sub-command.
type fileBench struct {
	s    *session
	dir  string
	jobs int64
	pace latenessTask
	seen sightings
	t    table
}

func (b *fileBench) run(ctx context.Context) error {
	b.t.title = "file: the file engine, fsync before each answer, beside the memory engine"
	b.t.columns = [2]string{"file", "memory"}
	b.t.note("data on %s", filesystem(b.dir))
	for _, add := range []func(context.Context) error{
		b.addAccept, b.addIdle, b.addHTTP, b.addCycle, b.addLateness, b.addRecovery, b.addSpace,
	} {
		if err := add(ctx); err != nil {
			return err
		}
	}
	if err := b.s.print(&b.t); err != nil {
		return err
	}
	return faults(b.seen, findings{})
}

// task returns the case of the file engine.
func (b *fileBench) task(measure string, jobs int64, submitters int) fileTask {
	return fileTask{Measure: measure, Durable: true, Dir: b.dir, Jobs: max(jobs, int64(submitters)), Submitters: submitters}
}

// beside measures the case with both engines.
func beside[R any](ctx context.Context, b *fileBench, task fileTask) (pairs[R], error) {
	volatile := task
	volatile.Durable = false
	return turns[R](ctx, b.s, task, volatile)
}

// openTask makes an empty engine with room for the task's jobs.
func openTask(task fileTask, delay time.Duration) (engine.Engine, error) {
	cfg := limits(delay, task.Jobs+1) // one for whoever asks which id is next
	if _, err := touch(cfg.MaxPending * slotBytes); err != nil {
		return nil, err
	}
	if !task.Durable {
		return memory.New(cfg)
	}
	return openFile(task.Dir, cfg)
}

// openFile opens the store in the folder, or makes one, with a ring beside it.
func openFile(dir string, cfg engine.Limits) (*file.Engine, error) {
	path := filepath.Join(dir, "ring.json")
	if err := seal.CreateFile(path); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	sealer, err := seal.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return file.New(file.Config{Limits: cfg, Dir: dir, Sealer: sealer})
}
