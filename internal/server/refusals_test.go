package server

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// refusalLines returns what the log says of spells, in short.
func (s *site) refusalLines() (lines []string) {
	for _, message := range []string{refusing, refusingEnd} {
		for _, line := range s.log.lines(message) {
			lines = append(lines, fmt.Sprint(line["level"], " ", line["kind"], " ", line["limit"], " ", line["requests"], " ", line["lasted"]))
		}
	}
	return lines
}

// wantRefusals fails the test unless the log has these lines of spells: those that began, then those
// that ended.
func (s *site) wantRefusals(when string, want ...string) {
	s.Helper()
	if got := s.refusalLines(); !slices.Equal(got, want) {
		s.Errorf("%s the log has %q, want %q", when, got, want)
	}
}

// However many requests are refused, there is one line when that begins and one when it has ended,
// whatever engine it is and whichever limit. What is taken in between does not end it.
func TestRefusingIsLoggedOnceWhenItBeginsAndOnceWhenItEnds(t *testing.T) {
	for what, tt := range map[string]struct {
		err        error
		begun, end string
	}{
		"full": {&engine.FullError{Limit: "max-pending", RetryAfter: time.Minute}, "WARN full max-pending <nil> <nil>", "INFO full max-pending 1000 "},
		"down": {fmt.Errorf("store: %w", engine.ErrDown), "ERROR down <nil> <nil> <nil>", "INFO down <nil> 1000 "},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, on(fake{err: tt.err}))
				well := newSite(t, on(fake{}))
				for n := range 1000 {
					s.ask("POST /hash", password).want(503)
					if n%10 == 0 {
						well.ask("POST /hash", password).want(202)
						time.Sleep(quiet - time.Nanosecond)
					}
				}
				lasted := 100 * (quiet - time.Nanosecond)
				time.Sleep(quiet - time.Nanosecond)
				synctest.Wait()
				s.wantRefusals("while it goes on", tt.begun)
				time.Sleep(time.Nanosecond)
				synctest.Wait()
				ended := tt.end + fmt.Sprint(float64(lasted))
				s.wantRefusals("once it has been quiet", tt.begun, ended)

				time.Sleep(time.Hour)
				s.ask("POST /hash", password).want(503)
				time.Sleep(quiet)
				synctest.Wait()
				if got := s.refusalLines(); len(got) != 4 {
					t.Errorf("after two spells the log has %q", got)
				}
				well.wantRefusals("where nothing is refused")
			})
		})
	}
}

// Each limit is a matter of its own, and what a client did wrong, or a drain, is none.
func TestLimitsRefuseEachByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, on(fake{}))
		r := newRefusals(s.cfg.Log)
		for _, err := range []error{engine.ErrDraining, engine.ErrClosed, engine.ErrUnknown, engine.ErrInvalid, engine.ErrIdempotencyKeyReused, nil} {
			r.note(err, internalError, false)
		}
		s.wantRefusals("after errors of other kinds")
		r.note(&engine.FullError{Limit: "max-pending"}, full, false)
		r.note(fmt.Errorf("accept: %w", &engine.FullError{Limit: "disk"}), full, false)
		r.note(engine.ErrDown, down, false)
		if got := s.refusalLines(); len(got) != 3 {
			t.Errorf("of three matters the log has %q", got)
		}
		r.close()
		if got := s.refusalLines(); len(got) != 6 {
			t.Errorf("once the server has stopped the log has %q", got)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if got := s.refusalLines(); len(got) != 6 {
			t.Errorf("later the log has %q", got)
		}
	})
}

// unready is an engine that says so.
type unready struct{ fake }

func (u unready) Ready(context.Context) error { return u.err }

// Whoever asks whether the server is ready learns that it is down, but was not refused anything.
func TestReadinessProbesAreNotCountedAsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, on(unready{fake{err: engine.ErrDown}}))
		for range 30 {
			s.ask("GET /readyz", "").want(503)
			time.Sleep(time.Second)
		}
		s.ask("POST /hash", password).want(503)
		time.Sleep(quiet)
		synctest.Wait()
		s.wantRefusals("after probes and one submission", "ERROR down <nil> <nil> <nil>", "INFO down <nil> 1 "+fmt.Sprint(float64(30*time.Second)))
	})
}
