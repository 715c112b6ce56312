package file

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hashd-project/hashd/v2/internal/engine"
	"github.com/hashd-project/hashd/v2/internal/engine/enginetest"
	"github.com/hashd-project/hashd/v2/internal/seal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The engine does all that any engine does.
func TestEngine(t *testing.T) {
	t.Parallel()
	suite := enginetest.Suite{
		Durable: true, Outlives: true, Reopen: reopen,
		New: func(t *testing.T, cfg engine.Limits) engine.Engine { return newEngine(t, Config{Limits: cfg}) },
	}
	suite.Run(t)
}

// reopen closes an engine and opens its store again.
func reopen(t *testing.T, e engine.Engine) engine.Engine {
	t.Helper()
	must(t, e.Close())
	return newEngine(t, e.(*Engine).cfg)
}

// limits that no test reaches by accident.
func limits(delay time.Duration) engine.Limits {
	return engine.Limits{
		Delay: delay, Retention: time.Hour, MaxPending: 1 << 20, MaxResults: 1 << 20, MaxSecretBytes: 1 << 30,
		IdempotencyWindow: time.Hour, MaxIdempotencyKeys: 1000,
	}
}

// newEngine starts an engine in a folder of its own, unless the configuration names one. The
// caller closes it.
func newEngine(t *testing.T, cfg Config) *Engine {
	t.Helper()
	if cfg.Dir == "" {
		cfg.Dir = t.TempDir()
	}
	if cfg.Sealer == nil {
		cfg.Sealer = testSealer(t)
	}
	if cfg.MaxSecretBytes == 0 {
		cfg.MaxSecretBytes = 64 << 20
	}
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func testSealer(t *testing.T) *seal.Sealer {
	t.Helper()
	ring, err := seal.Generate()
	if err != nil {
		t.Fatal(err)
	}
	s, err := seal.New(ring)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
