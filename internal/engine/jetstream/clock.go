package jetstream

import (
	"context"
	"sync"
	"time"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// clock tells when a job is due for certain, on machines whose clocks differ.
//
// Two clocks take part in a job's beginning: that of the jobs stream's leader, which stamps the
// message when it is stored, and that of the instance that accepted it, which writes its own time
// into the job. The later of the two counts. Two take part in its end: the leader's, which
// each instance measures against its own monotonic clock, and the instance's own. The earlier of the two
// counts. So no single wrong clock makes a job early, it only makes jobs late, and by at most maxSkew
// on each side: beyond that the one clock is held to be broken, and the leader's is followed.
//
// A measurement brackets the server's time between a request and its answer. The clock assumes that
// the answer took no time to arrive, which puts the server's time as early as it can have been.
type clock struct {
	wall    func() time.Time // this machine's clock
	origin  time.Time        // what that said when the clock was made
	started time.Time        // the same moment by the monotonic clock

	mu     sync.Mutex
	lags   [measures]time.Duration // the last measurements: the server's clock minus ours, at least
	leads  time.Duration           // the same, at most, by the last measurement
	filled int
	next   int

	trips engine.Durations // from a request for the time to its answer
}

const (
	// maxSkew bounds how late a wrong clock makes a job.
	maxSkew = 10 * time.Second
	// measures is how many measurements count. More than the last one do, because a leader that
	// is gone stamped the messages that are due now.
	measures = 6
	// measureEvery is how often an instance measures; six times that is longer than a change of leader.
	measureEvery = 10 * time.Second
	// probes is how many requests make one measurement; the one with the closest bracket counts.
	probes = 3
)

func newClock(wall func() time.Time) *clock {
	return &clock{wall: wall, origin: wall().Round(0), started: time.Now()}
}

// steady is the instance's time, which no step of its wall clock moves.
func (c *clock) steady() time.Time { return c.origin.Add(time.Since(c.started)) }

// measure asks for the server's time and notes what the answers say of its clock.
func (c *clock) measure(ctx context.Context, serverTime func(context.Context) (time.Time, error)) error {
	var least, most time.Duration
	for n := range probes {
		asked := c.steady()
		at, err := serverTime(ctx)
		if err != nil {
			return err
		}
		answered := c.steady()
		c.trips.Add(answered.Sub(asked))
		low, high := at.Sub(answered), at.Sub(asked)
		if n == 0 || high-low < most-least {
			least, most = low, high
		}
	}
	c.note(least, most)
	return nil
}

func (c *clock) note(least, most time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lags[c.next] = least
	c.leads = most
	c.next = (c.next + 1) % measures
	c.filled = min(c.filled+1, measures)
}

// lag returns by how much at least the server's clock is before ours, in the worst of the last
// measurements.
func (c *clock) lag() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	worst := c.lags[0]
	for _, l := range c.lags[:c.filled] {
		worst = min(worst, l)
	}
	return worst
}

// now returns the time that it is by the clocks that count: none of them is before it, unless it
// is wrong by more than maxSkew.
func (c *clock) now() time.Time {
	server := c.steady().Add(c.lag())
	if own := c.wall().Round(0); own.Before(server) {
		return later(own, server.Add(-maxSkew))
	}
	return server
}

// skew returns how far this instance's wall clock is from the server's for certain; 0 if the two
// cannot be told apart.
func (c *clock) skew() time.Duration {
	step := c.wall().Round(0).Sub(c.steady())
	c.mu.Lock()
	defer c.mu.Unlock()
	least, most := c.lags[(c.next+measures-1)%measures]-step, c.leads-step
	switch {
	case least > 0:
		return least
	case most < 0:
		return most
	}
	return 0
}

// begins returns when the delay of a job begins that was stored at one time and accepted at another.
func begins(stored, accepted time.Time) time.Time {
	return later(stored, earlier(accepted, stored.Add(maxSkew)))
}

// offset returns how far the server's clock is before this instance's wall clock, by the middle of what the last
// measurement leaves open.
func (c *clock) offset() time.Duration {
	step := c.wall().Round(0).Sub(c.steady())
	c.mu.Lock()
	defer c.mu.Unlock()
	least, most := c.lags[(c.next+measures-1)%measures]-step, c.leads-step
	return least + (most-least)/2
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
