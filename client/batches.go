package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"

	gen "github.com/hashd-project/hashd/v2/gen/client"
)

// limits are what one request may have at most.
type limits struct {
	Batch     int64 // secrets
	BatchBody int64 // bytes of a batch's body
	Range     int64 // ids
}

// defaultLimits are those of a server with default settings, for one that does not tell its own.
func defaultLimits() limits { return limits{Batch: 10_000, BatchBody: 8 << 20, Range: 10_000} }

// limits returns what the server's status tells. It is read once, or again after forgetLimits.
func (j *Jobs) limits(ctx context.Context) (*limits, error) {
	if known := j.known.Load(); known != nil {
		return known, nil
	}
	r, err := call(ctx, j, 0, func(ctx context.Context) (*http.Response, error) { return j.client.GetStatus(ctx) }, gen.ParseGetStatusResponse)
	_, refused := errors.AsType[*ProblemError](err)
	switch {
	case err == nil:
		known := limitsOf(r.Body)
		j.known.Store(&known)
		return &known, nil
	case refused && !temporary(err) || errors.Is(err, ErrAnswer): // a proxy may not let everybody see the status
		known := defaultLimits()
		return &known, nil
	}
	return nil, fmt.Errorf("limits: %w", err)
}

// limitsOf reads them in a status, which may lack some or all: a member more is no error in an answer.
func limitsOf(status []byte) limits {
	var told struct{ Limits limits }
	_ = json.Unmarshal(status, &told) // what it could not read stays 0
	known := defaultLimits()
	for _, l := range []struct{ told, to *int64 }{
		{&told.Limits.Batch, &known.Batch}, {&told.Limits.BatchBody, &known.BatchBody}, {&told.Limits.Range, &known.Range},
	} {
		if *l.told > 0 {
			*l.to = *l.told
		}
	}
	return known
}

// forgetLimits makes limits read them again: they were wrong.
func (j *Jobs) forgetLimits() { j.known.Store(nil) }

// SubmitBatches submits any number of secrets in their order, in as few batches as the server's limits allow, and
// yields each batch once it is accepted. An error is the last that it yields; what was accepted before it stays. Where there
// are several batches, each has an Idempotency-Key made of that of o: if they are all submitted again with
// the same one, each secret still has one job.
func (j *Jobs) SubmitBatches(ctx context.Context, secrets [][]byte, o Options) iter.Seq2[AcceptedBatch, error] {
	return func(yield func(AcceptedBatch, error) bool) {
		key, err := o.key()
		if err != nil {
			yield(AcceptedBatch{}, err)
			return
		}
		o.Key = key
		s := splitter{jobs: j, secrets: secrets, options: o, most: len(secrets)}
		for more := true; more; more = s.at < len(secrets) {
			accepted, err := s.submit(ctx)
			if !yield(accepted, err) || err != nil {
				return
			}
		}
	}
}

// splitter submits secrets in several batches.
type splitter struct {
	jobs    *Jobs
	secrets [][]byte
	options Options
	at      int // how many were accepted
	most    int // what the server has refused is not sent again
}

// submit submits as many of the secrets as the server takes in one batch.
func (s *splitter) submit(ctx context.Context) (AcceptedBatch, error) {
	for {
		l, err := s.jobs.limits(ctx)
		if err != nil {
			return AcceptedBatch{}, err
		}
		n := min(fitting(s.secrets[s.at:], l), s.most)
		o := s.options
		if n < len(s.secrets) {
			o.Key = fmt.Sprintf("%d+%d/%s", s.at, n, o.Key)
		}
		accepted, err := s.jobs.SubmitBatch(ctx, s.secrets[s.at:s.at+n], o)
		if err == nil {
			s.at += n
			return accepted, nil
		}
		if n <= 1 || !isTooLarge(err) {
			return AcceptedBatch{}, err
		}
		s.jobs.forgetLimits()
		s.most = (n + 1) / 2
	}
}

// fitting returns how many of the secrets fit into one batch: one at least, if there is one, for the server to refuse.
func fitting(secrets [][]byte, l *limits) int {
	size := int64(bodyRoom)
	for n, secret := range secrets {
		size += int64(quoted(secret)) + 1
		if int64(n) == l.Batch || size > l.BatchBody && n > 0 {
			return n
		}
	}
	return len(secrets)
}

// isTooLarge says whether a batch was refused for too many bytes or too many secrets.
func isTooLarge(err error) bool {
	p, refused := errors.AsType[*ProblemError](err)
	if !refused || p.Status == http.StatusRequestEntityTooLarge {
		return refused
	}
	for _, e := range p.Errors {
		if e.Pointer == "#/passwords" {
			return p.Status == http.StatusBadRequest
		}
	}
	return false
}

// SubmitBatchAndWait submits any number of secrets, as SubmitBatches does, and returns a result for each, in their
// order, once none is pending.
func (j *Jobs) SubmitBatchAndWait(ctx context.Context, secrets [][]byte, o Options) ([]Result, error) {
	var batches []AcceptedBatch
	for accepted, err := range j.SubmitBatches(ctx, secrets, o) {
		if err != nil {
			return nil, err
		}
		batches = append(batches, accepted)
	}
	all := make([]Result, 0, len(secrets))
	for _, b := range batches {
		for r, err := range j.WaitBatch(ctx, b.First, int(b.Count)) {
			if err != nil {
				return nil, err
			}
			all = append(all, r)
		}
	}
	return all, nil
}
