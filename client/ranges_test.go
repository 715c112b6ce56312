package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// ranged answers as a server whose jobs from 1 to last are done one second after the other.
type ranged struct {
	*fake
	last  int64
	store func() string
	fail  func(n int) step // how the n-th request fails, if it does
	n     int
	most  int64 // ids in a range
}

func (r *ranged) Do(req *http.Request) (*http.Response, error) {
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	r.n++
	if r.fail != nil {
		if s := r.fail(r.n); s != nil {
			return s(req)
		}
	}
	query := req.URL.Query()
	switch {
	case req.URL.Path == "/v/status":
		return answer(200, `{"status":"ok","api":"2.0.0","version":"v","commit":"c","go":"g","started":"2026-01-01T00:00:00Z","store":"`+r.store()+`"}`)(req)
	case req.Method == http.MethodDelete:
		n, _ := strconv.Atoi(query.Get("count"))
		return answer(200, fmt.Sprintf(`{"canceled":%d,"erased":1,"gone":0,"unknown":0}`, n-1))(req)
	case req.URL.Path == "/hash":
		return r.list(req, query)
	}
	return r.batch(req, query)
}

// done returns how many jobs are done.
func (r *ranged) done() int64 { return min(r.last, int64(time.Since(r.start)/time.Second)) }

// until holds the answer until so many jobs are done, or as long as the request prefers.
func (r *ranged) until(req *http.Request, n int64) string {
	wait, _ := strconv.Atoi(strings.TrimPrefix(req.Header.Get("Prefer"), "wait="))
	end := time.Now().Add(time.Duration(wait) * time.Second)
	for r.done() < n && time.Now().Before(end) {
		time.Sleep(time.Second)
	}
	return req.Header.Get("Prefer")
}

func (r *ranged) result(id int64) string {
	switch {
	case id%10 == 9:
		return fmt.Sprintf(`{"id":%d,"status":"gone"}`, id)
	case id <= r.done():
		return fmt.Sprintf(`{"id":%d,"status":"done","algorithm":"sha512","hash":"QUJD","new":true}`, id)
	case id <= r.last:
		return fmt.Sprintf(`{"id":%d,"status":"pending"}`, id)
	}
	return fmt.Sprintf(`{"id":%d,"status":"unknown"}`, id)
}

// batch answers with lines, each once its job is done or the wait is over.
func (r *ranged) batch(req *http.Request, query url.Values) (*http.Response, error) {
	first, _ := strconv.ParseInt(query.Get("first"), 10, 64)
	count, _ := strconv.ParseInt(query.Get("count"), 10, 64)
	if req.Header.Get("Accept") != linesType || count > r.most {
		return problem(400, "invalid-request")(req)
	}
	wait, _ := strconv.Atoi(strings.TrimPrefix(req.Header.Get("Prefer"), "wait="))
	end := time.Now().Add(time.Duration(wait) * time.Second)
	text, into := io.Pipe()
	go func() {
		for id := first; id < first+count; id++ {
			for r.pending(id) && time.Now().Before(end) && req.Context().Err() == nil {
				time.Sleep(time.Second)
			}
			if _, err := io.WriteString(into, r.result(id)+"\n"); err != nil {
				return
			}
		}
		_ = into.Close()
	}()
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {linesType}}, Body: text}, nil
}

func (r *ranged) pending(id int64) bool { return strings.Contains(r.result(id), "pending") }

func (r *ranged) list(req *http.Request, query url.Values) (*http.Response, error) {
	after, _ := strconv.ParseInt(query.Get("after"), 10, 64)
	applied := r.until(req, after+1)
	list := []string{}
	next := after
	for id := after + 1; id <= r.done(); id++ {
		if next = id; id%10 != 9 {
			list = append(list, r.result(id))
		}
	}
	return answer(200, fmt.Sprintf(`{"results":[%s],"next":%d}`, strings.Join(list, ","), next), "Preference-Applied", applied)(req)
}

// onRanged runs the test on a fake clock.
func onRanged(t *testing.T, last int64, test func(*testing.T, *ranged, *Jobs)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &ranged{fake: newFake(t), last: last, most: 10_000, store: func() string { return "0123456789abcdef" }}
		j, err := NewJobs(Config{Server: "http://fake", HTTP: r})
		if err != nil {
			t.Fatal(err)
		}
		test(t, r, j)
	})
}

// cut is a step whose answer has as many lines and the begin of another.
func cut(first, lines int) step {
	return func(*http.Request) (*http.Response, error) {
		var text strings.Builder
		for id := first; id < first+lines; id++ {
			fmt.Fprintf(&text, `{"id":%d,"status":"done","algorithm":"sha512","hash":"QUJD"}`+"\n", id)
		}
		text.WriteString(`{"id":`)
		body := io.MultiReader(strings.NewReader(text.String()), errReader{})
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {linesType}}, Body: io.NopCloser(body)}, nil
	}
}

// Each id comes once, in order, in few requests, whatever becomes of a request.
func TestWaitBatch(t *testing.T) {
	for name, fail := range map[string]func(int) step{
		"well":         nil,
		"with cuts":    func(n int) step { return map[int]step{2: cut(1, 0), 3: cut(1, 3), 4: cut(4, 1)}[n] },
		"with resets":  func(n int) step { return map[int]step{1: failing, 3: cutting, 5: failing}[n] },
		"while full":   func(n int) step { return map[int]step{1: problem(503, "full", "Retry-After", "2")}[n] },
		"with a proxy": func(n int) step { return map[int]step{2: answer(502, "<html>")}[n] },
	} {
		onRanged(t, 5_000, func(t *testing.T, r *ranged, j *Jobs) {
			r.fail = fail
			id := JobID(0)
			for result, err := range j.WaitBatch(t.Context(), 1, 5_010) {
				if id++; err != nil || result.Id != id {
					t.Fatalf("%s: %+v, error %v, want id %d", name, result, err, id)
				}
				want := ResultStatusDone
				if id%10 == 9 {
					want = ResultStatusGone
				} else if id > 5_000 {
					want = ResultStatusUnknown
				}
				if result.Status != want || (result.Hash != nil) != (want == ResultStatusDone) {
					t.Fatalf("%s: %+v", name, result)
				}
			}
			if id != 5_010 || r.n > 200 {
				t.Errorf("%s: %d results by %d requests", name, id, r.n)
			}
		})
	}
}

func TestWaitBatchEnds(t *testing.T) {
	onRanged(t, 100, func(t *testing.T, _ *ranged, j *Jobs) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		results, failures := 0, 0
		for _, err := range j.WaitBatch(ctx, 1, 100) {
			switch {
			case err == nil && failures == 0:
				results++
			case errors.Is(err, context.DeadlineExceeded):
				failures++
			default:
				t.Errorf("error %v", err)
			}
		}
		if results < 8 || results > 11 || failures != 1 {
			t.Errorf("%d results, %d errors", results, failures)
		}
		for range j.WaitBatch(t.Context(), 1, 100) {
			break // whoever has enough stops
		}
		for _, bad := range []struct {
			first JobID
			count int
		}{{0, 1}, {-1, 1}, {1, 0}, {1, -1}, {math.MaxInt64, 2}} {
			for _, err := range j.WaitBatch(t.Context(), bad.first, bad.count) {
				if !errors.Is(err, ErrRange) {
					t.Errorf("%+v: error %v", bad, err)
				}
			}
		}
	})
}

// An answer of something else is no result.
func TestForeignRanges(t *testing.T) {
	for _, body := range []string{
		`{}`, `[]`, `{"results":[],"pending":0}`, `{"results":[{"id":2,"status":"done","hash":"QUJD"}],"pending":0}`,
		`{"results":[{"id":1,"status":"done"}],"pending":0}`, `{"results":[{"id":1,"status":"gone","hash":"QUJD"}],"pending":0}`,
	} {
		f := newFake(t, answer(200, body), answer(200, body))
		if _, err := f.jobs(Config{}).GetBatch(t.Context(), 1, 1); !errors.Is(err, ErrAnswer) {
			t.Errorf("%s: error %v", body, err)
		}
		if _, err := f.jobs(Config{}).CancelBatch(t.Context(), 1, 1); !errors.Is(err, ErrAnswer) {
			t.Errorf("%s: error %v", body, err)
		}
	}
}

// Whoever follows the cursor sees each done job once.
func TestResults(t *testing.T) {
	onRanged(t, 50, func(t *testing.T, r *ranged, j *Jobs) {
		r.fail = func(n int) step {
			if n < 100 && n%7 == 5 {
				return failing
			}
			return nil
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
		defer cancel()
		var ids []JobID
		for result, err := range j.Results(ctx, 3) {
			if err != nil {
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("error %v", err)
				}
				break
			}
			ids = append(ids, result.Id)
		}
		want := JobID(4)
		for _, id := range ids {
			if want%10 == 9 {
				want++
			}
			if id != want {
				t.Fatalf("id %d, want %d", id, want)
			}
			want++
		}
		if want != 51 {
			t.Errorf("%d ids, up to %d", len(ids), want-1)
		}
	})
}

func TestResultsOfAnotherStore(t *testing.T) {
	onRanged(t, 50, func(t *testing.T, r *ranged, j *Jobs) {
		r.store = func() string {
			if time.Since(r.start) > 10*time.Second {
				return "fedcba9876543210"
			}
			return "0123456789abcdef"
		}
		n := 0
		for result, err := range j.Results(t.Context(), 0) {
			if err == nil {
				n++
				continue
			}
			changed, ok := errors.AsType[*StoreChangedError](err)
			if !ok || changed.Before != "0123456789abcdef" || changed.Now != "fedcba9876543210" || result.Id != 0 {
				t.Errorf("error %v", err)
			}
		}
		if n < 5 || n > 10 {
			t.Errorf("%d results of the first store", n)
		}
	})
}

func TestCancelBatch(t *testing.T) {
	onRanged(t, 50, func(t *testing.T, _ *ranged, j *Jobs) {
		ended, err := j.CancelBatch(t.Context(), 1, 4_100)
		if want := (Ended{Canceled: 4_097, Erased: 3}); err != nil || ended != want {
			t.Errorf("%+v, error %v, want %+v", ended, err, want)
		}
	})
}
