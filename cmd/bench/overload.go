//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// overloadTask loads a fresh hashd, which has one core, from the others.
type overloadTask struct {
	Binary   string
	Flags    []string // more of hashd's
	Rate     float64  // arrivals a second; 0 for as many as are answered: each client waits for its answer
	Clients  int
	Patience time.Duration
	Warm     time.Duration // of the same load before it is measured
	For      time.Duration
	Delay    time.Duration
	Asks     string // if it is set the task is to ask this server for its health, and nothing else
}

// overloadResult is what the clients and the server say. Latencies are in milliseconds.
type overloadResult struct {
	openLoopResult
	Seconds             float64
	CPU                 float64 // seconds that the server used while it was measured, all answers included
	Peak                float64 // MiB
	Grown               float64 // MiB, in the second half
	Health, HealthWorst float64 // p99 and the longest
	LateP99, LateMax    float64
	Nobody              float64 // share of the jobs accepted whose receipt no client got
}

func (r overloadResult) goodput() float64 { return float64(r.Good) / r.Seconds }

// overloadPattern is what the clients are like.
type overloadPattern struct {
	name     string
	patience time.Duration
	clients  int
}

// newOverload asks what is left of a server when far more is asked of it than it can do.
func newOverload(fs *flag.FlagSet) runner {
	period := fs.Duration("for", 2*time.Second, "how long each load is measured")
	warm := fs.Duration("warm", 2*time.Second, "how long each load rises before that")
	delay := fs.Duration("delay", time.Second, "from the acceptance of a job to its hash")
	keep := fs.Int("keep", 1000, "connections of the clients that keep them")
	leave := fs.Int("leave", 8000, "connections of the clients that give up after 1 s and come again")
	times := fs.String("times", "0.5,1,2,5,10", "the loads, by what was found to be served")
	flags := fs.String("flags", "", "more flags of hashd, separated by spaces")
	return func(ctx context.Context, s *session) (err error) {
		factors, err := parseFactors(*times)
		if err != nil {
			return err
		}
		dir, err := os.MkdirTemp("", "bench-*")
		if err != nil {
			return fmt.Errorf("folder: %w", err)
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
		binary, err := buildDaemon(ctx, dir)
		if err != nil {
			return err
		}
		o := overload{factors: factors, task: overloadTask{Binary: binary, Warm: *warm, For: *period, Delay: *delay, Flags: strings.Fields(*flags)},
			patterns: []overloadPattern{{"kept", 0, *keep}, {"give up", time.Second, *leave}}}
		for range s.runs {
			if err := o.run(ctx, s); err != nil {
				return err
			}
		}
		return s.print(o.table())
	}
}

func parseFactors(list string) (factors []float64, err error) {
	for text := range strings.SplitSeq(list, ",") {
		f, err := strconv.ParseFloat(text, 64)
		if err != nil || !(f > 0) {
			return nil, fmt.Errorf("-times: %q is no positive number", text)
		}
		factors = append(factors, f)
	}
	return factors, nil
}

// overload holds the results of the runs.
type overload struct {
	task     overloadTask
	factors  []float64
	patterns []overloadPattern
	capacity []overloadResult
	refusing []overloadResult
	loaded   [][][]overloadResult // by pattern, factor and run
}

// run measures the capacity, the cost of a refusal, and then each pattern at each rate.
func (o *overload) run(ctx context.Context, s *session) error {
	const closed = 64 // clients find the capacity
	task := o.task
	task.Clients = closed
	capacity, err := overloadOnce(ctx, s, task)
	if err != nil {
		return err
	}
	task.Flags = append(slices.Clone(task.Flags), "--max-pending", "1", "--delay", "1h", "--drain-timeout", "2h")
	refusing, err := overloadOnce(ctx, s, task)
	if err != nil {
		return err
	}
	o.capacity, o.refusing = append(o.capacity, capacity), append(o.refusing, refusing)
	if o.loaded == nil {
		o.loaded = make([][][]overloadResult, len(o.patterns))
	}
	for p, pattern := range o.patterns {
		if o.loaded[p] == nil {
			o.loaded[p] = make([][]overloadResult, len(o.factors))
		}
		for f, factor := range o.factors {
			task := o.task
			task.Clients, task.Patience, task.Rate = pattern.clients, pattern.patience, factor*capacity.goodput()
			r, err := overloadOnce(ctx, s, task)
			if err != nil {
				return err
			}
			o.loaded[p][f] = append(o.loaded[p][f], r)
		}
	}
	return nil
}

// overloadOnce measures one load from a process that leaves the server's core alone.
func overloadOnce(ctx context.Context, s *session, task overloadTask) (r overloadResult, err error) {
	var others []int
	for n := 1; n < runtime.NumCPU(); n++ {
		others = append(others, n)
	}
	err = pinned(others, func() error {
		r, err = fresh[overloadResult](ctx, s, task)
		return err
	})
	return r, err
}

// table shows what the runs found.
func (o *overload) table() *table {
	t := &table{title: fmt.Sprintf("overload: POST /hash at multiples of what one core serves, measured for %v each", o.task.For)}
	micros := unit{name: "µs", digits: 1}
	served := row{what: "served, 64 clients that wait", unit: unit{name: "jobs/s"}, hashd: collect(o.capacity, overloadResult.goodput)}
	accept := row{what: "server's CPU time to accept", unit: micros, hashd: collect(o.capacity, func(r overloadResult) float64 { return r.CPU * 1e6 / float64(r.Good) })}
	refuse := row{what: "server's CPU time to refuse, max-pending reached", unit: micros,
		hashd: collect(o.refusing, func(r overloadResult) float64 { return r.CPU * 1e6 / float64(r.Refused+r.Good) })}
	share := refuse.hashd.over(accept.hashd)
	t.add(served, accept, refuse.aim(fmt.Sprintf("%s <= 0.50 of that", unit{digits: 2}.spread(share)), share.median() <= 0.5))
	for p, pattern := range o.patterns {
		o.patternRows(t, pattern, o.loaded[p])
	}
	t.note("hashd has one core, the clients have the others; open loop: arrivals do not wait for answers, and one that finds all connections taken stays away")
	t.note("kept: at most %d connections, whose clients wait; give up: at most %d, and who has no answer after %v closes its connection and comes again, up to %d times",
		o.patterns[0].clients, o.patterns[1].clients, o.patterns[1].patience, comings)
	t.note("latency is from the arrival, connecting included; health: GET /healthz on a new connection every 25 ms; for nobody: jobs whose receipt no client got")
	return t
}

// patternRows adds the rows of one pattern.
func (o *overload) patternRows(t *table, pattern overloadPattern, loaded [][]overloadResult) {
	peak := make(samples, len(o.capacity))
	for _, runs := range loaded {
		for n, r := range runs {
			peak[n] = max(peak[n], r.goodput())
		}
	}
	name := func(factor float64, what string) string {
		return fmt.Sprintf("%s, %gx: %s", pattern.name, factor, what)
	}
	ms, digits, mib := unit{name: "ms", digits: 1}, unit{digits: 2}, unit{name: "MiB"}
	last := len(loaded) - 1
	for f, factor := range o.factors {
		r := row{what: name(factor, "goodput, of the peak"), unit: unit{digits: 2, better: more}, hashd: collect(loaded[f], overloadResult.goodput).over(peak)}
		if f == last {
			r = r.aim(">= 0.90", r.hashd.median() >= 0.9)
		}
		t.add(r)
	}
	p99 := func(r overloadResult) float64 { return r.P99 }
	for f, factor := range o.factors {
		r := row{what: name(factor, "p99 of the accepted"), unit: ms, hashd: collect(loaded[f], p99)}
		if f == last {
			times := r.hashd.over(collect(loaded[0], p99))
			r = r.aim(fmt.Sprintf("%s <= 5 times that at %gx", digits.spread(times), o.factors[0]), times.median() <= 5)
		}
		t.add(r)
	}
	most, worst := o.factors[last], loaded[last]
	line := func(what string, u unit, figure func(overloadResult) float64) row {
		return row{what: name(most, what), unit: u, hashd: collect(worst, figure)}
	}
	health := line("health, the longest", ms, func(r overloadResult) float64 { return r.HealthWorst })
	nobody := line("accepted for nobody", unit{name: "%", digits: 2}, func(r overloadResult) float64 { return 100 * r.Nobody })
	t.add(
		line("refused, for each accepted", digits, func(r overloadResult) float64 { return float64(r.Refused) / float64(r.Good) }),
		line("gave up, for each accepted", digits, func(r overloadResult) float64 { return float64(r.GivenUp) / float64(r.Good) }),
		line("connections failed, for each accepted", digits, func(r overloadResult) float64 { return float64(r.Failed) / float64(r.Good) }),
		nobody.aim("<= 1 %", nobody.hashd.median() <= 1),
		health.aim("<= 100 ms", health.hashd.median() <= 100),
		line("lateness, p99", ms, func(r overloadResult) float64 { return r.LateP99 }),
		line("lateness, the most", ms, func(r overloadResult) float64 { return r.LateMax }),
		line("server's memory, peak", mib, func(r overloadResult) float64 { return r.Peak }),
		line("server's memory, grown in the second half", mib, func(r overloadResult) float64 { return r.Grown }),
	)
}

// overloadCase measures one load.
func overloadCase(ctx context.Context, task overloadTask) (r overloadResult, err error) {
	if task.Asks != "" {
		r.Health, r.HealthWorst, err = askHealth(ctx, task.Asks, task.For)
		return r, err
	}
	flags := append([]string{"--delay", task.Delay.String(), "--retention", "2s"}, task.Flags...)
	var d *daemon
	err = pinned([]int{0}, func() (err error) {
		d, err = startDaemon(ctx, task.Binary, flags...)
		return err
	})
	if err != nil {
		return r, err
	}
	defer d.stop()
	asked := make(chan error, 1)
	var health overloadResult
	go func() {
		s := &session{command: "overload", progress: os.Stderr}
		var err error
		health, err = fresh[overloadResult](ctx, s, overloadTask{Asks: d.url, For: task.Warm + task.For})
		asked <- err
	}()
	used := newMeter(d, task.Warm, task.For)
	o := &openLoop{address: strings.TrimPrefix(d.url, "http://"), rate: task.Rate, clients: task.Clients, patience: task.Patience}
	if r.openLoopResult = o.run(ctx, task.Warm, task.For); ctx.Err() != nil {
		return r, context.Cause(ctx)
	}
	r.Seconds = task.For.Seconds()
	if err := errors.Join(<-asked, used.end(&r)); err != nil {
		return r, err
	}
	r.Health, r.HealthWorst = health.Health, health.HealthWorst
	if task.Rate == 0 {
		return r, nil
	}
	return r, r.ask(ctx, d.url)
}

// pinned calls start, and processes that it starts have these cores alone. Where the system refuses that, as
// it does where there are no such cores, they have all.
func pinned(cores []int, start func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before, set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return start()
	}
	for _, n := range cores {
		set.Set(n)
	}
	if unix.SchedSetaffinity(0, &set) == nil {
		defer func() { _ = unix.SchedSetaffinity(0, &before) }()
	}
	return start()
}

// meter looks at a server's memory and CPU time while clients load it.
type meter struct {
	ended  chan error
	result overloadResult
}

// newMeter looks after the time of warming up, in the middle of that of measuring, and at its end.
func newMeter(d *daemon, warm, measured time.Duration) *meter {
	u := &meter{ended: make(chan error, 1)}
	start := time.Now()
	go func() {
		time.Sleep(time.Until(start.Add(warm)))
		before, err := d.cpuTime()
		time.Sleep(time.Until(start.Add(warm + measured/2)))
		half, _, failed := d.resident()
		time.Sleep(time.Until(start.Add(warm + measured)))
		after, worse := d.cpuTime()
		end, peak, worst := d.resident()
		u.result.CPU, u.result.Peak, u.result.Grown = (after - before).Seconds(), float64(peak)/mebibyte, float64(end-half)/mebibyte
		u.ended <- errors.Join(err, failed, worse, worst)
	}()
	return u
}

func (u *meter) end(r *overloadResult) error {
	err := <-u.ended
	r.CPU, r.Peak, r.Grown = u.result.CPU, u.result.Peak, u.result.Grown
	return err
}

// askHealth asks for the server's health every 25 ms, on a new connection each time.
func askHealth(ctx context.Context, url string, period time.Duration) (p99, worst float64, err error) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	var took []time.Duration
	for end := time.Now().Add(period); time.Now().Before(end); time.Sleep(25 * time.Millisecond) {
		start := time.Now()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/healthz", http.NoBody)
		if err != nil {
			return 0, 0, fmt.Errorf("make the request: %w", err)
		}
		resp, err := client.Do(req)
		if err == nil {
			_ = resp.Body.Close()
		}
		if err == nil && resp.StatusCode != http.StatusOK {
			err = errors.New(resp.Status)
		}
		if took = append(took, time.Since(start)); err != nil {
			fmt.Fprintf(os.Stderr, "  health after %v: %v\n", took[len(took)-1], err)
			took[len(took)-1] = client.Timeout
		}
	}
	slices.Sort(took)
	return millis(percentile(took, 0.99)), millis(took[len(took)-1]), nil
}

// ask takes from the server's statistics what only it knows, once no job is pending.
func (r *overloadResult) ask(ctx context.Context, url string) error {
	c := newCaller(url)
	defer c.close()
	var stats struct {
		Total, Pending int64
		Lateness       struct{ P99, Max float64 }
	}
	for more := true; more; more = stats.Pending > 0 {
		time.Sleep(20 * time.Millisecond)
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/stats", http.NoBody)
		if err != nil {
			return fmt.Errorf("make the request: %w", err)
		}
		text, err := c.do(req, http.StatusOK)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(text, &stats); err != nil {
			return fmt.Errorf("statistics: %w", err)
		}
	}
	r.LateP99, r.LateMax = stats.Lateness.P99/1000, stats.Lateness.Max/1000
	r.Nobody = float64(stats.Total-r.Accepted) / float64(max(1, stats.Total))
	return nil
}
