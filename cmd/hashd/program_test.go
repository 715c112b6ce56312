package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/hashd-project/hashd/v2/internal/config"
	"github.com/hashd-project/hashd/v2/internal/contracttest"
	"github.com/hashd-project/hashd/v2/internal/engine"
	"github.com/hashd-project/hashd/v2/internal/server"
	"github.com/hashd-project/hashd/v2/internal/service"
	"github.com/hashd-project/hashd/v2/internal/transcript"
)

// running is a program that runs inside the test, where its parts can be replaced.
type running struct {
	log     *transcript.Transcript
	signals chan os.Signal
	ended   chan struct{} // closed when it has returned
	err     error         // then what it returned
}

// run runs a function of the program until the test ends it.
func run(t *testing.T, f func(log *transcript.Transcript, signals <-chan os.Signal) error) *running {
	t.Helper()
	r := &running{log: transcript.New(), signals: make(chan os.Signal, 8), ended: make(chan struct{})}
	go func() {
		defer close(r.ended)
		r.err = f(r.log, r.signals)
	}()
	t.Cleanup(func() {
		for range 3 {
			r.signals <- syscall.SIGINT
		}
		_ = r.end(t)
	})
	return r
}

// end waits until the function has returned and returns what it did.
func (r *running) end(t *testing.T) error {
	t.Helper()
	select {
	case <-r.ended:
		return r.err
	case <-time.After(patience):
		t.Fatalf("it does not return:\n%s", r.log)
		return nil
	}
}

func loadConfig(t *testing.T, args ...string) config.Config {
	t.Helper()
	fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
	settings := config.New(fs)
	if err := fs.Parse(append([]string{"--port=0", "--log-format=json", "--first-id=1"}, args...)); err != nil {
		t.Fatal(err)
	}
	cfg, _, err := settings.Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// assembleOn makes the program as serve does, which logs to the outbox.
func assembleOn(t *testing.T, cfg config.Config, o *outbox) (*program, error) {
	t.Helper()
	log, err := newLogger(cfg, o)
	if err != nil {
		return nil, err
	}
	return assemble(t.Context(), &maker{loaded: loaded{cfg: cfg}, log: log})
}

// A choice that no case is for makes no program, and leaves nothing in the data folder: no engine takes
// the place of another.
func TestUnknownChoicesAreRefused(t *testing.T) {
	t.Parallel()
	o := newOutbox(io.Discard)
	defer o.close()
	for what, spoil := range map[string]func(*config.Config){
		"engine":     func(c *config.Config) { c.Engine = "files" },
		"no engine":  func(c *config.Config) { c.Engine = "" },
		"sync":       func(c *config.Config) { c.Sync = "sometimes" },
		"drain":      func(c *config.Config) { c.Drain = "leave" },
		"log-format": func(c *config.Config) { c.LogFormat = "xml" },
	} {
		dir := filepath.Join(t.TempDir(), "data")
		cfg := loadConfig(t, "--engine=file", "--data-dir="+dir)
		spoil(&cfg)
		p, err := assembleOn(t, cfg, o)
		if err == nil {
			_ = p.engine.Close()
		}
		if want := "there is no " + strings.TrimPrefix(what, "no "); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one that says %q", what, err, want)
		}
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: the folder is there, or error %v", what, err)
		}
	}
}

// A start that a signal has ended makes no engine: nobody would close it.
func TestEndedStartMakesNoEngine(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := filepath.Join(t.TempDir(), "data")
	m := &maker{loaded: loaded{cfg: loadConfig(t, "--engine=file", "--data-dir="+dir)}, log: slog.New(slog.DiscardHandler)}
	if _, err := assemble(ctx, m); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder is there, or error %v", err)
	}
}

// stuck is an engine of which some jobs are never done.
type stuck struct {
	engine.Engine
	left int64
}

func (s stuck) Stats() engine.Stats { return engine.Stats{Accepted: s.left, Pending: s.left} }

func (s stuck) Drain(ctx context.Context) error {
	<-ctx.Done()
	return &engine.LeftError{Left: s.left, Cause: context.Cause(ctx)}
}

// runStuck runs a program whose drain ends only by force.
func runStuck(t *testing.T, left int64, args ...string) *running {
	t.Helper()
	cfg := loadConfig(t, args...)
	return run(t, func(log *transcript.Transcript, signals <-chan os.Signal) error {
		out := newOutbox(log)
		defer out.closeWhole()
		p, err := assembleOn(t, cfg, out)
		if err != nil {
			return err
		}
		whole := p.engine
		p.engine = stuck{whole, left}
		p.service = service.New(service.Config{Engine: p.engine, MaxWait: cfg.MaxWait})
		p.server = server.New(server.Config{
			MaxBodyBytes: int(cfg.MaxBodyBytes), MaxConnections: cfg.MaxConnections,
			ReadTimeout: cfg.ReadTimeout, WriteTimeout: cfg.WriteTimeout, Log: slog.New(slog.DiscardHandler),
		}, p.service)
		return p.run(signals)
	})
}

// A drain that reaches its timeout fails, and says how many jobs it leaves.
func TestDrainTimeoutLeavesJobs(t *testing.T) {
	t.Parallel()
	r := runStuck(t, 7, "--delay=0s", "--drain-timeout=1ms")
	r.signals <- syscall.SIGTERM
	err := r.end(t)
	left, ok := errors.AsType[*engine.LeftError](err)
	if !ok || left.Left != 7 || !errors.Is(err, errDrainTimeout) || errors.Is(err, errInterrupted) {
		t.Errorf("run returns %v, want 7 jobs left at the drain-timeout", err)
	}
	r.log.Await(t, r.ended, stoppedSoon, 1).Want(t, "level", "ERROR", "completed", 0, "left", 7)
	if got := r.log.Find(stopped); len(got) > 0 {
		t.Errorf("it also logs %v", got)
	}
}

func TestInterruptLeavesJobs(t *testing.T) {
	t.Parallel()
	r := runStuck(t, 7)
	r.signals <- syscall.SIGINT
	r.log.Await(t, r.ended, draining, 1)
	r.signals <- syscall.SIGINT
	if err := r.end(t); !errors.Is(err, errInterrupted) || errors.Is(err, errDrainTimeout) {
		t.Errorf("run returns %v, want %v", err, errInterrupted)
	}
	r.log.Await(t, r.ended, stoppedSoon, 1).Want(t, "left", 7)
}

// angryMonkeyHash is the hash of angryMonkey.
const angryMonkeyHash = "ZEHhWB65gUlzdVwtDQArEyx+KVLzp/aTaRaPlBzYRIFj6vjFdqEb0Q5B8zVKCZ0vKbZPZklJz0Fd7su2A+gf7Q=="

// caller sends requests to the program and holds each answer to the contract.
type caller struct {
	base     string
	http     *http.Client
	contract *contracttest.Contract
}

// call returns the body of the answer, which must have that status. Of a job that is pending the
// answer is held. It calls sent, if there is one, once the request has gone out.
func (c caller) call(t *testing.T, method, path, body string, sent func(), status int) []byte {
	t.Helper()
	ctx := t.Context()
	if sent != nil {
		ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { sent() }})
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return nil
	}
	req.Header.Set("Content-Type", "application/json")
	if method == http.MethodGet {
		req.Header.Set("Prefer", "wait=30")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		t.Error(err)
		return nil
	}
	text, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		t.Error(err)
		return nil
	}
	if err := c.contract.Check(req, resp.StatusCode, resp.Header, text); err != nil || resp.StatusCode != status {
		t.Errorf("%s %s: %d %s, want %d: %v", method, path, resp.StatusCode, text, status, err)
	}
	return text
}

// A listener that fails ends the program with an error, but not before the accepted jobs are
// done and those who wait for them have their hashes.
func TestListenerFails(t *testing.T) {
	t.Parallel()
	cfg := loadConfig(t, "--delay=10s")
	contract, err := contracttest.New() // now, for it can take long, and the job is to be pending when the listener fails
	if err != nil {
		t.Fatal(err)
	}
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := run(t, func(log *transcript.Transcript, signals <-chan os.Signal) error {
		out := newOutbox(log)
		defer out.closeWhole()
		p, err := assembleOn(t, cfg, out)
		if err != nil {
			return err
		}
		return p.serveOn(l, signals)
	})
	// All on one connection: no other can be made.
	transport := &http.Transport{MaxConnsPerHost: 1}
	defer transport.CloseIdleConnections()
	c := caller{base: "http://" + l.Addr().String(), http: &http.Client{Transport: transport, Timeout: patience}, contract: contract}
	c.call(t, http.MethodPost, "/hash", `{"password":"angryMonkey"}`, nil, http.StatusAccepted)
	sent, answered := make(chan struct{}), make(chan []byte, 1)
	once := sync.OnceFunc(func() { close(sent) })
	go func() {
		defer once() // also if it never goes out
		answered <- c.call(t, http.MethodGet, "/hash/1", "", once, http.StatusOK)
	}()
	<-sent
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if got := <-answered; !bytes.Contains(got, []byte(`"hash":"`+angryMonkeyHash+`"`)) {
		t.Errorf("job 1 is lost: %s", got)
	}
	if err := r.end(t); !errors.Is(err, net.ErrClosed) || !strings.HasPrefix(err.Error(), "serve: ") {
		t.Errorf("it returns %v, want why it could not serve", err)
	}
	r.log.Await(t, r.ended, draining, 1).Want(t, "cause", r.err, "pending", 1)
	r.log.Await(t, r.ended, stopped, 1).Want(t, "completed", 1, "left", 0)
}

// runExecute runs the whole command line.
func runExecute(t *testing.T, args ...string) *running {
	t.Helper()
	return run(t, func(log *transcript.Transcript, signals <-chan os.Signal) error {
		if code := execute(args, nil, log, log, signals); code != 0 {
			return fmt.Errorf("exit code %d", code)
		}
		return nil
	})
}

// Either signal stops the program, also one that comes before the program listens.
func TestExecute(t *testing.T) {
	t.Parallel()
	for _, sig := range []os.Signal{syscall.SIGTERM, syscall.SIGINT} {
		r := runExecute(t, "--port=0", "--log-format=json")
		r.signals <- sig
		if err := r.end(t); err != nil {
			t.Errorf("%v: %v:\n%s", sig, err, r.log)
		}
	}
}

// A port that is taken ends the program at once, and it leaves nothing running.
func TestExecuteListenFails(t *testing.T) {
	t.Parallel()
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() })
	address := taken.Addr().String()
	r := runExecute(t, "--listen="+address)
	if err := r.end(t); err == nil || err.Error() != "exit code 1" {
		t.Errorf("got %v, want exit code 1", err)
	}
	want := "hashd: listen: listen tcp " + address + ": bind: address already in use; is hashd running already? Choose another port with --port\n"
	// Before it, a binary that cannot lock memory says so, such as one with the race detector.
	if got := r.log.String(); !strings.HasSuffix(got, want) || strings.Count(got, "hashd: ") != 1 {
		t.Errorf("it says %q, want %q", got, want)
	}
}
