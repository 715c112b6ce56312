//go:build linux

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashd-project/hashd/v2/internal/engine"
	"github.com/hashd-project/hashd/v2/internal/engine/jetstream"
	"github.com/hashd-project/hashd/v2/internal/engine/jetstream/natstest"
	"github.com/hashd-project/hashd/v2/internal/seal"
)

// clusterBench measures the engine on NATS servers of its own.
type clusterBench struct {
	s      *session
	t      *table
	binary string
	dir    string
	ring   *seal.Sealer
	period time.Duration
	rate   int64
	jobs   int64
	n      int // services so far
}

// newJetStream has one client as the baseline of many: what batching what waits gains.
func newJetStream(fs *flag.FlagSet) runner {
	period := fs.Duration("for", 2*time.Second, "how long each number of clients submits")
	rate := fs.Int64("rate", 10_000, "jobs a second, for the lateness")
	jobs := fs.Int64("jobs", 100_000, "pending jobs, for the space they take")
	return func(ctx context.Context, s *session) error {
		dir, err := os.MkdirTemp("", "hashd-bench-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		b := &clusterBench{s: s, dir: dir, period: *period, rate: *rate, jobs: *jobs, t: &table{
			title: "jetstream: hashd and its NATS servers on one machine; the baseline is one client"}}
		if err := b.prepare(ctx); err != nil {
			return err
		}
		for _, cfg := range []natstest.Config{{Nodes: 1, SyncAlways: true}, {Nodes: 3}} {
			if err := b.measure(ctx, cfg); err != nil {
				return err
			}
		}
		b.t.note("all runs share one process and its NATS servers; each has streams of its own")
		b.t.note("a job counts as accepted once a quorum has acknowledged it")
		b.t.note("1 server: fsync before that (sync_interval always); 3 servers: R3, fsync every two minutes, as is the default")
		return s.print(b.t)
	}
}

func (b *clusterBench) prepare(ctx context.Context) error {
	ring, err := seal.Generate()
	if err != nil {
		return err
	}
	if b.ring, err = seal.New(ring); err != nil {
		return err
	}
	if err := needModule(ctx, "jetstream: nats-server"); err != nil {
		return err
	}
	b.binary, err = natstest.Build(ctx, b.dir)
	return err
}

// needModule returns an error unless the Go command can build what the program is made of.
func needModule(ctx context.Context, what string) error {
	const module = "github.com/hashd-project/hashd/v2"
	found, err := exec.CommandContext(ctx, "go", "list", "-m").Output()
	if err != nil || strings.TrimSpace(string(found)) != module {
		return errors.New(what + " is built from the module " + module +
			": this needs Go, and a clone of the repository as the working directory")
	}
	return nil
}

// measure adds the rows of one kind of cluster.
func (b *clusterBench) measure(ctx context.Context, cfg natstest.Config) (err error) {
	cfg.Binary = b.binary
	if cfg.Dir, err = os.MkdirTemp(b.dir, "store-"); err != nil {
		return err
	}
	servers, err := natstest.Start(ctx, cfg)
	if err != nil {
		return err
	}
	defer servers.Stop()
	name := "1 server, fsync always"
	if cfg.Nodes > 1 {
		name = fmt.Sprintf("%d servers", cfg.Nodes)
	}
	if err := b.addSpeed(ctx, servers, name); err != nil {
		return err
	}
	if err := b.addRanges(ctx, servers, name); err != nil {
		return err
	}
	if cfg.Nodes > 1 {
		return b.addLateness(ctx, servers, name)
	}
	return b.addSpace(ctx, servers, name)
}

// longExchange bounds each exchange with a cluster: a slow machine is measured too, and is no fault.
const longExchange = time.Minute

// open makes an engine for a service of its own.
func (b *clusterBench) open(ctx context.Context, servers *natstest.Cluster, delay time.Duration) (*jetstream.Engine, error) {
	b.n++
	const plenty = 1 << 30
	return jetstream.New(ctx, jetstream.Config{
		URLs: servers.URLs(), Prefix: fmt.Sprintf("bench-%d", b.n), Replicas: len(servers.Nodes), Sealer: b.ring,
		Timeout: longExchange, Patience: longExchange,
		Limits: engine.Limits{
			Delay: delay, Retention: time.Hour, MaxPending: plenty, MaxResults: plenty, MaxSecretBytes: mebibyte,
			IdempotencyWindow: time.Minute, MaxIdempotencyKeys: plenty,
		},
	})
}

// addSpeed adds how many jobs are accepted a second, by the number of clients that wait for it.
func (b *clusterBench) addSpeed(ctx context.Context, servers *natstest.Cluster, name string) error {
	goals := map[int]float64{1: 0, 64: 3, 1024: 10}
	rates := make(map[int]samples)
	for range b.s.runs {
		for clients := range goals { // in any order: each has a service of its own
			rate, err := b.speed(ctx, servers, clients)
			if err != nil {
				return err
			}
			rates[clients] = append(rates[clients], rate)
		}
	}
	for _, clients := range []int{1, 64, 1024} {
		r := row{what: fmt.Sprintf("%s: accepted a second, clients: %d", name, clients), unit: unit{better: more}, hashd: rates[clients]}
		if goal := goals[clients]; goal > 0 {
			r.baseline = rates[1]
			r = r.aim(fmt.Sprintf(">= %.0fx", goal), r.factor() >= goal)
		}
		b.t.add(r)
	}
	return nil
}

func (b *clusterBench) speed(ctx context.Context, servers *natstest.Cluster, clients int) (rate float64, err error) {
	e, err := b.open(ctx, servers, notDue)
	if err != nil {
		return 0, err
	}
	defer e.Close() //nolint:contextcheck // it has a bound of its own
	var accepted atomic.Int64
	var g sync.WaitGroup
	var once sync.Once
	start := time.Now()
	for range clients {
		g.Go(func() {
			var s secret
			for time.Since(start) < b.period && ctx.Err() == nil {
				s.set(accepted.Add(1))
				if _, acceptErr := e.Accept(ctx, engine.Job{Secret: s[:]}); acceptErr != nil {
					once.Do(func() { err = acceptErr })
					return
				}
			}
		})
	}
	g.Wait()
	return float64(accepted.Load()) / time.Since(start).Seconds(), err
}

// addLateness adds how late hashes are while jobs come at the rate, and that none is early.
func (b *clusterBench) addLateness(ctx context.Context, servers *natstest.Cluster, name string) error {
	var results []latenessResult
	for range b.s.runs {
		r, err := b.lateness(ctx, servers)
		if err != nil {
			return err
		}
		results = append(results, r)
	}
	line := func(what string, u unit, figure func(latenessResult) float64) row {
		return row{what: name + ": " + what, unit: u, hashd: collect(results, figure)}
	}
	p99 := line("lateness p99", inMillis(), func(r latenessResult) float64 { return millis(r.Lateness.P99) })
	b.t.add(
		line("submitted a second, for the lateness", unit{}, func(r latenessResult) float64 { return r.Rate }),
		line("lateness p50", inMillis(), func(r latenessResult) float64 { return millis(r.Lateness.P50) }),
		p99.aim("<= 500 ms", p99.hashd.median() <= 500),
		line("early", unit{}, func(r latenessResult) float64 { return float64(r.Early) }).none(),
	)
	var seen sightings
	for _, r := range results {
		seen.add(r.sightings)
	}
	return faults(seen, findings{})
}

func (b *clusterBench) lateness(ctx context.Context, servers *natstest.Cluster) (r latenessResult, err error) {
	e, err := b.open(ctx, servers, time.Second)
	if err != nil {
		return r, err
	}
	defer e.Close() //nolint:contextcheck // it has a bound of its own
	watching, cancel := context.WithCancel(ctx)
	defer cancel()
	w := newWatch(watching, e)
	jobs := int64(float64(b.rate) * b.period.Seconds())
	sample := w.sample(jobs)
	start := time.Now()
	err = b.spread(ctx, jobs, func(n int64) error {
		time.Sleep(time.Until(start.Add(time.Duration(n) * time.Second / time.Duration(b.rate))))
		var s secret
		s.set(n)
		receipt, err := e.Accept(ctx, engine.Job{Secret: s[:]})
		if err == nil {
			sample(n, receipt)
		}
		return err
	})
	r.Rate = float64(jobs) / time.Since(start).Seconds()
	if err = errors.Join(err, e.Drain(ctx)); err != nil {
		cancel() // nobody need wait for the jobs left
	}
	r.sightings = w.end()
	r.Lateness = e.Stats().Lateness
	return r, err
}

// spread calls do for each number, on many goroutines, about in order.
func (b *clusterBench) spread(ctx context.Context, jobs int64, do func(n int64) error) error {
	const clients = 512
	var next atomic.Int64
	errs := make([]error, clients)
	var g sync.WaitGroup
	for c := range clients {
		g.Go(func() {
			for n := next.Add(1) - 1; n < jobs && errs[c] == nil && ctx.Err() == nil; n = next.Add(1) - 1 {
				errs[c] = do(n)
			}
		})
	}
	g.Wait()
	return errors.Join(errs...)
}

// addSpace adds what a job takes on the disk while it is pending, and what is left of it.
func (b *clusterBench) addSpace(ctx context.Context, servers *natstest.Cluster, name string) error {
	const delay = 20 * time.Second // more than the submission takes
	e, err := b.open(ctx, servers, delay)
	if err != nil {
		return err
	}
	defer e.Close() //nolint:contextcheck // it has a bound of its own
	before := diskUse(servers.Nodes[0].Store())
	if err := b.spread(ctx, b.jobs, func(n int64) error {
		var s secret
		s.set(n)
		_, err := e.Accept(ctx, engine.Job{Secret: s[:]})
		return err
	}); err != nil {
		return err
	}
	pending := diskUse(servers.Nodes[0].Store())
	if err := e.Drain(ctx); err != nil {
		return err
	}
	each := func(bytes int64) samples { return samples{float64(bytes-before) / float64(b.jobs)} }
	b.t.add(
		row{what: name + ": on the disk a pending job", unit: unit{name: "B"}, hashd: each(pending)},
		row{what: name + ": on the disk a result kept", unit: unit{name: "B"}, hashd: each(diskUse(servers.Nodes[0].Store()))},
	)
	return nil
}

// diskUse returns the bytes of all files in the folder that do not go while it looks.
func diskUse(dir string) (bytes int64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || d.IsDir() {
			return err
		}
		if info, err := d.Info(); err == nil {
			bytes += info.Size()
		}
		return nil
	})
	return bytes
}
