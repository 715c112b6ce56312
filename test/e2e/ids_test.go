package e2e

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
)

// A server that keeps its jobs in memory is killed and started again under load, time after time: each
// id that it acknowledged in an earlier life is unknown, while as many are given out anew and after
// that. None ever shows another secret's hash.
func TestIDsOfEarlierLivesAreUnknown(t *testing.T) {
	t.Parallel()
	const lives, batches, size = 4, 20, 100
	var old []job
	for life := range lives {
		// As a user starts it: nothing is said about ids.
		i := started(t, launch(t, nil, "--port=0", "--log-format=json", "--delay=20ms"))
		c := i.client(t)
		ctx, cancel := context.WithCancel(t.Context())
		var load sync.WaitGroup
		t.Cleanup(func() { cancel(); load.Wait() })
		jobs := make(chan []job, batches)
		load.Go(func() {
			defer close(jobs)
			for n := 0; ctx.Err() == nil; n++ {
				secrets := make([]string, size)
				for i := range secrets {
					secrets[i] = fmt.Sprintf("secret %d of batch %d of life %d", i, n, life)
				}
				if accepted, err := c.tryBatch(ctx, secrets); err == nil {
					select {
					case jobs <- accepted:
					case <-ctx.Done():
					}
				}
			}
		})
		var acknowledged []job
		for range batches {
			acknowledged = append(acknowledged, <-jobs...)
			wantUnknownIDs(t, c, old, 50)
		}
		if err := c.checkHash(t.Context(), acknowledged[0]); err != nil {
			t.Error(err)
		}
		for batch := range slices.Chunk(old, size) {
			a := c.do(t, http.MethodGet, fmt.Sprintf("/hash/batch?first=%d&count=%d", batch[0].id, size), "").want(t, http.StatusOK)
			if strings.Count(string(a.body), `"unknown"`) != size {
				t.Fatalf("ids of an earlier life answer %s", a.body)
			}
		}
		i.kill(t)
		cancel()
		load.Wait()
		old = append(old, acknowledged...)
	}
}

// wantUnknownIDs asks for n of the jobs, spread over all of them.
func wantUnknownIDs(t *testing.T, c *client, jobs []job, n int) {
	t.Helper()
	for i := 0; i < len(jobs); i += max(1, len(jobs)/max(1, n)) {
		a := c.do(t, http.MethodGet, path(jobs[i].id), "")
		if a.status != http.StatusNotFound {
			t.Fatalf("an id of an earlier life answers %d %s", a.status, a.body)
		}
	}
}

// The ends of the range of first-id work: ids count up from there, and stay exact in JavaScript.
func TestFirstIDSetting(t *testing.T) {
	t.Parallel()
	for first, setting := range map[int64]string{1: "1", 1 << 52: "4503599627370496"} {
		i := started(t, launch(t, []string{"HASHD_FIRST_ID=" + setting}, "--port=0", "--log-format=json", "--delay=0s"))
		c := i.client(t)
		jobs := append(submitMany(t, c, 1), submitBatch(t, c, 10)...)
		for n, j := range jobs {
			if want := first + int64(n); j.id != want {
				t.Errorf("job %d of those from %d on has id %d", n, first, j.id)
			}
			if err := c.checkHash(t.Context(), j); err != nil {
				t.Error(err)
			}
		}
		c.do(t, http.MethodGet, path(first+11), "").wantProblem(t, http.StatusNotFound, "unknown-job")
		i.stop(t)
	}
}

// Two servers started at one time do not know each other's ids.
func TestServersShareNoIDs(t *testing.T) {
	t.Parallel()
	var ids [2]int64
	var clients [2]*client
	for n := range ids {
		i := started(t, launch(t, nil, "--port=0", "--log-format=json"))
		clients[n] = i.client(t)
		ids[n] = clients[n].submit(t, "secret").Id
		if ids[n] < 1 || ids[n] > 1<<52 {
			t.Errorf("the first id is %d", ids[n])
		}
	}
	for n, c := range clients {
		c.do(t, http.MethodGet, path(ids[1-n]), "").wantProblem(t, http.StatusNotFound, "unknown-job")
		c.do(t, http.MethodDelete, path(ids[1-n]), "").wantProblem(t, http.StatusNotFound, "unknown-job")
	}
}
