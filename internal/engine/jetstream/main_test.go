package jetstream

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hashd-project/hashd/v2/internal/engine"
	"github.com/hashd-project/hashd/v2/internal/engine/enginetest"
	"github.com/hashd-project/hashd/v2/internal/engine/jetstream/natstest"
	"github.com/hashd-project/hashd/v2/internal/needs"
	"github.com/hashd-project/hashd/v2/internal/seal"
)

const (
	// patience bounds every wait: past it a test has failed.
	patience = time.Minute
	// timeout is that of one exchange where some get no answer, for a stream is deleted or a server falls out meanwhile:
	// longer than a busy machine lets a process stand still, and so short that they are tried again in time.
	timeout = 10 * time.Second
)

// server is built once, and one runs for all tests that have no cluster of their own.
var server struct {
	dir    string
	binary func() (string, error)
	shared func() (*natstest.Cluster, error)
}

// TestMain ends the shared server, and checks that no goroutine is left.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "hashd-nats-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var running *natstest.Cluster
	server.dir = dir
	server.binary = sync.OnceValues(func() (string, error) { return natstest.Build(context.Background(), dir) })
	server.shared = sync.OnceValues(func() (*natstest.Cluster, error) {
		binary, err := server.binary()
		if err != nil {
			return nil, err
		}
		store, err := os.MkdirTemp(dir, "store-")
		if err != nil {
			return nil, err
		}
		running, err = natstest.Start(context.Background(), natstest.Config{Binary: binary, Dir: store, Nodes: 1})
		return running, err
	})
	const start = "github.com/hashd-project/hashd/v2/internal/engine/jetstream/natstest.(*Node).Start.func1"
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if running != nil {
			running.Stop()
		}
		_ = os.RemoveAll(dir)
		os.Exit(code)
	}), goleak.IgnoreAnyFunction(start), goleak.IgnoreAnyFunction("os/exec.(*Cmd).Start.func2")) // the server that all tests share
}

// single returns the one server that the tests share.
func single(t *testing.T) *natstest.Cluster {
	t.Helper()
	needs.Processes(t)
	c, err := server.shared()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// cluster starts servers for one test alone.
func cluster(t *testing.T, cfg natstest.Config) *natstest.Cluster {
	t.Helper()
	needs.Processes(t)
	var err error
	if cfg.Binary, err = server.binary(); err != nil {
		t.Fatal(err)
	}
	cfg.Dir = t.TempDir()
	c, err := natstest.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Stop)
	return c
}

var prefixes atomic.Int64

// newPrefix returns a prefix that no other test has.
func newPrefix() string { return fmt.Sprintf("test-%d", prefixes.Add(1)) }

// ring is the ring of all tests that do not care for theirs.
var ring = sync.OnceValues(func() (*seal.Sealer, error) {
	ring, err := seal.Generate()
	if err != nil {
		return nil, err
	}
	return seal.New(ring)
})

// config returns settings that take anything, on these servers.
func config(t *testing.T, c *natstest.Cluster) Config {
	t.Helper()
	sealer, err := ring()
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{
		URLs: c.URLs(), Prefix: newPrefix(), Replicas: len(c.Nodes), Sealer: sealer, Timeout: patience, Patience: patience,
		Limits: engine.Limits{
			Delay: 20 * time.Millisecond, Retention: time.Hour, MaxPending: 1 << 20, MaxResults: 1 << 20,
			MaxSecretBytes: engine.MinSecretBytes, IdempotencyWindow: time.Hour, MaxIdempotencyKeys: 1 << 20,
		},
	}
	if len(c.Nodes) > 1 {
		cfg.Timeout = timeout // one without a leader answers nothing
	}
	return cfg
}

// start makes an engine that the test's end closes.
func start(t *testing.T, cfg Config) *Engine {
	t.Helper()
	e, err := New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}

// suiteOn returns the conformance suite on these servers, one service for each engine.
func suiteOn(c *natstest.Cluster) enginetest.Suite {
	return enginetest.Suite{
		Gaps:    true, // a key takes a place in the log
		Durable: true, Outlives: true, Shared: true,
		Reopen: func(t *testing.T, e engine.Engine) engine.Engine {
			was, ok := e.(*Engine)
			if !ok {
				t.Fatalf("%T", e)
			}
			_ = was.Close()
			again, err := New(t.Context(), was.cfg)
			if err != nil {
				t.Fatal(err)
			}
			return again
		},
		New: func(t *testing.T, limits engine.Limits) engine.Engine {
			cfg := config(t, c)
			limits.MaxSecretBytes = cfg.MaxSecretBytes
			cfg.Limits = limits
			return start(t, cfg)
		},
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	suiteOn(single(t)).Run(t)
}

// wantErr fails the test unless err says what it must.
func wantErr(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one with %q", parts)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q does not say %q", err, part)
		}
	}
}
