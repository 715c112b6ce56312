package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/hashd-project/hashd/api"
	"github.com/hashd-project/hashd/internal/config"
	"github.com/hashd-project/hashd/internal/docs"
	"github.com/hashd-project/hashd/internal/engine"
	"github.com/hashd-project/hashd/internal/server"
	"github.com/hashd-project/hashd/internal/service"
)

// Why a stop ended early.
var (
	errInterrupted  = errors.New("interrupted")
	errDrainTimeout = errors.New("drain-timeout reached")
)

// program is the running server: its parts, and the order in which they stop.
type program struct {
	cfg     config.Config
	log     *slog.Logger
	engine  engine.Engine
	service *service.Service
	server  *server.Server
}

// serve runs the server until a signal and then stops it gracefully.
func serve(cfg config.Config, environ []string, stderr io.Writer, signals <-chan os.Signal) error {
	p, err := assemble(cfg, environ, newLogger(cfg, stderr))
	if err != nil {
		return err
	}
	return errors.Join(p.run(signals), p.engine.Close())
}

// assemble makes the parts. On an error nothing is left running.
func assemble(cfg config.Config, environ []string, log *slog.Logger) (*program, error) {
	b, err := build()
	if err != nil {
		return nil, err
	}
	pages, err := docs.Pages(api.Contract())
	if err != nil {
		return nil, err
	}
	e, printKey, err := newEngine(context.Background(), cfg, environ, log)
	if err != nil {
		return nil, err
	}
	s := service.New(service.Config{Engine: e, Build: b, MaxWait: cfg.MaxWait, PrintKey: printKey, Store: storeID(e)})
	return &program{cfg: cfg, log: log, engine: e, service: s, server: server.New(server.Config{
		MaxBodyBytes: int(cfg.MaxBodyBytes), MaxBatchBytes: int(cfg.MaxBatchBytes), MaxBatchMemory: cfg.MaxBatchMemory,
		MaxConnections:    cfg.MaxConnections,
		ReadHeaderTimeout: cfg.ReadHeaderTimeout, ReadTimeout: cfg.ReadTimeout,
		WriteTimeout: cfg.WriteTimeout, IdleTimeout: cfg.IdleTimeout,
		Listen: cfg.Address(), Hosts: cfg.HostList(), Log: log, Pages: pages,
	}, s)}, nil
}

// run listens and serves. It returns once the server has stopped and every goroutine that it
// started has ended.
func (p *program) run(signals <-chan os.Signal) error {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", p.cfg.Address())
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	p.log.Info("listening", "address", l.Addr().String(), "engine", p.cfg.Engine, "delay", p.cfg.Delay, "max_pending", p.cfg.MaxPending,
		"max_results", p.cfg.MaxResults, "retention", p.cfg.Retention, "pending", p.engine.Stats().Pending)
	return p.serveOn(l, signals)
}

// serveOn serves until a signal, or until the listener fails: then nobody can connect any more,
// but those who are connected still get their hashes.
func (p *program) serveOn(l net.Listener, signals <-chan os.Signal) error {
	served := make(chan error, 1)
	go func() { served <- p.server.Serve(l) }()
	select {
	case err := <-served:
		return errors.Join(err, p.stop(fmt.Sprint(err), false, signals))
	case sig := <-signals:
		return errors.Join(p.stop(sig.String(), sig == syscall.SIGINT, signals), <-served)
	}
}

// stop finishes every accepted job, answers the requests under way, and ends the server.
// impatient says that the next SIGINT is a second one.
func (p *program) stop(cause string, impatient bool, signals <-chan os.Signal) error {
	started := time.Now()
	p.log.Info("draining", "cause", cause, "pending", p.engine.Stats().Pending, "timeout", p.cfg.DrainTimeout)
	ctx, cancel := context.WithTimeoutCause(context.Background(), p.cfg.DrainTimeout, errDrainTimeout)
	defer cancel()
	ctx, interrupt := context.WithCancelCause(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		p.watch(ctx, impatient, signals, interrupt)
	}()
	err := errors.Join(p.drain(ctx), p.server.Shutdown(ctx))
	ended := context.Cause(ctx)
	interrupt(nil)
	<-watched
	return p.report(err, ended, time.Since(started))
}

// drain refuses new jobs and finishes those there are, or leaves them to others.
func (p *program) drain(ctx context.Context) error {
	if p.cfg.Drain != "handover" {
		return p.finish(ctx)
	}
	over, cancel := context.WithCancel(ctx)
	cancel()
	err := p.service.Drain(over)
	if left, ok := errors.AsType[*engine.LeftError](err); ok {
		p.log.Info("handing over", "pending", left.Left)
		return nil
	}
	return err
}

// watch handles the signals that come during a drain: a second SIGINT ends it, all others
// are noted and ignored.
func (p *program) watch(ctx context.Context, impatient bool, signals <-chan os.Signal, interrupt context.CancelCauseFunc) {
	for {
		select {
		case <-ctx.Done():
			return
		case sig := <-signals:
			if sig == syscall.SIGINT && impatient {
				interrupt(errInterrupted)
				return
			}
			impatient = impatient || sig == syscall.SIGINT
			p.log.Info("already draining: signal ignored", "signal", sig.String())
		}
	}
}

// report logs how the stop went and returns what it means for the exit code.
func (p *program) report(err, cause error, took time.Duration) error {
	st := p.engine.Stats()
	attrs := []any{"took", took, "completed", st.Completed, "canceled", st.Canceled, "left", st.Pending}
	if err == nil {
		p.log.Info("stopped", attrs...)
		return nil
	}
	p.log.Error("stopped early", append(attrs, "error", err)...)
	if errors.Is(cause, errInterrupted) {
		return errInterrupted
	}
	return err
}

func newLogger(cfg config.Config, w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: cfg.LogLevel}
	if cfg.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}
