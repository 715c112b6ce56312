package jetstream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hashd-project/hashd/internal/engine"
)

// connect dials the cluster, for as long as Patience says.
func (e *Engine) connect() error {
	return e.await(func(context.Context) (err error) {
		if e.conn, err = nats.Connect(strings.Join(e.cfg.URLs, ","), e.options()...); err != nil {
			return fmt.Errorf("connect: %w", err)
		}
		e.js, err = jetstream.New(e.conn, jetstream.WithDefaultTimeout(e.cfg.Timeout))
		return err
	})
}

func (e *Engine) options() []nats.Option {
	signal := func(*nats.Conn) {
		select {
		case e.back <- struct{}{}:
		default:
		}
	}
	options := []nats.Option{
		nats.Name("hashd " + e.names.prefix),
		nats.Timeout(2 * time.Second),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(250 * time.Millisecond),
		nats.ReconnectBufSize(-1), // what cannot be sent fails, it is not sent later
		nats.PingInterval(2 * time.Second),
		nats.MaxPingsOutstanding(2), // a server that hangs is left after 4 to 6 s
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			e.cfg.Log.Warn("connection to NATS lost", "error", err)
		}),
		nats.ReconnectHandler(func(c *nats.Conn) {
			e.cfg.Log.Info("connected to NATS again", "server", c.ConnectedUrlRedacted())
			signal(c)
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			e.cfg.Log.Warn("NATS", "error", err)
		}),
	}
	if e.cfg.Credentials != "" {
		options = append(options, nats.UserCredentials(e.cfg.Credentials))
	}
	if e.cfg.CA != "" {
		options = append(options, nats.RootCAs(e.cfg.CA))
	}
	if e.cfg.Cert != "" {
		options = append(options, nats.ClientCert(e.cfg.Cert, e.cfg.Key))
	}
	return options
}

// await tries until it succeeds, the cluster says what will not change, or Patience is over.
func (e *Engine) await(try func(context.Context) error) error {
	const pause = 250 * time.Millisecond
	deadline := time.Now().Add(e.cfg.Patience)
	for told := false; ; told = true {
		ctx, cancel := context.WithTimeout(e.life, e.cfg.Timeout)
		err := try(ctx)
		cancel()
		if err == nil || !transient(err) || time.Now().Add(pause).After(deadline) {
			return err
		}
		if !told {
			e.cfg.Log.Warn("waiting for NATS", "error", err, "at most", e.cfg.Patience)
		}
		select {
		case <-time.After(pause):
		case <-e.life.Done():
			return engine.ErrClosed
		}
	}
}

// transient reports whether the error may go away by itself: no way to the cluster, or no leader in
// it. A server answers with a code of 503 as long as it looks for one.
func transient(err error) bool {
	if api, ok := errors.AsType[*jetstream.APIError](err); ok {
		return api.Code == 503
	}
	return slices.ContainsFunc([]error{
		nats.ErrNoServers, nats.ErrTimeout, nats.ErrNoResponders, nats.ErrConnectionClosed, nats.ErrDisconnected,
		nats.ErrReconnectBufExceeded, context.DeadlineExceeded, jetstream.ErrJetStreamNotEnabled,
	}, func(known error) bool { return errors.Is(err, known) })
}

// measureClock compares this instance's clock with the jobs stream's leader's, which is the one that
// stamps the messages.
func (e *Engine) measureClock(ctx context.Context) error {
	return e.clock.measure(ctx, func(ctx context.Context) (time.Time, error) {
		info, err := e.jobs.Info(ctx)
		if err != nil {
			return time.Time{}, fmt.Errorf("time of the cluster: %w", err)
		}
		return info.TimeStamp, nil
	})
}

// probeBatchLimit asks whether the largest batch that a client can send, with its key, can be stored at
// once. A server tells a batch that is too large from one whose beginning it does not know.
func (e *Engine) probeBatchLimit(ctx context.Context) error {
	const usual, tooLarge = 1_000, 10199
	msg := nats.NewMsg(e.names.job())
	msg.Header.Set(batchID, nats.NewInbox()[len(nats.InboxPrefix):])
	msg.Header.Set(batchSequence, strconv.Itoa(engine.MaxBatch+1))
	_, err := e.js.PublishMsg(ctx, msg)
	api, ok := errors.AsType[*jetstream.APIError](err)
	switch {
	case !ok:
		return fmt.Errorf("limit of batches: %w", err)
	case api.ErrorCode == tooLarge:
		e.batchLimit = usual
		e.cfg.Log.Warn("the NATS servers take smaller batches than hashd: larger ones are refused; "+
			"set jetstream.limits.batch.max_msgs on each server", "batch", usual, "needed", engine.MaxBatch+1)
	default:
		e.batchLimit = engine.MaxBatch + 1
	}
	return nil
}
