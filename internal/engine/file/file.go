// Package file is the engine that loses nothing on one machine: the memory engine, each of whose jobs is
// in a store on disk before it is answered. It owns what is written when, in which form, and what is
// made of it after a stop of any kind; a memory engine beneath does the rest. It must not know of HTTP,
// and of other processes only how to keep them out.
//
//	Accept ─▶ queue ─▶ committer ─▶ Prepare ─▶ one transaction, one fsync ─▶ Commit ─▶ answer
//	                      ▲ every tenth of a second: what was done since, in the same transaction
//
// One goroutine, the committer, owns the store and the order of ids. What waits while the disk is
// busy goes into the next transaction together (group commit), so that the number of clients
// sets the rate, not the disk.
//
// The store holds sealed groups of accepted jobs and sealed blocks of results. Before its first pending
// job every job is done or gone, and its secret is not in the store any more. From there on the groups
// hold every job; one that was hashed when the process died is hashed again, to the same end.
//
// Beside the store lies a lock file with a high-water mark of the store, by which one that was lost or
// replaced is recognized. The memory engine and the store count positions, which lives.go makes ids of.
package file

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/hashd-project/hashd/v2/internal/engine"
	"github.com/hashd-project/hashd/v2/internal/engine/memory"
	"github.com/hashd-project/hashd/v2/internal/seal"
)

// StoreName is the name of the store's file in its folder.
const StoreName = "hashd.db"

// Config is what an engine is made of. New refuses values outside their ranges.
type Config struct {
	engine.Limits

	Dir    string       // the folder, which is made if it is not there
	Sealer *seal.Sealer // seals secrets and digests; nil for the ring in the folder, made with the store

	// NoSync leaves it to the system when the disk writes. Then a crash of this process still
	// loses nothing, but one of the machine may lose anything and spoil the store.
	NoSync bool

	// Failed is called once if the store fails for good; it may be nil. From then on the engine is
	// down, until the next start.
	Failed func(error)

	Log *slog.Logger // is told what an operator should know of the start; nil for none

	spoil    func(transact) transact // in tests of a disk that fails
	patience time.Duration           // in tests of one that hangs; 0 for that below
}

// Engine implements engine.Engine.
type Engine struct {
	cfg       Config
	jobs      *memory.Engine // has them all, by position; only the committer gives it any
	store     *store         // the committer's; here for its names of jobs and its key, which stay
	queue     queue
	health    health
	committer *committer
	canceling sync.Mutex // jobs are canceled and queued under it
	close     func() error
}

var _ engine.Engine = (*Engine)(nil)

// New opens the store in the folder, or makes one, and starts the engine with what is in it; Close
// stops it. It fails if another process has the folder, if the store is lost, damaged or of a later
// format, if it cannot be read, or if the sealer lacks a key.
func New(cfg Config) (*Engine, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.patience == 0 {
		cfg.patience = diskWait
	}
	e, err := open(cfg)
	if err != nil {
		return nil, fmt.Errorf("file engine: %w", err)
	}
	e.close = sync.OnceValue(e.shut)
	go e.committer.run()
	return e, nil
}

func open(cfg Config) (*Engine, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	f, err := openFolder(cfg.Dir, cfg.Log)
	if err != nil {
		return nil, err
	}
	s, err := openStore(f, cfg.Sealer, cfg.NoSync, cfg.FirstID)
	if err != nil {
		return nil, errors.Join(err, f.close())
	}
	if cfg.spoil != nil {
		s.update = cfg.spoil(s.update)
	}
	e := &Engine{cfg: cfg, store: s, queue: newQueue(), health: health{patience: cfg.patience, made: time.Now()}}
	e.committer = &committer{
		cfg: &e.cfg, store: s, queue: &e.queue, health: &e.health, names: newNames(), stop: make(chan struct{}), ended: make(chan struct{}),
	}
	if err := s.guard(e.committer.restore); err != nil {
		return nil, errors.Join(err, s.close(), f.close())
	}
	e.jobs = e.committer.durable.Engine()
	return e, nil
}

// FingerprintKey returns the key of the HMAC that makes the fingerprints of requests with an idempotency
// key. It is as old as the store, so that a retry is recognized after a restart too.
func (e *Engine) FingerprintKey() []byte { return e.store.fingerprintKey }

// StoreID returns what names the store: in one that began with format 1 the fingerprint key, as ever. It is
// another one once ids do not simply go on, because the store may not be the latest of its copies.
func (e *Engine) StoreID() []byte {
	if one := e.store.lives.last(); one.bound {
		return one.store[:]
	}
	return e.FingerprintKey()
}

// Accept implements engine.Engine.
func (e *Engine) Accept(_ context.Context, job engine.Job) (engine.Receipt, error) {
	r := newRequest()
	defer r.release()
	r.secret[0] = job.Secret
	r.batch = engine.Batch{Secrets: r.secret[:], Algorithm: job.Algorithm, Tenant: job.Tenant, IdempotencyKey: job.IdempotencyKey, Trace: job.Trace}
	return e.submit(r)
}

// AcceptBatch implements engine.Engine.
func (e *Engine) AcceptBatch(_ context.Context, b engine.Batch) (engine.Receipt, error) {
	r := newRequest()
	defer r.release()
	r.batch = b
	return e.submit(r)
}

func (e *Engine) submit(r *request) (engine.Receipt, error) {
	switch {
	case !r.batch.Valid():
		return engine.Receipt{}, engine.ErrInvalid
	case e.health.isDown():
		e.committer.durable.Refused(r.batch.Tenant, len(r.batch.Secrets))
		return engine.Receipt{}, engine.ErrDown
	}
	if err := e.queue.put(r); err != nil {
		return engine.Receipt{}, err
	}
	<-r.answered
	if r.err != nil {
		return engine.Receipt{}, r.err
	}
	receipt := r.prepared.Receipt
	receipt.ID = e.store.lives.id(receipt.ID)
	return receipt, nil
}

// Get implements engine.Engine.
func (e *Engine) Get(ctx context.Context, id int64) (rec engine.Record, err error) {
	rec, err = e.jobs.Get(ctx, e.store.lives.position(id))
	if err == nil {
		rec.ID = id
	}
	return rec, err
}

// Wait implements engine.Engine.
func (e *Engine) Wait(ctx context.Context, id int64) (rec engine.Record, err error) {
	rec, err = e.jobs.Wait(ctx, e.store.lives.position(id))
	if err == nil {
		rec.ID = id
	}
	return rec, err
}

// Cancel implements engine.Engine. It returns once the store holds that the job is gone. With an
// error of the store the job is gone from this process, and perhaps back after a restart.
func (e *Engine) Cancel(ctx context.Context, id int64) error {
	if e.health.isDown() {
		return engine.ErrDown
	}
	position := e.store.lives.position(id)
	return e.storeGone(func() (gone, count int64, err error) {
		switch err := e.jobs.Cancel(ctx, position); {
		case err == nil:
			return position, 1, nil
		case errors.Is(err, engine.ErrGone):
			return position, 0, err
		default:
			return 0, 0, err
		}
	})
}

// Full implements engine.Engine.
func (e *Engine) Full() string {
	if e.health.noRoom.Load() {
		return diskLimit
	}
	return e.jobs.Full()
}

// Ready implements engine.Engine.
func (e *Engine) Ready(ctx context.Context) error {
	if e.health.isDown() {
		return engine.ErrDown
	}
	return e.jobs.Ready(ctx)
}

// errHangs says that a stop did not wait for the disk any longer.
var errHangs = errors.New("the disk does not answer: the store is left as it is")

// Stats implements engine.Engine.
func (e *Engine) Stats() engine.Stats { return e.jobs.Stats() }

// Latenesses implements engine.Engine.
func (e *Engine) Latenesses() engine.Histogram { return e.jobs.Latenesses() }

// HashTimes implements engine.Engine.
func (e *Engine) HashTimes() engine.HashTimes { return e.jobs.HashTimes() }

// GroupTimes returns how long it took to make each group durable.
func (e *Engine) GroupTimes() engine.Histogram { return e.committer.groups.Histogram() }

// Fsyncs returns how many times the disk was asked to have what was written to the store, since it was opened.
func (e *Engine) Fsyncs() int64 { return e.store.fsyncs.Load() }

// NextDue implements engine.Engine.
func (e *Engine) NextDue() time.Time { return e.jobs.NextDue() }

// StoreBytes returns the size of the store's file.
func (e *Engine) StoreBytes() int64 { return e.committer.store.size.Load() }

// Uses implements engine.Engine.
func (e *Engine) Uses() []engine.Use { return e.jobs.Uses() }

// Drain implements engine.Engine.
func (e *Engine) Drain(ctx context.Context) error { return e.jobs.Drain(ctx) }

// Uncollected implements engine.Engine: the next start has every result.
func (e *Engine) Uncollected() int64 { return 0 }

// Close implements engine.Engine. Jobs that are not done stay in the store for the next start. It returns
// within ten seconds, whatever the store does, and fails if the store is lost.
func (e *Engine) Close() error { return e.close() }

func (e *Engine) shut() error {
	e.queue.close()
	close(e.committer.stop)
	patience := time.NewTimer(e.cfg.patience)
	defer patience.Stop()
	select {
	case <-e.committer.ended:
		return errors.Join(e.jobs.Close(), e.committer.closed)
	case <-patience.C:
		return errHangs // the committer still uses the jobs
	}
}
