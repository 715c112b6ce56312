package client

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"net/http"
	"strconv"
	"time"

	gen "github.com/hashd-project/hashd/v2/gen/client"
)

// pieceJobs is how many jobs are asked about in one request whose answer is read whole: it stays small, and requests
// are still so few that they cost next to nothing.
const pieceJobs = 2_000

// ErrRange tells of a range that does not begin at a positive id, or has no ids.
var ErrRange = errors.New("a range begins at a positive id and has one id or more")

// GetBatch returns what has become of count jobs from first on, as it is now: one result for each id, in
// their order. Those that are canceled, erased or past their retention are gone, and ids that the store
// never gave are unknown; neither is an error.
func (j *Jobs) GetBatch(ctx context.Context, first JobID, count int) ([]Result, error) {
	var all []Result
	for from, n := range piecesOf(first, count) {
		piece, err := j.getPiece(ctx, from, n)
		if err != nil {
			return nil, err
		}
		all = append(all, piece...)
	}
	return all, checkRange(first, count)
}

func checkRange(first JobID, count int) error {
	if first < 1 || count < 1 || first > math.MaxInt64-JobID(count) {
		return ErrRange
	}
	return nil
}

// piecesOf yields where the pieces of a range begin, and how long each is.
func piecesOf(first JobID, count int) iter.Seq2[JobID, int] {
	return func(yield func(JobID, int) bool) {
		for n := 0; n < count && first > 0; n += pieceJobs {
			if !yield(first+JobID(n), min(pieceJobs, count-n)) {
				return
			}
		}
	}
}

// getPiece asks once for a piece.
func (j *Jobs) getPiece(ctx context.Context, first JobID, count int) ([]Result, error) {
	params := GetBatchParams{First: first, Count: Count(count)}
	r, err := call(ctx, j, 0, func(ctx context.Context) (*http.Response, error) {
		return j.client.GetBatch(ctx, &params, accepting(jsonType))
	}, gen.ParseGetBatchResponse)
	if err != nil {
		return nil, fmt.Errorf("%d jobs from %d on: %w", count, first, err)
	}
	answer, err := expect(r.JSON200, func(a Results) bool { return areOf(a.Results, first, count) })
	return answer.Results, err
}

// preferring returns the header that asks for an answer to be held, if it is.
func preferring(hold time.Duration) *string {
	if hold <= 0 {
		return nil
	}
	wait := "wait=" + strconv.Itoa(int(hold/time.Second))
	return &wait
}

// accepting is a request editor. It asks for an answer of that media type.
func accepting(media string) gen.RequestEditorFn {
	return func(_ context.Context, r *http.Request) error {
		r.Header.Set("Accept", media)
		return nil
	}
}

// areOf says whether there is one result for each id, in their order.
func areOf(results []Result, first JobID, count int) bool {
	if len(results) != count {
		return false
	}
	for i, r := range results {
		if r.Id != first+JobID(i) || !isResult(r) {
			return false
		}
	}
	return true
}

// isResult says whether a done job has a hash, and no other has.
func isResult(r Result) bool {
	if r.Status == ResultStatusDone {
		return r.Hash != nil && isHash(*r.Hash)
	}
	return r.Hash == nil
}

// CancelBatch does to each of count jobs from first on what Cancel does, and counts what has become of them. Where an
// answer was lost and the request repeated, jobs that the first had ended count as gone.
func (j *Jobs) CancelBatch(ctx context.Context, first JobID, count int) (Ended, error) {
	var all Ended
	for from, n := range piecesOf(first, count) {
		params := CancelBatchParams{First: from, Count: Count(n)}
		r, err := call(ctx, j, 0, func(ctx context.Context) (*http.Response, error) {
			return j.client.CancelBatch(ctx, &params)
		}, gen.ParseCancelBatchResponse)
		if err != nil {
			return all, fmt.Errorf("%d jobs from %d on: %w", n, from, err)
		}
		ended, err := expect(r.JSON200, func(e Ended) bool { return int(e.Canceled+e.Erased+e.Gone+e.Unknown) == n })
		if err != nil {
			return all, err
		}
		all.Canceled += ended.Canceled
		all.Erased += ended.Erased
		all.Gone += ended.Gone
		all.Unknown += ended.Unknown
	}
	return all, checkRange(first, count)
}

// StoreChangedError tells that the server's jobs are those of another store than before: it was started anew and
// keeps its jobs in memory, it was restored from a copy, or it is another server. Ids of before mean nothing in it.
type StoreChangedError struct{ Before, Now string }

// Error implements error.
func (e *StoreChangedError) Error() string {
	return "the server has another store than before: it was started anew or restored, or is another one"
}

// Results follows the hashes that the server has done, whoever submitted them: it yields each job above after that
// is done, in the order of ids, and waits for more until ctx ends. A job that is pending holds up those behind it, so
// whoever goes on after the last id misses none; those that are canceled, erased or past their retention are passed
// over. The last that it yields is an error: ctx's, or a *StoreChangedError, for then the ids begin anew.
func (j *Jobs) Results(ctx context.Context, after JobID) iter.Seq2[Result, error] {
	return func(yield func(Result, error) bool) {
		status, err := j.Status(ctx)
		if err == nil {
			err = j.follow(ctx, after, status.Store, yield)
		}
		if err != nil {
			yield(Result{}, err)
		}
	}
}

// Done returns what is done after an id, as it is now: hashes in the order of their ids, up to the oldest pending job or to
// as many as one answer has, and the id to go on after. If that is the same, nothing more is done.
func (j *Jobs) Done(ctx context.Context, after JobID) (Completions, error) {
	page, _, err := j.list(ctx, after, 0)
	return page, err
}

// follow yields the results of the store until it returns an error, or nil once nobody wants more.
func (j *Jobs) follow(ctx context.Context, after JobID, store string, yield func(Result, error) bool) error {
	for {
		page, wait, err := j.list(ctx, after, pollFor(ctx))
		if err != nil {
			return err
		}
		status, err := j.Status(ctx) // later than the page, so that nothing of another store is in it
		if err != nil {
			return err
		}
		if status.Store != store {
			return &StoreChangedError{Before: store, Now: status.Store}
		}
		for _, r := range page.Results {
			if !yield(r, nil) {
				return nil
			}
		}
		if after = page.Next; wait == 0 {
			continue
		}
		if cause := sleep(ctx, wait); cause != nil {
			return fmt.Errorf("wait: %w", cause)
		}
	}
}

// list asks once for what is done, and has the answer held while there is nothing. If the answer was not held, it
// says how long to wait.
func (j *Jobs) list(ctx context.Context, after JobID, hold time.Duration) (page Completions, wait time.Duration, err error) {
	limit := Limit(pieceJobs)
	params := ListHashesParams{After: &after, Limit: &limit, Prefer: preferring(hold)}
	r, err := call(ctx, j, hold, func(ctx context.Context) (*http.Response, error) { return j.client.ListHashes(ctx, &params) }, gen.ParseListHashesResponse)
	if err != nil {
		return page, 0, fmt.Errorf("jobs after %d: %w", after, err)
	}
	page, err = expect(r.JSON200, func(c Completions) bool { return follows(c, after) })
	if err != nil {
		return Completions{}, 0, err
	}
	if held := r.HTTPResponse.Header.Get("Preference-Applied"); len(page.Results) == 0 && (held == "" || held == "wait=0") {
		wait = max(unnamedPause, retryAfter(r.HTTPResponse))
	}
	return page, wait, nil
}

// follows says whether the page has done jobs in their order, from after on and up to next.
func follows(page Completions, after JobID) bool {
	for _, r := range page.Results {
		if r.Id <= after || r.Status != ResultStatusDone || !isResult(r) {
			return false
		}
		after = r.Id
	}
	return page.Results != nil && page.Next >= after
}
