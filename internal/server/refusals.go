package server

import (
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/hashd-project/hashd/v2/internal/engine"
	"github.com/hashd-project/hashd/v2/internal/guard"
)

// quiet is how long refusals must stay away before refusing counts as ended: near a limit some requests
// are taken and some refused, and that is one spell, not many.
const quiet = 10 * time.Second

// What the log says of a spell in which requests are refused.
const (
	refusing    = "refusing requests"
	refusingEnd = "refusing requests has ended"
)

// refusals logs two lines for each spell in which requests are refused, however many they are: one when it
// begins and one when it has ended. Each reason has spells of its own. It is safe for concurrent use.
type refusals struct {
	log *slog.Logger

	mu     sync.Mutex
	spells map[reason]*spell
	counts map[reason]int64 // of answers, by kind and limit
}

// reason is why requests are refused.
type reason struct {
	kind  kind
	limit string // of a server that is full
	key   string // the name of the key whose rate or quota is used up; "" for callers without one
}

// spell is a time in which requests are refused for one reason.
type spell struct {
	began, last time.Time
	requests    int64
	end         *time.Timer
}

func newRefusals(log *slog.Logger) *refusals {
	return &refusals{log: log, spells: make(map[reason]*spell), counts: make(map[reason]int64)}
}

// reasonOf returns why the error refuses a request; false if that is the request's own fault alone.
func reasonOf(err error) (reason, bool) {
	var (
		limit *engine.FullError
		own   *guard.LimitError
	)
	switch {
	case errors.As(err, &limit):
		return reason{kind: full, limit: limit.Limit}, true
	case errors.Is(err, engine.ErrDown):
		return reason{kind: down}, true
	case errors.Is(err, guard.ErrUnauthorized):
		return reason{kind: unauthorized}, true
	case errors.As(err, &own) && own.Quota:
		return reason{kind: quotaExceeded, key: own.Key}, true
	case errors.As(err, &own):
		return reason{kind: rateLimited, key: own.Key}, true
	}
	return reason{}, false
}

// attrs are how the log tells the reason.
func (r reason) attrs() []any {
	attrs := []any{"kind", problemTypes[r.kind].name}
	if r.limit != "" {
		attrs = append(attrs, "limit", r.limit)
	}
	if r.key != "" {
		attrs = append(attrs, "name", r.key)
	}
	return attrs
}

// note takes in an error that a request was answered with, as a problem of that kind. A readiness check does not
// count as refused, but it shows too that the spell goes on.
func (r *refusals) note(err error, as kind, asks bool) {
	why, ok := reasonOf(err)
	r.mu.Lock()
	defer r.mu.Unlock()
	if !asks {
		r.counts[reason{kind: as, limit: why.limit}]++
	}
	if !ok {
		return
	}
	now := time.Now()
	s := r.spells[why]
	if s == nil {
		s = &spell{began: now}
		s.end = time.AfterFunc(quiet, func() { r.endIfQuiet(why, s) })
		r.spells[why] = s
		if why.kind == down {
			r.log.Error(refusing, append(why.attrs(), "error", err)...)
		} else {
			r.log.Warn(refusing, why.attrs()...)
		}
	}
	s.last = now
	if !asks {
		s.requests++
	}
}

// endIfQuiet ends a spell if it has been quiet for long enough, or looks again when it may have been.
func (r *refusals) endIfQuiet(why reason, s *spell) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.spells[why] != s {
		return
	}
	if left := quiet - time.Since(s.last); left > 0 {
		s.end.Reset(left)
		return
	}
	r.over(why, s)
}

// close ends every spell: the server stops.
func (r *refusals) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for why, s := range r.spells {
		s.end.Stop()
		r.over(why, s)
	}
}

func (r *refusals) over(why reason, s *spell) {
	delete(r.spells, why)
	r.log.Info(refusingEnd, append(why.attrs(), "requests", s.requests, "lasted", s.last.Sub(s.began))...)
}
