package e2e

import (
	"net/http"
	"testing"
)

// An operator who is sent to the log finds there which limit refuses requests, and how many it
// refused.
func TestFullServerSaysSoInTheLog(t *testing.T) {
	t.Parallel()
	for what, args := range map[string][]string{
		"memory": nil, "file": onDisk(t.TempDir()),
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			i := start(t, append([]string{"--max-pending=1", "--delay=1h"}, args...)...)
			c := i.client(t)
			job := c.submit(t, "the only one")
			for range 5 {
				c.do(t, http.MethodPost, "/hash", submission("one more")).wantProblem(t, http.StatusServiceUnavailable, "full")
			}
			i.log(t, "refusing requests", 1).Want(t, "level", "WARN", "kind", "full", "limit", "max-pending")
			c.do(t, http.MethodDelete, path(job.Id), "").want(t, http.StatusNoContent)
			i.stop(t)
			i.log(t, "refusing requests has ended", 1).Want(t, "level", "INFO", "kind", "full", "limit", "max-pending", "requests", 5)
			if n := len(i.stderr.Find("refusing requests")); n != 1 {
				t.Errorf("it says %d times that it refuses", n)
			}
		})
	}
}

// A server that holds as many results as it may refuses every job until some are erased: it says so
// where it can be watched, and stays ready, or nobody could erase them through a balancer.
func TestFullOfResultsIsShown(t *testing.T) {
	t.Parallel()
	for what, args := range map[string][]string{
		"memory": nil, "file": onDisk(t.TempDir()),
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			i := start(t, append([]string{"--max-results=2", "--delay=0s"}, args...)...)
			c := i.client(t)
			jobs := submitBatch(t, c, 2)
			wantHashes(t, c, jobs)
			wantFull := func(limit string) {
				t.Helper()
				got := ""
				if full := c.stats(t).Full; full != nil {
					got = *full
				}
				if got != limit {
					t.Errorf("the statistics say that it is full for %q, want %q", got, limit)
				}
				c.do(t, http.MethodGet, "/readyz", "").want(t, http.StatusOK)
			}
			c.do(t, http.MethodPost, "/hash", submission("one more")).wantProblem(t, http.StatusServiceUnavailable, "full")
			wantFull("max-results")
			c.do(t, http.MethodDelete, path(jobs[0].id), "").want(t, http.StatusNoContent)
			wantFull("")
			c.submit(t, "one more")
			i.stop(t)
		})
	}
}
