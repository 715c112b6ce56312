package observe

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hashd-project/hashd/v2/internal/digest"
	"github.com/hashd-project/hashd/v2/internal/engine"
)

// Engine is what is read of an engine.
type Engine interface {
	Stats() engine.Stats
	Latenesses() engine.Histogram
	HashTimes() engine.HashTimes
	NextDue() time.Time
	Ready(ctx context.Context) error
	Full() string
}

// Sources are what metrics are read from whenever they are asked for. All may be called by any number of goroutines.
type Sources struct {
	Engine     Engine
	EngineName string
	Delay      time.Duration // from a job's acceptance until it is due

	// Uses returns how much of every limit is used.
	Uses func() []engine.Use
	// Answers returns how many single submissions were answered with an accepted job, and how long that took in all.
	Answers func() (n int64, took time.Duration)
	// Requests tells how many requests were answered, by their operation in the contract and their status.
	Requests func(tell func(operation string, status int, n int64))
	// Durations tells how long it took to answer them, by their operation.
	Durations func(tell func(operation string, took engine.Histogram))
	// Problems tells how many were answered with a problem, by its type, and by the limit of a server that is full.
	Problems func(tell func(kind, limit string, n int64))
	// Connections returns how many there are.
	Connections func() int
	// Draining says whether a stop was asked for.
	Draining func() bool
	// Files tells of the files that are followed whether the newest ones are in use, by their settings.
	Files func(tell func(setting string, inUse bool))
	// StoreBytes returns the size of the store; nil if it has none.
	StoreBytes func() int64
	// Groups returns how long it took to store each group of jobs; nil if there is no store.
	Groups func() engine.Histogram
	// Fsyncs returns how many there were of the store; nil if it has none.
	Fsyncs func() int64
	// RoundTrips returns how long the cluster took to answer; nil if there is none.
	RoundTrips func() engine.Histogram
	// ClockOffset returns by how much the cluster's clock is before ours; nil if there is none.
	ClockOffset func() time.Duration
	// Expires returns when the TLS certificate expires; nil if there is none.
	Expires func() time.Time
}

// collector reads the sources.
type collector struct {
	from Sources
	all  map[string]metric
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range c.all {
		to <- d.desc
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(to chan<- prometheus.Metric) {
	s := sample{to, c.all}
	c.jobs(s)
	c.limits(s)
	c.state(s)
	c.requests(s)
	c.store(s)
	c.files(s)
}

// sample is one reading of all metrics.
type sample struct {
	to  chan<- prometheus.Metric
	all map[string]metric
}

// put adds a value.
func (s sample) put(name string, value float64, labels ...string) {
	m := s.all[name]
	s.to <- prometheus.MustNewConstMetric(m.desc, m.kind, value, labels...)
}

// putHistogram adds one with those buckets.
func (s sample) putHistogram(name string, h engine.Histogram, in buckets, labels ...string) {
	s.to <- newHistogram(s.all[name].desc, &h, in, labels...)
}

func (c *collector) jobs(s sample) {
	st := c.from.Engine.Stats()
	s.put(jobsAccepted, float64(st.Accepted))
	s.put(jobsCompleted, float64(st.Completed))
	s.put(jobsCanceled, float64(st.Canceled))
	s.put(jobsRejected, float64(st.Rejected))
	s.put(jobsPending, float64(st.Pending))
	s.put(resultsKept, float64(st.Kept))
	s.put(delay, c.from.Delay.Seconds())
	if due := c.from.Engine.NextDue(); !due.IsZero() {
		s.put(oldestAge, max(0, time.Since(due)+c.from.Delay).Seconds())
	} else if st.Pending == 0 {
		s.put(oldestAge, 0)
	} // else it is being hashed
	s.putHistogram(lateness, c.from.Engine.Latenesses(), responses())
	for number, took := range c.from.Engine.HashTimes() {
		s.putHistogram(hashDuration, took, hashing(), digest.Algorithm(number).String())
	}
	n, took := c.from.Answers()
	s.to <- prometheus.MustNewConstSummary(s.all[submission].desc, uint64(n), took.Seconds(), nil)
}

func (c *collector) limits(s sample) {
	for _, u := range c.from.Uses() {
		s.put(limitMax, float64(u.Limit), u.Name)
		s.put(limitUsed, float64(u.Used), u.Name)
	}
	s.put(connections, float64(c.from.Connections()))
}

// stateLimit is how long an engine may take to say whether it is ready: a cluster is asked.
const stateLimit = 2 * time.Second

// states are those that an engine may be in. It is in one of them.
func states() []string { return []string{"ok", "full", "draining", "down"} }

func (c *collector) state(s sample) {
	ctx, cancel := context.WithTimeout(context.Background(), stateLimit)
	defer cancel()
	err := c.from.Engine.Ready(ctx)
	now := "down"
	switch {
	case errors.Is(err, engine.ErrDraining), errors.Is(err, engine.ErrClosed), err == nil && c.from.Draining():
		now = "draining"
	case err == nil && c.from.Engine.Full() != "":
		now = "full"
	case err == nil:
		now = "ok"
	}
	for _, one := range states() {
		s.put(engineState, number(one == now), one)
	}
	s.put(ready, number(now == "ok" || now == "full"))
	s.put(engineInfo, 1, c.from.EngineName)
}

// store tells of what the engine keeps jobs in.
func (c *collector) store(s sample) {
	if c.from.StoreBytes != nil {
		s.put(storeBytes, float64(c.from.StoreBytes()))
	}
	if c.from.Groups != nil {
		s.putHistogram(groupDuration, c.from.Groups(), responses())
	}
	if c.from.Fsyncs != nil {
		s.put(fsyncs, float64(c.from.Fsyncs()))
	}
	if c.from.RoundTrips != nil {
		s.putHistogram(natsRoundTrip, c.from.RoundTrips(), responses())
	}
	if c.from.ClockOffset != nil {
		s.put(natsClockOffset, c.from.ClockOffset().Seconds())
	}
}

func (c *collector) requests(s sample) {
	c.from.Requests(func(operation string, status int, n int64) {
		s.put(requests, float64(n), operation, strconv.Itoa(status))
	})
	c.from.Durations(func(operation string, took engine.Histogram) {
		s.putHistogram(requestDuration, took, responses(), operation)
	})
	c.from.Problems(func(kind, limit string, n int64) { s.put(problems, float64(n), kind, limit) })
}

func (c *collector) files(s sample) {
	c.from.Files(func(setting string, inUse bool) { s.put(fileInUse, number(inUse), setting) })
	if c.from.Expires != nil {
		s.put(certificateExpiry, float64(c.from.Expires().Unix()))
	}
}

// number is 1 for what holds.
func number(holds bool) float64 {
	if holds {
		return 1
	}
	return 0
}
