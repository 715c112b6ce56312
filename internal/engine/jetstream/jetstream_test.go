package jetstream

import (
	"bytes"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/hashd-project/hashd/v2/internal/engine/jetstream/natstest"
)

// Instances that start at the same time on a cluster with nothing in it all come up, and are one service.
func TestManyInstancesStartAtOnce(t *testing.T) {
	t.Parallel()
	for name, servers := range map[string]*natstest.Cluster{"one server": single(t), "three servers": three(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for range rounds(10) * 3 {
				startAtOnce(t, config(t, servers), 4)
			}
		})
	}
}

func startAtOnce(t *testing.T, cfg Config, n int) {
	t.Helper()
	all, errs := make([]*Engine, n), make([]error, n)
	var g sync.WaitGroup
	for i := range n {
		g.Go(func() { all[i], errs[i] = New(t.Context(), cfg) })
	}
	g.Wait()
	for i, e := range all {
		if errs[i] != nil {
			t.Errorf("one of %d: %v", n, errs[i])
			continue
		}
		defer func() { _ = e.Close() }()
		if !bytes.Equal(e.StoreID(), all[0].StoreID()) || len(e.lives()) != 1 {
			t.Errorf("instances have different stores, or lives %v", e.lives())
		}
		wantWork(t, e)
	}
}

// Instances that come up while the cluster itself does wait for it.
func TestInstancesStartWithTheCluster(t *testing.T) {
	t.Parallel()
	servers := three(t)
	servers.Stop()
	cfg := config(t, servers)
	cfg.Patience = patience
	for _, n := range servers.Nodes {
		if err := n.Start(); err != nil {
			t.Fatal(err)
		}
	}
	startAtOnce(t, cfg, 3)
}

func TestConfigIsValidated(t *testing.T) {
	t.Parallel()
	good := config(t, &natstest.Cluster{Nodes: []*natstest.Node{{URL: "nats://127.0.0.1:1"}}})
	for want, spoil := range map[string]func(*Config){
		"delay":                func(c *Config) { c.Delay = -1 },
		"retention":            func(c *Config) { c.Retention = time.Second - 1 },
		"max pending":          func(c *Config) { c.MaxPending = 0 },
		"max results":          func(c *Config) { c.MaxResults = math.MaxInt64 },
		"idempotency window":   func(c *Config) { c.IdempotencyWindow = -1 },
		"max idempotency keys": func(c *Config) { c.MaxIdempotencyKeys = -1 },
		"workers":              func(c *Config) { c.Workers = -1 },
		"replicas":             func(c *Config) { c.Replicas = 2 },
		"no URL":               func(c *Config) { c.URLs = nil },
		"no sealer":            func(c *Config) { c.Sealer = nil },
		"prefix":               func(c *Config) { c.Prefix = "a.b" },
		`prefix ""`:            func(c *Config) { c.Prefix = "" },
	} {
		cfg := good
		spoil(&cfg)
		_, err := New(t.Context(), cfg)
		wantErr(t, err, want)
	}
	_, err := New(t.Context(), Config{})
	wantErr(t, err, "retention", "max pending", "max results", "no URL", "replicas", "prefix", "no sealer")
}
