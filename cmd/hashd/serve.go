package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"

	"github.com/hashd-project/hashd/v2/api"
	"github.com/hashd-project/hashd/v2/internal/config"
	"github.com/hashd-project/hashd/v2/internal/docs"
	"github.com/hashd-project/hashd/v2/internal/engine"
	"github.com/hashd-project/hashd/v2/internal/observe"
	"github.com/hashd-project/hashd/v2/internal/page"
	"github.com/hashd-project/hashd/v2/internal/server"
	"github.com/hashd-project/hashd/v2/internal/service"
)

// program is the running server: its parts, and the order in which they stop.
type program struct {
	cfg     config.Config
	log     *slog.Logger
	ending  ending
	files   followed
	engine  engine.Engine
	service *service.Service
	server  *server.Server
	metrics http.Handler
	screen  *outbox // the terminal of who has started it; nil for none
	sockets sockets // of the service manager
}

// serve runs the server until a signal and then stops it gracefully. A signal during the start ends
// that at once.
func serve(l loaded, stdout io.Writer, stderr *outbox, signals <-chan os.Signal) error {
	log, err := newLogger(l.cfg, stderr)
	if err != nil {
		return err
	}
	given, err := handedOver(&l.cfg)
	if err != nil {
		return err
	}
	tracing, err := startTracing(log)
	if err != nil {
		return err
	}
	defer stopTracing(tracing, log) // last, since jobs are hashed until then
	p, err := until(signals, func(ctx context.Context) (*program, error) {
		return assemble(ctx, &maker{loaded: l, log: log, tracing: tracing})
	})
	if ended, ok := errors.AsType[*signalError](err); ok {
		log.Info("stopped before it was ready", "cause", ended.signal.String())
		if p == nil {
			return nil
		}
		defer p.files.close()
		return p.close(signals)
	}
	if err != nil {
		return err
	}
	screen, done := screenOf(&p.cfg, stdout, stderr)
	defer done()
	p.screen = screen
	p.sockets = given
	return p.run(signals)
}

// assemble makes the parts. On an error nothing is left running.
func assemble(ctx context.Context, m *maker) (*program, error) {
	cfg := m.cfg
	ending, err := endingOf(cfg.Drain)
	if err != nil {
		return nil, err
	}
	b, err := build()
	if err != nil {
		return nil, err
	}
	pages, err := pages()
	if err != nil {
		return nil, err
	}
	files, err := openFollowed(&cfg, m.log)
	if err != nil {
		return nil, err
	}
	made, err := m.make(ctx)
	if err != nil {
		files.close()
		return nil, err
	}
	guard, err := newGuard(&cfg, files.keys, made.engine, m.log)
	if err != nil {
		files.close()
		return nil, errors.Join(err, made.engine.Close())
	}
	metrics := observe.New(observe.Build{Version: b.Version, Commit: b.Commit, Go: b.Go, API: b.API})
	answer := metrics.Handler(m.log)
	var serving *server.Server
	serviceConfig := service.Config{
		Engine: made.engine, EngineName: string(cfg.Engine), Build: b, MaxWait: cfg.MaxWait, AnswerMemory: cfg.MaxBatchMemory,
		FingerprintKey: made.fingerprintKey, Store: made.storeID, Meter: guard, Warnings: files.warnings,
		Limits: service.Limits{Batch: int64(made.maxBatch), Jobs: min(cfg.MaxPending, cfg.MaxResults), Delay: cfg.Delay, Retention: cfg.Retention, BodyBytes: cfg.MaxBodyBytes, BatchBodyBytes: cfg.MaxBatchBytes},
		Uses:   func() []engine.Use { return serving.Uses() },
	}
	serverConfig := server.Config{
		MaxBodyBytes: int(cfg.MaxBodyBytes), MaxBatchBytes: int(cfg.MaxBatchBytes), MaxBatchMemory: cfg.MaxBatchMemory,
		MaxConnections:    cfg.MaxConnections,
		MaxInFlight:       cfg.MaxInFlight,
		ReadHeaderTimeout: cfg.ReadHeaderTimeout, ReadTimeout: cfg.ReadTimeout,
		WriteTimeout: cfg.WriteTimeout, IdleTimeout: cfg.IdleTimeout,
		Origins: cfg.OriginList(), Proxies: server.NewProxies(cfg.ProxyList()),
		TLS: files.tls(), Listen: cfg.Address(), Hosts: cfg.HostList(), Guard: guard, Log: m.log, Pages: pages, Metrics: answer,
		AccessLog: cfg.AccessLog,
	}
	m.trace(&serverConfig, &serviceConfig)
	s := service.New(serviceConfig)
	serving = server.New(serverConfig, s) //nolint:contextcheck // it makes some answers beforehand, which are for no request
	p := &program{cfg: cfg, log: m.log, ending: ending, files: files, engine: made.engine, service: s, server: serving, metrics: answer}
	metrics.Watch(p.sources())
	return p, nil
}

// pages are what stands beside the contract's paths: the live page, and the contract for people.
func pages() (map[string]http.Handler, error) {
	all, err := docs.Pages(api.Contract())
	if err != nil {
		return nil, err
	}
	live, err := page.Pages()
	maps.Copy(all, live)
	return all, err
}

// sources are what metrics are read from.
func (p *program) sources() observe.Sources {
	s := observe.Sources{
		Engine: p.engine, EngineName: string(p.cfg.Engine), Delay: p.cfg.Delay,
		Uses: p.service.Uses, Answers: p.service.Answers, Draining: p.service.Draining,
		Requests: p.server.Requests, Durations: p.server.Durations, Problems: p.server.Problems, Connections: p.server.Connections,
		Files: p.files.each,
	}
	if sized, ok := p.engine.(interface{ StoreBytes() int64 }); ok {
		s.StoreBytes = sized.StoreBytes
	}
	if grouping, ok := p.engine.(interface{ GroupTimes() engine.Histogram }); ok {
		s.Groups = grouping.GroupTimes
	}
	if syncing, ok := p.engine.(interface{ Fsyncs() int64 }); ok {
		s.Fsyncs = syncing.Fsyncs
	}
	if remote, ok := p.engine.(interface {
		RoundTrips() engine.Histogram
		ClockOffset() time.Duration
	}); ok {
		s.RoundTrips, s.ClockOffset = remote.RoundTrips, remote.ClockOffset
	}
	if p.files.certs != nil {
		s.Expires = p.files.certs.Expires
	}
	return s
}

// scheme returns the scheme of the server's URL.
func scheme(cfg *config.Config) string {
	if cfg.TLSCert != "" {
		return "https"
	}
	return "http"
}

// run listens, serves, and closes the engine. It returns once the server has stopped and every
// goroutine that it started has ended, unless one of them hangs.
func (p *program) run(signals <-chan os.Signal) error {
	defer p.files.close()
	d, err := startOps(p.sockets.ops, p.cfg.OpsListen, p.server, p.metrics, p.log)
	if err != nil {
		return errors.Join(err, p.close(signals))
	}
	defer d.close() // last, so that a stop which hangs can be looked into
	l, err := listen(p.sockets.main, p.cfg.Address())
	if err != nil {
		return errors.Join(listenError(p.cfg.Address(), err), p.close(signals))
	}
	host, _, _ := net.SplitHostPort(p.cfg.Address()) // as it was given, for it to be recognized
	_, port, _ := net.SplitHostPort(l.Addr().String())
	url := scheme(&p.cfg) + "://" + reachable(net.JoinHostPort(host, port))
	p.log.Info("listening", "address", l.Addr().String(), "url", url, "docs", url+"/docs", "engine", p.cfg.Engine, "delay", p.cfg.Delay,
		"max_pending", p.cfg.MaxPending, "max_results", p.cfg.MaxResults, "retention", p.cfg.Retention, "pending", p.engine.Stats().Pending)
	if p.cfg.Engine == config.EngineMemory {
		p.log.Info("jobs and results are kept in memory alone: a crash or kill -9 loses them all; --engine=file or jetstream keeps them")
	}
	if limit := p.server.Limit(); limit < p.cfg.MaxConnections {
		p.log.Warn("fewer connections than max-connections: the system lets this process have too few files open",
			"limit", limit, "max_connections", p.cfg.MaxConnections)
	}
	p.greet(url, cmp.Or(d.at(), url))
	defer p.attended(url)()
	return p.serveOn(l, signals)
}

// listenError says what to do about an address that cannot be listened on.
func listenError(address string, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("listen: %w; is hashd running already? Choose another port with --port", err)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("listen: %w; ports below 1024 need a privilege: choose another with --port", err)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("listen: %w; this machine does not have the address: choose another with --listen", err)
	}
	return fmt.Errorf("listen on %s: %w", address, err)
}

// serveOn serves until a signal, or until the listener fails: then nobody can connect any more,
// but those who are connected still get their hashes.
func (p *program) serveOn(l net.Listener, signals <-chan os.Signal) error {
	served := make(chan error, 1)
	go func() { served <- p.server.Serve(l) }()
	select {
	case err := <-served:
		served <- err
		return p.stop(fmt.Sprint(err), false, signals, served)
	case sig := <-signals:
		return p.stop(sig.String(), sig == syscall.SIGINT, signals, served)
	}
}
