//go:build linux

package main

import (
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/hashd-project/hashd/v2/internal/digest"
	"github.com/hashd-project/hashd/v2/internal/engine"
	"github.com/hashd-project/hashd/v2/internal/engine/jetstream"
	"github.com/hashd-project/hashd/v2/internal/engine/jetstream/natstest"
	"github.com/hashd-project/hashd/v2/internal/engine/memory"
	"github.com/hashd-project/hashd/v2/internal/seal"
)

// capacityTask has an engine take jobs, and hash them or not.
type capacityTask struct {
	Engine    string // memory, file or jetstream
	Jobs      int64  // a multiple of capacityBatch
	Secret    int    // bytes of each secret, at least 8
	Algorithm digest.Algorithm
	Hash      bool // until all are hashed; else none comes due
	Keys      bool // one by one, each with an idempotency key
	Requests  int  // if not 0, that many by HTTP, one after the other, in place of the jobs

	Dir    string // of the file engine
	URLs   []string
	Prefix string // of the jetstream engine
}

// capacityResult is what a job took of this process.
type capacityResult struct {
	Memory float64 // bytes
	CPU    float64 // nanoseconds of all cores together

	P50, P99 time.Duration // of requests
}

// capacityBatch is how many jobs are submitted at a time.
const capacityBatch = 1000

// newCapacity measures what operators plan machines with. It counts memory of the process's own, not what the system
// keeps of files, and CPU time, which a busy machine changes less than speeds.
func newCapacity(fs *flag.FlagSet) runner {
	jobs := fs.Int64("jobs", 1_000_000, "jobs of each case; the jetstream engine gets a tenth of them")
	dir := fs.String("dir", ".", "the folder on whose disk a data folder is made, and removed again")
	return func(ctx context.Context, s *session) (err error) {
		if err := checkJobs(*jobs, 2048); err != nil {
			return err
		}
		data, err := os.MkdirTemp(*dir, ".bench-*")
		if err != nil {
			return fmt.Errorf("data folder: %w", err)
		}
		defer func() { err = errors.Join(err, os.RemoveAll(data)) }()
		b := capacityBench{s: s, task: capacityTask{Jobs: max(1, *jobs/capacityBatch) * capacityBatch, Secret: 12, Dir: data}}
		b.t.title = fmt.Sprintf("capacity: what a job takes of the server's process, %d jobs", b.task.Jobs)
		for _, add := range []func(context.Context) error{b.addEngines, b.addAlgorithms, b.addExtras, b.addLatency, b.addCluster} {
			if err := add(ctx); err != nil {
				return err
			}
		}
		b.t.note("in batches of %d, in process; with HTTP: bench http, batch and overload", capacityBatch)
		b.t.note("memory: anonymous memory of the process, grown since its start; the file engine also maps its file, which the system may take back")
		return s.print(&b.t)
	}
}

// capacityBench is a run of the sub-command.
type capacityBench struct {
	s    *session
	t    table
	task capacityTask // what the cases have in common
}

// add measures the case and adds one or both of its figures.
func (b *capacityBench) add(ctx context.Context, task capacityTask, memory, busy string) error {
	results, err := repeat[capacityResult](ctx, b.s, task)
	if err != nil {
		return err
	}
	if memory != "" {
		b.t.add(row{what: memory, unit: unit{name: "B", digits: 1}, hashd: collect(results, func(r capacityResult) float64 { return r.Memory })})
	}
	if busy != "" {
		b.t.add(row{what: busy, unit: unit{name: "ns"}, hashd: collect(results, func(r capacityResult) float64 { return r.CPU })})
	}
	return nil
}

// addEngine adds the rows of an engine.
func (b *capacityBench) addEngine(ctx context.Context, task capacityTask) error {
	if err := b.add(ctx, task, task.Engine+": memory of a pending job", ""); err != nil {
		return err
	}
	task.Hash, task.Prefix = true, task.Prefix+"-hashed"
	return b.add(ctx, task, task.Engine+": memory of a result", task.Engine+": CPU time to accept and hash, sha512")
}

func (b *capacityBench) addEngines(ctx context.Context) error {
	for _, name := range []string{"memory", "file"} {
		task := b.task
		task.Engine = name
		if err := b.addEngine(ctx, task); err != nil {
			return err
		}
	}
	return nil
}

func (b *capacityBench) addAlgorithms(ctx context.Context) error {
	for _, a := range digest.All()[1:] { // the first has been there
		task := b.task
		task.Engine, task.Algorithm, task.Hash = "memory", a, true
		if err := b.add(ctx, task, "", "memory: CPU time to accept and hash, "+a.String()); err != nil {
			return err
		}
	}
	return nil
}

func (b *capacityBench) addExtras(ctx context.Context) error {
	long, keyed := b.task, b.task
	long.Engine, long.Secret = "memory", 1024
	keyed.Engine, keyed.Keys = "memory", true
	return errors.Join(b.add(ctx, long, "memory: memory of a pending job with a secret of 1,024 bytes", ""),
		b.add(ctx, keyed, "memory: memory of a pending job with an idempotency key", ""))
}

// addLatency adds how long one client waits for its receipt.
func (b *capacityBench) addLatency(ctx context.Context) error {
	for _, name := range []string{"memory", "file"} {
		task := b.task
		task.Engine, task.Requests = name, int(max(100, b.task.Jobs/200))
		results, err := repeat[capacityResult](ctx, b.s, task)
		if err != nil {
			return err
		}
		line := func(what string, figure func(capacityResult) time.Duration) row {
			return row{what: name + ": POST /hash over loopback, one client, " + what, unit: inMillis(), hashd: collect(results, func(r capacityResult) float64 { return millis(figure(r)) })}
		}
		b.t.add(line("p50", func(r capacityResult) time.Duration { return r.P50 }), line("p99", func(r capacityResult) time.Duration { return r.P99 }))
	}
	return nil
}

// addCluster adds the rows of an instance on one NATS server, which is not counted.
func (b *capacityBench) addCluster(ctx context.Context) error {
	if err := needModule(ctx, "capacity: nats-server"); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(b.task.Dir, "nats-")
	if err != nil {
		return err
	}
	cfg := natstest.Config{Nodes: 1}
	if cfg.Binary, err = natstest.Build(ctx, dir); err != nil {
		return err
	}
	if cfg.Dir, err = os.MkdirTemp(dir, "store-"); err != nil {
		return err
	}
	servers, err := natstest.Start(ctx, cfg)
	if err != nil {
		return err
	}
	defer servers.Stop()
	task := b.task
	task.Engine, task.URLs, task.Prefix, task.Jobs = "jetstream", servers.URLs(), "bench", max(1, task.Jobs/10/capacityBatch)*capacityBatch
	return b.addEngine(ctx, task)
}

// capacityCase measures one case.
func capacityCase(ctx context.Context, task capacityTask) (r capacityResult, err error) {
	before, err := anonymous()
	if err != nil {
		return r, err
	}
	e, err := task.open(ctx)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	if task.Requests > 0 {
		took, err := latencies(ctx, fullHandler(e), single(), task.Requests)
		if err == nil {
			slices.Sort(took)
			r.P50, r.P99 = took[len(took)/2], took[len(took)*99/100]
		}
		return r, err
	}
	busy := cpuTime()
	if err = task.submit(ctx, e); err != nil {
		return r, err
	}
	if task.Hash {
		if err := e.Drain(ctx); err != nil {
			return r, fmt.Errorf("drain: %w", err)
		}
	}
	r.CPU = float64((cpuTime() - busy).Nanoseconds()) / float64(task.Jobs)
	after, err := anonymous()
	r.Memory = float64(after-before) / float64(task.Jobs)
	return r, err
}

// anonymous returns the bytes of memory this process holds that is no file's, once garbage is given back.
func anonymous() (int64, error) {
	if _, err := resident(); err != nil { // it gives back
		return 0, err
	}
	return procField("/proc/self/status", "RssAnon")
}

func (task *capacityTask) open(ctx context.Context) (engine.Engine, error) {
	delay := notDue
	if task.Hash {
		delay = 0
	}
	cfg := limits(delay, task.Jobs)
	cfg.MaxSecretBytes, cfg.IdempotencyWindow, cfg.MaxIdempotencyKeys = max(mebibyte, 2*task.Jobs*int64(task.Secret)), time.Hour, task.Jobs
	switch task.Engine {
	case "memory":
		return memory.New(cfg)
	case "file":
		dir, err := os.MkdirTemp(task.Dir, "data-")
		if err != nil {
			return nil, err
		}
		return openFile(dir, cfg)
	}
	ring, err := seal.Generate()
	if err != nil {
		return nil, err
	}
	sealer, err := seal.New(ring)
	if err != nil {
		return nil, err
	}
	prefix := fmt.Sprintf("%s-%d", task.Prefix, os.Getpid()) // a service of its own
	return jetstream.New(ctx, jetstream.Config{
		URLs: task.URLs, Prefix: prefix, Replicas: 1, Sealer: sealer, Limits: cfg, Timeout: longExchange, Patience: longExchange,
	})
}

// submit submits the jobs from this goroutine.
func (task *capacityTask) submit(ctx context.Context, e engine.Engine) error {
	b := engine.Batch{Algorithm: task.Algorithm}
	for range capacityBatch {
		b.Secrets = append(b.Secrets, make([]byte, task.Secret))
	}
	for i := range task.Jobs / capacityBatch {
		for n, s := range b.Secrets {
			binary.BigEndian.PutUint64(s, uint64(i*capacityBatch+int64(n)))
		}
		if err := task.accept(ctx, e, b); err != nil {
			return fmt.Errorf("submit batch %d: %w", i, err)
		}
	}
	return nil
}

func (task *capacityTask) accept(ctx context.Context, e engine.Engine, b engine.Batch) error {
	if !task.Keys {
		_, err := e.AcceptBatch(ctx, b)
		return err
	}
	for _, s := range b.Secrets {
		j := engine.Job{Secret: s, Algorithm: b.Algorithm}
		copy(j.IdempotencyKey.ID[:], s[:8])
		j.IdempotencyKey.ID[15] = 1 // the zero value is none
		if _, err := e.Accept(ctx, j); err != nil {
			return err
		}
	}
	return nil
}
