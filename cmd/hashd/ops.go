package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"strings"
	"time"

	"github.com/hashd-project/hashd/v2/internal/server"
)

// What the listener for operators allows. A profile takes as long as it is asked to.
const (
	opsConnections = 64
	opsTimeout     = 10 * time.Second
	opsIdle        = time.Minute
)

// ops is what those who operate the server are answered on an address of their own: health and metrics for
// anybody there, and profiles for this machine alone. Profiles are the way to look into the process, which no other
// one may: it is not dumpable.
type ops struct {
	url    string
	server *server.Server
	cancel context.CancelFunc // ends profiles that are being taken
	served chan struct{}      // closed once it does no more
}

// startOps serves on the listener, if there is one, or else on the address, or does nothing if that is "".
func startOps(given net.Listener, address string, main *server.Server, metrics http.Handler, log *slog.Logger) (*ops, error) {
	if address == "" {
		return nil, nil //nolint:nilnil // a nil *ops is one that does nothing
	}
	l, err := listen(given, address)
	if err != nil {
		return nil, fmt.Errorf("ops-listen: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	mux := http.NewServeMux()
	mux.Handle("/", main.Health())
	mux.Handle("GET /metrics", metrics)
	mux.Handle("/debug/pprof/", forLoopback(endedBy(ctx, profiles())))
	o := &ops{url: "http://" + reachable(l.Addr().String()), cancel: cancel, served: make(chan struct{}), server: server.NewOps(server.Config{
		MaxConnections: opsConnections, MaxBatchMemory: 1,
		ReadHeaderTimeout: opsTimeout, ReadTimeout: opsTimeout, WriteTimeout: opsTimeout, IdleTimeout: opsIdle,
		Log: log,
	}, mux)}
	go func() {
		defer close(o.served)
		if err := o.server.Serve(l); err != nil {
			log.Error("ops-listen answers no more", "error", err)
		}
	}()
	log.Info("operations", "address", l.Addr().String(), "url", o.url)
	return o, nil
}

// at returns its URL, "" if there is none.
func (o *ops) at() string {
	if o == nil {
		return ""
	}
	return o.url
}

// close ends it, also in the middle of a profile.
func (o *ops) close() {
	if o == nil {
		return
	}
	o.cancel()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = o.server.Shutdown(ctx, 0) // cuts what is left
	<-o.served
}

// endedBy ends requests with the context.
func endedBy(ctx context.Context, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		own, cancel := context.WithCancel(r.Context())
		defer cancel()
		defer context.AfterFunc(ctx, cancel)()
		next.ServeHTTP(w, r.WithContext(own)) //nolint:contextcheck // it is the request's, which ctx ends too
	})
}

func profiles() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}

// forLoopback refuses requests from other machines, and those that name another host, as a page of a
// stranger does whose name resolves to this machine.
func forLoopback(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		peer, err := netip.ParseAddrPort(r.RemoteAddr)
		if err != nil || !peer.Addr().Unmap().IsLoopback() {
			http.Error(w, "only this machine is answered here", http.StatusForbidden)
			return
		}
		host := r.Host
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
		if !strings.EqualFold(host, "localhost") && (err != nil || !ip.IsLoopback()) {
			http.Error(w, "this host is not served here", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}
