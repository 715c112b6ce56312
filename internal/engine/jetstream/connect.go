package jetstream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hashd-project/hashd/v2/internal/engine"
	"github.com/hashd-project/hashd/v2/internal/wake"
)

// link is a connection, and what is reached by it.
type link struct {
	conn     *nats.Conn
	js       jetstream.JetStream
	jobs     jetstream.Stream
	results  jetstream.Stream
	consumer jetstream.Consumer
}

// link returns the one in use; nil before the first.
func (e *Engine) link() *link { return e.linked.Load() }

// connect dials the cluster.
func (e *Engine) connect(ctx context.Context) error {
	l, err := e.dial(ctx)
	if err == nil {
		e.linked.Store(l)
	}
	return err
}

// dial makes a connection by which notes come in. It is not tied to ctx once it is made.
func (e *Engine) dial(ctx context.Context) (*link, error) {
	d := &dialer{starting: ctx, running: e.ctx}
	conn, err := nats.Connect(strings.Join(e.cfg.URLs, ","), append(e.options(), nats.SetCustomDialer(d))...)
	d.started()
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	l := &link{conn: conn}
	if l.js, err = jetstream.New(conn, jetstream.WithDefaultTimeout(e.cfg.Timeout)); err == nil {
		_, err = conn.Subscribe(e.names.note(), e.read)
	}
	if err == nil {
		err = conn.FlushWithContext(ctx)
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("connect: %w", err)
	}
	return l, nil
}

// reach finds the streams and the consumer, which are there.
func (l *link) reach(ctx context.Context, n names) (err error) {
	if l.jobs, err = l.js.Stream(ctx, n.jobs()); err != nil {
		return fmt.Errorf("stream %s: %w", n.jobs(), err)
	}
	if l.results, err = l.js.Stream(ctx, n.results()); err != nil {
		return fmt.Errorf("stream %s: %w", n.results(), err)
	}
	if l.consumer, err = l.js.Consumer(ctx, n.jobs(), n.consumer()); err != nil {
		return fmt.Errorf("consumer %s of stream %s: %w", n.consumer(), n.jobs(), err)
	}
	return nil
}

// relink replaces the connection. The library gives a connection up for good if a server ends it for a
// reason that the library does not know, and only a new connection learns what the servers allow now.
func (e *Engine) relink(ctx context.Context) error {
	l, err := e.dial(ctx)
	if err != nil {
		return err
	}
	if err := l.reach(ctx, e.names); err != nil {
		l.conn.Close()
		return err
	}
	e.linked.Swap(l).conn.Close()
	wake.Up(e.back)
	return nil
}

// dialer has the first connection end with the start, as the library does not: until all of its
// greeting has come, the end of starting closes it. Later connections end with the engine.
type dialer struct {
	starting, running context.Context

	mu    sync.Mutex
	over  bool
	stops []func() bool
}

// Dial implements nats.CustomDialer.
func (d *dialer) Dial(network, address string) (net.Conn, error) {
	d.mu.Lock()
	ctx := d.starting
	if d.over {
		ctx = d.running
	}
	d.mu.Unlock()
	conn, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.over {
		d.stops = append(d.stops, context.AfterFunc(d.starting, func() { _ = conn.Close() }))
	}
	return conn, nil
}

// started ends what the start had to do with it.
func (d *dialer) started() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.over = true
	for _, stop := range d.stops {
		stop()
	}
}

// dialTimeout bounds one connection to one server.
const dialTimeout = 2 * time.Second

func (e *Engine) options() []nats.Option {
	options := []nats.Option{
		nats.Name("hashd " + e.names.prefix),
		nats.Timeout(dialTimeout),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(250 * time.Millisecond),
		nats.ReconnectBufSize(-1), // what cannot be sent fails, it is not sent later
		nats.PingInterval(2 * time.Second),
		nats.MaxPingsOutstanding(2), // a server that hangs is left after 4 to 6 s
		nats.IgnoreAuthErrorAbort(), // what is not allowed may be again
		nats.DisconnectErrHandler(func(c *nats.Conn, err error) {
			if e.ctx.Err() == nil && e.inUse(c) { // else it is our doing
				e.cfg.Log.Warn("connection to NATS lost", "error", err)
			}
		}),
		nats.ReconnectHandler(func(c *nats.Conn) {
			e.cfg.Log.Info("connected to NATS again", "server", c.ConnectedUrlRedacted())
			wake.Up(e.back)
			wake.Up(e.suspect)
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			if !e.quiet.again(err.Error(), time.Now()) {
				e.cfg.Log.Warn("NATS", "error", err)
			}
			wake.Up(e.suspect)
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

// inUse reports whether a connection is not one that was replaced.
func (e *Engine) inUse(c *nats.Conn) bool {
	l := e.link()
	return l != nil && l.conn == c
}

// await tries until it succeeds, meets an error that will not go away by itself, Patience is over, or
// ctx ends.
func (e *Engine) await(ctx context.Context, try func(context.Context) error) error {
	const pause = 250 * time.Millisecond
	deadline := time.Now().Add(e.cfg.Patience)
	for told := false; ; told = true {
		one, cancel := context.WithTimeout(ctx, e.cfg.Timeout)
		err := try(one)
		cancel()
		if err != nil && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err == nil || !transient(err) || time.Now().Add(pause).After(deadline) {
			return err
		}
		if !told {
			e.cfg.Log.Warn("waiting for NATS", "error", err, "at_most", e.cfg.Patience)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// transient reports whether the error may go away by itself: no way to the cluster, no leader in it, or
// another instance at the same work. A server answers with a code of 503 as long as it looks for a leader, says
// that there are too few servers while they have not met yet, and for a moment does not know what another has made.
func transient(err error) bool {
	const tooFewServers = 10005
	if api, ok := errors.AsType[*jetstream.APIError](err); ok {
		return api.Code == 503 || slices.Contains([]jetstream.ErrorCode{
			jetstream.JSErrCodeStreamNotFound, jetstream.JSErrCodeConsumerNotFound, tooFewServers,
		}, api.ErrorCode)
	}
	return slices.ContainsFunc([]error{
		errOtherMade, errTaken, errBusy, jetstream.ErrNoStreamResponse,
		nats.ErrNoServers, nats.ErrTimeout, nats.ErrNoResponders, nats.ErrConnectionClosed, nats.ErrDisconnected,
		nats.ErrReconnectBufExceeded, context.DeadlineExceeded, jetstream.ErrJetStreamNotEnabled,
	}, func(known error) bool { return errors.Is(err, known) })
}

// measureClock compares this instance's clock with the jobs stream's leader's, which is the one that
// stamps the messages.
func (e *Engine) measureClock(ctx context.Context) error {
	return e.clock.measure(ctx, func(ctx context.Context) (time.Time, error) {
		info, err := e.link().jobs.Info(ctx)
		if err != nil {
			return time.Time{}, fmt.Errorf("time of the cluster: %w", err)
		}
		return info.TimeStamp, nil
	})
}

// probePublishLimit asks whether the servers store the largest batch that a client can send, with its key,
// in one atomic publish.
func (e *Engine) probePublishLimit(ctx context.Context) error {
	const usual = 1_000
	tooLarge, err := e.probe(ctx, e.names.job(), 0)
	if err != nil {
		return fmt.Errorf("limit of atomic publishes: %w", err)
	}
	e.publishLimit = engine.MaxBatch + 1
	if tooLarge {
		e.publishLimit = usual
		e.cfg.Log.Warn("the NATS servers store fewer messages at once than the largest batch has, so larger batches are refused; "+
			"set jetstream.limits.batch.max_msgs on each server", "messages", usual, "needed", engine.MaxBatch+1)
	}
	return nil
}

// probe publishes what no server stores: the end of an atomic publish without its beginning. The answer
// shows that the subject can be published to, with so many bytes, and has a leader. A server tells an
// atomic publish that is too large from one whose beginning it does not know.
func (e *Engine) probe(ctx context.Context, subject string, size int) (tooLarge bool, err error) {
	const codeTooLarge = 10199
	msg := nats.NewMsg(subject)
	msg.Header.Set(atomicID, nats.NewInbox()[len(nats.InboxPrefix):])
	msg.Header.Set(atomicSequence, strconv.Itoa(engine.MaxBatch+1))
	msg.Data = make([]byte, size)
	_, err = e.link().js.PublishMsg(ctx, msg, jetstream.WithRetryAttempts(0))
	if api, ok := errors.AsType[*jetstream.APIError](err); ok && api.Code != 503 {
		return api.ErrorCode == codeTooLarge, nil
	}
	if err == nil {
		err = errors.New("an answer that hashd does not understand")
	}
	return false, err
}
