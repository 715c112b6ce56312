package jetstream

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// Cancel implements engine.Engine. The tombstone ends the job: an instance that hashes it afterwards, or
// does so now, cannot store its result. The job's message is then overwritten.
func (e *Engine) Cancel(ctx context.Context, id int64) error {
	_, err := e.cancelJob(ctx, id)
	return err
}

// cancelJob also returns the state that the job was in.
func (e *Engine) cancelJob(ctx context.Context, id int64) (was engine.State, err error) {
	const tries = 20
	for range tries {
		err := e.call(ctx, func(ctx context.Context) error {
			s, err := e.look(ctx, id)
			if err != nil {
				return err
			}
			was = s.State
			return e.tryCancel(ctx, id, s)
		})
		if !errors.Is(err, errTaken) {
			return was, err
		}
	}
	return was, down(errTaken)
}

// tryCancel returns errTaken if the job has changed since it was looked at.
func (e *Engine) tryCancel(ctx context.Context, id int64, s sight) error {
	end := s.canceled()
	if err := e.putTombstone(ctx, id, end, s); err != nil {
		return err
	}
	e.tell(end, id)
	if end == isCanceled {
		e.wipe(ctx, id, s.place)
	}
	return nil
}

// canceled returns what a cancel makes of the job.
func (s *sight) canceled() outcome {
	if s.State == engine.Done {
		return isErased
	}
	return isCanceled
}

// wipe overwrites the message of a canceled job.
func (e *Engine) wipe(ctx context.Context, id int64, place uint64) {
	err := e.link().jobs.SecureDeleteMsg(ctx, place)
	_, refused := errors.AsType[*jetstream.APIError](err) // somebody has hashed it and found the tombstone
	if err != nil && !refused && !errors.Is(err, jetstream.ErrMsgDeleteUnsuccessful) {
		e.cfg.Log.Warn("the sealed secret of a canceled job stays in the cluster until the job is due", "id", id, "error", err)
	}
}

// putTombstone stores a tombstone in the place of a job's result.
func (e *Engine) putTombstone(ctx context.Context, id int64, o outcome, s sight) error {
	m, err := e.tombstone(id, o, s)
	if err != nil {
		return err
	}
	_, err = e.commitOne(ctx, m)
	return refusal(err)
}

// tombstone returns the message that is stored in the place of a job's result if the job has not changed.
func (e *Engine) tombstone(id int64, o outcome, s sight) (*nats.Msg, error) {
	sealed, err := e.codec.sealResult(id, &storedResult{outcome: o, tenant: s.Tenant, stamp: s.stamp})
	if err != nil {
		return nil, fmt.Errorf("tombstone of job %d: %w", id, err)
	}
	return e.resultMsg(id, sealed, s.result), nil
}

// resultMsg returns a message that is stored only if the job's last one is the given one; 0 for
// none.
func (e *Engine) resultMsg(id int64, sealed []byte, follows uint64) *nats.Msg {
	return &nats.Msg{Subject: e.names.result(id), Data: sealed, Header: nats.Header{
		jetstream.ExpectedLastSubjSeqHeader: {strconv.FormatUint(follows, 10)},
	}}
}
