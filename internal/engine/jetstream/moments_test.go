package jetstream

import (
	"testing"
	"testing/synctest"
	"time"
)

// Jobs come for days while the oldest stays pending, and then while all end in time: when a job was accepted is known
// to a step, or to a fraction of how long ago that was, from a bounded number of moments.
func TestMomentsAreBounded(t *testing.T) {
	cfg := &Config{}
	cfg.Delay = time.Minute
	start := time.Unix(1_800_000_000, 0)
	const every, jobs = 50 * time.Millisecond, 200_000
	for name, lag := range map[string]int64{"the first job stays": jobs, "jobs end": 100} {
		l := newLedger(cfg)
		for id := int64(1); id <= jobs; id++ {
			l.reserved++
			l.accept(0, id, 1, start.Add(time.Duration(id)*every))
			if id > lag {
				l.observe(id-lag, isDone)
			}
			if id%1000 != 0 {
				continue
			}
			oldest, _ := l.pending.lowest()
			age := time.Duration(id-oldest) * every
			early := start.Add(time.Duration(oldest) * every).Add(cfg.Delay).Sub(l.nextDue())
			if early < 0 || early > max(momentStep, age/1000) || len(l.moments.noted) > mostMoments {
				t.Fatalf("%s: after %d jobs the oldest is due %v too early, with %d moments", name, id, early, len(l.moments.noted))
			}
		}
	}
}

func TestNextDueOfNothing(t *testing.T) {
	l := newLedger(&Config{})
	if due := l.nextDue(); !due.IsZero() {
		t.Errorf("nothing is pending, and is due at %v", due)
	}
}

// The offset of a clock has its sign: that of a server that is before us is positive.
func TestClockOffset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // in which the clocks stand still
		c := newClock(time.Now)
		c.note(2*time.Second, 2*time.Second+10*time.Millisecond)
		if got := c.offset(); got != 2*time.Second+5*time.Millisecond {
			t.Errorf("the server is %v before us", got)
		}
	})
}
