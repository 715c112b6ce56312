package service_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashd-project/hashd/v2/internal/engine"
	"github.com/hashd-project/hashd/v2/internal/service"
)

// The last minute forgets what is older, and says how long it is.
func TestRecentSubmissions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		counted := &counting{fake: fake{accept: func(engine.Job) (engine.Receipt, error) { return engine.Receipt{ID: 1}, nil }}}
		s := service.New(service.Config{Engine: counted})
		for _, tt := range []struct {
			pass, took                 time.Duration
			seconds, accepted, average int64
		}{{0, 10 * time.Microsecond, 0, 1, 10}, {30 * time.Second, 20 * time.Microsecond, 30, 2, 15}, {31 * time.Second, 40 * time.Microsecond, 56, 2, 30}, {time.Hour, 50 * time.Microsecond, 56, 1, 50}} {
			time.Sleep(tt.pass)
			submit(t, s)
			counted.accepted++
			submit(t, s) // a retry, which adds no job
			s.Answered(t.Context(), tt.took)
			if got := stats(t, s).Recent; got.Seconds != tt.seconds || got.Accepted != tt.accepted || got.Average != tt.average {
				t.Errorf("%v later: %+v, want %+v", tt.pass, got, tt)
			}
		}
		if got := stats(t, s); got.Average != 30 {
			t.Errorf("since the start: %+v", got)
		}
	})
}

// counting is an engine whose count of accepted jobs the test moves.
type counting struct {
	fake
	accepted int64
}

func (c *counting) Stats() engine.Stats { return engine.Stats{Accepted: c.accepted} }
