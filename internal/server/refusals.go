package server

import (
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/hashd-project/hashd/internal/engine"
)

// quiet is how long no request must have been refused until refusing has ended: near a limit some are
// taken and some are not, and that is one spell, not many.
const quiet = 10 * time.Second

// What the log says of a spell in which requests are refused.
const (
	refusing    = "refusing requests"
	refusingEnd = "refusing requests has ended"
)

// refusals logs when requests begin to be refused because the server is full or down, and when that
// has ended, for each limit by itself: two lines a spell, however many are refused. It is safe for
// concurrent use.
type refusals struct {
	log *slog.Logger

	mu     sync.Mutex
	spells map[string]*spell // by limit; "" for an engine that is down
}

// spell is a time in which requests are refused for one reason.
type spell struct {
	began, last time.Time
	requests    int64
	end         *time.Timer
}

func newRefusals(log *slog.Logger) *refusals {
	return &refusals{log: log, spells: make(map[string]*spell)}
}

// note takes in an error that a request was answered with. One that merely asks whether the server is
// ready is not refused anything, but tells as well how long that goes on.
func (r *refusals) note(err error, asks bool) {
	limit, isFull := errors.AsType[*engine.FullError](err)
	switch {
	case isFull:
		r.add(limit.Limit, err, asks)
	case errors.Is(err, engine.ErrDown):
		r.add("", err, asks)
	}
}

func (r *refusals) add(limit string, err error, asks bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	s := r.spells[limit]
	if s == nil {
		s = &spell{began: now}
		s.end = time.AfterFunc(quiet, func() { r.settle(limit, s) })
		r.spells[limit] = s
		if limit == "" {
			r.log.Error(refusing, "kind", "down", "error", err)
		} else {
			r.log.Warn(refusing, "kind", "full", "limit", limit)
		}
	}
	s.last = now
	if !asks {
		s.requests++
	}
}

// settle ends a spell if it has been quiet for long enough, or looks again when it may be.
func (r *refusals) settle(limit string, s *spell) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.spells[limit] != s {
		return
	}
	if left := quiet - time.Since(s.last); left > 0 {
		s.end.Reset(left)
		return
	}
	r.over(limit, s)
}

// close ends every spell: the server stops.
func (r *refusals) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for limit, s := range r.spells {
		s.end.Stop()
		r.over(limit, s)
	}
}

func (r *refusals) over(limit string, s *spell) {
	delete(r.spells, limit)
	attrs := []any{"kind", "full", "limit", limit}
	if limit == "" {
		attrs = []any{"kind", "down"}
	}
	r.log.Info(refusingEnd, append(attrs, "requests", s.requests, "lasted", s.last.Sub(s.began))...)
}
