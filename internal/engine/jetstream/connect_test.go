package jetstream

import (
	"context"
	"errors"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/hashd-project/hashd/v2/internal/engine/jetstream/natstest"
)

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
	if err := hanging.Nodes[0].Signal(freeze); err != nil {
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

// A cluster that is not there is waited for, and then it is an error.
func TestClusterAwayAtStart(t *testing.T) {
	t.Parallel()
	servers := cluster(t, natstest.Config{Nodes: 1})
	servers.Stop()
	cfg := config(t, servers)
	cfg.Patience = 300 * time.Millisecond
	_, err := New(t.Context(), cfg)
	wantErr(t, err, "connect", "no servers available")

	cfg.Timeout, cfg.Patience = timeout, patience
	made := make(chan error, 1)
	go func() {
		e, err := New(t.Context(), cfg)
		if err == nil {
			err = e.Close()
		}
		made <- err
	}()
	if err := servers.Nodes[0].Start(); err != nil {
		t.Fatal(err)
	}
	if err := <-made; err != nil {
		t.Errorf("a cluster that comes up while it is waited for: %v", err)
	}
}

// The server is for tests: the binary holds the client alone.
func TestServerIsNoDependency(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "github.com/hashd-project/hashd/v2/cmd/hashd").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, dependency := range []string{"nats-server", "natstest"} {
		if strings.Contains(string(out), dependency) {
			t.Errorf("cmd/hashd depends on %s", dependency)
		}
	}
	if !strings.Contains(string(out), "github.com/nats-io/nats.go") {
		t.Error("cmd/hashd does not depend on the client: this test tests nothing")
	}
}

// Errors of the way to the cluster are told from what it says for good.
func TestTransient(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]bool{
		&jetstream.APIError{Code: 503}: true, &jetstream.APIError{Code: 400}: false,
		context.DeadlineExceeded: true, errors.New("other"): false,
	} {
		if transient(err) != want {
			t.Errorf("%v: transient %v", err, !want)
		}
	}
}
