package e2e

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"testing"

	goclient "github.com/hashd-project/hashd/v2/client"
	wire "github.com/hashd-project/hashd/v2/gen/server"
)

// What a tenant leaves behind keeps nobody out either, on any engine.
func TestNoTenantsResultsLockOutAnother(t *testing.T) {
	t.Parallel()
	keys := newKeysFile(t)
	red, blue := keys.add(t, "red", "--tenant=red"), keys.add(t, "blue", "--tenant=blue")
	for name, open := range doors(t, keys, "--delay=1ms", "--max-results=90") {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := open(t)
			c, n := i.client(t), 0
			a := c.do(t, http.MethodPost, "/hash", submission("secret"), bearer(red))
			for ; a.status == http.StatusAccepted; n++ {
				a = c.do(t, http.MethodPost, "/hash", submission("secret"), bearer(red))
			}
			p := decode[wire.Problem](t, a.wantProblem(t, http.StatusTooManyRequests, "quota-exceeded"))
			if n != 80 || !strings.Contains(p.Detail, "results") {
				t.Errorf("%d jobs of 90, then %q", n, p.Detail)
			}
			for range 8 {
				c.do(t, http.MethodPost, "/hash", submission("secret"), bearer(blue)).want(t, http.StatusAccepted)
			}
			i.kill(t)
		})
	}
}

// What is more than there can be at once goes in parts that fit, with and without tenants: waiting for room for all of it
// would have no end.
func TestBatchesFitIntoTheRoom(t *testing.T) {
	t.Parallel()
	keys := newKeysFile(t)
	token, _ := keys.add(t, "red", "--tenant=red"), keys.add(t, "blue", "--tenant=blue")
	for name, args := range map[string][]string{
		"max-pending":          {"--max-pending=50"},
		"max-results":          {"--max-results=50", "--retention=1s"},
		"share of max-pending": {"--max-pending=50", "--api-keys=" + string(keys)},
		"share of max-results": {"--max-results=50", "--retention=1s", "--api-keys=" + string(keys)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := start(t, append(args, "--delay=100ms")...)
			transport := &http.Transport{}
			t.Cleanup(transport.CloseIdleConnections)
			jobs, err := goclient.NewJobs(goclient.Config{
				Server: "http://" + i.address, HTTP: &http.Client{Transport: transport, Timeout: patience}, RetryFor: patience,
				APIKey: func(context.Context) (string, error) { return token, nil },
			})
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			for b, err := range jobs.SubmitBatches(t.Context(), bytes.Fields(bytes.Repeat([]byte("secret "), 60)), goclient.Options{}) {
				if err != nil {
					t.Fatal(err)
				}
				n += int(b.Count)
			}
			if n != 60 {
				t.Errorf("%d of 60 are submitted", n)
			}
			i.kill(t)
		})
	}
}
