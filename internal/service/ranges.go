package service

import (
	"context"
	"fmt"
	"iter"
	"sync"

	wire "github.com/hashd-project/hashd/gen/server"
	"github.com/hashd-project/hashd/internal/digest"
	"github.com/hashd-project/hashd/internal/engine"
	"github.com/hashd-project/hashd/internal/header"
)

// pieceJobs is how many jobs of a range are looked at together: enough that the calls of the engine cost
// next to nothing, few enough that an answer under way takes little memory, however long it is.
const pieceJobs = 256

// piece is the memory of an answer under way.
type piece struct {
	records [pieceJobs]engine.Record
	results [pieceJobs]wire.Result
}

var pieces = sync.Pool{New: func() any { return new(piece) }}

// ndjson is the media type of an answer in lines.
const ndjson = "application/x-ndjson"

// GetBatch implements GET /hash/batch.
func (s *Service) GetBatch(ctx context.Context, req wire.GetBatchRequestObject) (wire.GetBatchResponseObject, error) {
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
	var body wire.Results
	for results, err := range s.results(ctx, first, count) {
		if err != nil {
			return nil, fmt.Errorf("get batch: %w", err)
		}
		body.Results = append(body.Results, results...)
		body.Pending += pendingIn(results)
	}
	return wire.GetBatch200JSONResponse{Body: body, Headers: headers}, nil
}

// retryAfter returns when what is pending of a range is due; nil if nothing is.
func retryAfter(survey engine.Survey) *int64 {
	if survey.Pending == 0 {
		return nil
	}
	_, wait := until(survey.Last.Due)
	seconds := header.Seconds(wait)
	return &seconds
}

func pendingIn(results []wire.Result) (n int32) {
	for i := range results {
		if results[i].Status == wire.ResultStatusPending {
			n++
		}
	}
	return n
}

// awaitRange returns once no job of the range is pending, or the wait is over.
func (s *Service) awaitRange(ctx context.Context, w preference, first int64, count int) error {
	ctx, cancel := s.waiting(ctx, w.wait)
	defer cancel()
	return engine.AwaitRange(ctx, s.cfg.Engine, first, count)
}

// results yields what has become of the jobs of the range, as it is now, piece by piece. What it yields is
// valid until the next.
func (s *Service) results(ctx context.Context, first int64, count int) iter.Seq2[[]wire.Result, error] {
	return func(yield func([]wire.Result, error) bool) {
		p := pieces.Get().(*piece)
		defer pieces.Put(p)
		for n := 0; n < count; n += pieceJobs {
			records := p.records[:min(pieceJobs, count-n)]
			if err := s.cfg.Engine.Read(ctx, first+int64(n), records); err != nil {
				yield(nil, err)
				return
			}
			if !yield(p.show(records), nil) {
				return
			}
		}
	}
}

// resultsInTime yields what has become of the jobs of the range, in their order, each once it is not
// pending; and all that are left once the wait is over.
func (s *Service) resultsInTime(ctx context.Context, w preference, first int64, count int) iter.Seq2[[]wire.Result, error] {
	if !w.prefers {
		return s.results(ctx, first, count)
	}
	return func(yield func([]wire.Result, error) bool) {
		p := pieces.Get().(*piece)
		defer func() { pieces.Put(p) }()
		waiting, cancel := s.waiting(ctx, w.wait)
		defer cancel()
		for end := first + int64(count); first < end; {
			records := p.records[:min(pieceJobs, end-first)]
			if err := s.cfg.Engine.Read(ctx, first, records); err != nil {
				yield(nil, err)
				return
			}
			if waiting.Err() == nil {
				records = records[:settled(records)]
			}
			if len(records) > 0 && !yield(p.show(records), nil) {
				return
			}
			first += int64(len(records))
			if len(records) == 0 {
				pieces.Put(p) // a wait takes no memory but its own
				_, _ = s.cfg.Engine.Wait(engine.Glance(waiting), first)
				p = pieces.Get().(*piece)
			}
			if ctx.Err() != nil { // nobody is there to read on
				return
			}
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

// show returns the records as clients see them.
func (p *piece) show(records []engine.Record) []wire.Result {
	for i := range records {
		p.results[i] = resultOf(&records[i])
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

func resultOf(rec *engine.Record) wire.Result {
	r := wire.Result{Id: rec.ID, Status: statusNames[rec.State]}
	if rec.State == engine.Done {
		r.Algorithm, r.Hash = nameOf(rec.Algorithm), digest.Encode(rec.Digest())
	}
	return r
}

// ListHashes implements GET /hash.
func (s *Service) ListHashes(ctx context.Context, req wire.ListHashesRequestObject) (wire.ListHashesResponseObject, error) {
	after, limit := int64(0), defaultLimit
	if a := req.Params.After; a != nil {
		after = *a
	}
	if l := req.Params.Limit; l != nil {
		limit = int(*l)
	}
	w := s.preferred(req.Params.Prefer)
	if w.prefers {
		if err := s.awaitCompleted(ctx, w, after); err != nil {
			return nil, fmt.Errorf("list: %w", err)
		}
	}
	body := wire.Completions{Results: []wire.Result{}, Next: after}
	p := pieces.Get().(*piece)
	defer pieces.Put(p)
	for len(body.Results) < limit {
		n, next, err := s.cfg.Engine.Completed(ctx, body.Next, p.records[:min(pieceJobs, limit-len(body.Results))])
		if err != nil {
			return nil, fmt.Errorf("list: %w", err)
		}
		body.Results = append(body.Results, p.show(p.records[:n])...)
		if next == body.Next {
			break
		}
		body.Next = next
	}
	headers := wire.ListHashes200ResponseHeaders{PreferenceApplied: w.applied}
	if len(body.Results) == 0 {
		headers.RetryAfter = new(int64(1))
	}
	return wire.ListHashes200JSONResponse{Body: body, Headers: headers}, nil
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
	ended, err := s.cfg.Engine.CancelRange(ctx, req.Params.First, int(req.Params.Count))
	if err != nil {
		return nil, fmt.Errorf("cancel batch: %w", err)
	}
	return wire.CancelBatch200JSONResponse{Body: wire.Ended{
		Canceled: int32(ended.Canceled), Erased: int32(ended.Erased), Gone: int32(ended.Gone), Unknown: int32(ended.Unknown),
	}}, nil
}
