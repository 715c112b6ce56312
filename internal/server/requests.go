package server

import (
	"cmp"
	"iter"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"

	wire "github.com/hashd-project/hashd/v2/gen/server"
	"github.com/hashd-project/hashd/v2/internal/engine"
)

// Names beside those of the contract's operations.
const (
	documentation = "documentation"
	metrics       = "metrics"
	noOperation   = "none" // an unknown path or method, OPTIONS, or what is no request
)

// The statuses that there may be.
const (
	lowestStatus  = 100
	highestStatus = 599
)

// byStatus counts the requests for one operation.
type byStatus struct {
	name   string
	counts [highestStatus - lowestStatus + 1]atomic.Int64
	took   engine.Durations
}

// add counts a request that was answered with the status.
func (b *byStatus) add(status int) {
	if status >= lowestStatus && status <= highestStatus {
		b.counts[status-lowestStatus].Add(1)
	}
}

// requests counts those that were answered. It is safe for concurrent use.
type requests struct {
	operations []operation // those that most requests ask for first: a map would cost more than to count
	pages      byStatus
	metrics    byStatus
	none       byStatus
}

// operation is one of the contract, and what counts its requests.
type operation struct {
	route
	*byStatus
}

func newRequests() *requests {
	r := &requests{
		pages: byStatus{name: documentation}, metrics: byStatus{name: metrics}, none: byStatus{name: noOperation},
	}
	for at, name := range wire.Operations() {
		r.operations = append(r.operations, operation{route{at[0], at[1]}, &byStatus{name: name}})
	}
	often := []route{{http.MethodPost, "/hash"}, {http.MethodGet, "/hash/:id"}}
	slices.SortFunc(r.operations, func(a, b operation) int {
		return cmp.Or(slices.Index(often, b.route)-slices.Index(often, a.route), cmp.Compare(a.name, b.name))
	})
	return r
}

// of returns what counts requests with the method to the path, which is as Echo writes it.
func (r *requests) of(method, path string) *byStatus {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	for i := range r.operations {
		if o := &r.operations[i]; o.path == path && o.method == method {
			return o.byStatus
		}
	}
	switch {
	case method != http.MethodGet:
	case path == metricsPath:
		return &r.metrics
	case strings.HasPrefix(path, "/docs") || strings.HasPrefix(path, "/openapi.") || path == "/" || strings.HasPrefix(path, "/page/"):
		return &r.pages
	}
	return &r.none
}

// all yields what counts the requests for each operation.
func (r *requests) all() iter.Seq[*byStatus] {
	return func(yield func(*byStatus) bool) {
		for _, o := range r.operations {
			if !yield(o.byStatus) {
				return
			}
		}
		_ = yield(&r.pages) && yield(&r.metrics) && yield(&r.none)
	}
}

// each tells what was counted so far.
func (r *requests) each(tell func(operation string, status int, n int64)) {
	for b := range r.all() {
		b.each(tell)
	}
}

func (b *byStatus) each(tell func(operation string, status int, n int64)) {
	for i := range b.counts {
		if n := b.counts[i].Load(); n > 0 {
			tell(b.name, lowestStatus+i, n)
		}
	}
}

// Durations tells how long it took to answer requests so far, by operation as Requests. It leaves out those that were
// refused before they were read, and those that waited because their client asked for that.
func (s *Server) Durations(tell func(operation string, took engine.Histogram)) {
	for b := range s.parts.requests.all() {
		if took := b.took.Histogram(); took.Count() > 0 {
			tell(b.name, took)
		}
	}
}

// Requests tells how many requests were answered so far, by operation and status. Operations are named as in the
// contract; what is none of it is "documentation" (all pages), "metrics" or "none".
func (s *Server) Requests(tell func(operation string, status int, n int64)) {
	s.parts.requests.each(tell)
}

// Problems tells how many requests were answered with a problem so far, by the last part of its type, and by the limit
// that is reached where that is "full".
func (s *Server) Problems(tell func(kind, limit string, n int64)) {
	r := s.parts.refused
	r.mu.Lock()
	defer r.mu.Unlock()
	for why, n := range r.counts {
		tell(problemTypes[why.kind].name, why.limit, n)
	}
}

// Connections returns how many connections there are.
func (s *Server) Connections() int { return s.conns.open() }
