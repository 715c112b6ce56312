package service_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	wire "github.com/hashd-project/hashd/v2/gen/server"
	"github.com/hashd-project/hashd/v2/internal/digest"
	"github.com/hashd-project/hashd/v2/internal/engine"
	"github.com/hashd-project/hashd/v2/internal/engine/memory"
	"github.com/hashd-project/hashd/v2/internal/secret"
	"github.com/hashd-project/hashd/v2/internal/service"
	"github.com/hashd-project/hashd/v2/internal/strict"
)

// live is a service on an engine that hashes, in a bubble.
type live struct {
	*testing.T
	*service.Service
	engine *memory.Engine
}

// delayed is how long its jobs take.
const delayed = 5 * time.Second

func inLive(t *testing.T, test func(l live)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		e, err := memory.New(engine.Limits{
			FirstID: 1, Delay: delayed, Retention: time.Hour, MaxPending: 100_000, MaxResults: 100_000, MaxSecretBytes: 1 << 20, Workers: 2,
		})
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := e.Close(); err != nil {
				t.Error(err)
			}
		}()
		test(live{t, service.New(service.Config{Engine: e, MaxWait: time.Minute}), e})
	})
}

// submit submits a batch of so many jobs, whose secrets are their ids as long as nothing else was submitted.
func (l live) submit(n int) (first int64) {
	l.Helper()
	var list [][]byte
	for i := range n {
		list = append(list, fmt.Append(nil, int(l.engine.Stats().Accepted)+1+i))
	}
	answer, err := l.SubmitBatch(l.Context(), wire.SubmitBatchRequestObject{Body: &wire.BatchRequest{Passwords: secret.NewList(list)}})
	if err != nil {
		l.Fatal(err)
	}
	got := answer.(wire.SubmitBatch202JSONResponse)
	if want := fmt.Sprintf("/hash/batch?first=%d&count=%d", got.Body.First, n); got.Headers.Location != want {
		l.Errorf("Location %s, want %s", got.Headers.Location, want)
	}
	return got.Body.First
}

// hashOf returns the hash of the job that submit made.
func hashOf(id int64) strict.Base64 {
	var sum [digest.MaxSize]byte
	digest.SHA512.Sum(&sum, fmt.Append(nil, id))
	return sum[:]
}

// get asks for a range, and checks that each result is the one of its id.
func (l live) get(prefer string, first int64, count int) batchAnswer {
	l.Helper()
	answer, err := l.GetBatch(l.Context(), wire.GetBatchRequestObject{
		Params: wire.GetBatchParams{First: first, Count: int32(count), Prefer: &prefer}, MediaType: "application/json",
	})
	if err != nil {
		l.Fatal(err)
	}
	got := answer.(wire.GetBatch200JSONResponse)
	results := l.collect(got.Body.Results)
	l.check(first, count, results)
	return batchAnswer{got.Headers, results, got.Body.Pending()}
}

// batchAnswer is what get has got.
type batchAnswer struct {
	Headers wire.GetBatch200ResponseHeaders
	results []wire.Result
	pending int64
}

// collect returns all that is streamed.
func (l live) collect(stream strict.Stream[wire.Result]) (results []wire.Result) {
	l.Helper()
	for piece, err := range stream {
		if err != nil {
			l.Fatal(err)
		}
		results = append(results, clone(piece)...)
	}
	return results
}

// clone copies a piece, which is valid only until the next.
func clone(piece []wire.Result) []wire.Result {
	piece = slices.Clone(piece)
	for i := range piece {
		piece[i].Hash = slices.Clone(piece[i].Hash)
	}
	return piece
}

// check checks that the results are those of the range.
func (l live) check(first int64, count int, results []wire.Result) {
	l.Helper()
	if len(results) != count {
		l.Fatalf("%d results, want %d", len(results), count)
	}
	for i, r := range results {
		want := wire.Result{Id: first + int64(i), Status: r.Status}
		if r.Status == wire.ResultStatusDone {
			want.Algorithm, want.Hash = wire.Sha512, hashOf(r.Id)
		}
		if !reflect.DeepEqual(r, want) {
			l.Fatalf("result %d: %+v, want %+v", i, r, want)
		}
	}
}

// count counts the results by their status.
func count(results []wire.Result) map[wire.ResultStatus]int {
	n := map[wire.ResultStatus]int{}
	for _, r := range results {
		n[r.Status]++
	}
	return n
}

func TestGetBatch(t *testing.T) {
	inLive(t, func(l live) {
		first := l.submit(1_000)
		if err := l.engine.Cancel(l.Context(), first+500); err != nil {
			l.Fatal(err)
		}
		got := l.get("", first, 1_001)
		n := count(got.results)
		if n["pending"] != 999 || n["gone"] != 1 || n["unknown"] != 1 || got.pending != 999 || *got.Headers.RetryAfter != 5 || got.Headers.PreferenceApplied != nil {
			l.Errorf("pending: %v, %+v", n, got.Headers)
		}
		time.Sleep(delayed)
		synctest.Wait()
		got = l.get("", first, 1_001)
		if n := count(got.results); n["done"] != 999 || got.pending != 0 || got.Headers.RetryAfter != nil {
			l.Errorf("done: %v, %+v", n, got.Headers)
		}
	})
}

// A wait ends with the last pending job, or with its time.
func TestGetBatchInTime(t *testing.T) {
	inLive(t, func(l live) {
		first := l.submit(300)
		time.Sleep(time.Second)
		l.submit(300)
		for _, tt := range []struct {
			prefer  string
			took    time.Duration
			pending int64
		}{{"wait=0", 0, 600}, {"wait=1", time.Second, 600}, {"wait=2", 2 * time.Second, 600}, {"wait=60", 2 * time.Second, 0}, {"wait=60", 0, 0}} {
			began := time.Now()
			got := l.get(tt.prefer, first, 600)
			if took := time.Since(began).Truncate(time.Second / 10); took != tt.took || got.pending != tt.pending || *got.Headers.PreferenceApplied != tt.prefer {
				l.Errorf("%s: took %v, %d pending, applied %s", tt.prefer, took, got.pending, *got.Headers.PreferenceApplied)
			}
		}
	})
}

// lines asks for a range in lines, and tells when each piece of them came.
func (l live) lines(ctx context.Context, prefer string, first int64, n int) (results []wire.Result, at map[time.Duration]int) {
	l.Helper()
	began := time.Now()
	answer, err := l.GetBatch(ctx, wire.GetBatchRequestObject{
		Params: wire.GetBatchParams{First: first, Count: int32(n), Prefer: &prefer}, MediaType: "application/x-ndjson",
	})
	if err != nil {
		l.Fatal(err)
	}
	at = map[time.Duration]int{}
	for piece, err := range answer.(wire.GetBatch200NDJSONResponse).Body {
		if err != nil {
			if !errors.Is(err, context.Canceled) {
				l.Fatal(err)
			}
			break
		}
		at[time.Since(began).Truncate(time.Second/10)] += len(piece)
		results = append(results, clone(piece)...)
	}
	return results, at
}

// Each line comes as soon as its job is done, and the rest when the time is over.
func TestLinesComeInTime(t *testing.T) {
	inLive(t, func(l live) {
		first := l.submit(300)
		time.Sleep(1500 * time.Millisecond)
		l.submit(1_000)
		time.Sleep(time.Second)
		l.submit(5)
		results, at := l.lines(l.Context(), "wait=3", first, 1_310)
		l.check(first, 1_310, results)
		if want := (map[time.Duration]int{2500 * time.Millisecond: 300, 3 * time.Second: 1_010}); fmt.Sprint(at) != fmt.Sprint(want) {
			l.Errorf("lines came at %v, want %v", at, want)
		}
		results, at = l.lines(l.Context(), "", first, 1_310)
		if n := count(results); n["done"] != 300 || n["pending"] != 1_005 || n["unknown"] != 5 || len(at) != 1 {
			l.Errorf("without a wait: %v at %v", n, at)
		}
		results, at = l.lines(l.Context(), "wait=60", first, 1_310)
		if n := count(results); n["done"] != 1_305 || n["unknown"] != 5 || at[time.Second] == 0 {
			l.Errorf("with a long wait: %v at %v", n, at)
		}
	})
}

// A client that has gone costs nothing more: its wait ends, and nothing is read for it.
func TestLinesOfAClientThatGoes(t *testing.T) {
	inLive(t, func(l live) {
		first := l.submit(10)
		ctx, leave := context.WithCancel(l.Context())
		time.AfterFunc(time.Second, leave)
		began := time.Now()
		results, _ := l.lines(ctx, "wait=60", first, 10)
		if took := time.Since(began); took != time.Second || len(results) != 0 {
			l.Errorf("took %v, %d results", took, len(results))
		}
	})
}

// A stop that hands over answers those who wait with what there is.
func TestEndOfWaitsEndsRanges(t *testing.T) {
	inLive(t, func(l live) {
		first := l.submit(10)
		time.AfterFunc(time.Second, l.EndWaits)
		if got := l.get("wait=60", first, 10); got.pending != 10 {
			l.Errorf("%+v", got)
		}
		if results, _ := l.lines(l.Context(), "wait=60", first, 10); count(results)["pending"] != 10 {
			l.Errorf("lines %+v", results)
		}
		if got := l.list("wait=60", 0, 10); got.next != 0 || len(got.results) != 0 {
			l.Errorf("%+v", got)
		}
	})
}

// list asks for what is done.
func (l live) list(prefer string, after int64, limit int32) listAnswer {
	l.Helper()
	answer, err := l.ListHashes(l.Context(), wire.ListHashesRequestObject{Params: wire.ListHashesParams{After: &after, Limit: &limit, Prefer: &prefer}})
	if err != nil {
		l.Fatal(err)
	}
	body := answer.(wire.ListHashes200JSONResponse)
	got := listAnswer{Headers: body.Headers, results: l.collect(body.Body.Results)}
	got.next = body.Body.Next()
	for _, r := range got.results {
		if r.Status != wire.ResultStatusDone || !bytes.Equal(r.Hash, hashOf(r.Id)) || r.Id <= after || r.Id > got.next {
			l.Fatalf("after %d: %+v", after, r)
		}
	}
	return got
}

// listAnswer is what list has got.
type listAnswer struct {
	Headers wire.ListHashes200ResponseHeaders
	results []wire.Result
	next    int64
}

// Whoever follows the cursor sees each job that ends done once, in the order of ids.
func TestListHashes(t *testing.T) {
	inLive(t, func(l live) {
		if got := l.list("", 0, 1); len(got.results) != 0 || *got.Headers.RetryAfter != 1 {
			l.Errorf("empty: %+v", got)
		}
		began := time.Now()
		time.AfterFunc(time.Second, func() { l.submit(700) })
		time.AfterFunc(2*time.Second, func() {
			l.submit(700)
			_ = l.engine.Cancel(l.Context(), 650)
		})
		seen, after := 0, int64(0)
		for after < 1_400 {
			got := l.list("wait=60", after, 300)
			if took := time.Since(began); took < time.Second+delayed || took > 3*time.Second+delayed {
				l.Fatalf("answer after %v: %+v", took, got)
			}
			seen, after = seen+len(got.results), got.next
		}
		if seen != 1_399 || after != 1_400 {
			l.Errorf("saw %d up to %d", seen, after)
		}
		if got := l.list("wait=10", after, 1); got.next != after || *got.Headers.PreferenceApplied != "wait=10" || *got.Headers.RetryAfter != 1 {
			l.Errorf("at the end: %+v", got)
		}
	})
}

func TestListHashesHasDefaults(t *testing.T) {
	inLive(t, func(l live) {
		l.submit(1_001)
		time.Sleep(2 * delayed)
		answer, err := l.ListHashes(l.Context(), wire.ListHashesRequestObject{})
		if err != nil {
			l.Fatal(err)
		}
		got := answer.(wire.ListHashes200JSONResponse).Body
		if n := len(l.collect(got.Results)); n != 1_000 || got.Next() != 1_000 {
			l.Errorf("%d results, next %d", n, got.Next())
		}
	})
}

func TestCancelBatch(t *testing.T) {
	inLive(t, func(l live) {
		first := l.submit(100)
		time.Sleep(2 * delayed)
		l.submit(100)
		if err := l.engine.Cancel(l.Context(), first); err != nil {
			l.Fatal(err)
		}
		answer, err := l.CancelBatch(l.Context(), wire.CancelBatchRequestObject{Params: wire.CancelBatchParams{First: first, Count: 250}})
		if want := (wire.Ended{Canceled: 100, Erased: 99, Gone: 1, Unknown: 50}); err != nil || answer.(wire.CancelBatch200JSONResponse).Body != want {
			l.Errorf("%+v, error %v, want %+v", answer, err, want)
		}
	})
}

// A submission that waits is answered with its hash, and its wait is no part of the time that answers take.
func TestSubmitInTime(t *testing.T) {
	inLive(t, func(l live) {
		for _, tt := range []struct {
			prefer string
			done   bool
			took   time.Duration
		}{{"wait=4", false, 4 * time.Second}, {"wait=6", true, delayed}, {"wait=60", true, delayed}, {"wait=0", false, 0}} {
			req, memory := submission("1", nil)
			req.Params.Prefer = &tt.prefer
			began := time.Now()
			go func() {
				time.Sleep(time.Second)
				if tt.took > 0 && memory[0] != 0 {
					l.Error("the secret is there while its client waits")
				}
			}()
			answer, err := l.SubmitHash(l.Context(), req)
			if err != nil {
				l.Fatal(err)
			}
			got, done := answer.(wire.SubmitHash200JSONResponse)
			if took := time.Since(began).Truncate(time.Second / 10); took != tt.took || done != tt.done {
				l.Errorf("%s: took %v, %+v", tt.prefer, took, answer)
			}
			if done && (got.Body.Hash != digest.Encode(hashOf(1)) || got.Headers.Location != fmt.Sprint("/hash/", got.Body.Id) || *got.Headers.PreferenceApplied != tt.prefer) {
				l.Errorf("%s: %+v", tt.prefer, got)
			}
			time.Sleep(time.Minute)
		}
		answer, err := l.GetStats(l.Context(), wire.GetStatsRequestObject{})
		if got := answer.(wire.GetStats200JSONResponse).Body; err != nil || got.Total != 4 || got.Average != 0 {
			l.Errorf("%+v, error %v", got, err)
		}
	})
}

// Answers with many results have so much memory together. Past that they are refused before their first byte, a wait
// takes none of it, and whatever ends an answer gives its memory back.
func TestAnswersAreBounded(t *testing.T) {
	inLive(t, func(l live) {
		l.Service = service.New(service.Config{Engine: l.engine, MaxWait: time.Minute, AnswerMemory: 1})
		first := l.submit(10)
		other := func() error {
			answer, err := l.GetBatch(l.Context(), wire.GetBatchRequestObject{Params: wire.GetBatchParams{First: first, Count: 10}, MediaType: "application/json"})
			if err != nil {
				l.Fatal(err)
			}
			for _, err := range answer.(wire.GetBatch200JSONResponse).Body.Results {
				return err
			}
			return nil
		}
		wait := "wait=20"
		answer, err := l.GetBatch(l.Context(), wire.GetBatchRequestObject{
			Params: wire.GetBatchParams{First: first, Count: 10, Prefer: &wait}, MediaType: "application/x-ndjson",
		})
		if err != nil {
			l.Fatal(err)
		}
		time.AfterFunc(time.Second, func() {
			if err := other(); err != nil {
				l.Errorf("while the first waits: %v", err)
			}
		})
		func() {
			defer func() { _ = recover() }()
			for range answer.(wire.GetBatch200NDJSONResponse).Body {
				if full, ok := errors.AsType[*engine.FullError](other()); !ok || full.Limit != "max-batch-memory" {
					l.Errorf("while the first is written: %+v", full)
				}
				panic("the writing fails")
			}
		}()
		if err := other(); err != nil {
			l.Errorf("after the first: %v", err)
		}
	})
}
