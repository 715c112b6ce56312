package jetstream

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// errOtherMade says that what was to be made is there now, though not yet to be seen.
var errOtherMade = errors.New("another instance makes it at this moment")

var errMaxPayload = errors.New("max_payload of the NATS servers is too small")

// leastPayload is the largest message that hashd sends, in bytes, with all that surrounds it: the note of
// as many ids as are hashed at a time. A job of the longest secret takes half as much.
const leastPayload = 16 << 10

// setUp makes the streams of a new service, or finds those there are, and verifies them.
func (e *Engine) setUp(ctx context.Context) error {
	results, err := e.find(ctx, e.names.results()) // asked for first, as it is made last
	if err != nil {
		return err
	}
	jobs, err := e.find(ctx, e.names.jobs())
	switch {
	case err != nil:
		return err
	case jobs == nil && results != nil:
		const doubtful = 4 // looks: a server can be behind the one that answered for the results
		if e.missed++; e.missed < doubtful {
			return fmt.Errorf("stream %s is not to be seen: %w", e.names.jobs(), errOtherMade)
		}
		return e.lostJobs()
	case jobs == nil:
		if jobs, err = e.createJobs(ctx); err != nil {
			return err
		}
	}
	if err := e.learnStore(jobs.CachedInfo().Config.Metadata); err != nil {
		return err
	}
	if err := e.check(ctx); err != nil {
		return err
	}
	return e.link().reach(ctx, e.names)
}

// lostJobs says that the one stream which is not made again is gone.
func (e *Engine) lostJobs() error {
	jobs, results, life := e.names.jobs(), e.names.results(), e.names.life()
	return fmt.Errorf("stream %s is gone: restore it from a backup; or delete %s and %s too and start hashd again, "+
		"which then begins with nothing", jobs, results, life)
}

// find returns the stream, or nil if there is none.
func (e *Engine) find(ctx context.Context, name string) (jetstream.Stream, error) {
	s, err := e.link().js.Stream(ctx, name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", name, err)
	}
	return s, nil
}

// create makes the stream, or finds the one that another instance has made meanwhile.
func (e *Engine) create(ctx context.Context, cfg jetstream.StreamConfig) (jetstream.Stream, error) {
	s, err := e.link().js.CreateStream(ctx, cfg)
	if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
		if s, err = e.find(ctx, cfg.Name); err == nil && s == nil {
			err = errOtherMade
		}
	}
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", cfg.Name, err)
	}
	return s, nil
}

// createJobs makes a log whose ids begin where no other's do.
func (e *Engine) createJobs(ctx context.Context) (jetstream.Stream, error) {
	first := e.cfg.FirstID
	if first == 0 {
		first = engine.DrawFirstID()
	}
	key, err := e.newFingerprintKey()
	if err != nil {
		return nil, err
	}
	cfg := e.want.jobs
	cfg.FirstSeq = uint64(first)
	cfg.Metadata = map[string]string{formatLabel: format, fingerprintKeyLabel: key, livesLabel: oneLife(cfg.FirstSeq).String()}
	return e.create(ctx, cfg)
}

// newFingerprintKey returns a new fingerprint key, sealed.
func (e *Engine) newFingerprintKey() (string, error) {
	key := make([]byte, fingerprintKeyBytes)
	_, _ = rand.Read(key) // never fails
	sealed, err := e.codec.sealer.Seal(key, e.codec.associatedData("print", ""))
	return base64.StdEncoding.EncodeToString(sealed), err
}

const fingerprintKeyBytes = 32

// learnStore opens the fingerprint key, which also shows whether this instance has the right ring. That
// key is drawn when the store is made, so the store has its name from it.
func (e *Engine) learnStore(labels map[string]string) error {
	c := codec{sealer: e.cfg.Sealer, names: e.names}
	sealed, err := base64.StdEncoding.DecodeString(labels[fingerprintKeyLabel])
	if err == nil {
		e.fingerprintKey, err = c.sealer.Open(sealed, c.associatedData("print", ""))
	}
	if err != nil {
		return fmt.Errorf("stream %s was made with another ring: %w", e.names.jobs(), err)
	}
	c.store, c.old = nameOf(e.fingerprintKey), labels[formatLabel] == firstFormat
	e.codec, e.label = c, labels[fingerprintKeyLabel]
	return nil
}

// nameOf names a store in its streams and records, without telling its key.
func nameOf(fingerprintKey []byte) string {
	mac := hmac.New(sha256.New, fingerprintKey)
	mac.Write([]byte("records"))
	return hex.EncodeToString(mac.Sum(nil)[:8])
}

// StoreID returns what names the store that keeps the jobs, which is not to be shown itself: while it is the
// same, an id is the same job's. It changes when the streams are made anew, and when the jobs stream turns
// out to be a copy made earlier.
func (e *Engine) StoreID() []byte {
	id := e.FingerprintKey()
	if l := e.lives(); len(l) > 1 {
		id = append(id, l.String()...)
	}
	return id
}

// check verifies all that the engine needs in the cluster. What can be made anew is: the consumer, and a
// results stream that is gone, whose jobs are gone with it. It runs at the start and every few seconds from then on, on one
// goroutine at a time.
func (e *Engine) check(ctx context.Context) error {
	if e.link().conn.IsClosed() {
		if err := e.relink(ctx); err != nil {
			return err
		}
	}
	if got := e.link().conn.MaxPayload(); got < leastPayload {
		return fmt.Errorf("%w: it is %d, and hashd needs %d or more", errMaxPayload, got, leastPayload)
	}
	results, err := e.find(ctx, e.names.results())
	if err != nil {
		return err
	}
	acked := e.acked.Load()
	jobs, err := e.find(ctx, e.names.jobs()) // later than the results, so that it is not behind them
	switch {
	case err != nil:
		return err
	case jobs == nil:
		return e.lostJobs()
	}
	if err := e.checkJobs(&jobs.CachedInfo().Config); err != nil {
		return err
	}
	if results, err = e.checkResults(ctx, results, jobs.CachedInfo()); err != nil {
		return err
	}
	if err := e.checkLives(ctx, jobs.CachedInfo(), results.CachedInfo(), acked); err != nil {
		return err
	}
	if err := e.keepNumbers(ctx); err != nil {
		return err
	}
	if err := e.checkConsumer(ctx, jobs); err != nil {
		return err
	}
	const largest = leastPayload - 1<<10 // and its header
	for subject, size := range map[string]int{e.names.job(): largest, e.names.result(0): 0} {
		if _, err := e.probe(ctx, subject, size); err != nil {
			return fmt.Errorf("publish to %s: %w", subject, err)
		}
	}
	return nil
}

func (e *Engine) checkJobs(got *jetstream.StreamConfig) error {
	if got.Metadata[fingerprintKeyLabel] != e.label {
		return fmt.Errorf("stream %s is another one than at the start of this hashd: restart it", got.Name)
	}
	want := e.want.jobs
	want.AllowDirect = got.AllowDirect // a stream of an earlier hashd has none, and instances of that can be there yet
	return verify(&want, got)
}

// checkResults verifies the results stream, or makes it if there is none.
func (e *Engine) checkResults(ctx context.Context, s jetstream.Stream, jobs *jetstream.StreamInfo) (jetstream.Stream, error) {
	want := e.want.results
	if s == nil {
		if jobs.State.LastSeq >= max(1, jobs.Config.FirstSeq) {
			e.cfg.Log.Error("the results stream is gone and made anew: the jobs whose results it had are gone, too", "stream", want.Name)
		}
		cfg := want
		cfg.Metadata = map[string]string{formatLabel: format, storeLabel: e.codec.store}
		var err error
		if s, err = e.create(ctx, cfg); err != nil {
			return nil, err
		}
	}
	got := &s.CachedInfo().Config
	if of, named := got.Metadata[storeLabel]; of != e.codec.store && (named || !e.codec.old) {
		return nil, fmt.Errorf("stream %s holds results of other jobs than those of stream %s: restore both from backups of the same store; "+
			"or delete %[1]s, and it is made anew", want.Name, e.names.jobs())
	}
	return s, verify(&want, got)
}

// checkConsumer verifies the consumer, or makes it if there is none.
func (e *Engine) checkConsumer(ctx context.Context, jobs jetstream.Stream) error {
	want := e.want.consumer
	c, err := jobs.Consumer(ctx, want.Durable)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		if e.link().consumer != nil {
			e.cfg.Log.Warn("the consumer is gone and made anew", "consumer", want.Durable, "stream", e.names.jobs())
		}
		c, err = jobs.CreateConsumer(ctx, want)
	}
	if errors.Is(err, jetstream.ErrConsumerExists) {
		err = errOtherMade
	}
	if err != nil {
		return fmt.Errorf("consumer %s of stream %s: %w", want.Durable, e.names.jobs(), err)
	}
	return verifyConsumer(&want, c.CachedInfo())
}
