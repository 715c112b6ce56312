//go:build linux

package main

import (
	"context"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// httpBurstResult is a burst's. Times are in seconds, CPU times the server's in nanoseconds a job.
type httpBurstResult struct {
	In, Hashed, Out, Verified float64
	InCPU, OutCPU             float64
	Peak, After               int64 // bytes of memory of the server
	sightings
	findings
}

// resultBytes is what this command keeps of a job: its hash.
const resultBytes = hashText

// newHTTPBurst asks whether hashes come out of a server as fast as secrets go in.
func newHTTPBurst(fs *flag.FlagSet) runner {
	jobs := fs.Int64("jobs", 10_000_000, "secrets to submit, all different; a multiple of -size, or the rest is left out")
	size := fs.Int64("size", engine.MaxBatch, "jobs in a batch, and in a range")
	clients := fs.Int("clients", 4, "connections")
	delay := fs.Duration("delay", 5*time.Second, "from the acceptance of a job to its hash")
	return func(ctx context.Context, s *session) (err error) {
		if err := checkBatches(*jobs, int(min(*size, engine.MaxBatch+1)), *clients); err != nil {
			return err
		}
		if err := needMemory(*jobs * (hashdJobBytes + resultBytes)); err != nil {
			return err
		}
		dir, err := os.MkdirTemp("", "bench-*")
		if err != nil {
			return fmt.Errorf("folder: %w", err)
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
		b := httpBurst{size: *size, batches: max(1, *jobs / *size), clients: *clients, delay: *delay}
		if b.binary, err = buildDaemon(ctx, dir); err != nil {
			return err
		}
		b.hashes = make([]byte, b.jobs()*resultBytes)
		var results []httpBurstResult
		for range s.runs {
			fmt.Fprintf(s.progress, "%s %d jobs\n", s.command, b.jobs())
			r, err := b.run(ctx)
			if err != nil {
				return err
			}
			results = append(results, r)
		}
		return b.print(s, results)
	}
}

// httpBurst is a burst to make.
type httpBurst struct {
	binary        string
	size, batches int64
	clients       int
	delay         time.Duration

	// By number, of the batch and of the job; each element has one goroutine that writes it.
	receipts []batchReceipt
	hashes   []byte
}

func (b *httpBurst) jobs() int64 { return b.size * b.batches }

func (b *httpBurst) print(s *session, results []httpBurstResult) error {
	t := &table{title: fmt.Sprintf("http-burst: %d secrets into a fresh hashd and their hashes out, %d at a time, delay %v, connections: %d",
		b.jobs(), b.size, b.delay, b.clients)}
	line := func(what string, u unit, figure func(httpBurstResult) float64) row {
		return row{what: what, unit: u, hashd: collect(results, figure)}
	}
	seconds, cost := unit{name: "s", digits: 3}, unit{name: "ns"}
	in := line("all in", seconds, func(r httpBurstResult) float64 { return r.In })
	out := line("all out", seconds, func(r httpBurstResult) float64 { return r.Out })
	ratio := line("way out, times as fast as the way in", unit{digits: 2}, func(r httpBurstResult) float64 { return r.In / r.Out })
	cpu := line("server's CPU time a result", cost, func(r httpBurstResult) float64 { return r.OutCPU })
	t.add(
		in.aim("<= 10 s", in.hashd.median() <= 10),
		line("all hashed, from the first request", seconds, func(r httpBurstResult) float64 { return r.Hashed }),
		out.aim("<= 10 s", out.hashd.median() <= 10),
		ratio.aim(">= 1.00", ratio.hashd.median() >= 1),
		line("server's CPU time a job submitted", cost, func(r httpBurstResult) float64 { return r.InCPU }),
		cpu.aim("<= 1000 ns", cpu.hashd.median() <= 1000),
		line("server's memory, peak", unit{name: "MiB"}, func(r httpBurstResult) float64 { return float64(r.Peak) / mebibyte }),
		line("server's memory, all out", unit{name: "MiB"}, func(r httpBurstResult) float64 { return float64(r.After) / mebibyte }),
		line("every hash computed anew and compared", seconds, func(r httpBurstResult) float64 { return r.Verified }),
		line("early", unit{}, func(r httpBurstResult) float64 { return float64(r.Early) }).none(),
		line("lost", unit{}, func(r httpBurstResult) float64 { return float64(r.Lost) }).none(),
		line("wrong", unit{}, func(r httpBurstResult) float64 { return float64(r.Wrong) }).none(),
	)
	var all httpBurstResult
	for _, r := range results {
		all.sightings.add(r.sightings)
		all.findings.add(r.findings)
	}
	t.note("client and server share the machine; out: from when all are hashed until each hash was received and found in its place")
	t.note("hashes are compared after that; %v", all.sightings)
	if err := s.print(t); err != nil {
		return err
	}
	return faults(all.sightings, all.findings)
}

// run makes one burst on a server of its own.
func (b *httpBurst) run(ctx context.Context) (r httpBurstResult, err error) {
	jobs := fmt.Sprint(b.jobs())
	d, err := startDaemon(ctx, b.binary, "--delay", b.delay.String(), "--max-pending", jobs, "--max-results", jobs, "--retention", "1h")
	if err != nil {
		return r, err
	}
	defer d.stop()
	b.receipts = make([]batchReceipt, b.batches)
	clear(b.hashes) // which also has the system give the memory before anything is measured
	if err := r.in(ctx, d, b); err != nil {
		return r, err
	}
	if err := r.out(ctx, d, b); err != nil {
		return r, err
	}
	if r.After, r.Peak, err = d.resident(); err != nil {
		return r, err
	}
	r.verify(b)
	return r, nil
}

// in submits all and waits until they are hashed, under watch.
func (r *httpBurstResult) in(ctx context.Context, d *daemon, b *httpBurst) error {
	watching, cancel := context.WithCancel(ctx)
	defer cancel()
	w := newLookout(watching, d.url)
	start, used, err := begin(d)
	if err != nil {
		return err
	}
	every := max(1, b.batches/watched)
	err = b.share(d, func(c *caller, batches func() (int64, bool)) error {
		body := newPasswords(b.size)
		for n, ok := batches(); ok; n, ok = batches() {
			sent := time.Now()
			receipt, err := c.post(ctx, body.of(n*b.size))
			if err != nil {
				return err
			}
			if receipt.Count != b.size || receipt.Due.Before(sent.Add(b.delay)) {
				return fmt.Errorf("batch %d: a receipt for %d jobs due %v after they were sent", n, receipt.Count, receipt.Due.Sub(sent))
			}
			if b.receipts[n] = receipt; n%every == 0 {
				w.look(receipt)
			}
		}
		return nil
	})
	r.In = time.Since(start).Seconds()
	r.InCPU, err = perJob(d, used, b, err)
	if err != nil {
		cancel()
	}
	r.sightings, err = w.end(err)
	if err == nil {
		err = b.await(ctx, d)
	}
	r.Hashed = time.Since(start).Seconds()
	return err
}

// begin returns the time, and the CPU time that the server has used.
func begin(d *daemon) (time.Time, time.Duration, error) {
	used, err := d.cpuTime()
	return time.Now(), used, err
}

// perJob returns the nanoseconds of CPU time that the server has used since for each job.
func perJob(d *daemon, before time.Duration, b *httpBurst, err error) (float64, error) {
	after, failed := d.cpuTime()
	return float64((after - before).Nanoseconds()) / float64(b.jobs()), errors.Join(err, failed)
}

// await returns once the job with the latest due time is hashed.
func (b *httpBurst) await(ctx context.Context, d *daemon) error {
	c := newCaller(d.url)
	defer c.close()
	last := slices.MaxFunc(b.receipts, func(x, y batchReceipt) int { return x.Due.Compare(y.Due) })
	one := make([]byte, hashText)
	done, err := c.get(ctx, last.First+last.Count-1, one, true)
	if err == nil && done != 1 {
		err = errors.New("the last job is not done")
	}
	return err
}

// out reads all hashes.
func (r *httpBurstResult) out(ctx context.Context, d *daemon, b *httpBurst) error {
	lost := make([]int64, b.batches)
	start, used, err := begin(d)
	if err != nil {
		return err
	}
	err = b.share(d, func(c *caller, batches func() (int64, bool)) error {
		for n, ok := batches(); ok; n, ok = batches() {
			length := b.size * hashText
			done, err := c.get(ctx, b.receipts[n].First, b.hashes[n*length:(n+1)*length], true)
			if err != nil {
				return err
			}
			lost[n] = b.size - int64(done)
		}
		return nil
	})
	r.Out = time.Since(start).Seconds()
	r.OutCPU, err = perJob(d, used, b, err)
	for _, n := range lost {
		r.Lost += n
	}
	return err
}

// share has each client work on batches, which it takes one by one, in their order.
func (b *httpBurst) share(d *daemon, work func(c *caller, batches func() (int64, bool)) error) error {
	var (
		mu   sync.Mutex
		next int64
	)
	take := func() (int64, bool) {
		mu.Lock()
		defer mu.Unlock()
		next++
		return next - 1, next <= b.batches
	}
	errs := make([]error, b.clients)
	var active sync.WaitGroup
	for n := range errs {
		active.Go(func() {
			c := newCaller(d.url)
			defer c.close()
			errs[n] = work(c, take)
		})
	}
	active.Wait()
	return errors.Join(errs...)
}

// verify computes every hash anew. What is lost has been counted and is not wrong as well; a job whose id
// another has is one of two with the same hash, and so one of them is wrong.
func (r *httpBurstResult) verify(b *httpBurst) {
	start := time.Now()
	cores := int64(runtime.GOMAXPROCS(0))
	wrong := make([]int64, cores)
	var active sync.WaitGroup
	for n := range cores {
		active.Go(func() { wrong[n] = wrongHashes(b.hashes, b.jobs()*n/cores, b.jobs()*(n+1)/cores) })
	}
	active.Wait()
	for _, n := range wrong {
		r.Wrong += n
	}
	r.Verified = time.Since(start).Seconds()
}

// wrongHashes counts the jobs from number i up to end whose hash is not theirs.
func wrongHashes(hashes []byte, i, end int64) (wrong int64) {
	var password [passwordText]byte
	var want [hashText]byte
	for ; i < end; i++ {
		got := hashes[i*hashText : (i+1)*hashText]
		if got[0] == 0 {
			continue // lost
		}
		setPassword(password[:], i)
		sum := sha512.Sum512(password[:])
		base64.StdEncoding.Encode(want[:], sum[:])
		if string(got) != string(want[:]) {
			wrong++
		}
	}
	return wrong
}
