//go:build linux

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/hashd-project/hashd/v2/internal/engine"
	"github.com/hashd-project/hashd/v2/internal/server"
	"github.com/hashd-project/hashd/v2/internal/service"
)

// httpTask sends POST /hash to one design: to its handler in process, or over loopback if there
// are clients.
type httpTask struct {
	Design   design
	Requests int
	Clients  int
}

// httpResult has the nanoseconds a request takes, on the clock and of all cores together.
type httpResult struct{ Nanoseconds, CPU float64 }

func newHTTP(fs *flag.FlagSet) runner {
	requests := fs.Int("requests", 300_000, "requests of each case")
	clients := fs.Int("clients", 32, "connections over loopback")
	return func(ctx context.Context, s *session) error {
		t := table{title: fmt.Sprintf("http: %d times POST /hash, hashd with everything on, beside a bare Echo handler", *requests)}
		chain, err := httpPairs(ctx, s, httpTask{Requests: *requests})
		if err != nil {
			return err
		}
		loopback, err := httpPairs(ctx, s, httpTask{Requests: *requests / 3, Clients: *clients})
		if err != nil {
			return err
		}
		cost := chain.row("handler chain in process", unit{name: "ns", digits: 0}, func(r httpResult) float64 { return r.Nanoseconds })
		speed := loopback.row(fmt.Sprintf("over loopback, %d clients", *clients), unit{name: "req/s", better: more},
			func(r httpResult) float64 { return 1e9 / r.Nanoseconds })
		busy := func(r httpResult) float64 { return r.CPU }
		t.add(
			cost.aim(">= 1.00x", cost.factor() >= 1),
			chain.row("handler chain in process, CPU time", unit{name: "ns"}, busy),
			speed.aim(">= 0.90x", speed.factor() >= 0.9),
			loopback.row("over loopback, CPU time with the client's", unit{name: "ns"}, busy),
		)
		t.note("baseline: Echo's Bind and JSON on encoding/json, no validation, no request id, no log; both answer the same JSON")
		return s.print(&t)
	}
}

func httpPairs(ctx context.Context, s *session, task httpTask) (pairs[httpResult], error) {
	return inTurn[httpResult](ctx, s, func(d design) any {
		task.Design = d
		return task
	})
}

// httpCase measures one design.
func httpCase(ctx context.Context, task httpTask) (r httpResult, err error) {
	handler, stop, err := task.Design.handler(int64(task.Requests))
	if err != nil {
		return r, err
	}
	defer stop()
	var took time.Duration
	before := cpuTime()
	if task.Clients == 0 {
		took, err = callHandler(ctx, handler, single(), task.Requests)
	} else {
		took, err = callOverLoopback(ctx, handler, single(), task.Requests, task.Clients)
	}
	r.CPU = float64((cpuTime() - before).Nanoseconds()) / float64(task.Requests)
	r.Nanoseconds = float64(took.Nanoseconds()) / float64(task.Requests)
	return r, err
}

// handler returns the design's whole handler chain, and what stops it.
func (d design) handler(jobs int64) (http.Handler, func(), error) {
	if d == baseline {
		return bareHandler(), func() {}, nil
	}
	e, err := openEngine(notDue, jobs)
	if err != nil {
		return nil, nil, err
	}
	return fullHandler(e), func() { _ = e.Close() }, nil
}

// fullHandler is the server's handler chain with everything on.
func fullHandler(e engine.Engine) http.Handler {
	cfg := server.Config{
		MaxBodyBytes: 16 << 10, MaxBatchBytes: 8 << 20, MaxBatchMemory: 256 << 20, WriteTimeout: time.Minute,
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)), //nolint:sloglint // one at info, as by default; the other is never enabled
	}
	return server.Handler(cfg, service.New(service.Config{Engine: e, MaxWait: time.Second}))
}

// bareHandler decodes and answers the same JSON as hashd in the way of Echo's own manual.
func bareHandler() http.Handler {
	type request struct {
		Password  string  `json:"password"`
		Algorithm *string `json:"algorithm"`
	}
	type answer struct {
		ID        int64     `json:"id"`
		Status    string    `json:"status"`
		Algorithm string    `json:"algorithm"`
		Due       time.Time `json:"due"`
	}
	e := echo.New()
	var (
		mu sync.Mutex
		id int64
	)
	e.POST("/hash", func(c echo.Context) error {
		var r request
		if err := c.Bind(&r); err != nil {
			return err
		}
		mu.Lock()
		id++
		a := answer{id, "pending", "sha512", time.Now().Add(5 * time.Second)}
		mu.Unlock()
		return c.JSON(http.StatusAccepted, a)
	})
	return e
}

// submission is what is posted, and where.
type submission struct{ path, body string }

func single() submission { return submission{"/hash", `{"password":"angryMonkey"}`} }

// callHandler calls the handler in this goroutine and returns how long that took.
func callHandler(ctx context.Context, handler http.Handler, what submission, requests int) (time.Duration, error) {
	body := strings.NewReader("")
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, what.path, io.NopCloser(body))
	if err != nil {
		return 0, fmt.Errorf("make the request: %w", err)
	}
	req.ContentLength = int64(len(what.body))
	req.Header.Set("Content-Type", "application/json")
	stream := req.Body
	w := &countingWriter{header: http.Header{}}
	start := time.Now()
	for range requests {
		body.Reset(what.body)
		req.Body = stream
		clear(w.header)
		handler.ServeHTTP(w, req)
	}
	took := time.Since(start)
	if w.accepted != requests {
		return 0, fmt.Errorf("%d of %d requests accepted", w.accepted, requests)
	}
	return took, nil
}

// countingWriter is a http.ResponseWriter that drops the answer.
type countingWriter struct {
	header   http.Header
	accepted int
}

func (w *countingWriter) Header() http.Header { return w.header }

func (w *countingWriter) Write(b []byte) (int, error) { return len(b), nil }

func (w *countingWriter) WriteHeader(status int) {
	if status == http.StatusAccepted {
		w.accepted++
	}
}

// callOverLoopback serves the handler on loopback, shares the requests out among the clients,
// and returns how long they took.
func callOverLoopback(ctx context.Context, handler http.Handler, what submission, requests, clients int) (took time.Duration, err error) {
	err = overLoopback(ctx, handler, clients, func(transport *http.Transport, base string) error {
		errs := make([]error, clients)
		var active sync.WaitGroup
		start := time.Now()
		for n := range clients {
			share := requests*(n+1)/clients - requests*n/clients
			active.Go(func() { errs[n] = post(ctx, transport, base, what, share) })
		}
		active.Wait()
		took = time.Since(start)
		return errors.Join(errs...)
	})
	return took, err
}

// latencies returns how long each of the requests takes over loopback, one after the other.
func latencies(ctx context.Context, handler http.Handler, what submission, requests int) (took []time.Duration, err error) {
	err = overLoopback(ctx, handler, 1, func(transport *http.Transport, base string) error {
		for range requests {
			start := time.Now()
			if err := post(ctx, transport, base, what, 1); err != nil {
				return err
			}
			took = append(took, time.Since(start))
		}
		return nil
	})
	return took, err
}

// overLoopback serves the handler for as long as do runs, with as many connections as there are clients.
func overLoopback(ctx context.Context, handler http.Handler, clients int, do func(transport *http.Transport, base string) error) error {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	srv := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	transport := &http.Transport{MaxIdleConnsPerHost: clients}
	err = do(transport, "http://"+l.Addr().String())
	transport.CloseIdleConnections()
	err = errors.Join(err, srv.Shutdown(ctx))
	<-served
	return err
}

// post sends that many requests one after the other.
func post(ctx context.Context, transport *http.Transport, base string, what submission, requests int) error {
	for range requests {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+what.path, strings.NewReader(what.body))
		if err != nil {
			return fmt.Errorf("make the request: %w", err)
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := transport.RoundTrip(req)
		if err != nil {
			return fmt.Errorf("post: %w", err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusAccepted {
			return fmt.Errorf("post: status %s", resp.Status)
		}
	}
	return nil
}
