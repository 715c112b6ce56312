// Package natstest runs real nats-server processes on loopback, for tests and measurements: it owns
// their build, their ports and their end. The server is built from the module that tools.go
// pins, so nothing need be installed, and the hashd binary does not depend on it.
package natstest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hashd-project/hashd/v2/internal/binaries"
)

// patience bounds each wait for a server or a cluster.
const patience = 60 * time.Second

// Build builds the server into the folder and returns its path.
func Build(ctx context.Context, dir string) (string, error) {
	if err := binaries.Build(ctx, dir, "github.com/nats-io/nats-server/v2"); err != nil {
		return "", err
	}
	return filepath.Join(dir, "nats-server"), nil
}

// Config says what runs.
type Config struct {
	Binary string // as Build returned it
	Dir    string // an empty folder for the servers' stores and settings
	Nodes  int    // 1, or an odd number of a cluster's

	// SyncAlways has each server write to the disk before it acknowledges, which it otherwise does
	// every two minutes.
	SyncAlways bool
	// Options are for the connections that Start itself makes, such as to servers that want TLS.
	Options []nats.Option
	// Extra is added to each server's settings.
	Extra string
	// User and password, with a colon between them, are for servers whose Extra asks for them.
	User string
	// PublishLimit is how many messages a server takes in one atomic publish; 0 means enough for hashd.
	PublishLimit int
}

// Cluster is the servers. Its methods must not be called at the same time.
type Cluster struct {
	Nodes []*Node

	options []nats.Option
}

// Node is one server.
type Node struct {
	Name string
	URL  string

	binary, settings string
	store            string // the folder of what it stores
	cmd              *exec.Cmd
	ended            chan struct{}
	output           *output
}

// Start starts the servers and returns once they can store streams. They go on when ctx is over.
func Start(ctx context.Context, cfg Config) (*Cluster, error) {
	const tries = 3 // another process can take a port that was free
	for n := 1; ; n++ {
		c, err := start(ctx, cfg)
		if err == nil || n == tries {
			return c, err
		}
	}
}

func start(ctx context.Context, cfg Config) (*Cluster, error) {
	ports, err := freePorts(ctx, 2*cfg.Nodes)
	if err != nil {
		return nil, err
	}
	c := &Cluster{options: append(cfg.Options, nats.Timeout(10*time.Second))}
	for n := range cfg.Nodes {
		node, err := newNode(cfg, n, ports)
		if err != nil {
			return nil, err
		}
		c.Nodes = append(c.Nodes, node)
	}
	for _, node := range c.Nodes {
		if err := node.Start(); err != nil { //nolint:contextcheck // a server outlives its start
			c.Stop()
			return nil, err
		}
	}
	if err := c.Await(ctx); err != nil {
		c.Stop()
		return nil, err
	}
	return c, nil
}

func newNode(cfg Config, n int, ports []int) (*Node, error) {
	user := cfg.User
	if user != "" {
		user += "@"
	}
	node := &Node{
		Name:     fmt.Sprintf("n%d", n+1),
		URL:      fmt.Sprintf("nats://%s127.0.0.1:%d", user, ports[n]),
		binary:   cfg.Binary,
		settings: filepath.Join(cfg.Dir, fmt.Sprintf("n%d.conf", n+1)),
		store:    filepath.Join(cfg.Dir, fmt.Sprintf("n%d", n+1)),
	}
	return node, os.WriteFile(node.settings, []byte(settings(cfg, node, n, ports)), 0o600)
}

// settings returns a server's configuration.
func settings(cfg Config, node *Node, n int, ports []int) string {
	limit, sync := cfg.PublishLimit, "2m"
	if limit == 0 {
		limit = 10_240
	}
	if cfg.SyncAlways {
		sync = "always"
	}
	var b strings.Builder
	_, _ = fmt.Fprintf(&b, "server_name: %s\nlisten: \"127.0.0.1:%d\"\n", node.Name, ports[n])
	_, _ = fmt.Fprintf(&b, "jetstream {\n  store_dir: %q\n  sync_interval: %s\n", node.store, sync)
	_, _ = fmt.Fprintf(&b, "  max_memory_store: 1GB\n  max_file_store: 100GB\n  limits { batch { max_msgs: %d } }\n}\n", limit)
	b.WriteString(cfg.Extra + "\n")
	if cfg.Nodes == 1 {
		return b.String()
	}
	_, _ = fmt.Fprintf(&b, "cluster {\n  name: test\n  listen: \"127.0.0.1:%d\"\n  routes: [\n", ports[cfg.Nodes+n])
	for other := range cfg.Nodes {
		_, _ = fmt.Fprintf(&b, "    \"nats://127.0.0.1:%d\"\n", ports[cfg.Nodes+other])
	}
	b.WriteString("  ]\n}\n")
	return b.String()
}

// freePorts returns ports of the loopback interface that nobody uses at this moment. They are none of those that systems
// give to connections and to listeners of any port, so that nobody takes one while its server is not there.
func freePorts(ctx context.Context, n int) (ports []int, err error) {
	const first, last, tries = 10_000, 30_000, 1_000
	for range tries {
		if len(ports) == n {
			return ports, nil
		}
		port := first + rand.IntN(last-first) //nolint:gosec // a port is no secret
		l, listenErr := new(net.ListenConfig).Listen(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err = listenErr; err != nil {
			continue
		}
		defer func() { _ = l.Close() }() // only when all are found, so that they differ
		ports = append(ports, port)
	}
	return nil, fmt.Errorf("no free port: %w", err)
}

// URLs returns those of all servers.
func (c *Cluster) URLs() (urls []string) {
	for _, n := range c.Nodes {
		urls = append(urls, n.URL)
	}
	return urls
}

// Await returns once a stream can be stored on every server.
func (c *Cluster) Await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var last error
	for ctx.Err() == nil {
		if last = c.probe(ctx); last == nil {
			return nil
		}
		for _, n := range c.Nodes {
			if !n.Running() {
				return fmt.Errorf("server %s ended:\n%s", n.Name, n.output)
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	return fmt.Errorf("servers not ready within %v: %w", patience, last)
}

// probe creates a stream on every server and deletes it.
func (c *Cluster) probe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	return c.With(func(js jetstream.JetStream) error {
		s, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "probe", Replicas: len(c.Nodes), Storage: jetstream.MemoryStorage})
		if err != nil {
			return err
		}
		info, err := s.Info(ctx)
		if err != nil {
			return err
		}
		if err := js.DeleteStream(ctx, "probe"); err != nil {
			return err
		}
		if info.Cluster != nil && len(info.Cluster.Replicas) != len(c.Nodes)-1 {
			return errors.New("not all servers have met")
		}
		return nil
	})
}

// With runs do with a connection to any of the servers.
func (c *Cluster) With(do func(jetstream.JetStream) error) error {
	nc, err := nats.Connect(strings.Join(c.URLs(), ","), c.options...)
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(patience))
	if err != nil {
		return err
	}
	return do(js)
}

// Leader returns the server that leads the stream.
func (c *Cluster) Leader(ctx context.Context, stream string) (leader *Node, err error) {
	err = c.With(func(js jetstream.JetStream) error {
		s, err := js.Stream(ctx, stream)
		if err != nil {
			return err
		}
		for _, n := range c.Nodes {
			if n.Name == s.CachedInfo().Cluster.Leader {
				leader = n
				return nil
			}
		}
		return fmt.Errorf("stream %s has no leader", stream)
	})
	return leader, err
}

// Stop ends the servers at once and waits for them. Their stores stay.
func (c *Cluster) Stop() {
	for _, n := range c.Nodes {
		n.Kill()
	}
}

// Start starts the server, for the first time or again, on the same port and store.
func (n *Node) Start() error {
	n.output = new(output)
	n.ended = make(chan struct{})
	n.cmd = exec.CommandContext(context.Background(), n.binary, "-c", n.settings) //nolint:gosec // what Build built
	n.cmd.Stdout, n.cmd.Stderr = n.output, n.output
	n.cmd.SysProcAttr = dieWithParent()
	if err := n.cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", n.Name, err)
	}
	go func(cmd *exec.Cmd, ended chan struct{}) {
		defer close(ended)
		_ = cmd.Wait()
	}(n.cmd, n.ended)
	return nil
}

// Running reports whether the server has not ended.
func (n *Node) Running() bool {
	if n.ended == nil {
		return false
	}
	select {
	case <-n.ended:
		return false
	default:
		return true
	}
}

// Kill ends the server as a crash would (SIGKILL), and waits for its end.
func (n *Node) Kill() {
	if n.Running() {
		_ = n.cmd.Process.Kill()
		<-n.ended
	}
}

// Signal sends the server a signal, such as SIGSTOP and SIGCONT.
func (n *Node) Signal(sig syscall.Signal) error { return n.cmd.Process.Signal(sig) }

// Store returns the folder that the server stores in.
func (n *Node) Store() string { return strings.TrimSuffix(n.settings, ".conf") }

// Log returns what the server has printed.
func (n *Node) Log() string { return n.output.String() }

// output collects what a process prints.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}
