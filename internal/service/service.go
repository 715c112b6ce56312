// Package service gives each operation of the contract its meaning in terms of the engine. It
// implements the generated strict interface. It knows nothing of HTTP connections, routing or
// storage; an error it returns is turned into an answer by package server alone.
package service

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	wire "github.com/hashd-project/hashd/v2/gen/server"
	"github.com/hashd-project/hashd/v2/internal/digest"
	"github.com/hashd-project/hashd/v2/internal/engine"
	"github.com/hashd-project/hashd/v2/internal/guard"
	"github.com/hashd-project/hashd/v2/internal/header"
	"github.com/hashd-project/hashd/v2/internal/strict"
)

// Build says what is running.
type Build struct {
	API     string // version of the contract
	Version string
	Commit  string
	Go      string
}

// Config is what a Service is made of.
type Config struct {
	Engine  engine.Engine
	Build   Build
	MaxWait time.Duration // longest that a Prefer: wait holds an answer

	// Limits are what clients have to know of the settings, and EngineName what keeps the jobs.
	Limits     Limits
	EngineName string

	// Uses returns the limits beside the engine's for which requests are refused; nil for none.
	Uses func() []engine.Use

	// Warnings names the settings whose files were changed and cannot be used; nil for none.
	Warnings func() []string

	// Meter holds callers to what they may submit; nil for a server that is open to all.
	Meter Meter

	// AnswerMemory is the memory for answers with many results that are being written, in bytes; 0 is any.
	AnswerMemory int64

	// FingerprintKey is the HMAC key for the fingerprints of requests with an idempotency key. It must be
	// as old as the idempotency keys that the engine remembers; nil means a new one, for an engine that
	// remembers none yet.
	FingerprintKey []byte

	// Trace returns to which trace the request of the context belongs; nil if none does.
	Trace func(context.Context) engine.Trace

	// Store returns the id of the store that keeps the jobs, which may change while the service runs;
	// nil if FingerprintKey, which is as old as the store, is the id.
	Store func() []byte
}

// Meter says how many jobs the caller of a context may submit.
type Meter interface {
	// Take takes n jobs from that, or returns an *guard.LimitError. The grant is to be settled.
	Take(ctx context.Context, n int64) (guard.Grant, error)

	// Most returns the most jobs that are ever taken at once, where the server has room for so many.
	Most(ctx context.Context, room int64) int64
}

// anyNumber is the Meter of a server that is open to all.
type anyNumber struct{}

// Take implements Meter.
func (anyNumber) Take(context.Context, int64) (guard.Grant, error) { return guard.Grant{}, nil }

// Most implements Meter.
func (anyNumber) Most(_ context.Context, room int64) int64 { return room }

// Limits are settings that clients have to know. What else they have to know is in the contract.
type Limits struct {
	Delay, Retention          time.Duration
	Batch                     int64 // the most jobs in a batch; 0 for what an engine takes
	Jobs                      int64 // the most jobs that there can be at once; 0 for any number
	BodyBytes, BatchBodyBytes int64 // the largest bodies of requests
}

// Service implements the contract. Its methods may be called by any number of goroutines.
type Service struct {
	cfg      Config
	room     *answerRoom
	started  time.Time
	draining atomic.Bool

	waits    context.Context // ends with EndWaits
	endWaits context.CancelFunc

	figures figures  // of all tenants
	tenants sync.Map // those of each that has a number: *figures
}

var _ wire.StrictServerInterface = (*Service)(nil)

// New returns a service on the engine, which stays the caller's to close.
func New(cfg Config) *Service {
	if cfg.FingerprintKey == nil {
		cfg.FingerprintKey = make([]byte, sha256.Size)
		_, _ = rand.Read(cfg.FingerprintKey) // never fails
	}
	if cfg.Uses == nil {
		cfg.Uses = func() []engine.Use { return nil }
	}
	if cfg.Warnings == nil {
		cfg.Warnings = func() []string { return nil }
	}
	if cfg.Meter == nil {
		cfg.Meter = anyNumber{}
	}
	if cfg.Store == nil {
		cfg.Store = func() []byte { return cfg.FingerprintKey }
	}
	s := &Service{cfg: cfg, room: newAnswerRoom(cfg.AnswerMemory), started: time.Now()}
	s.figures.recent = recent{made: s.started, accepted: func() int64 { return cfg.Engine.Stats().Accepted }}
	s.waits, s.endWaits = context.WithCancel(context.Background())
	return s
}

// storeName makes the store's public name from its id, which may be a secret key.
func storeName(id []byte) string {
	mac := hmac.New(sha256.New, id)
	mac.Write([]byte("store"))
	return hex.EncodeToString(mac.Sum(nil)[:8])
}

// Drain makes the service unready, refuses new jobs, and returns once every accepted job is
// done. If ctx ends first it returns an *engine.LeftError.
func (s *Service) Drain(ctx context.Context) error {
	s.draining.Store(true)
	return s.cfg.Engine.Drain(ctx)
}

// EndWaits has every long-poll answered with what there is now, those that come later too.
func (s *Service) EndWaits() { s.endWaits() }

// Answered counts a submission of the context that was answered with an accepted job, and how long that
// took from its arrival. One that waited for its hash, because its client prefers that, is counted by the
// service itself: the wait is no part of the time.
func (s *Service) Answered(ctx context.Context, took time.Duration) {
	s.figures.answered(took)
	if f := s.callersFigures(ctx); f != nil {
		f.answered(took)
	}
}

// begin is called before each submission.
func (s *Service) begin(ctx context.Context) {
	s.figures.recent.begin()
	if f := s.callersFigures(ctx); f != nil {
		f.recent.begin()
	}
}

// SubmitHash implements POST /hash.
func (s *Service) SubmitHash(ctx context.Context, req wire.SubmitHashRequestObject) (wire.SubmitHashResponseObject, error) {
	secret := req.Body.Password
	defer secret.Wipe()
	s.begin(ctx)
	job := engine.Job{Secret: secret.Bytes(), Algorithm: algorithm(req.Body.Algorithm), Tenant: tenantOf(ctx), Trace: s.trace(ctx)}
	if key := req.Params.IdempotencyKey; key != nil {
		job.IdempotencyKey = s.key(keyOf(job.Tenant, *key), kindJob, job.Algorithm, job.Secret)
	}
	w := s.preferred(req.Params.Prefer)
	began := time.Now()
	grant, err := s.cfg.Meter.Take(ctx, 1)
	if err != nil {
		return nil, fmt.Errorf("submit: %w", err)
	}
	s.mayWait(ctx)
	receipt, err := s.cfg.Engine.Accept(ctx, job)
	grant.Settle(err == nil)
	if err != nil {
		return nil, fmt.Errorf("submit: %w", err)
	}
	policy, limit := nonEmpty(grant.Fields.Policy), nonEmpty(grant.Fields.Limit)
	if w.prefers {
		secret.Wipe() // it is the engine's now, and the wait may be long
		s.Answered(ctx, time.Since(began))
		if rec, err := s.await(ctx, w, receipt.ID); err == nil && rec.State == engine.Done {
			return wire.SubmitHash200JSONResponse{
				Body: doneJob(&rec),
				Headers: wire.SubmitHash200ResponseHeaders{
					Location: location(receipt.ID), PreferenceApplied: w.applied, RateLimitPolicy: policy, RateLimit: limit,
				},
			}, nil
		} // else the client gets what it would get without a wait: its job is accepted, whatever became of it
	}
	due, wait := until(receipt.Due, time.Now())
	return wire.SubmitHash202JSONResponse{
		Body: wire.Job{Id: receipt.ID, Status: wire.JobStatusPending, Algorithm: nameOf(job.Algorithm), Due: strict.Time{Time: due}},
		Headers: wire.SubmitHash202ResponseHeaders{
			Location:          location(receipt.ID),
			RetryAfter:        header.Seconds(wait),
			PreferenceApplied: w.applied,
			RateLimitPolicy:   policy,
			RateLimit:         limit,
		},
	}, nil
}

// SubmitBatch implements POST /hash/batch.
func (s *Service) SubmitBatch(ctx context.Context, req wire.SubmitBatchRequestObject) (wire.SubmitBatchResponseObject, error) {
	secrets := req.Body.Passwords
	defer secrets.Wipe()
	s.begin(ctx)
	batch := engine.Batch{Secrets: secrets.Slices(), Algorithm: algorithm(req.Body.Algorithm), Tenant: tenantOf(ctx), Trace: s.trace(ctx)}
	if key := req.Params.IdempotencyKey; key != nil {
		batch.IdempotencyKey = s.key(keyOf(batch.Tenant, *key), kindBatch, batch.Algorithm, batch.Secrets...)
	}
	grant, err := s.cfg.Meter.Take(ctx, int64(len(batch.Secrets)))
	if err != nil {
		return nil, fmt.Errorf("submit batch: %w", err)
	}
	s.mayWait(ctx)
	receipt, err := s.cfg.Engine.AcceptBatch(ctx, batch)
	grant.Settle(err == nil)
	if err != nil {
		return nil, fmt.Errorf("submit batch: %w", err)
	}
	due, wait := until(receipt.Due, time.Now())
	return wire.SubmitBatch202JSONResponse{
		Body: wire.AcceptedBatch{First: receipt.ID, Count: int32(len(batch.Secrets)), Algorithm: nameOf(batch.Algorithm), Due: due},
		Headers: wire.SubmitBatch202ResponseHeaders{
			Location: batchLocation(receipt.ID, len(batch.Secrets)), RetryAfter: header.Seconds(wait),
			RateLimitPolicy: nonEmpty(grant.Fields.Policy), RateLimit: nonEmpty(grant.Fields.Limit),
		},
	}, nil
}

// algorithm returns the algorithm asked for. The contract's enumeration and package digest hold the same
// names, which a test checks; any other name gives an algorithm that no engine takes.
func algorithm(name *wire.Algorithm) digest.Algorithm {
	if name == nil {
		return digest.SHA512
	}
	a, _ := digest.Parse(string(*name))
	return a
}

// nameOf returns the algorithm's name in the contract.
func nameOf(a digest.Algorithm) wire.Algorithm { return wire.Algorithm(a.String()) }

// GetHash implements GET /hash/{id}.
func (s *Service) GetHash(ctx context.Context, req wire.GetHashRequestObject) (wire.GetHashResponseObject, error) {
	s.mayWait(ctx)
	rec, applied, err := s.lookUp(ctx, req.Id, req.Params.Prefer)
	if err != nil {
		return nil, fmt.Errorf("get: %w", err)
	}
	if rec.State == engine.Done {
		return wire.GetHash200JSONResponse{
			Body:    doneJob(&rec),
			Headers: wire.GetHash200ResponseHeaders{PreferenceApplied: applied},
		}, nil
	}
	due, wait := until(rec.Due, time.Now())
	return wire.GetHash202JSONResponse{
		Body:    wire.Job{Id: rec.ID, Status: wire.JobStatusPending, Algorithm: nameOf(rec.Algorithm), Due: strict.Time{Time: due}},
		Headers: wire.GetHash202ResponseHeaders{PreferenceApplied: applied, RetryAfter: header.Seconds(wait)},
	}, nil
}

// doneJob returns a done job as clients see it.
func doneJob(rec *engine.Record) wire.Job {
	return wire.Job{Id: rec.ID, Status: wire.JobStatusDone, Algorithm: nameOf(rec.Algorithm), Hash: digest.Encode(rec.Digest())}
}

// lookUp gets the job, waiting for it if the client prefers that, and says what was applied.
func (s *Service) lookUp(ctx context.Context, id int64, prefer *string) (engine.Record, *string, error) {
	w := s.preferred(prefer)
	if !w.prefers {
		rec, err := s.cfg.Engine.Get(ctx, id)
		return rec, nil, err
	}
	rec, err := s.await(ctx, w, id)
	return rec, w.applied, err
}

// await returns the job once it is not pending, or the wait is over.
func (s *Service) await(ctx context.Context, w preference, id int64) (engine.Record, error) {
	ctx, cancel := s.waiting(ctx, w.wait)
	defer cancel()
	return s.cfg.Engine.Wait(ctx, id)
}

// waiting returns a context for a wait of that length, which EndWaits ends too.
func (s *Service) waiting(ctx context.Context, wait time.Duration) (context.Context, context.CancelFunc) {
	engine.Yield(ctx)
	ctx, cancel := context.WithTimeout(ctx, wait)
	stop := context.AfterFunc(s.waits, cancel)
	return ctx, func() {
		stop()
		cancel()
	}
}

// memoryEngine is the name of the engine whose methods wait for nothing but jobs.
const memoryEngine = "memory"

// mayWait says that the engine is called next, which may wait for a disk or a network.
func (s *Service) mayWait(ctx context.Context) {
	if s.cfg.EngineName != memoryEngine {
		engine.Yield(ctx)
	}
}

// CancelHash implements DELETE /hash/{id}.
func (s *Service) CancelHash(ctx context.Context, req wire.CancelHashRequestObject) (wire.CancelHashResponseObject, error) {
	s.mayWait(ctx)
	if err := s.cfg.Engine.Cancel(ctx, req.Id); err != nil {
		return nil, fmt.Errorf("cancel: %w", err)
	}
	return wire.CancelHash204Response{}, nil
}

// GetStatus implements GET /v/status.
func (s *Service) GetStatus(ctx context.Context, _ wire.GetStatusRequestObject) (wire.GetStatusResponseObject, error) {
	status := wire.ServerStatusOk
	if s.draining.Load() {
		status = wire.ServerStatusDraining
	}
	b := s.cfg.Build
	return wire.GetStatus200JSONResponse{Body: wire.Status{
		Status: status, Api: b.API, Version: b.Version, Commit: b.Commit, Go: b.Go, Started: s.started.UTC(), Store: storeName(s.cfg.Store()),
		Engine: s.cfg.EngineName, Algorithms: algorithmNames(), Limits: wire.Limits{
			Secret: engine.MaxSecret / utf8.UTFMax, Batch: s.batchLimit(ctx), Range: engine.MaxRange,
			Wait: s.cfg.MaxWait.Seconds(), Delay: s.cfg.Limits.Delay.Seconds(), Retention: s.cfg.Limits.Retention.Seconds(),
			Body: s.cfg.Limits.BodyBytes, BatchBody: s.cfg.Limits.BatchBodyBytes,
		},
	}}, nil
}

// batchLimit returns the most jobs in a batch of the caller: a larger one would be refused however long it waits.
func (s *Service) batchLimit(ctx context.Context) int64 {
	room := cmp.Or(s.cfg.Limits.Jobs, math.MaxInt64)
	return min(cmp.Or(s.cfg.Limits.Batch, engine.MaxBatch), s.cfg.Meter.Most(ctx, room))
}

// algorithmNames returns the names of all algorithms.
func algorithmNames() (names []string) {
	for _, a := range digest.All() {
		names = append(names, a.String())
	}
	return names
}

// GetHealth implements GET /healthz: that it answers is the answer.
func (s *Service) GetHealth(context.Context, wire.GetHealthRequestObject) (wire.GetHealthResponseObject, error) {
	return wire.GetHealth200JSONResponse{Body: wire.Health{Status: wire.HealthStatusOk}}, nil
}

// ready returns nil if new jobs are taken as far as is known, or why not.
func (s *Service) ready(ctx context.Context) error {
	if s.draining.Load() {
		return engine.ErrDraining
	}
	return s.cfg.Engine.Ready(ctx) //nolint:wrapcheck // each caller says what it asked for
}

// GetReadiness implements GET /readyz.
func (s *Service) GetReadiness(ctx context.Context, _ wire.GetReadinessRequestObject) (wire.GetReadinessResponseObject, error) {
	if err := s.ready(ctx); err != nil {
		return nil, fmt.Errorf("readiness: %w", err)
	}
	return wire.GetReadiness200JSONResponse{Body: wire.Health{Status: wire.HealthStatusOk, Warnings: s.cfg.Warnings()}}, nil
}

// clockSet is by how much the wall clock must differ from the engine's to have been set since
// the engine started. Smaller differences are noise, and following them would show one job
// with slightly different due times.
const clockSet = 10 * time.Millisecond

// until returns due by the wall clock as it is now, and how long that is from now.
func until(due, now time.Time) (time.Time, time.Duration) {
	wait := due.Sub(now) // by the monotonic clock
	shown := due.Round(0)
	if actual := now.Add(wait).Round(0); actual.Sub(shown).Abs() > clockSet {
		shown = actual
	}
	return shown.UTC(), wait
}

// trace returns to which trace the request belongs.
func (s *Service) trace(ctx context.Context) engine.Trace {
	if s.cfg.Trace == nil {
		return ""
	}
	return s.cfg.Trace(ctx)
}
