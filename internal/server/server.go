// Package server assembles the HTTP side: Echo with the generated routes, strict binding,
// problem answers, request ids, logging, timeouts and limits on connections. It knows the
// service by the generated interface and the few methods it needs; it must not know the engine
// but for the errors it turns into answers.
package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	wire "github.com/hashd-project/hashd/v2/gen/server"
	"github.com/hashd-project/hashd/v2/internal/engine"
	"github.com/hashd-project/hashd/v2/internal/follow"
	"github.com/hashd-project/hashd/v2/internal/strict"
)

// Service is what the server serves.
type Service interface {
	wire.StrictServerInterface
	// Answered counts a submission of the context that was answered with an accepted job, and how long that took.
	Answered(ctx context.Context, took time.Duration)
}

// Config holds the server's limits; all must be positive.
type Config struct {
	MaxBodyBytes   int   // largest request body but for a batch
	MaxBatchBytes  int   // largest body of a batch
	MaxBatchMemory int64 // memory for batches being read, in bytes
	MaxConnections int   // connections at a time; then idle ones are closed, and at last new ones refused
	MaxInFlight    int   // requests under way at a time, see gate; 0 for as many as the cores need

	ReadHeaderTimeout time.Duration // for the header of a request
	ReadTimeout       time.Duration // for a whole request
	WriteTimeout      time.Duration // for each piece of an answer to be taken
	IdleTimeout       time.Duration // between requests of a connection

	TLS *tls.Config // of the listener that Serve gets; nil for none

	Origins []string // whose pages may use the API from a browser, as browsers write them
	Proxies Proxies  // whose word is taken for who the client is

	Listen string   // the address that Serve's listener was made for, whose host is this server
	Hosts  []string // more hosts that are this server, each with a port if only that port is; see hosts

	Guard strict.Guard // who may call what; nil for a server that is open to all
	Log   *slog.Logger

	AccessLog bool // logs a line for each request at info; else it is at debug

	// Begin begins the span of a request, by its method and route, and returns its context and what ends the span; nil for
	// no spans. Traceparent returns the span of a request as the field of that name does, or ""; nil for none.
	Begin       func(r *http.Request, method, route string) (ctx context.Context, end func(status int))
	Traceparent func(r *http.Request) string

	Pages map[string]http.Handler // more to answer to GET, by path; may be nil

	Metrics http.Handler // answers GET /metrics, to keys of that scope; nil for none
}

// Server answers HTTP requests. Serve and Shutdown may be called once each.
type Server struct {
	cfg     Config
	parts   parts
	conns   *connections
	streams *streams
	gate    *gate // nil for none
	refuser *refuser
	http    *http.Server

	resting  atomic.Bool
	listener atomic.Pointer[listener] // Serve's
}

// parts are what a server and its handler share.
type parts struct {
	batches  *batchRoom
	refused  *refusals
	requests *requests
}

func newParts(cfg *Config) parts {
	return parts{batches: newBatchRoom(cfg), refused: newRefusals(cfg.Log), requests: newRequests()}
}

// New returns a server for the service.
func New(cfg Config, service Service) *Server {
	s := newServer(cfg)
	s.streams.next = newHandler(cfg, service, s.parts)
	s.gate, s.refuser = newGate(cfg.MaxInFlight), newRefuser(cfg, service, s.parts)
	s.conns.gate = s.gate
	return s
}

// NewOps returns a server for those who watch over another one, which answers with whatever the handler
// does. It has limits and timeouts of its own, but no other part of Config counts.
func NewOps(cfg Config, handler http.Handler) *Server {
	s := newServer(cfg)
	s.streams.next = handler
	return s
}

// newServer returns a server that has no handler yet.
func newServer(cfg Config) *Server {
	conns, streams := newConnections(cfg.MaxConnections, cfg.Log), &streams{limit: cfg.WriteTimeout}
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(cfg.TLS != nil) // to net/http no connection has TLS: see secured
	return &Server{
		cfg:     cfg,
		parts:   newParts(&cfg),
		conns:   conns,
		streams: streams,
		http: &http.Server{ // answers are timed by their connections: see conn
			Handler:                      streams,
			Protocols:                    &protocols,
			HTTP2:                        limitsHTTP2(cfg.WriteTimeout),
			ReadHeaderTimeout:            cfg.ReadHeaderTimeout,
			ReadTimeout:                  cfg.ReadTimeout,
			IdleTimeout:                  cfg.IdleTimeout,
			MaxHeaderBytes:               maxHeaderBytes,
			DisableGeneralOptionsHandler: true,
			ConnContext:                  withClient,
			ConnState:                    conns.changed,
			ErrorLog:                     slog.NewLogLogger(cfg.Log.Handler(), slog.LevelWarn),
		},
	}
}

// Health returns what answers /healthz and /readyz of this server elsewhere.
func (s *Server) Health() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET "+livenessPath, s.streams.next)
	mux.Handle("GET "+readinessPath, s.streams.next)
	return mux
}

// maxHeaderBytes leaves room for the contract's headers several times over.
const maxHeaderBytes = 16 << 10

// Handler returns the whole chain that answers a request.
func Handler(cfg Config, service Service) http.Handler {
	return newHandler(cfg, service, newParts(&cfg))
}

func newHandler(cfg Config, service Service, shared parts) http.Handler {
	r := newRouter()
	if cfg.Guard == nil {
		cfg.Guard = open{}
	}
	wire.RegisterHandlers(r, wire.NewStrictHandler(service, binder{&cfg}.read, cfg.Guard))
	for path, page := range cfg.Pages {
		r.page(path, page)
	}
	h := &handler{
		cfg: cfg, router: r, service: service, parts: shared, hosts: newHosts(cfg.Listen, cfg.Hosts),
		fields: newFields(cfg.TLS != nil, cfg.Origins),
	}
	if cfg.Metrics != nil {
		r.GET(metricsPath, h.metrics)
	}
	h.allowed = allowed(r.routes())
	r.Use(h.around)
	return r
}

// metricsPath is no part of the contract: what it answers with is for Prometheus, and of its kind.
const metricsPath = "/metrics"

// metrics answers with the figures of the whole server, which are not for everyone who may have those of a tenant.
func (h *handler) metrics(c echoContext) error {
	ctx, err := h.cfg.Guard.Admit(c.Request(), strict.Requirement{Scheme: "apiKey", Scopes: []string{"metrics"}})
	if err != nil {
		return err //nolint:wrapcheck // as the generated wrappers
	}
	h.cfg.Metrics.ServeHTTP(c.Response(), c.Request().WithContext(ctx))
	return nil
}

// open is the guard of a server that is open to all.
type open struct{}

// Admit implements strict.Guard.
func (open) Admit(r *http.Request, _ ...strict.Requirement) (context.Context, error) {
	return r.Context(), nil
}

// Serve answers requests on the listener until Shutdown, and then returns nil.
func (s *Server) Serve(l net.Listener) error {
	if s.gate != nil {
		bell, err := newBell(l)
		if err != nil {
			return fmt.Errorf("serve: %w", err)
		}
		s.gate.start(bell)
		defer s.gate.stop(nil) // nobody comes any more; or Shutdown was first
	}
	a := &answering{limit: s.cfg.WriteTimeout, parts: s.parts, log: s.cfg.Log, gate: s.gate, refuser: s.refuser}
	own := newListener(l, s.conns)
	if s.cfg.TLS != nil {
		own.secure = &security{s.cfg.TLS, s.cfg.WriteTimeout, s.cfg.Log, a.withoutTLS}
	}
	a.Listener = own
	if s.listener.Store(own); s.resting.Load() {
		own.rest()
	}
	err := s.http.Serve(a)
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve: %w", err)
}

// StopAccepting leaves all who connect from now on to others who have the same socket, such as the next process of a
// service manager that keeps it open: there they wait. It returns once those who have just connected have sent their
// requests, or had time to. Those who are connected get one more answer each.
func (s *Server) StopAccepting(ctx context.Context) {
	s.resting.Store(true)
	l := s.listener.Load()
	if l == nil {
		return
	}
	l.rest()
	select {
	case <-l.rested:
	case <-l.closed: // it accepts no more anyway
	}
	s.http.SetKeepAlivesEnabled(false)
	s.conns.settle(ctx)
}

// Shutdown stops listening, closes the connections on which no request is under way, and returns once
// the requests under way are answered. A body that is still arriving is given that much patience and
// then refused. If ctx ends first, all connections are cut.
func (s *Server) Shutdown(ctx context.Context, patience time.Duration) error {
	defer s.parts.refused.close()
	defer s.conns.crowd.stop()
	s.StopAccepting(ctx)
	s.conns.close(time.Now().Add(patience))
	s.gate.stop(ctx.Done())
	defer follow.Every(partingTime, s.conns.part)()
	err := s.http.Shutdown(ctx)
	cut := s.conns.open()
	if err != nil {
		err = &CutError{Connections: cut, Err: errors.Join(err, s.http.Close())}
	}
	s.streams.wait(ctx.Done())
	return err
}

// CutError says that a shutdown ended before its requests did.
type CutError struct {
	Connections int   // how many were cut
	Err         error // why
}

// Error implements error.
func (e *CutError) Error() string {
	return fmt.Sprintf("shutdown: %v: %d connections cut", e.Err, e.Connections)
}

// Unwrap returns the cause.
func (e *CutError) Unwrap() error { return e.Err }

// Limit returns how many connections there may be: fewer than MaxConnections if the system lets the
// process have fewer files open.
func (s *Server) Limit() int { return s.conns.limit }

// Uses returns the limits for which the server refuses requests, and how much of each is used.
func (s *Server) Uses() []engine.Use {
	return []engine.Use{
		{Name: "max-connections", Limit: int64(s.conns.limit), Used: int64(min(s.conns.open(), s.conns.limit))},
		{Name: maxInFlight, Limit: int64(s.gate.limit), Used: s.gate.used()},
		{Name: "max-batch-memory", Limit: s.cfg.MaxBatchMemory, Used: s.parts.batches.used.Load()},
	}
}
