package jetstream

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// The codes of refusals that say something of the message refused. All others say something of the
// cluster.
const (
	codeWrongLast     jetstream.ErrorCode = 10071 // the subject's last message is another
	codeWrongLastBusy jetstream.ErrorCode = 10164 // or may become another
	codeStoreFailed   jetstream.ErrorCode = 10077 // here: the subject has as many messages as it may
	codeIncomplete    jetstream.ErrorCode = 10176 // the leader does not know the beginning of the atomic publish
	codeManyPublishes jetstream.ErrorCode = 10210 // the leader has as many under way as it may
)

// Why the cluster refused a message.
var (
	errTaken = errors.New("the subject has another message")
	errFull  = errors.New("the subject is full")
	errBusy  = errors.New("the atomic publish was not taken: the leader has changed, or has too many under way")
)

// refusal says why the cluster did not store a message, or that it is down.
func refusal(err error) error {
	api, ok := errors.AsType[*jetstream.APIError](err)
	switch {
	case err == nil:
		return nil
	case ok && (api.ErrorCode == codeWrongLast || api.ErrorCode == codeWrongLastBusy):
		return errTaken
	case ok && api.ErrorCode == codeStoreFailed && api.Description == "maximum messages per subject exceeded":
		return errFull
	case ok && (api.ErrorCode == codeIncomplete || api.ErrorCode == codeManyPublishes):
		return errBusy
	}
	return down(err)
}

// definite reports whether the error says that nothing was stored.
func definite(err error) bool { return errors.Is(err, errTaken) || errors.Is(err, errFull) }

// down wraps an error of the cluster or of the way to it.
func down(err error) error {
	if err == nil || errors.Is(err, engine.ErrDown) || errors.Is(err, engine.ErrClosed) {
		return err
	}
	return fmt.Errorf("%w: %w", engine.ErrDown, err)
}

// call runs one exchange with the cluster. It goes on if the caller's context ends, for what it finds
// out or stores must not be lost half-way. It ends at its own timeout, or with the engine.
func (e *Engine) call(ctx context.Context, do func(context.Context) error) error {
	if e.ctx.Err() != nil {
		return engine.ErrClosed
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), e.cfg.Timeout)
	defer cancel()
	defer context.AfterFunc(e.ctx, cancel)() //nolint:contextcheck // the engine's end is not the request's
	err := do(ctx)
	if err != nil && e.ctx.Err() != nil {
		return engine.ErrClosed
	}
	return err
}
