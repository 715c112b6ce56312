package e2e

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	wire "github.com/hashd-project/hashd/v2/gen/server"
)

// Each test here would catch a mistake that other servers of this kind have made.

// refusals are requests that get no job. None may draw an id, move the statistics of accepted
// jobs, or redirect.
var refusals = []struct {
	method, path, body string
	edit               func(*http.Request)
	status             int
	kind               string
}{
	// A missing password is not an empty one, and an empty one is none.
	{"POST", "/hash", `{}`, nil, 400, "invalid-request"},
	{"POST", "/hash", `{"password":""}`, nil, 400, "invalid-request"},
	{"POST", "/hash", `{"password":null}`, nil, 400, "invalid-request"},
	{"POST", "/hash", `{"password":1}`, nil, 400, "invalid-request"},
	{"POST", "/hash", `{"password":["x"]}`, nil, 400, "invalid-request"},
	{"POST", "/hash", `{"Password":"x"}`, nil, 400, "invalid-request"},
	{"POST", "/hash", `{"password":"x","password":"y"}`, nil, 400, "invalid-request"},
	{"POST", "/hash", `{"password":"x","delay":0}`, nil, 400, "invalid-request"},
	{"POST", "/hash", `{"password":"x"}{"password":"y"}`, nil, 400, "invalid-request"},
	{"POST", "/hash", `{"password":"x"`, nil, 400, "invalid-request"},
	{"POST", "/hash", `{"password":"\ud800"}`, nil, 400, "invalid-request"},
	{"POST", "/hash", "{\"password\":\"\xff\"}", nil, 400, "invalid-request"},
	{"POST", "/hash", `{"password":"x","algorithm":"md5"}`, nil, 400, "invalid-request"},
	{"POST", "/hash", `null`, nil, 400, "invalid-request"},
	{"POST", "/hash", "", header("Content-Type", "application/json"), 400, "invalid-request"},
	{"POST", "/hash", "", nil, 415, "unsupported-media-type"},
	{"POST", "/hash", "password=x", header("Content-Type", "application/x-www-form-urlencoded"), 415, "unsupported-media-type"},
	{"POST", "/hash", submission("x"), header("Content-Type", ""), 415, "unsupported-media-type"},
	{"POST", "/hash", submission("x"), header("Content-Encoding", "gzip"), 415, "unsupported-media-type"},
	{"POST", "/hash", submission(strings.Repeat("x", 1025)), nil, 400, "invalid-request"},
	{"POST", "/hash", submission(strings.Repeat("x", 16<<10)), nil, 413, "body-too-large"},
	// A batch is all or nothing: one bad secret, and none of the good ones gets a job.
	{"POST", "/hash/batch", `{}`, nil, 400, "invalid-request"},
	{"POST", "/hash/batch", `{"passwords":[]}`, nil, 400, "invalid-request"},
	{"POST", "/hash/batch", `{"passwords":"x"}`, nil, 400, "invalid-request"},
	{"POST", "/hash/batch", `{"passwords":["x",""]}`, nil, 400, "invalid-request"},
	{"POST", "/hash/batch", `{"passwords":["x",null]}`, nil, 400, "invalid-request"},
	{"POST", "/hash/batch", `{"passwords":["x",1]}`, nil, 400, "invalid-request"},
	{"POST", "/hash/batch", `{"passwords":["x",]}`, nil, 400, "invalid-request"},
	{"POST", "/hash/batch", `{"passwords":["x"`, nil, 400, "invalid-request"},
	{"POST", "/hash/batch", `{"passwords":["x"],"passwords":["y"]}`, nil, 400, "invalid-request"},
	{"POST", "/hash/batch", `{"passwords":["x"],"algorithm":"md5"}`, nil, 400, "invalid-request"},
	{"POST", "/hash/batch", `{"passwords":["x","\ud800"]}`, nil, 400, "invalid-request"},
	{"POST", "/hash/batch", submission("x"), nil, 400, "invalid-request"},
	{"POST", "/hash", batchOf("x"), nil, 400, "invalid-request"},
	{"POST", "/hash/batch", batchOf("x", strings.Repeat("x", 1025)), nil, 400, "invalid-request"},
	{"POST", "/hash/batch", batchOf(slices.Repeat([]string{"x"}, 10_001)...), nil, 400, "invalid-request"},
	{"POST", "/hash/batch", strings.Repeat(" ", 8<<20) + batchOf("x"), nil, 413, "body-too-large"},
	{"POST", "/hash/batch", batchOf("x"), header("Content-Type", "text/plain"), 415, "unsupported-media-type"},
	{"POST", "/hash/batch/", batchOf("x"), nil, 404, "unknown-path"},
	{"GET", "/hash/batch", "", nil, 400, "invalid-request"},
	{"DELETE", "/hash/batch", "", nil, 400, "invalid-request"},
	{"PUT", "/hash/batch", batchOf("x"), nil, 405, "method-not-allowed"},
	// A trailing slash is another path.
	{"POST", "/hash/", submission("x"), nil, 404, "unknown-path"},
	{"GET", "/hash/", "", nil, 404, "unknown-path"},
	{"DELETE", "/hash/", "", nil, 404, "unknown-path"},
	{"GET", "/hash/1/", "", nil, 404, "unknown-path"},
	{"GET", "/stats/", "", nil, 404, "unknown-path"},
	{"GET", "//hash", "", nil, 404, "unknown-path"},
	{"GET", "//", "", nil, 404, "unknown-path"},
	// Methods are checked.
	{"GET", "/hash?limit=0", "", nil, 400, "invalid-request"},
	{"PUT", "/hash", submission("x"), nil, 405, "method-not-allowed"},
	{"POST", "/hash/1", submission("x"), nil, 405, "method-not-allowed"},
	{"POST", "/stats", "", nil, 405, "method-not-allowed"},
	{"DELETE", "/stats", "", nil, 405, "method-not-allowed"},
	// An id that is none neither hangs the server nor wraps onto a job.
	{"GET", "/hash/-1", "", nil, 400, "invalid-request"},
	{"DELETE", "/hash/-1", "", nil, 400, "invalid-request"},
	{"GET", "/hash/0", "", nil, 400, "invalid-request"},
	{"GET", "/hash/1.0", "", nil, 400, "invalid-request"},
	{"GET", "/hash/one", "", nil, 400, "invalid-request"},
	{"GET", "/hash/9223372036854775808", "", nil, 400, "invalid-request"},
	{"GET", "/hash/-9223372036854775809", "", nil, 400, "invalid-request"},
	{"GET", "/hash/9223372036854775807", "", nil, 404, "unknown-job"},
	{"GET", "/hash/4294967297", "", header("Prefer", "wait=10"), 404, "unknown-job"},
	{"DELETE", "/hash/4294967297", "", nil, 404, "unknown-job"},
	{"GET", "/hash/18446744073709551617", "", nil, 400, "invalid-request"},
}

func (c *client) refuseAll(t *testing.T) {
	t.Helper()
	for _, r := range refusals {
		edit := r.edit
		if edit == nil {
			edit = func(*http.Request) {}
		}
		a, err := c.try(t.Context(), r.method, r.path, r.body, edit)
		if err != nil {
			t.Errorf("%s %s: %v", r.method, r.path, err)
			continue
		}
		if got := decode[wire.Problem](t, a).Type; a.status != r.status || got != "urn:hashd:problem:"+r.kind {
			t.Errorf("%s %s %.50q: %d %s, want %d %s", r.method, r.path, r.body, a.status, got, r.status, r.kind)
		}
	}
}

// Refused requests draw no ids, and the statistics make sense before the first job and after.
func TestRefusalsLeaveNoTrace(t *testing.T) {
	t.Parallel()
	i := start(t, "--delay=1h")
	c := i.client(t)
	wantStats(t, c.stats(t), wire.Stats{})
	c.refuseAll(t)
	if st := c.stats(t); st.Average != 0 || st.Recent.Accepted != 0 {
		t.Errorf("after refusals alone: %+v", st)
	}
	wantStats(t, c.stats(t), wire.Stats{})
	var slowest time.Duration
	for want := range int64(3) {
		begun := time.Now()
		if job := c.submit(t, "x"); job.Id != want+1 {
			t.Errorf("id %d, want %d", job.Id, want+1)
		}
		slowest = max(slowest, time.Since(begun))
		c.refuseAll(t)
	}
	// The server cannot have taken longer than its slowest client saw: microseconds they are.
	st := c.stats(t)
	if st.Average < 1 || st.Average > slowest.Microseconds() {
		t.Errorf("average %d µs, while the slowest took %v", st.Average, slowest)
	}
	if st.Recent.Accepted != 3 || st.Recent.Average != st.Average {
		t.Errorf("the last minute: %+v", st)
	}
	wantStats(t, st, wire.Stats{Total: 3, Pending: 3})
}

// An unknown path is told where the right one is.
func TestTrailingSlashNamesTheRightPath(t *testing.T) {
	t.Parallel()
	c := start(t).client(t)
	a := c.do(t, http.MethodPost, "/hash/", submission("x")).wantProblem(t, http.StatusNotFound, "unknown-path")
	if !slices.Contains(strings.FieldsFunc(decode[wire.Problem](t, a).Detail, func(r rune) bool { return strings.ContainsRune(" ,.", r) }), "/hash") {
		t.Errorf("it does not name /hash: %s", a.body)
	}
	for path, want := range map[string]string{"/hash": "GET, HEAD, POST", "/hash/1": "DELETE, GET, HEAD", "/stats": "GET, HEAD", "/hash/batch": "DELETE, GET, HEAD, POST"} {
		a := c.do(t, http.MethodPatch, path, "").want(t, http.StatusMethodNotAllowed)
		allowed := strings.Split(a.header.Get("Allow"), ", ")
		slices.Sort(allowed)
		if got := strings.Join(slices.DeleteFunc(allowed, func(m string) bool { return m == http.MethodOptions }), ", "); got != want {
			t.Errorf("%s allows %s, want %s", path, got, want)
		}
	}
}

// However many submit at once: every job gets an id of its own, without gaps, and each hash is
// that of its own secret.
func TestConcurrentSubmitters(t *testing.T) {
	t.Parallel()
	const n = 500
	i := start(t, "--delay=100ms")
	c := i.client(t)
	jobs := submitMany(t, c, n)
	for k, j := range jobs {
		if j.id != int64(k+1) {
			t.Fatalf("the %d-th id is %d", k+1, j.id)
		}
	}
	var wg sync.WaitGroup
	for share := range slices.Chunk(jobs, n/10) {
		wg.Go(func() {
			for _, j := range share {
				if err := c.checkHash(t.Context(), j); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	st := c.stats(t)
	if st.Total != n || st.Completed != n || st.Kept != n || st.Pending != 0 {
		t.Errorf("stats %+v", st)
	}
	i.stop(t)
}

func (c *client) checkHash(ctx context.Context, j job) error {
	hash, err := c.await(ctx, j.id)
	if err != nil {
		return err
	}
	if hash != hashOf(j.secret) {
		return fmt.Errorf("job %d: %s is not the hash", j.id, hash)
	}
	return nil
}

// A full server refuses new jobs, and takes them again, with the next id, once there is room.
func TestFull(t *testing.T) {
	t.Parallel()
	c := start(t, "--delay=1h", "--max-pending=5").client(t)
	submitMany(t, c, 5)
	for range 3 {
		a := c.do(t, http.MethodPost, "/hash", submission("one too many")).wantProblem(t, http.StatusServiceUnavailable, "full")
		if a.header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	}
	for _, secrets := range [][]string{{"one too many"}, slices.Repeat([]string{"too many"}, 6)} {
		a := c.do(t, http.MethodPost, "/hash/batch", batchOf(secrets...)).wantProblem(t, http.StatusServiceUnavailable, "full")
		if a.header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	}
	if st := c.stats(t); st.Total != 5 || st.Pending != 5 || st.Rejected != 10 {
		t.Errorf("stats %+v", st)
	}
	c.do(t, http.MethodDelete, "/hash/3", "").want(t, http.StatusNoContent)
	if job := c.submit(t, "in its place"); job.Id != 6 {
		t.Errorf("id %d, want 6", job.Id)
	}
}
