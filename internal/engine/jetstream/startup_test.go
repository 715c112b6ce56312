package jetstream

import (
	"bytes"
	"context"
	"errors"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashd-project/hashd/internal/engine/jetstream/natstest"
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

// A start ends with its context, whatever it waits for: a server that is not there, one that takes
// connections and says nothing, and one without JetStream.
func TestStartEndsWithItsContext(t *testing.T) {
	t.Parallel()
	silent, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	stopped := cluster(t, natstest.Config{Nodes: 1})
	stopped.Stop()
	hanging := cluster(t, natstest.Config{Nodes: 1})
	if err := hanging.Nodes[0].Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	for what, urls := range map[string][]string{
		"none": stopped.URLs(), "silent": {"nats://" + silent.Addr().String()}, "hanging": hanging.URLs(),
		"several": append(stopped.URLs(), hanging.URLs()...),
	} {
		cfg := config(t, stopped)
		cfg.URLs, cfg.Patience = urls, time.Hour
		ctx, cancel := context.WithCancelCause(t.Context())
		why := errors.New("a signal")
		began := time.AfterFunc(300*time.Millisecond, func() { cancel(why) })
		_, err := New(ctx, cfg)
		began.Stop()
		if !errors.Is(err, why) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
