package server

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	wire "github.com/hashd-project/hashd/v2/gen/server"
	"github.com/hashd-project/hashd/v2/internal/engine"
	"github.com/hashd-project/hashd/v2/internal/engine/memory"
)

// inBubble runs the test on a fake clock, on which nothing takes time but what sleeps.
func inBubble(t *testing.T, name string, test func(*testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) { synctest.Test(t, test) })
}

// Each operation's answer of success, to the letter.
func TestSuccess(t *testing.T) {
	for _, tt := range []struct {
		what, body, prefer string
		record             engine.Record
		status             int
		headers            []string
		answer             string
	}{
		{"POST /hash", password, "", engine.Record{}, 202, []string{"Location: /hash/42", "Retry-After: 5"},
			`{"id":42,"status":"pending","algorithm":"sha512","due":"2000-01-01T00:00:05Z"}`},
		{"POST /hash", password, "wait=3", engine.Record{}, 202, []string{"Location: /hash/42", "Retry-After: 5", "Preference-Applied: wait=3"},
			`{"id":42,"status":"pending","algorithm":"sha512","due":"2000-01-01T00:00:05Z"}`},
		{"POST /hash", password, "wait=9", done, 200, []string{"Location: /hash/42", "Preference-Applied: wait=9"},
			`{"id":42,"status":"done","algorithm":"sha512","hash":"` + strings.Repeat("A", 86) + `=="}`},
		{"GET /hash/batch?first=7&count=2", "", "", engine.Record{}, 200, []string{"Retry-After: 5"},
			`{"results":[{"id":7,"status":"pending"},{"id":8,"status":"pending"}],"pending":2}`},
		{"GET /hash/batch?first=9007199254740991&count=1", "", "wait=3", done, 200, []string{"Preference-Applied: wait=3"},
			`{"results":[{"id":9007199254740991,"status":"done","algorithm":"sha512","hash":"` + strings.Repeat("A", 86) + `=="}],"pending":0}`},
		{"GET /hash/batch?count=2&first=7", "", "", engine.Record{State: engine.Gone}, 200, nil,
			`{"results":[{"id":7,"status":"gone"},{"id":8,"status":"gone"}],"pending":0}`},
		{"GET /hash/batch?first=7&count=1", "", "", engine.Record{State: engine.Unknown}, 200, nil, `{"results":[{"id":7,"status":"unknown"}],"pending":0}`},
		{"DELETE /hash/batch?first=7&count=3", "", "", engine.Record{}, 200, nil, `{"canceled":2,"erased":0,"gone":1,"unknown":0}`},
		{"GET /hash", "", "", engine.Record{}, 200, []string{"Retry-After: 1"}, `{"results":[],"next":0}`},
		{"GET /hash?after=10", "", "wait=3", done, 200, []string{"Retry-After: 1", "Preference-Applied: wait=3"}, `{"results":[],"next":10}`},
		{"GET /hash?after=8&limit=1", "", "", done, 200, nil,
			`{"results":[{"id":9,"status":"done","algorithm":"sha512","hash":"` + strings.Repeat("A", 86) + `=="}],"next":9}`},
		{"POST /hash/batch", passwords, "", engine.Record{}, 202, []string{"Retry-After: 5", "Location: /hash/batch?first=42&count=2"},
			`{"first":42,"count":2,"algorithm":"sha512","due":"2000-01-01T00:00:05Z"}`},
		{"GET /hash/7", "", "", engine.Record{}, 202, []string{"Retry-After: 5"},
			`{"id":7,"status":"pending","algorithm":"sha512","due":"2000-01-01T00:00:05Z"}`},
		{"GET /hash/7", "", "wait=3", engine.Record{}, 202, []string{"Retry-After: 5", "Preference-Applied: wait=3"},
			`{"id":7,"status":"pending","algorithm":"sha512","due":"2000-01-01T00:00:05Z"}`},
		{"GET /hash/7", "", "", done, 200, nil,
			`{"id":7,"status":"done","algorithm":"sha512","hash":"` + strings.Repeat("A", 86) + `=="}`},
		{"GET /hash/9223372036854775807", "", "wait=999", done, 200, []string{"Preference-Applied: wait=60"},
			`{"id":9223372036854775807,"status":"done","algorithm":"sha512","hash":"` + strings.Repeat("A", 86) + `=="}`},
		{"GET /stats", "", "", done, 200, nil,
			`{"total":3,"average":0,"pending":1,"completed":0,"canceled":0,"rejected":0,"kept":0,"lateness":{"p50":0,"p90":0,"p99":0,"max":0},` +
				`"recent":{"seconds":0,"accepted":0,"completed":0,"average":0,"lateness":{"p50":0,"p90":0,"p99":0,"max":0}},` +
				`"limits":[{"name":"max-pending","limit":10,"used":1}],"started":"2000-01-01T00:00:00Z"}`},
		{"GET /v/status", "", "", done, 200, nil,
			`{"status":"ok","api":"1.0.0","version":"v1.0.0","commit":"unknown","go":"go1.26","started":"2000-01-01T00:00:00Z","store":"d2971e1bacb26c32",` +
				`"engine":"memory","algorithms":["sha512","sha256","sha3-512"],` +
				`"limits":{"secret":1024,"batch":10000,"range":10000,"wait":60,"delay":5,"retention":3600,"body":16384,"batchBody":1048576}}`},
		{"GET /healthz", "", "", done, 200, nil, `{"status":"ok"}`},
		{"GET /readyz", "", "", done, 200, nil, `{"status":"ok"}`},
	} {
		inBubble(t, tt.what, func(t *testing.T) {
			s := newSite(t, on(fake{record: tt.record}))
			wanted := append(append(tt.headers, s.varies(tt.what)...), "Content-Type: application/json")
			a := s.ask(tt.what, tt.body, "Prefer:"+tt.prefer).want(tt.status, wanted...)
			if a.body != tt.answer+"\n" {
				t.Errorf("body %s\nwant %s", a.body, tt.answer)
			}
			if extra := len(a.header) - len(wanted) - always; extra != 0 {
				t.Errorf("%d headers more than wanted: %v", extra, a.header)
			}
		})
	}
	a := newSite(t, on(fake{})).ask("DELETE /hash/7", "").want(http.StatusNoContent)
	if a.body != "" || len(a.header) != always+1 { // and Vary
		t.Errorf("DELETE: body %q, headers %v", a.body, a.header)
	}
}

func TestDraining(t *testing.T) {
	served := on(fake{})
	s := newSite(t, served)
	if err := served.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.ask("GET /readyz", "").want(503, "Retry-After: 5").wantProblem(503, "draining")
	s.ask("GET /healthz", "").want(200)
	s.ask("GET /hash/7", "").want(202)
	if a := s.ask("GET /stats", "").want(200); !strings.Contains(a.body, `"refusing":"draining"`) {
		t.Errorf("stats %s", a.body)
	}
	if a := s.ask("GET /v/status", "").want(200); !strings.Contains(a.body, `"status":"draining"`) {
		t.Errorf("status %s", a.body)
	}
}

// What is wrong with a parameter is told with its place, and never with its value.
func TestInvalidParameters(t *testing.T) {
	s := newSite(t, on(fake{}))
	const id = `path parameter "id" must be an integer from 1 to 9223372036854775807`
	for _, raw := range []string{"0", "-1", "9223372036854775808", "x", "1.5", "42x", "%20", "%00", "%FF", "%31", "%2531", "1%2B1", canary, "4%32"} {
		s.ask("GET /hash/"+raw, "").wantProblem(400, "invalid-request", id)
		s.ask("DELETE /hash/"+raw, "").wantProblem(400, "invalid-request", id)
	}
	const key = `header parameter "Idempotency-Key" must be from 1 to 255 characters long`
	s.ask("POST /hash", password, "Idempotency-Key:").wantProblem(400, "invalid-request", key)
	s.ask("POST /hash", password, "Idempotency-Key:"+strings.Repeat(canary, 26)).wantProblem(400, "invalid-request", key)
	s.ask("POST /hash", password, "Idempotency-Key:"+strings.Repeat("k", 255)).want(202)
	s.ask("POST /hash", password, "Idempotency-Key:k").want(202)
	const prefer = `header parameter "Prefer" must be from 0 to 1024 characters long`
	s.ask("GET /hash/7", "", "Prefer:"+strings.Repeat(canary, 103)).wantProblem(400, "invalid-request", prefer)
	s.ask("GET /hash/7", "", "Prefer:"+strings.Repeat("p", 1024)).want(202)
	s.ask("POST /hash/batch", passwords, "Idempotency-Key:").wantProblem(400, "invalid-request", key)
	s.ask("POST /hash/batch", passwords, "Idempotency-Key:"+strings.Repeat(canary, 26)).wantProblem(400, "invalid-request", key)
	s.ask("POST /hash/batch", passwords, "Idempotency-Key:k").want(202)
	s.ask("GET /hash/0", "", "Prefer:"+strings.Repeat("p", 1025)).wantProblem(400, "invalid-request", id, prefer)
	// Headers of other operations, and unknown ones, are nobody's business.
	s.ask("DELETE /hash/7", "", "Prefer:"+strings.Repeat("p", 1025), "Idempotency-Key:").want(204)
	s.ask("GET /healthz", "", "Prefer:"+canary, "Password:"+canary, "Cookie: password="+canary).want(200)
}

// A header is refused before the body is looked at, and the secret in it is not read at all.
func TestParametersComeFirst(t *testing.T) {
	s := newSite(t, on(fake{}))
	body := iotest.ErrReader(errors.New("the body was read"))
	for _, what := range []string{"POST /hash", "POST /hash/batch"} {
		s.send(what, body, "Idempotency-Key:").wantProblem(400, "invalid-request",
			`header parameter "Idempotency-Key" must be from 1 to 255 characters long`)
		s.send(what, body, "Content-Type: text/plain").wantProblem(415, "unsupported-media-type")
	}
}

// One job's life over HTTP, with the engine that hashes: what is computed, when, and what is
// left of it.
func TestLifeOfAJob(t *testing.T) {
	e, err := memory.New(engine.Limits{
		FirstID: 1,
		Delay:   50 * time.Millisecond, Retention: time.Hour, MaxPending: 100, MaxResults: 100, MaxSecretBytes: 1 << 20, Workers: 2,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	served := on(e)
	s := newSite(t, served)
	var job wire.Job
	s.ask("POST /hash", `{"password":"angryMonkey"}`).want(202, "Location: /hash/1", "Retry-After: 1").into(&job)
	if job.Id != 1 || time.Until(job.Due.Time) > 50*time.Millisecond {
		t.Errorf("accepted %+v", job)
	}
	if a := s.ask("GET /hash/1", ""); a.status == 202 { // else this machine was slow
		var pending wire.Job
		if a.into(&pending); pending != job && time.Now().Before(job.Due.Time) {
			t.Errorf("pending %+v, accepted %+v", pending, job)
		}
	}
	const hash = `{"id":1,"status":"done","algorithm":"sha512","hash":"ZEHhWB65gUlzdVwtDQArEyx+KVLzp/aTaRaPlBzYRIFj6vjFdqEb0Q5B8zVKCZ0vKbZPZklJz0Fd7su2A+gf7Q=="}` + "\n"
	if a := s.ask("GET /hash/1", "", "Prefer: wait=60").want(200, "Preference-Applied: wait=60"); a.body != hash || time.Now().Before(job.Due.Time) {
		t.Errorf("result %s", a.body)
	}
	s.ask("GET /hash/2", "").wantProblem(404, "unknown-job")
	s.ask("DELETE /hash/2", "").wantProblem(404, "unknown-job")
	s.ask("DELETE /hash/1", "").want(204)
	s.ask("DELETE /hash/1", "").wantProblem(410, "job-gone")
	s.ask("GET /hash/1", "").wantProblem(410, "job-gone")
	if err := served.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.ask("POST /hash", password).wantProblem(503, "draining")
	var st wire.Stats
	s.ask("GET /stats", "").into(&st)
	if st.Total != 1 || st.Completed != 1 || st.Rejected != 1 || st.Kept != 0 || st.Pending != 0 {
		t.Errorf("stats %+v", st)
	}
}
