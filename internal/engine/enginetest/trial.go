package enginetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"
	"errors"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashd-project/hashd/v2/internal/digest"
	"github.com/hashd-project/hashd/v2/internal/engine"
)

// The delays of tests that must be right on any clock and on any machine, however slow.
const (
	unreached = time.Hour             // no job comes due while the test runs
	short     = 20 * time.Millisecond // jobs come due soon after
	beforeDue = 5 * time.Second       // jobs do not come due before a few calls have returned
	patience  = time.Minute           // past it a wait has failed
)

// trial is one test on one of the clocks.
type trial struct {
	*testing.T
	suite Suite
	fake  bool
	first int64 // id of an engine whose limits have none
}

// subject is an engine under test.
type subject struct {
	engine.Engine
	x     *trial
	first int64 // the first id it gives out
}

// engine makes an engine that is closed when the test ends. Limits and times that the test
// does not care about may be left zero, but for the delay.
func (x *trial) engine(cfg engine.Limits) *subject {
	x.Helper()
	if cfg.Retention == 0 {
		cfg.Retention = unreached
	}
	if cfg.MaxPending == 0 {
		cfg.MaxPending = 100_000
	}
	if cfg.MaxResults == 0 {
		cfg.MaxResults = 200_000
	}
	if cfg.IdempotencyWindow == 0 {
		cfg.IdempotencyWindow, cfg.MaxIdempotencyKeys = unreached, 1_000
	}
	if cfg.FirstID == 0 {
		cfg.FirstID = x.first
	}
	return &subject{x.start(cfg), x, cfg.FirstID}
}

// start makes an engine just as it is described, which is closed when the test ends.
func (x *trial) start(cfg engine.Limits) engine.Engine {
	x.Helper()
	e := x.suite.New(x.T, cfg)
	x.Cleanup(func() {
		if err := e.Close(); err != nil {
			x.Errorf("close: %v", err)
		}
	})
	return e
}

// waitIdle returns once all that can happen now has happened. Only a fake clock can promise that; a test on
// the real one gets a better chance, and must hold without.
func (x *trial) waitIdle() {
	if x.fake {
		synctest.Wait()
	} else {
		runtime.Gosched()
	}
}

// errInVain is why a context of the suite's own has ended.
var errInVain = errors.New("waited in vain")

// context returns one that ends, for errInVain, only if the test has failed.
func (x *trial) context() context.Context {
	ctx, cancel := context.WithTimeoutCause(x.Context(), patience, errInVain)
	x.Cleanup(cancel)
	return ctx
}

// ended returns a context that has ended already.
func (x *trial) ended() context.Context {
	ctx, cancel := context.WithCancel(x.Context())
	cancel()
	return ctx
}

// group returns an owner for goroutines: the test waits for them before it closes its engine.
func (x *trial) group() *sync.WaitGroup {
	g := new(sync.WaitGroup)
	x.Cleanup(g.Wait)
	return g
}

// wantInTime fails the test if the context has ended for errInVain: what waited with it may
// have come back for that reason alone.
func (x *trial) wantInTime(ctx context.Context) {
	x.Helper()
	if err := context.Cause(ctx); errors.Is(err, errInVain) {
		x.Error(err)
	}
}

// wantErr fails the test unless err is want.
func (x *trial) wantErr(what string, err, want error) {
	x.Helper()
	if !errors.Is(err, want) {
		x.Errorf("%s: error %v, want %v", what, err, want)
	}
}

// accept submits a job that must be taken.
func (s *subject) accept(secret string) engine.Receipt {
	s.x.Helper()
	return s.acceptJob(engine.Job{Secret: []byte(secret)})
}

func (s *subject) acceptJob(job engine.Job) engine.Receipt {
	s.x.Helper()
	r, err := s.Accept(s.x.Context(), job)
	if err != nil {
		s.x.Fatalf("accept of %d bytes: %v", len(job.Secret), err)
	}
	return r
}

// state gets the job, which must be there.
func (s *subject) state(id int64) engine.Record {
	s.x.Helper()
	rec, err := s.Get(s.x.Context(), id)
	if err != nil {
		s.x.Fatalf("get %d: %v", id, err)
	}
	return rec
}

// result waits until the job is done.
func (s *subject) result(id int64) engine.Record {
	s.x.Helper()
	rec, err := s.Wait(s.x.context(), id)
	if err != nil {
		s.x.Fatalf("wait for %d: %v", id, err)
	}
	if rec.State != engine.Done {
		s.x.Fatalf("wait for %d returned it in state %d", id, rec.State)
	}
	return rec
}

// wantResults waits for the jobs and checks each result.
func (s *subject) wantResults(jobs map[int64]engine.Job) {
	s.x.Helper()
	for id, job := range jobs {
		s.x.wantResult(s.result(id), id, job)
	}
}

// wantCounts fails the test unless the counters, lateness aside, are these.
func (s *subject) wantCounts(want engine.Stats) {
	s.x.Helper()
	got := s.Stats()
	got.Lateness, got.Recent = engine.Lateness{}, engine.RecentStats{}
	if got != want {
		s.x.Errorf("counters are %+v, want %+v", got, want)
	}
}

// wantResult fails the test unless the record is of the done job, with the digest of the secret.
func (x *trial) wantResult(rec engine.Record, id int64, job engine.Job) {
	x.Helper()
	if rec.ID != id || rec.State != engine.Done || rec.Algorithm != job.Algorithm || rec.Tenant != job.Tenant {
		x.Errorf("job %d: id %d, state %d, %v, tenant %d; want done, %v, tenant %d",
			id, rec.ID, rec.State, rec.Algorithm, rec.Tenant, job.Algorithm, job.Tenant)
	}
	if want := sum(job.Algorithm, job.Secret); !bytes.Equal(rec.Digest(), want) {
		x.Errorf("job %d: %v of %d bytes is %x, want %x", id, job.Algorithm, len(job.Secret), rec.Digest(), want)
	}
}

// wantPending fails the test unless the record is of a job that has no digest yet.
func (x *trial) wantPending(rec engine.Record, r engine.Receipt, job engine.Job) {
	x.Helper()
	if rec.ID != r.ID || rec.State != engine.Pending || rec.Algorithm != job.Algorithm || rec.Tenant != job.Tenant {
		x.Errorf("job %d: id %d, state %d, %v, tenant %d; want pending, %v, tenant %d",
			r.ID, rec.ID, rec.State, rec.Algorithm, rec.Tenant, job.Algorithm, job.Tenant)
	}
	if !rec.Due.Equal(r.Due) {
		x.Errorf("job %d: due %v, and at acceptance %v", r.ID, rec.Due, r.Due)
	}
	if rec.Sum != [digest.MaxSize]byte{} {
		x.Errorf("job %d shows %x before it is done", r.ID, rec.Sum)
	}
}

// sum computes a digest without package digest: that package is under test too.
func sum(a digest.Algorithm, secret []byte) []byte {
	switch a {
	case digest.SHA512:
		s := sha512.Sum512(secret)
		return s[:]
	case digest.SHA256:
		s := sha256.Sum256(secret)
		return s[:]
	case digest.SHA3x512:
		s := sha3.Sum512(secret)
		return s[:]
	}
	return nil // equal to no digest: an algorithm that is new here is to be added
}

// secret returns a secret of n bytes, different for each n.
func secret(n int) []byte { return bytes.Repeat([]byte("passwordß "), n/10+1)[:n] }
