// Package jetstream is the engine on a NATS JetStream cluster: any number of instances accept jobs into
// one log, compete for its head, and read each other's results. It owns what is written to the
// cluster and what may be concluded from what is read there; it must not know of HTTP.
//
// Because the delay is constant, due order is the log's order, so the log is the schedule:
//
//	jobs     [ hashed, gone | leased to some instance | pending … ]   a message's sequence is the job's id
//	results  one message a job: its digest, or a tombstone if it was canceled or erased
//
// An instance gathers the jobs that wait into a group and stores that in one atomic publish, which is a
// group commit (publish.go). It leases jobs at the head of the log, waits until they are due by the most
// pessimistic clock (clock.go), hashes them, and writes the results under create-only conditions
// (hash.go); only then does it acknowledge the jobs. If it dies in between, another instance can do all
// of it again; of two instances with a result for the same job, the second is refused.
//
// Instances tell each other what has ended by notes, which are not stored and may be lost: no
// promise rests on them, only how soon a waiting call returns (note.go).
package jetstream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashd-project/hashd/v2/internal/digest"
	"github.com/hashd-project/hashd/v2/internal/engine"
	"github.com/hashd-project/hashd/v2/internal/seal"
	"github.com/hashd-project/hashd/v2/internal/wake"
)

// Config says which cluster to use and what the engine's limits are. MaxPending is over all instances;
// MaxResults and MaxIdempotencyKeys are of what this one accepted. All instances together hold about twice
// MaxResults: each looks every 10 s. IdempotencyWindow is rounded up to seconds. Workers are claims hashed at a
// time, at most 4. FirstID is for a new service.
type Config struct {
	engine.Limits

	URLs        []string // of any servers of the cluster: the others are found through them
	Credentials string   // path of a credentials file; "" for none
	CA          string   // path of a file of root certificates in PEM; "" for the system's
	Cert, Key   string   // paths of the client's certificate and key in PEM; "" for none
	Prefix      string   // of every stream and subject: letters, digits, - and _
	Replicas    int      // servers that hold each stream: 1, 3 or 5

	Sealer *seal.Sealer

	// The rest has defaults, which are right but for tests.

	Lease    time.Duration // for how long a job is an instance's that says nothing; 0 means 5 s
	Timeout  time.Duration // of one exchange with the cluster; 0 means 3 s
	Patience time.Duration // how long New waits for a cluster that is not up yet; 0 means 30 s

	Log *slog.Logger // nil means nowhere
}

func (c *Config) validate() error {
	errs := []error{c.Validate()}
	if len(c.URLs) == 0 {
		errs = append(errs, errors.New("no URL"))
	}
	if !slices.Contains([]int{1, 3, 5}, c.Replicas) {
		errs = append(errs, fmt.Errorf("replicas %d is not 1, 3 or 5", c.Replicas))
	}
	if !validPrefix(c.Prefix) {
		errs = append(errs, fmt.Errorf("prefix %q is not 1 to %d letters, digits, - and _", c.Prefix, maxPrefix))
	}
	if c.Sealer == nil {
		errs = append(errs, errors.New("no sealer"))
	}
	return errors.Join(errs...)
}

const maxPrefix = 32

func validPrefix(s string) bool {
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_' {
			return false
		}
	}
	return len(s) > 0 && len(s) <= maxPrefix
}

// mostSlots bounds the atomic publishes of results that an instance has under way: a server takes 50 at
// a time from all instances.
const mostSlots = 8

func (c *Config) setDefaults() {
	if c.Workers == 0 {
		c.Workers = runtime.GOMAXPROCS(0)
	}
	if c.Lease == 0 {
		c.Lease = 5 * time.Second
	}
	if c.Timeout == 0 {
		c.Timeout = 3 * time.Second
	}
	if c.Patience == 0 {
		c.Patience = 30 * time.Second
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
}

// Engine implements engine.Engine. Its statistics are this instance's: of the jobs that it
// accepted, whichever instance hashed them, but for the lateness, which is of those that it hashed.
type Engine struct {
	cfg            Config
	names          names
	codec          codec
	clock          *clock
	want           wanted
	fingerprintKey []byte
	label          string // the sealed fingerprint key as the stream has it

	linked       atomic.Pointer[link]
	publishLimit int                   // messages that the cluster takes in one atomic publish
	known        atomic.Pointer[lives] // which ids the messages of the log have
	acked        atomic.Uint64         // the highest sequence that was given out in these lives of the log, as far as this instance knows
	adopting     sync.Mutex            // known and acked are written under it

	ledger  *ledger
	waiters waiters
	heads   heads
	fronts  fronts
	passed  passed
	seen    seenOwners
	tenants tenants
	turns   turns // of idempotency keys
	erased  erased
	submit  chan *submission // to the publisher; unbuffered, so that what waits is what is sent
	slots   chan struct{}    // taken by each claim that is hashed
	leases  leases
	back    chan struct{} // signals that the connection was lost and is there again
	suspect chan struct{} // signals that something may be wrong in the cluster
	fault   atomic.Pointer[fault]
	quiet   repeats

	hashTimes []engine.Durations // by algorithm
	groups    engine.Durations

	missed  int // looks of the start that have not found the jobs stream beside the results
	counted int // lives of the log in which lost jobs of ours are counted

	ctx    context.Context // ends with Close; never a request's
	cancel context.CancelFunc
	done   sync.WaitGroup
	once   sync.Once
}

var _ engine.Engine = (*Engine)(nil)

// New connects to the cluster, creates the streams or verifies them, and starts an engine; Close stops
// it. A cluster that cannot be reached, or has no leader yet, is waited for as long as Patience says, or
// until ctx ends, which matters to New alone.
func New(ctx context.Context, cfg Config) (*Engine, error) {
	return newOn(ctx, newClock(time.Now), cfg)
}

func newOn(ctx context.Context, c *clock, cfg Config) (*Engine, error) {
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("jetstream engine: %w", err)
	}
	cfg.setDefaults()
	e := &Engine{
		cfg:     cfg,
		names:   names{cfg.Prefix},
		clock:   c,
		submit:  make(chan *submission),
		slots:   make(chan struct{}, min(2*cfg.Workers, mostSlots)), // half hash while half wait for the cluster
		back:    make(chan struct{}, 1),
		suspect: make(chan struct{}, 1),
	}
	e.hashTimes = make([]engine.Durations, len(digest.All()))
	e.codec = codec{sealer: cfg.Sealer, names: e.names}
	e.want = wanted{e.jobsStream(), e.resultsStream(), e.lifeStream(), e.consumerConfig()}
	e.ledger = newLedger(&e.cfg)
	e.ctx, e.cancel = context.WithCancel(context.Background())
	if err := e.start(ctx); err != nil {
		_ = e.Close() //nolint:contextcheck // it has a bound of its own
		return nil, fmt.Errorf("jetstream engine: %w", err)
	}
	return e, nil
}

func (e *Engine) start(ctx context.Context) error {
	steps := []func(context.Context) error{
		e.connect, e.setUp, e.measureClock, e.watchRoom, e.probePublishLimit,
	}
	for _, step := range steps {
		if err := e.await(ctx, step); err != nil {
			return err
		}
	}
	e.done.Go(e.publish)
	e.done.Go(e.hash)
	e.done.Go(e.renew)
	e.done.Go(e.tend)
	e.done.Go(e.watch)
	return nil
}

// FingerprintKey returns the key with which every instance makes the fingerprints of requests, so that
// one recognizes a request that another has accepted.
func (e *Engine) FingerprintKey() []byte { return slices.Clone(e.fingerprintKey) }

// Ready implements engine.Engine: nothing is wrong in the cluster, and the jobs stream has a leader that
// answers.
func (e *Engine) Ready(ctx context.Context) error {
	if e.ledger.isDraining() {
		return engine.ErrDraining
	}
	if f := e.fault.Load(); f != nil && e.ctx.Err() == nil {
		return down(f.error)
	}
	err := e.call(ctx, func(ctx context.Context) error {
		_, err := e.link().jobs.Info(ctx)
		return down(err)
	})
	if err != nil {
		wake.Up(e.suspect)
	}
	return err
}

// Full implements engine.Engine.
func (e *Engine) Full() string { return e.ledger.full() }

// Stats implements engine.Engine.
func (e *Engine) Stats() engine.Stats { return e.ledger.stats() }

// StatsOf implements engine.Tenants, for this instance: of a tenant's pending jobs it counts those that this instance
// accepted, so that a quota of them is one for each instance. Lateness is of all tenants.
func (e *Engine) StatsOf(tenant uint16) engine.Stats { return e.ledger.statsOf(tenant) }

// Room implements engine.Tenants, for this instance: it does not know what the others have accepted.
func (e *Engine) Room(tenant uint16) engine.Room { return e.ledger.room(tenant) }

// Latenesses implements engine.Engine, for the jobs that this instance hashed.
func (e *Engine) Latenesses() engine.Histogram { return e.ledger.latenesses() }

// HashTimes implements engine.Engine, for the jobs that this instance hashed.
func (e *Engine) HashTimes() engine.HashTimes {
	times := engine.NewHashTimes()
	for i := range times {
		times[i] = e.hashTimes[i].Histogram()
	}
	return times
}

// GroupTimes returns how long the cluster took to store each group of jobs that this instance sent.
func (e *Engine) GroupTimes() engine.Histogram { return e.groups.Histogram() }

// RoundTrips returns how long the cluster took to answer the requests by which its clock is measured.
func (e *Engine) RoundTrips() engine.Histogram { return e.clock.trips.Histogram() }

// ClockOffset returns by how much the clock of the jobs stream's leader was before that of this machine when it was
// measured last, to half a round trip.
func (e *Engine) ClockOffset() time.Duration { return e.clock.offset() }

// NextDue implements engine.Engine, for the jobs that this instance accepted. It may be up to momentStep too early.
func (e *Engine) NextDue() time.Time {
	if e.ctx.Err() != nil {
		return time.Time{}
	}
	return e.ledger.nextDue()
}

// MaxBatch returns the most jobs that the cluster takes in a batch.
func (e *Engine) MaxBatch() int { return min(engine.MaxBatch, e.publishLimit-1) }

// Uses implements engine.Engine, for this instance.
func (e *Engine) Uses() []engine.Use { return e.ledger.uses() }

// Uncollected implements engine.Engine: the cluster has every result.
func (e *Engine) Uncollected() int64 { return 0 }

// Drain implements engine.Engine. It waits for the jobs that this instance accepted, whichever
// instance hashes them. Those that it leaves are the other instances' to hash.
func (e *Engine) Drain(ctx context.Context) error {
	drained := e.ledger.drain()
	select {
	case <-drained:
		return nil
	default:
	}
	select {
	case <-drained:
		return nil
	case <-e.ctx.Done():
		return engine.Left(e, engine.ErrClosed)
	case <-ctx.Done():
		return engine.Left(e, context.Cause(ctx))
	}
}

// Close implements engine.Engine. The jobs that the instance has leased go back at once.
func (e *Engine) Close() error {
	e.once.Do(func() {
		e.cancel()
		e.done.Wait()
		if e.link() == nil {
			return
		}
		e.leases.release()
		e.recordEnd()
		_ = e.link().conn.FlushTimeout(time.Second) // if that fails the leases run out
		e.link().conn.Close()
	})
	return nil
}
