package e2e

import (
	"net/http"
	"testing"
)

// TestForeignHostIsRefused names hosts to the real binary as a browser would: its own, a stranger's that
// leads to loopback, and one that was allowed.
func TestForeignHostIsRefused(t *testing.T) {
	t.Parallel()
	i := start(t, "--delay=1h", "--hosts=hash.example,other.example:8443")
	c := i.client(t)
	job := c.submit(t, angryMonkey)
	as := func(host string) func(*http.Request) { return func(r *http.Request) { r.Host = host } }
	for _, host := range []string{i.address, "localhost", "HASHD.localhost:1", "hash.example", "Hash.Example.:80", "other.example:8443"} {
		c.do(t, http.MethodGet, path(job.Id), "", as(host)).want(t, http.StatusAccepted)
	}
	for _, host := range []string{"evil.example", "hash.example.evil.example", "other.example", "192.0.2.1"} {
		c.do(t, http.MethodDelete, path(job.Id), "", as(host)).wantProblem(t, http.StatusMisdirectedRequest, "misdirected-request")
		c.do(t, http.MethodGet, path(job.Id), "", as(host)).wantProblem(t, http.StatusMisdirectedRequest, "misdirected-request")
	}
	c.do(t, http.MethodDelete, path(job.Id), "").want(t, http.StatusNoContent) // nothing was done to it before
	i.stop(t)
}
