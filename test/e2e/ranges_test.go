package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	wire "github.com/hashd-project/hashd/v2/gen/server"
)

// results is an answer with results as a client reads it.
type results struct {
	Results []result `json:"results"`
	Pending int      `json:"pending"`
	Next    int64    `json:"next"`
}

type result struct {
	ID     int64  `json:"id"`
	Status string `json:"status"`
	Hash   string `json:"hash"`
}

// A batch comes out as it went in: with one request, in lines as its jobs are done, or by the cursor. With each
// embedded engine, and of the durable one after a restart too.
func TestRangeSession(t *testing.T) {
	t.Parallel()
	for name, flags := range map[string][]string{"memory": nil, "file": {"--engine=file", "--data-dir=" + t.TempDir()}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := start(t, append(flags, "--delay=500ms")...)
			c := i.client(t)
			const n = 3_000
			secrets := make([]string, n)
			for j := range secrets {
				secrets[j] = fmt.Sprint("secret ", j)
			}
			due := time.Now().Add(500 * time.Millisecond)
			batch := decode[wire.AcceptedBatch](t, c.do(t, http.MethodPost, "/hash/batch", batchOf(secrets...)).want(t, http.StatusAccepted))
			path := fmt.Sprintf("/hash/batch?first=%d&count=%d", batch.First, n+1)

			a := c.do(t, http.MethodGet, path, "").want(t, http.StatusOK)
			if early := decode[results](t, a); time.Now().Before(due) && (early.Pending != n || a.header.Get("Retry-After") != "1" || early.Results[n].Status != "unknown") {
				t.Errorf("at once: %d pending, %v", early.Pending, a.header)
			}
			lines := c.do(t, http.MethodGet, path, "", header("Prefer", "wait=20"), header("Accept", "application/x-ndjson")).want(t, http.StatusOK)
			if got := bytes.Count(lines.body, []byte("\n")); got != n+1 || bytes.Contains(lines.body, []byte("pending")) {
				t.Errorf("%d lines", got)
			}
			wantAll := func(c *client) {
				t.Helper()
				a := c.do(t, http.MethodGet, path, "", header("Prefer", "wait=20")).want(t, http.StatusOK)
				all := decode[results](t, a)
				if all.Pending != 0 || a.header.Get("Retry-After") != "" || len(all.Results) != n+1 {
					t.Fatalf("%d results, %d pending, %v", len(all.Results), all.Pending, a.header)
				}
				for j, one := range all.Results[:n] {
					if one.ID != batch.First+int64(j) || one.Status != "done" || one.Hash != hashOf(secrets[j]) {
						t.Fatalf("result %d: %+v", j, one)
					}
				}
				if !bytes.Contains(lines.body, []byte(`"hash":"`+hashOf(secrets[n-1])+`"}`)) {
					t.Error("the last line has another hash")
				}
			}
			wantAll(c)
			if name == "file" {
				i.stop(t)
				i = start(t, append(flags, "--delay=500ms")...)
				c = i.client(t)
				wantAll(c)
			}
			seen, after := 0, batch.First-1
			for seen < n {
				page := decode[results](t, c.do(t, http.MethodGet, fmt.Sprintf("/hash?after=%d&limit=700", after), "").want(t, http.StatusOK))
				for _, one := range page.Results {
					if one.ID != batch.First+int64(seen) || one.Hash != hashOf(secrets[seen]) {
						t.Fatalf("after %d: %+v", after, one)
					}
					seen++
				}
				if after = page.Next; len(page.Results) == 0 {
					t.Fatalf("the cursor ends after %d", seen)
				}
			}
			ended := c.do(t, http.MethodDelete, path, "").want(t, http.StatusOK)
			if got, want := strings.TrimSpace(string(ended.body)), `{"canceled":0,"erased":3000,"gone":0,"unknown":1}`; got != want {
				t.Errorf("erased: %s, want %s", got, want)
			}
			i.stop(t)
		})
	}
}

// A submission that prefers to wait is answered with its hash.
func TestSubmitAndWaitSession(t *testing.T) {
	t.Parallel()
	const delay = 5 * time.Second // which no pause of the machine is taken for
	i := start(t, "--delay="+delay.String())
	c := i.client(t)
	a := c.do(t, http.MethodPost, "/hash", submission(angryMonkey), header("Prefer", "wait=20")).want(t, http.StatusOK)
	if job := decode[wire.Job](t, a); job.Status != wire.JobStatusDone || job.Hash != angryMonkeyHash || a.header.Get("Location") != "/hash/1" || a.header.Get("Preference-Applied") != "wait=20" {
		t.Errorf("%+v with %v", job, a.header)
	}
	if st := c.stats(t); st.Total != 1 || st.Average < 1 || st.Average >= delay.Microseconds() {
		t.Errorf("the wait counts as time that the answer took: %+v", st)
	}
	i.stop(t)
}
