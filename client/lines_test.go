package client

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// lines is a step that answers in lines.
func lines(text string) step { return answer(200, text, "Content-Type", linesType) }

const unlimited = `{}` // a status that tells no limits

// A result is yielded as soon as it is there, not when the last of its range is.
func TestWaitBatchYieldsAtOnce(t *testing.T) {
	onRanged(t, 100, func(t *testing.T, r *ranged, j *Jobs) {
		for result, err := range j.WaitBatch(t.Context(), 1, 100) {
			if at := time.Since(r.start).Round(time.Second); err != nil || result.Id%10 != 9 && at > time.Duration(result.Id+2)*time.Second {
				t.Fatalf("%+v came after %v, error %v", result, at, err)
			}
		}
		if r.n > 10 {
			t.Errorf("%d requests", r.n)
		}
	})
}

// What a server tells to be its longest range is not exceeded.
func TestWaitBatchSplits(t *testing.T) {
	onRanged(t, 100, func(t *testing.T, r *ranged, j *Jobs) {
		r.most = 7
		j.known.Store(&limits{Batch: 1, BatchBody: 1, Range: 7})
		n := JobID(0)
		for result, err := range j.WaitBatch(t.Context(), 1, 100) {
			if n++; err != nil || result.Id != n {
				t.Fatalf("%+v, error %v", result, err)
			}
		}
		if n != 100 {
			t.Errorf("%d results", n)
		}
	})
}

// Lines of something else are no results.
func TestForeignLines(t *testing.T) {
	for _, text := range []string{
		"{}\n", "[]\n", "5\n", "<html>\n", `{"id":2,"status":"done","hash":"QUJD"}` + "\n", `{"id":1,"status":"done"}` + "\n",
		`{"id":1,"status":"gone","hash":"QUJD"}` + "\n", strings.Repeat(" ", 1<<20) + "\n",
	} {
		f := newFake(t, answer(200, unlimited), lines(text))
		for r, err := range f.jobs(Config{}).WaitBatch(t.Context(), 1, 1) {
			if !errors.Is(err, ErrAnswer) {
				t.Errorf("%.60s: %+v, error %v", text, r, err)
			}
		}
		f.ended()
	}
	f := newFake(t, answer(200, unlimited), answer(200, `{"results":[{"id":1,"status":"gone"}],"pending":0}`))
	for _, err := range f.jobs(Config{}).WaitBatch(t.Context(), 1, 1) {
		if !errors.Is(err, ErrAnswer) {
			t.Errorf("another media type: error %v", err)
		}
	}
}

// An answer that ends before its last line broke off, even if the connection ended well.
func TestShortLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one := func(id string) string { return `{"id":` + id + `,"status":"gone"}` + "\n" }
		f := newFake(t, answer(200, unlimited), lines(one("1")), lines(""), lines(`{"id":2,"status":"gone"}`), lines(one("2")))
		n := 0
		for _, err := range f.jobs(Config{}).WaitBatch(t.Context(), 1, 2) {
			if n++; err != nil {
				t.Fatal(err)
			}
		}
		if f.ended(); n != 2 {
			t.Errorf("%d results", n)
		}
	})
}

// The answer is read no faster than its results are taken, and is closed when no more are.
func TestWaitBatchReadsOnDemand(t *testing.T) {
	body := &endless{}
	f := newFake(t, answer(200, unlimited), func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {linesType}}, Body: body}, nil
	})
	n := 0
	for _, err := range f.jobs(Config{}).WaitBatch(t.Context(), 1, 10_000) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n == 1000 {
			break
		}
	}
	if !body.closed || body.lines > 1000+maxLineBytes/20 {
		t.Errorf("%d lines read, closed %v", body.lines, body.closed)
	}
}

// endless has a line for each read.
type endless struct {
	lines  int
	closed bool
}

func (e *endless) Read(p []byte) (int, error) {
	e.lines++
	return copy(p, `{"id":`+jobText(e.lines)+`,"status":"gone"}`+"\n"), nil
}

func (e *endless) Close() error {
	e.closed = true
	return nil
}

// A body that stands still ends with the context.
func TestWaitBatchStandsStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, answer(200, unlimited), func(req *http.Request) (*http.Response, error) {
			text, into := io.Pipe()
			context.AfterFunc(req.Context(), func() { _ = into.CloseWithError(req.Context().Err()) })
			return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {linesType}}, Body: text}, nil
		})
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		for _, err := range f.jobs(Config{}).WaitBatch(ctx, 1, 1) {
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("error %v", err)
			}
		}
	})
}
