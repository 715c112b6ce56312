package server

import (
	"log/slog"
	"sync"
	"time"
)

// What the log says of a time in which silent connections are closed for others.
const (
	crowding    = "max-connections is reached: closing idle connections"
	crowdingEnd = "closing idle connections has ended"
)

// crowd logs two lines, however many clients there are: one when silent connections begin to be closed
// for others, and one when that is over, with their number.
type crowd struct {
	limit int
	log   *slog.Logger

	mu     sync.Mutex
	closed int64       // since it began
	lately bool        // some were since the timer was set
	timer  *time.Timer // nil where none is closed
}

// note counts a silent connection closed.
func (w *crowd) note() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed++
	w.lately = true
	if w.timer == nil {
		w.log.Warn(crowding, "limit", w.limit)
		w.timer = time.AfterFunc(quiet, w.look)
	}
}

func (w *crowd) look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.timer == nil: // stopped meanwhile
	case w.lately:
		w.lately = false
		w.timer.Reset(quiet)
	default:
		w.over()
	}
}

// stop ends the watch.
func (w *crowd) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer != nil {
		w.timer.Stop()
		w.over()
	}
}

func (w *crowd) over() {
	w.log.Info(crowdingEnd, "limit", w.limit, "closed", w.closed)
	w.closed, w.lately, w.timer = 0, false, nil
}
