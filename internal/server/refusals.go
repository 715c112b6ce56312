package server

import (
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/hashd-project/hashd/internal/engine"
)

// quiet is how long refusals must stay away before refusing counts as ended: near a limit some requests
// are taken and some refused, and that is one spell, not many.
const quiet = 10 * time.Second

// What the log says of a spell in which requests are refused.
const (
	refusing    = "refusing requests"
	refusingEnd = "refusing requests has ended"
)

// refusals logs two lines for each spell in which requests are refused because the server is full or
// down, however many they are: one when it begins and one when it has ended. Each limit has spells of
// its own. It is safe for concurrent use.
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

// note takes in an error that a request was answered with. A readiness check does not count as refused,
// but it shows too that the spell goes on.
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
		s.end = time.AfterFunc(quiet, func() { r.endIfQuiet(limit, s) })
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

// endIfQuiet ends a spell if it has been quiet for long enough, or looks again when it may have been.
func (r *refusals) endIfQuiet(limit string, s *spell) {
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
