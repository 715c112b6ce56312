package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"mime"
	"net/http"
)

const (
	linesType = "application/x-ndjson"
	// maxLineBytes is more than any line has.
	maxLineBytes = 64 << 10
)

// WaitBatch yields what has become of count jobs from first on, in the order of their ids, each as soon as it and those
// before it are no more pending. However many there are, it holds one of them and a buffer of 64 KiB, and reads on as they are
// taken. Where a connection breaks it goes on from the id that comes next. An error is the last that it
// yields; if ctx ends while a job is pending, it wraps the context's.
func (j *Jobs) WaitBatch(ctx context.Context, first JobID, count int) iter.Seq2[Result, error] {
	return func(yield func(Result, error) bool) {
		err := checkRange(first, count)
		if err == nil {
			err = j.waitRange(ctx, &waiter{next: first, end: first + JobID(count), yield: yield})
		}
		if err != nil {
			yield(Result{}, err)
		}
	}
}

// waiter is what takes the results of a range.
type waiter struct {
	next, end JobID // what is still to come
	yield     func(Result, error) bool
	stopped   bool // yield wants no more
}

// waitRange has all results taken, or returns the error that prevents it.
func (j *Jobs) waitRange(ctx context.Context, w *waiter) error {
	limits, err := j.limits(ctx)
	if err != nil {
		return err
	}
	for w.next < w.end && !w.stopped {
		var pending bool
		err := j.retry(ctx, longestPoll, func(ctx context.Context) (err error) {
			from := w.next
			if pending, err = j.readRange(ctx, w, min(w.end-w.next, limits.Range)); w.next > from {
				return nil // what comes next is asked for with new patience
			}
			return err
		})
		if err == nil && pending {
			err = sleep(ctx, unnamedPause)
		}
		if err != nil {
			return fmt.Errorf("jobs from %d on: %w", w.next, err)
		}
	}
	return nil
}

// readRange asks once for the next count results and hands them on as they come. It returns early if one is
// pending, for then the time that the server holds answers is over.
func (j *Jobs) readRange(ctx context.Context, w *waiter, count int64) (pending bool, err error) {
	params := GetBatchParams{First: w.next, Count: Count(count), Prefer: preferring(pollFor(ctx))}
	resp, err := linesOf(j.client.GetBatch(ctx, &params, accepting(linesType))) //nolint:bodyclose // linesOf closes what it does not return
	if err != nil {
		return false, err
	}
	defer func() { _ = resp.Body.Close() }() // no error of it takes back what was read
	in := bufio.NewReaderSize(resp.Body, maxLineBytes)
	for end := w.next + count; w.next < end; {
		r, err := readResult(in, w.next)
		if err != nil || r.Status == ResultStatusPending {
			return err == nil, err
		}
		w.next++
		if w.stopped = !w.yield(r, nil); w.stopped {
			return false, nil
		}
	}
	_, _ = in.Peek(1) // the end, after which the connection can be used again
	return false, nil
}

// linesOf returns the answer if it comes in lines.
func linesOf(resp *http.Response, err error) (*http.Response, error) {
	if err != nil {
		return nil, err
	}
	media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if resp.StatusCode == http.StatusOK && media == linesType {
		return resp, nil
	}
	if _, err = success(resp, nil); err == nil {
		err = ErrAnswer
	}
	return nil, err
}

// readResult reads a line, which must be about the job of that id.
func readResult(in *bufio.Reader, id JobID) (r Result, err error) {
	line, err := in.ReadSlice('\n')
	switch {
	case errors.Is(err, io.EOF):
		return r, io.ErrUnexpectedEOF
	case errors.Is(err, bufio.ErrBufferFull):
		return r, ErrAnswer
	case err != nil:
		return r, err
	}
	if json.Unmarshal(line, &r) != nil || r.Id != id || !isResult(r) {
		return Result{}, ErrAnswer
	}
	return r, nil
}
