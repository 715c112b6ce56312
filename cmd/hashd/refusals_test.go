package main

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
			i.log(t, "refusing requests", 1).want(t, "level", "WARN", "kind", "full", "limit", "max-pending")
			c.do(t, http.MethodDelete, path(job.Id), "").want(t, http.StatusNoContent)
			i.stop(t)
			i.log(t, "refusing requests has ended", 1).want(t, "level", "INFO", "kind", "full", "limit", "max-pending", "requests", 5)
			if n := len(i.stderr.find("refusing requests")); n != 1 {
				t.Errorf("it says %d times that it refuses", n)
			}
		})
	}
}
