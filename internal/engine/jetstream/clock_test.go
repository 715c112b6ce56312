package jetstream

import (
	"context"
	"errors"
	"testing"
	"time"
)

// frozen returns a clock whose wall clock stands at what it is told.
func frozen(now *time.Time) *clock {
	return newClock(func() time.Time { return *now })
}

// at lets the steady time be the given one, more or less: the monotonic clock goes on.
func (c *clock) at(steady time.Time) {
	c.origin, c.started = steady, time.Now()
}

// within fails the test unless got is want, or the little later that the test took.
func within(t *testing.T, what string, got, want time.Time) {
	t.Helper()
	if late := got.Sub(want); late < 0 || late > 5*time.Second {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// Whichever clock is wrong, the time that counts is not after the right one.
func TestClockIsThePessimists(t *testing.T) {
	truth := time.Unix(1_800_000_000, 0)
	for _, tt := range []struct {
		what         string
		wall, server time.Duration // how wrong the clocks are
		want         time.Duration // how wrong the time that counts is
	}{
		{"both right", 0, 0, 0},
		{"own clock ahead", time.Minute, 0, 0},
		{"own clock ahead by a day", 24 * time.Hour, 0, 0},
		{"own clock behind", -3 * time.Second, 0, -3 * time.Second},
		{"own clock behind by a day", -24 * time.Hour, 0, -maxSkew},
		{"server ahead", 0, time.Minute, time.Minute - maxSkew},
		{"server slightly ahead", 0, 3 * time.Second, 0},
		{"server behind", 0, -time.Minute, -time.Minute},
	} {
		wall := truth.Add(tt.wall)
		c := frozen(&wall)
		c.at(wall)
		c.note(tt.server-tt.wall, tt.server-tt.wall)
		if tt.server < tt.wall { // the steady time decides, and it goes on
			within(t, tt.what, c.now(), truth.Add(tt.want))
		} else if got := c.now(); got.Sub(truth.Add(tt.want)).Abs() > 5*time.Second {
			t.Errorf("%s: %v, want %v", tt.what, got.Sub(truth), tt.want)
		}
	}
}

// A step of the wall clock does not move what was measured.
func TestClockStep(t *testing.T) {
	wall := time.Unix(1_800_000_000, 0)
	c := frozen(&wall)
	c.at(wall)
	c.note(0, 0)
	before := c.now()
	wall = wall.Add(time.Hour)
	within(t, "after a step of an hour", c.now(), before)
	if c.skew() == 0 {
		t.Error("a step of an hour is no skew")
	}
}

// The time of a leader that is gone counts until its messages are due.
func TestClockRemembersTheWorst(t *testing.T) {
	wall := time.Unix(1_800_000_000, 0)
	c := frozen(&wall)
	c.note(-time.Minute, -time.Minute)
	for n := range measures - 1 {
		c.note(0, 0)
		if c.lag() != -time.Minute {
			t.Errorf("%d measurements later the lag is %v", n+1, c.lag())
		}
	}
	c.note(0, 0)
	if c.lag() != 0 {
		t.Errorf("the lag stays %v", c.lag())
	}
}

// A measurement takes the server's time to be as early as it can have been.
func TestClockMeasures(t *testing.T) {
	c := newClock(time.Now)
	asked := 0
	err := c.measure(t.Context(), func(context.Context) (time.Time, error) {
		asked++
		return c.steady().Add(time.Hour), nil
	})
	if err != nil || asked != probes || c.lag() > time.Hour || c.lag() < time.Hour-5*time.Second || c.skew() > time.Hour || c.skew() == 0 {
		t.Errorf("asked %d times: lag %v, skew %v, error %v", asked, c.lag(), c.skew(), err)
	}
	away := errors.New("away")
	before := c.lag()
	if err := c.measure(t.Context(), func(context.Context) (time.Time, error) { return time.Time{}, away }); !errors.Is(err, away) || c.lag() != before {
		t.Errorf("a measurement that fails: %v, lag %v", err, c.lag())
	}
}

// A delay begins with the later of two times, unless that is out of all bounds.
func TestBegins(t *testing.T) {
	stored := time.Unix(1_800_000_000, 0)
	for accepted, want := range map[time.Duration]time.Duration{
		0: 0, -time.Second: 0, -time.Hour: 0, time.Second: time.Second, maxSkew: maxSkew, time.Hour: maxSkew,
	} {
		if got := begins(stored, stored.Add(accepted)).Sub(stored); got != want {
			t.Errorf("accepted %v after it was stored: begins %v after, want %v", accepted, got, want)
		}
	}
}
