package server

import (
	"log/slog"
	"testing"
	"testing/synctest"
	"time"
)

// wantCrowd fails the test unless the log has so many lines of a beginning, and one of an end for each number
// of connections closed.
func wantCrowd(t *testing.T, log *journal, when string, begun int, closed ...float64) {
	t.Helper()
	ends := log.lines(crowdingEnd)
	if got := len(log.lines(crowding)); got != begun || len(ends) != len(closed) {
		t.Fatalf("%s: %d lines of a beginning and %d of an end, want %d and %d", when, got, len(ends), begun, len(closed))
	}
	for n, line := range ends {
		if line["closed"] != closed[n] || line["limit"] != 7.0 {
			t.Errorf("%s: the end says %v, want %v closed", when, line, closed[n])
		}
	}
}

// However many connections are closed, the log tells of the beginning once, and of the end once none was
// closed for a whole period.
func TestCrowdIsLoggedWhenItBeginsAndEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &journal{TB: t}
		w := crowd{limit: 7, log: slog.New(slog.NewJSONHandler(log, nil))}
		w.stop()
		wantCrowd(t, log, "stopped without a crowd", 0)
		for range 100 {
			w.note()
			time.Sleep(quiet / 4)
		}
		synctest.Wait()
		wantCrowd(t, log, "while it goes on", 1)
		time.Sleep(2 * quiet)
		synctest.Wait()
		wantCrowd(t, log, "once it is quiet", 1, 100)
		time.Sleep(10 * quiet)
		synctest.Wait()
		wantCrowd(t, log, "long after", 1, 100)
		w.note()
		w.note()
		wantCrowd(t, log, "a second time", 2, 100)
		w.stop()
		wantCrowd(t, log, "stopped in a crowd", 2, 100, 2)
		w.stop()
		time.Sleep(10 * quiet)
		synctest.Wait()
		wantCrowd(t, log, "long after the stop", 2, 100, 2)
	})
}
