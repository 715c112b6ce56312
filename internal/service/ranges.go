package service

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	wire "github.com/hashd-project/hashd/v2/gen/server"
	"github.com/hashd-project/hashd/v2/internal/engine"
	"github.com/hashd-project/hashd/v2/internal/header"
	"github.com/hashd-project/hashd/v2/internal/strict"
)

// pieceJobs is how many jobs of a range are looked at together: enough that the calls of the engine cost
// next to nothing, few enough that an answer under way takes little memory, however long it is.
const pieceJobs = 256

// pieceMemory is about what an answer under way takes, in bytes: a piece, its text, and what the
// connection buffers.
const pieceMemory = 128 << 10

// piece is the memory of an answer under way.
type piece struct {
	records [pieceJobs]engine.Record
	results [pieceJobs]wire.Result
}

// answerRoom bounds the memory of the answers that are being written, as server's batchRoom bounds that of batches.
type answerRoom struct {
	free   *semaphore.Weighted // for so many answers
	taken  atomic.Int64
	pieces sync.Pool
}

// newAnswerRoom returns one for answers that take so much memory together, in bytes; 0 for any.
func newAnswerRoom(memory int64) *answerRoom {
	if memory == 0 {
		memory = math.MaxInt64
	}
	return &answerRoom{free: semaphore.NewWeighted(max(1, memory/pieceMemory)), pieces: sync.Pool{New: func() any { return new(piece) }}}
}

// tryTake returns a piece, which is to be put back, or the refusal if there is no room.
func (r *answerRoom) tryTake() (*piece, error) {
	if !r.free.TryAcquire(1) {
		return nil, &engine.FullError{Limit: answerLimit, RetryAfter: time.Second}
	}
	r.taken.Add(1)
	return r.pieces.Get().(*piece), nil
}

// answerLimit is the name of the setting.
const answerLimit = "max-batch-memory"

// take waits for room.
func (r *answerRoom) take(ctx context.Context) (*piece, error) {
	if err := r.free.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	r.taken.Add(1)
	return r.pieces.Get().(*piece), nil
}

func (r *answerRoom) put(p *piece) {
	if p != nil {
		r.pieces.Put(p)
		r.taken.Add(-1)
		r.free.Release(1)
	}
}

// ndjson is the media type of an answer in lines.
const ndjson = "application/x-ndjson"

// GetBatch implements GET /hash/batch.
func (s *Service) GetBatch(ctx context.Context, req wire.GetBatchRequestObject) (wire.GetBatchResponseObject, error) {
	s.mayWait(ctx)
	first, count := req.Params.First, int(req.Params.Count)
	w := s.preferred(req.Params.Prefer)
	if w.prefers && req.MediaType != ndjson {
		if err := s.awaitRange(ctx, w, first, count); err != nil {
			return nil, fmt.Errorf("get batch: %w", err)
		}
	}
	survey, err := s.cfg.Engine.Survey(ctx, first, count)
	if err != nil {
		return nil, fmt.Errorf("get batch: %w", err)
	}
	headers := wire.GetBatch200ResponseHeaders{PreferenceApplied: w.applied, RetryAfter: retryAfter(survey)}
	if req.MediaType == ndjson {
		return wire.GetBatch200NDJSONResponse{Body: s.resultsInTime(ctx, w, first, count), Headers: headers}, nil
	}
	pending := int64(0)
	return wire.GetBatch200JSONResponse{Headers: headers, Body: wire.Results{
		Results: strict.Stream[wire.Result](s.results(ctx, first, count, &pending)),
		Pending: func() int64 { return pending },
	}}, nil
}

// retryAfter returns when what is pending of a range is due; nil if nothing is.
func retryAfter(survey engine.Survey) *int64 {
	if survey.Pending == 0 {
		return nil
	}
	_, wait := until(survey.Last.Due, time.Now())
	seconds := header.Seconds(wait)
	return &seconds
}

// awaitRange returns once no job of the range is pending, or the wait is over.
func (s *Service) awaitRange(ctx context.Context, w preference, first int64, count int) error {
	ctx, cancel := s.waiting(ctx, w.wait)
	defer cancel()
	return engine.AwaitRange(ctx, s.cfg.Engine, first, count)
}

// results yields what has become of the jobs of the range, as it is now, piece by piece, and counts those
// that are pending. What it yields is valid until the next.
func (s *Service) results(ctx context.Context, first int64, count int, pending *int64) iter.Seq2[[]wire.Result, error] {
	return func(yield func([]wire.Result, error) bool) {
		p, err := s.room.tryTake()
		defer s.room.put(p)
		for n := 0; n < count && err == nil && ctx.Err() == nil; n += pieceJobs {
			records := p.records[:min(pieceJobs, count-n)]
			if err = s.cfg.Engine.Read(ctx, first+int64(n), records); err == nil && !yield(p.show(records, pending), nil) {
				return
			}
		}
		if err = cmp.Or(err, ctx.Err()); err != nil {
			yield(nil, err)
		}
	}
}

// resultsInTime yields what has become of the jobs of the range, in their order, each once it is not
// pending; and all that are left once the wait is over.
func (s *Service) resultsInTime(ctx context.Context, w preference, first int64, count int) iter.Seq2[[]wire.Result, error] {
	pending := int64(0)
	if !w.prefers {
		return s.results(ctx, first, count, &pending)
	}
	return func(yield func([]wire.Result, error) bool) {
		p, err := s.room.tryTake()
		defer func() { s.room.put(p) }()
		waiting, cancel := s.waiting(ctx, w.wait)
		defer cancel()
		for end := first + int64(count); first < end && err == nil && ctx.Err() == nil; {
			records := p.records[:min(pieceJobs, end-first)]
			if err = s.cfg.Engine.Read(ctx, first, records); err != nil {
				break
			}
			if waiting.Err() == nil {
				records = records[:settled(records)]
			}
			if len(records) == 0 {
				s.room.put(p) // a wait takes no memory but its own
				_, _ = s.cfg.Engine.Wait(engine.Glance(waiting), first)
				p, err = s.room.take(ctx)
			} else if !yield(p.show(records, &pending), nil) {
				return
			}
			first += int64(len(records))
		}
		if err = cmp.Or(err, ctx.Err()); err != nil {
			yield(nil, err) // also if nobody is there to read on
		}
	}
}

// settled returns how many of the records come before the first pending one.
func settled(records []engine.Record) int {
	for i := range records {
		if records[i].State == engine.Pending {
			return i
		}
	}
	return len(records)
}

// show returns the records as clients see them, and counts those that are pending.
func (p *piece) show(records []engine.Record, pending *int64) []wire.Result {
	for i := range records {
		rec, r := &records[i], &p.results[i]
		*r = wire.Result{Id: rec.ID, Status: statusNames[rec.State]}
		switch rec.State {
		case engine.Done:
			r.Algorithm, r.Hash = nameOf(rec.Algorithm), rec.Digest()
		case engine.Pending:
			*pending++
		case engine.Gone, engine.Unknown:
		}
	}
	return p.results[:len(records)]
}

// statusNames are the states as the contract names them.
var statusNames = [...]wire.ResultStatus{
	engine.Pending: wire.ResultStatusPending,
	engine.Done:    wire.ResultStatusDone,
	engine.Gone:    wire.ResultStatusGone,
	engine.Unknown: wire.ResultStatusUnknown,
}

// ListHashes implements GET /hash.
func (s *Service) ListHashes(ctx context.Context, req wire.ListHashesRequestObject) (wire.ListHashesResponseObject, error) {
	s.mayWait(ctx)
	c := completions{service: s, limit: defaultLimit}
	if a := req.Params.After; a != nil {
		c.next = *a
	}
	if l := req.Params.Limit; l != nil {
		c.limit = int(*l)
	}
	w := s.preferred(req.Params.Prefer)
	if w.prefers {
		if err := s.awaitCompleted(ctx, w, c.next); err != nil {
			return nil, fmt.Errorf("list: %w", err)
		}
	}
	headers := wire.ListHashes200ResponseHeaders{PreferenceApplied: w.applied}
	empty, err := c.isEmpty(ctx)
	if err != nil {
		return nil, fmt.Errorf("list: %w", err)
	}
	if empty {
		headers.RetryAfter = new(int64(1))
	}
	return wire.ListHashes200JSONResponse{Headers: headers, Body: wire.Completions{
		Results: func(yield func([]wire.Result, error) bool) { c.yieldAll(ctx, yield) },
		Next:    func() int64 { return c.next },
	}}, nil
}

// completions are the done jobs after an id, up to a limit.
type completions struct {
	service *Service
	next    int64 // as far as they were read
	limit   int
}

// isEmpty moves next to where something is done, and says whether there is nothing.
func (c *completions) isEmpty(ctx context.Context) (bool, error) {
	var one [1]engine.Record
	for range maxSteps {
		n, next, err := c.service.cfg.Engine.Completed(engine.Glance(ctx), c.next, one[:])
		if err != nil || n == 0 && next == c.next {
			return true, err
		}
		if n > 0 {
			c.next = max(c.next, one[0].ID-1)
			return false, nil
		}
		c.next = next
	}
	return true, nil
}

// maxSteps bounds how often an engine is asked for one answer, if it has to look for what is done.
const maxSteps = 100

func (c *completions) yieldAll(ctx context.Context, yield func([]wire.Result, error) bool) {
	p, err := c.service.room.tryTake()
	defer c.service.room.put(p)
	pending, n := int64(0), 1
	for left := c.limit; left > 0 && n > 0 && err == nil && ctx.Err() == nil; left -= n {
		after := c.next
		n, c.next, err = c.service.cfg.Engine.Completed(ctx, after, p.records[:min(pieceJobs, left)])
		if err != nil {
			c.next = after
		} else if n > 0 && !yield(p.show(p.records[:n], &pending), nil) {
			return
		}
	}
	if err = cmp.Or(err, ctx.Err()); err != nil {
		yield(nil, err)
	}
}

// defaultLimit is the contract's for GET /hash.
const defaultLimit = 1000

// awaitCompleted returns once a job above after has ended, or the wait is over.
func (s *Service) awaitCompleted(ctx context.Context, w preference, after int64) error {
	ctx, cancel := s.waiting(ctx, w.wait)
	defer cancel()
	return s.cfg.Engine.AwaitCompleted(ctx, after)
}

// CancelBatch implements DELETE /hash/batch.
func (s *Service) CancelBatch(ctx context.Context, req wire.CancelBatchRequestObject) (wire.CancelBatchResponseObject, error) {
	s.mayWait(ctx)
	ended, err := s.cfg.Engine.CancelRange(ctx, req.Params.First, int(req.Params.Count))
	if err != nil {
		return nil, fmt.Errorf("cancel batch: %w", err)
	}
	return wire.CancelBatch200JSONResponse{Body: wire.Ended{
		Canceled: int32(ended.Canceled), Erased: int32(ended.Erased), Gone: int32(ended.Gone), Unknown: int32(ended.Unknown),
	}}, nil
}
