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
)

// debugTimeout is for a profile to be taken and written.
const debugTimeout = 2 * time.Minute

// A profiler serves profiles on an address of this machine. It is the way to look into the process, which no
// other one may: it is not dumpable.
type profiler struct {
	server *http.Server
	cancel context.CancelFunc // ends profiles that are being taken
	served chan struct{}      // closed once it does no more
}

// startDebug listens on the address, or does nothing if that is "".
func startDebug(address string, log *slog.Logger) (*profiler, error) {
	if address == "" {
		return nil, nil //nolint:nilnil // a nil *profiler is one that does nothing
	}
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("debug-listen: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	d := &profiler{cancel: cancel, served: make(chan struct{}), server: &http.Server{
		Handler:           forLoopback(profiles()),
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: debugTimeout, IdleTimeout: time.Minute,
		MaxHeaderBytes: 16 << 10,
		BaseContext:    func(net.Listener) context.Context { return ctx },
		ErrorLog:       slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}}
	go func() {
		defer close(d.served)
		_ = d.server.Serve(l) // says that it was shut down
	}()
	log.Info("profiles", "url", "http://"+l.Addr().String()+"/debug/pprof/")
	return d, nil
}

// close ends it, also in the middle of a profile.
func (d *profiler) close() {
	if d == nil {
		return
	}
	d.cancel()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if d.server.Shutdown(ctx) != nil {
		_ = d.server.Close()
	}
	<-d.served
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

// forLoopback refuses requests that name another host, as a page of a stranger does whose name resolves
// to this machine.
func forLoopback(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
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
