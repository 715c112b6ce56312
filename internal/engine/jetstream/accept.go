package jetstream

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// Accept implements engine.Engine. The receipt is given once a quorum of the stream's servers has the
// job. ErrDown means that this could not be learned: the job may be stored nevertheless, and only an
// idempotency key makes a retry harmless.
func (e *Engine) Accept(ctx context.Context, job engine.Job) (engine.Receipt, error) {
	return e.AcceptBatch(ctx, engine.Batch{
		Secrets: [][]byte{job.Secret}, Algorithm: job.Algorithm, Tenant: job.Tenant, IdempotencyKey: job.IdempotencyKey,
		Trace: job.Trace,
	})
}

// AcceptBatch implements engine.Engine.
func (e *Engine) AcceptBatch(ctx context.Context, b engine.Batch) (receipt engine.Receipt, err error) {
	if !b.Valid() {
		return engine.Receipt{}, engine.ErrInvalid
	}
	if e.ctx.Err() != nil {
		return engine.Receipt{}, engine.ErrClosed
	}
	if err := e.usable(); err != nil {
		return engine.Receipt{}, err
	}
	if b.IdempotencyKey == (engine.IdempotencyKey{}) {
		return e.store(&b, 0)
	}
	return e.acceptWithKey(ctx, &b)
}

// acceptWithKey looks the key up before it stores anything. Requests of one instance take turns. Two of
// different instances that both find the key unused are told apart when they are stored: the key's
// subject takes one of them.
func (e *Engine) acceptWithKey(ctx context.Context, b *engine.Batch) (engine.Receipt, error) {
	const tries, pause = 20, 10 * time.Millisecond
	leave, ok := e.turns.take(b.IdempotencyKey.ID, e.ctx.Done())
	if !ok {
		return engine.Receipt{}, engine.ErrClosed
	}
	defer leave()
	for n := range tries {
		first, used, sequence, err := e.recall(ctx, b.IdempotencyKey)
		if used || err != nil {
			return first, err
		}
		receipt, err := e.store(b, sequence)
		if isFull(err) {
			return e.recallFull(ctx, b, err)
		}
		if !errors.Is(err, errTaken) {
			return receipt, err
		}
		select { // the other one is being stored
		case <-time.After(time.Duration(n) * pause):
		case <-e.ctx.Done():
			return engine.Receipt{}, engine.ErrClosed
		}
	}
	return engine.Receipt{}, down(errTaken)
}

// recallFull looks the key of a refused request up once more: the same request, sent to another
// instance, may have taken the last room meanwhile.
func (e *Engine) recallFull(ctx context.Context, b *engine.Batch, refusal error) (engine.Receipt, error) {
	first, used, _, err := e.recall(ctx, b.IdempotencyKey)
	if !used {
		return engine.Receipt{}, refusal
	}
	e.ledger.reject(b.Tenant, -int64(len(b.Secrets))) // it was none
	return first, err
}

func isFull(err error) bool {
	_, ok := errors.AsType[*engine.FullError](err)
	return ok
}

// recall says whether the key was used within the window, and if so what to answer. If it was used
// before, sequence is that of its record, which the next is to follow.
func (e *Engine) recall(ctx context.Context, k engine.IdempotencyKey) (first engine.Receipt, used bool, sequence uint64, err error) {
	var msg *message
	err = e.call(ctx, func(ctx context.Context) (err error) {
		msg, err = e.ask(ctx, e.names.jobs(), request{LastFor: e.names.key(k.ID)})
		return err
	})
	if err != nil || msg == nil {
		return engine.Receipt{}, false, 0, err
	}
	key, err := e.codec.openKey(k.ID, msg.Data)
	if err != nil {
		return engine.Receipt{}, false, 0, fmt.Errorf("idempotency key: %w", err)
	}
	at := msg.Sequence - uint64(key.jobs)
	id := e.lives().id(at)
	switch {
	case !key.origin.holds(at, id): // its request was refused
		return engine.Receipt{}, false, msg.Sequence, nil
	case !e.clock.now().Before(msg.Time.Add(e.cfg.IdempotencyWindow)):
		return engine.Receipt{}, false, msg.Sequence, nil
	case key.fingerprint != k.Fingerprint:
		return engine.Receipt{}, true, 0, engine.ErrIdempotencyKeyReused
	}
	return engine.Receipt{ID: id, Due: key.accepted.Add(key.delay)}, true, 0, nil
}

// store has the jobs, and the key's record behind them, stored by the publisher.
func (e *Engine) store(b *engine.Batch, follows uint64) (engine.Receipt, error) {
	n := int64(len(b.Secrets))
	if len(b.Secrets) >= e.publishLimit {
		e.ledger.reject(b.Tenant, n)
		return engine.Receipt{}, full("jetstream.limits.batch.max_msgs of the NATS servers", 0)
	}
	if err := e.ledger.reserve(b.Tenant, n, b.IdempotencyKey); err != nil {
		return engine.Receipt{}, err
	}
	accepted := e.clock.wall().Round(0)
	s, err := e.newSubmission(b, accepted, follows)
	var first int64
	if err == nil {
		first, err = e.sendPatiently(s)
	}
	if err != nil {
		e.ledger.refuse(b.Tenant, n, b.IdempotencyKey, errors.Is(err, errFull))
		if errors.Is(err, errFull) {
			err = full("max-pending", e.cfg.Delay)
		}
		return engine.Receipt{}, err
	}
	return engine.Receipt{ID: first, Due: accepted.Add(e.cfg.Delay)}, nil
}

// sendPatiently tries again if the cluster says it is full and this instance's own jobs do not fill
// it: a job that is done leaves the log a moment after its result can be read.
func (e *Engine) sendPatiently(s *submission) (first int64, err error) {
	const tries, pause = 4, 50 * time.Millisecond
	for range tries {
		first, err = e.send(s)
		if !errors.Is(err, errFull) || e.Stats().Pending+s.jobs > e.cfg.MaxPending {
			return first, err
		}
		select {
		case <-time.After(pause):
		case <-e.ctx.Done():
			return 0, engine.ErrClosed
		}
	}
	return first, err
}

// traceField is where a job says, in clear, to which trace it belongs: any instance may hash it.
const traceField = "traceparent"

func traceHeader(t engine.Trace) nats.Header {
	h := nats.Header{}
	if t != "" {
		h.Set(traceField, string(t))
	}
	return h
}

// newSubmission seals the jobs, and the key's record if there is a key.
func (e *Engine) newSubmission(b *engine.Batch, accepted time.Time, follows uint64) (*submission, error) {
	s := &submission{tenant: b.Tenant, jobs: int64(len(b.Secrets)), origin: e.origin(), at: accepted, answer: make(chan answer, 1)}
	job := storedJob{algorithm: b.Algorithm, tenant: b.Tenant, accepted: accepted, delay: e.cfg.Delay, origin: s.origin}
	for _, job.secret = range b.Secrets {
		sealed, err := e.codec.sealJob(&job)
		if err != nil {
			return nil, err
		}
		s.add(&nats.Msg{Subject: e.names.job(), Header: traceHeader(b.Trace), Data: sealed})
	}
	if b.IdempotencyKey == (engine.IdempotencyKey{}) {
		return s, nil
	}
	sealed, err := e.codec.sealKey(b.IdempotencyKey.ID, &storedKey{s.jobs, accepted, e.cfg.Delay, b.IdempotencyKey.Fingerprint, s.origin})
	if err != nil {
		return nil, err
	}
	window := (e.cfg.IdempotencyWindow + 2*time.Second - 1).Truncate(time.Second) // the servers count whole seconds
	s.add(&nats.Msg{Subject: e.names.key(b.IdempotencyKey.ID), Data: sealed, Header: nats.Header{
		jetstream.ExpectedLastSubjSeqHeader: {strconv.FormatUint(follows, 10)},
		jetstream.MsgTTLHeader:              {window.String()},
	}})
	return s, nil
}
