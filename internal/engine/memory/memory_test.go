package memory

import (
	"bytes"
	"errors"
	"math"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/hashd-project/hashd/v2/internal/engine"
	"github.com/hashd-project/hashd/v2/internal/engine/enginetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var suite = enginetest.Suite{
	New: func(t *testing.T, cfg engine.Limits) engine.Engine {
		return newEngineAsIs(t, cfg)
	},
	FakeClock: true,
}

func TestConformance(t *testing.T) {
	t.Parallel() // much of it is waiting
	suite.Run(t)
}

// newEngine makes an engine that the test's end closes, with wide limits where cfg has none. Its ids
// begin at 1 unless cfg says otherwise.
func newEngine(t *testing.T, cfg engine.Limits) *Engine {
	t.Helper()
	cfg.FirstID = max(cfg.FirstID, 1)
	return newEngineAsIs(t, cfg)
}

// newEngineAsIs is newEngine but for the first id.
func newEngineAsIs(t *testing.T, cfg engine.Limits) *Engine {
	t.Helper()
	if cfg.Retention == 0 {
		cfg.Retention = time.Hour
	}
	if cfg.MaxPending == 0 {
		cfg.MaxPending = 1 << 20
	}
	if cfg.MaxResults == 0 {
		cfg.MaxResults = 1 << 20
	}
	if cfg.MaxSecretBytes == 0 {
		cfg.MaxSecretBytes = 64 << 20
	}
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}

// Secrets for both kinds of place, recognizable wherever they lie.
var (
	inline   = []byte("a secret that takes the whole of a slot, 52 bytes in")
	long4096 = bytes.Repeat([]byte("a long secret. "), 274)[:engine.MaxSecret]
)

// accept submits a job that must be taken.
func accept(t *testing.T, e *Engine, secret []byte) int64 {
	t.Helper()
	r, err := e.Accept(t.Context(), engine.Job{Secret: secret})
	if err != nil {
		t.Fatalf("accept of %d bytes: %v", len(secret), err)
	}
	return r.ID
}

// wantErr fails the test unless err is want.
func wantErr(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: error %v, want %v", what, err, want)
	}
}

// wantFull fails the test unless err names the limit and a time to come again.
func wantFull(t *testing.T, err error, limit string) *engine.FullError {
	t.Helper()
	full, ok := errors.AsType[*engine.FullError](err)
	if !ok || full.Limit != limit || full.RetryAfter < time.Second {
		t.Fatalf("error %v, want a refusal that names %s", err, limit)
	}
	return full
}

func TestConfigIsValidated(t *testing.T) {
	good := engine.Limits{Retention: time.Second, MaxPending: 1, MaxResults: 1, MaxSecretBytes: 1 << 20}
	e, err := New(good)
	if err != nil {
		t.Fatalf("the least values are refused: %v", err)
	}
	_ = e.Close()
	for want, spoil := range map[string]func(c *engine.Limits, bad int64){
		"delay":                func(c *engine.Limits, bad int64) { c.Delay = time.Duration(bad) },
		"retention":            func(c *engine.Limits, bad int64) { c.Retention = time.Duration(bad) },
		"max pending":          func(c *engine.Limits, bad int64) { c.MaxPending = bad },
		"max results":          func(c *engine.Limits, bad int64) { c.MaxResults = bad },
		"max secret bytes":     func(c *engine.Limits, bad int64) { c.MaxSecretBytes = min(bad, chunkBytes-1) },
		"idempotency window":   func(c *engine.Limits, bad int64) { c.IdempotencyWindow = time.Duration(bad) },
		"max idempotency keys": func(c *engine.Limits, bad int64) { c.MaxIdempotencyKeys = bad },
		"workers":              func(c *engine.Limits, bad int64) { c.Workers = int(bad) },
		"first id":             func(c *engine.Limits, bad int64) { c.FirstID = bad },
	} {
		for _, bad := range []int64{-1, math.MinInt64, math.MaxInt64} {
			cfg := good
			spoil(&cfg, bad)
			e, err := New(cfg)
			if err == nil {
				_ = e.Close()
				t.Errorf("%s: %+v is taken", want, cfg)
			} else if !strings.Contains(err.Error(), want) || strings.Count(err.Error(), "is not from") != 1 {
				t.Errorf("%s: not told by %q", want, err)
			}
		}
	}
	if _, err := New(engine.Limits{}); err == nil || strings.Count(err.Error(), "is not from") != 4 {
		t.Errorf("not all that is wrong is told at once: %v", err)
	}
}

// The largest values that are taken work: sums of them do not wrap around.
func TestHugeSettings(t *testing.T) {
	for what, huge := range map[string]func(*engine.Limits){
		"delay":        func(c *engine.Limits) { c.Delay = engine.MaxTime },
		"retention":    func(c *engine.Limits) { c.Retention = engine.MaxTime },
		"max-pending":  func(c *engine.Limits) { c.MaxPending = engine.MaxJobs },
		"max-results":  func(c *engine.Limits) { c.MaxResults = engine.MaxJobs },
		"secret bytes": func(c *engine.Limits) { c.MaxSecretBytes = math.MaxInt64 },
		"all": func(c *engine.Limits) {
			*c = engine.Limits{
				Delay: engine.MaxTime, Retention: engine.MaxTime, MaxPending: engine.MaxJobs, MaxResults: engine.MaxJobs,
				MaxSecretBytes: math.MaxInt64, IdempotencyWindow: engine.MaxTime, MaxIdempotencyKeys: engine.MaxJobs, FirstID: engine.MaxFirstID,
			}
		},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { checkHuge(t, huge) })
		})
	}
}

func checkHuge(t *testing.T, huge func(*engine.Limits)) {
	cfg := engine.Limits{Delay: time.Second, Retention: time.Minute, MaxPending: 9, MaxResults: 9, MaxSecretBytes: 1 << 20}
	huge(&cfg)
	e := newEngine(t, cfg)
	for range 2 {
		checkOneJob(t, e, inline, cfg.Delay)
		checkOneJob(t, e, long4096, cfg.Delay)
	}
}

// checkOneJob submits a job and looks at it at once, and after one second and two.
func checkOneJob(t *testing.T, e *Engine, secret []byte, delay time.Duration) {
	t.Helper()
	r, err := e.Accept(t.Context(), engine.Job{Secret: secret})
	if err != nil {
		t.Fatal(err)
	}
	for after := range 3 {
		synctest.Wait()
		rec, err := e.Get(t.Context(), r.ID)
		due := time.Duration(after)*time.Second >= delay
		if err != nil || (rec.State == engine.Done) != due {
			t.Fatalf("%d s later: state %d, error %v", after, rec.State, err)
		}
		time.Sleep(time.Second)
	}
}

// Accept is what a burst is made of.
func TestAcceptDoesNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	e := newEngine(t, engine.Limits{Delay: time.Hour})
	accept(t, e, inline) // maps the first segment
	ctx := t.Context()
	job := engine.Job{Secret: inline}
	allocs := testing.AllocsPerRun(segmentJobs/2, func() {
		if _, err := e.Accept(ctx, job); err != nil {
			t.Error(err)
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations a job", allocs)
	}
}

// The whole of the interface at once, with as few and as many workers as make a difference.
func TestLoad(t *testing.T) {
	t.Parallel()
	for _, workers := range []int{1, 4} {
		t.Run(strconv.Itoa(workers), func(t *testing.T) {
			t.Parallel()
			withWorkers := suite
			withWorkers.New = func(t *testing.T, cfg engine.Limits) engine.Engine {
				cfg.Workers, cfg.MaxSecretBytes = workers, chunkBytes
				return newEngine(t, cfg)
			}
			withWorkers.Load(t, enginetest.Load{Submitters: 10, Jobs: 600, Expiry: true})
		})
	}
}
