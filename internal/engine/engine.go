package engine

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/hashd-project/hashd/v2/internal/digest"
)

// MaxSecret is the longest secret an engine takes, in bytes: 1,024 characters of UTF-8.
const MaxSecret = 4096

// MaxBatch is the most jobs an engine takes in one batch.
const MaxBatch = 10_000

// MaxFirstID is the highest id that a store can begin with. It leaves as many again to be given out
// before an id is more than JavaScript holds exactly.
const MaxFirstID = 1 << 52

// DrawFirstID returns the first id of a new store: any from 1 to MaxFirstID, each as likely.
func DrawFirstID() int64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return 1 + int64(binary.BigEndian.Uint64(b[:])%MaxFirstID)
}

// Engine accepts jobs, computes each digest once it is due, keeps the result, and gives it
// out. All methods may be called by any number of goroutines. An implementation holds to:
//
//   - never early: no digest is computed or visible before the job's due time;
//   - nothing lost: an accepted job ends done, canceled or gone, whatever the load;
//   - ids count up from the first of the store, in the order of acceptance. That one is given, or drawn
//     when the store is made, so that two stores, or two lives of an engine that forgets, do not give
//     out the same id;
//   - a secret is wiped as soon as it is hashed or canceled.
//
// The end of a ctx ends Wait and Drain, which then return as they say. It cancels nothing else: an Accept
// or a Cancel that has begun goes on and returns its outcome, because a job might otherwise be stored
// whose id nobody gets. How long that takes is for the engine to bound.
type Engine interface {
	// Accept takes a job and answers with its id and due time once the engine holds the job as safely as
	// it promises. It copies the secret: the caller may wipe its own at once. It returns ErrDraining,
	// ErrClosed, ErrIdempotencyKeyReused, a *FullError, or ErrInvalid for a job that no validated
	// request can hold; no id is drawn for a refused job. A job whose idempotency key was used within
	// the window gets the receipt of the first job and adds nothing, even while draining, or if the
	// first took the last room. A job that comes while the first is in flight waits for it.
	Accept(ctx context.Context, job Job) (Receipt, error)

	// AcceptBatch is Accept for many jobs that differ in their secrets alone: all or nothing. The
	// receipt has the id of the first; the ids of the others follow one by one, in the order of the
	// secrets. The idempotency key is the batch's, not each job's. A refused batch counts as its jobs in
	// the statistics.
	AcceptBatch(ctx context.Context, batch Batch) (Receipt, error)

	// Get returns the job as it is now. It returns ErrUnknown for an id that this store never gave,
	// ErrGone for one canceled, erased or past its retention, and ErrClosed.
	Get(ctx context.Context, id int64) (Record, error)

	// Wait is Get, but for a pending job it returns only once the job is done or gone, or ctx has ended.
	// In the last case it returns the pending record and no error.
	Wait(ctx context.Context, id int64) (Record, error)

	// Cancel ends a pending job, whose secret is wiped and never hashed, or erases a result.
	// Its errors are those of Get; canceling twice is ErrGone.
	Cancel(ctx context.Context, id int64) error

	Ranges

	Tenants

	// Ready returns nil if the engine takes jobs as far as it knows, else ErrDown, ErrDraining or
	// ErrClosed. An engine that is merely full is ready: balancers send no calls to a server that is not
	// ready, and then no job could be read or erased, which makes room. Full says that it is full.
	Ready(ctx context.Context) error

	// Full returns the name of the limit for which it refuses every new job and that stays reached when
	// pending jobs are done, "max-results" or "disk", or "" if there is none. Such a limit is lifted by
	// the end of retention, by Cancel, or by an operator.
	Full() string

	// Stats returns the counters as they are now, consistent with one another.
	Stats() Stats

	// Latenesses returns how late jobs were done since the engine was made: what Stats.Lateness is taken from.
	Latenesses() Histogram

	// HashTimes returns how long it took to compute each hash since the engine was made.
	HashTimes() HashTimes

	// NextDue returns when the oldest pending job is due, or was; the zero time if there is none.
	NextDue() time.Time

	// Uses returns the limits for which the engine refuses jobs, and how much of each is used.
	Uses() []Use

	// Drain refuses new jobs from now on and returns once every accepted job is done or gone.
	// If ctx ends first it returns a *LeftError. Draining cannot be undone; calling again waits again.
	Drain(ctx context.Context) error

	// Uncollected returns how many results nobody has collected that end with this process: those of
	// jobs that were hashed while draining, and since then were neither read, by Get or Wait without
	// Glance, nor erased, nor are past their retention. It is 0 before Drain, and always for an engine
	// whose results outlive the process.
	Uncollected() int64

	// Close stops the engine's goroutines, waits for them, and releases its memory with all it
	// holds; waiting calls return ErrClosed. A second Close does nothing.
	Close() error
}

// Job is what a client asks for. The fields beyond Secret have useful zero values.
type Job struct {
	Secret         []byte // 1 to MaxSecret bytes; the engine never changes or keeps this slice
	Algorithm      digest.Algorithm
	Tenant         uint16 // whose job it is; 0 while there is only one
	IdempotencyKey IdempotencyKey
	Trace          Trace
}

// Batch is many jobs in one request.
type Batch struct {
	Secrets        [][]byte // 1 to MaxBatch, each as Job.Secret; the engine never changes or keeps them
	Algorithm      digest.Algorithm
	Tenant         uint16
	IdempotencyKey IdempotencyKey
	Trace          Trace
}

// Valid reports whether each job of the batch is one that an engine takes.
func (b *Batch) Valid() bool {
	if len(b.Secrets) == 0 || len(b.Secrets) > MaxBatch || !b.Algorithm.Valid() {
		return false
	}
	for _, s := range b.Secrets {
		if len(s) == 0 || len(s) > MaxSecret {
			return false
		}
	}
	return true
}

// IdempotencyKey makes submitting a job again harmless. The zero value is no key.
type IdempotencyKey struct {
	ID          [16]byte // from the client's key and the tenant, by a hash
	Fingerprint [16]byte // of all else in the request, an HMAC: retries have the same
}

// Receipt is the engine's answer to an accepted job.
type Receipt struct {
	ID  int64
	Due time.Time // the digest exists at this instant at the earliest
}

// State is where a job that can be looked at stands.
type State uint8

// A job is Pending until its digest is visible, then Done, and Gone once it is canceled, erased or expired.
// Unknown is an id that was never given. Of one job, Get and Wait say the last two by ErrGone and
// ErrUnknown; of many, Ranges says them by their records.
const (
	Pending State = iota
	Done
	Gone
	Unknown
)

// Record is a job as the engine shows it.
type Record struct {
	ID        int64
	State     State
	Algorithm digest.Algorithm
	Tenant    uint16
	Due       time.Time            // set while Pending
	Sum       [digest.MaxSize]byte // the first Algorithm.Size() bytes, set once Done
}

// Digest returns the digest of a Done record.
func (r *Record) Digest() []byte { return r.Sum[:r.Algorithm.Size()] }

// Stats counts jobs since the engine was made, and what it holds now.
type Stats struct {
	Accepted  int64 // jobs given an id
	Pending   int64 // accepted, not yet done or canceled
	Completed int64 // hashed
	Canceled  int64 // canceled before they were hashed
	Rejected  int64 // refused because the engine was full or draining
	Kept      int64 // results that can be fetched now
	Lateness  Lateness
	Recent    RecentStats
}

// The reasons for which an engine refuses.
var (
	ErrUnknown  = errors.New("no such job")
	ErrGone     = errors.New("job is gone")
	ErrDraining = errors.New("draining: no new jobs")
	ErrClosed   = errors.New("engine is closed")
	ErrInvalid  = errors.New("invalid job")

	// ErrDown refuses what needs the store, which does not work. As far as can be told, accepted jobs
	// are safe in it.
	ErrDown = errors.New("engine is down")

	// ErrTenants refuses another tenant: every number is given.
	ErrTenants error = &FullError{Limit: "tenants", RetryAfter: time.Minute}

	// ErrIdempotencyKeyReused refuses a job whose key another request used within the window.
	ErrIdempotencyKeyReused = errors.New("idempotency key reused for another request")
)

// FullError says which limit refused a job and when trying again makes sense.
type FullError struct {
	Limit      string        // the setting's name, as in --help
	RetryAfter time.Duration // when room is expected; at least one second
}

// Error implements error.
func (e *FullError) Error() string { return fmt.Sprintf("full: limit %s reached", e.Limit) }

// LeftError says that a drain ended before its work did.
type LeftError struct {
	Left  int64 // jobs accepted and not done
	Cause error // why it ended
}

// Left reports a drain that ended before the engine's work did, or returns nil if the last job ended
// meanwhile.
func Left(e Engine, cause error) error {
	if n := e.Stats().Pending; n > 0 {
		return &LeftError{Left: n, Cause: cause}
	}
	return nil
}

// Error implements error.
func (e *LeftError) Error() string { return fmt.Sprintf("%d jobs left: %v", e.Left, e.Cause) }

// Unwrap returns the cause.
func (e *LeftError) Unwrap() error { return e.Cause }

// glance is the key of what Glance puts into a context.
type glance struct{}

// Glance returns a context in which Get and Wait only look: the result does not count as collected.
func Glance(ctx context.Context) context.Context { return context.WithValue(ctx, glance{}, true) }

// IsGlance reports whether the context is one of Glance.
func IsGlance(ctx context.Context) bool { return ctx.Value(glance{}) != nil }
