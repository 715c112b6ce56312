package file

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hashd-project/hashd/v2/internal/digest"
	"github.com/hashd-project/hashd/v2/internal/engine"
)

// TestModel compares the engine with a model of it over random lives of a store, each with stops and
// crashes. The clock is real, so the model holds what is true at any speed: ids, fates and hashes, and
// that nothing is early.
func TestModel(t *testing.T) {
	t.Parallel()
	sealer := testSealer(t)
	rapid.Check(t, func(rt *rapid.T) {
		cfg := Config{Limits: limits(rapid.SampledFrom(delays).Draw(rt, "delay")), Dir: t.TempDir(), Sealer: sealer}
		cfg.FirstID = rapid.SampledFrom([]int64{1, 1_000_000, engine.MaxFirstID}).Draw(rt, "first-id")
		m := &lifeModel{T: t, rt: rt, Engine: newEngine(t, cfg), next: cfg.FirstID, keys: make(map[byte]keyUse)}
		defer func() { _ = m.Close() }()
		rt.Repeat(map[string]func(*rapid.T){
			"accept":  m.accept,
			"batch":   m.batch,
			"retry":   m.retry,
			"cancel":  m.cancel,
			"look":    m.look,
			"wait":    m.wait,
			"restart": m.restart,
			"crash":   m.crash,
			"":        m.check,
		})
		m.end()
	})
}

// delays are so short that jobs come due amid the steps, or so long that none does.
var delays = []time.Duration{0, time.Millisecond, 5 * time.Millisecond, time.Hour}

// lifeModel is what must be true of the store's jobs.
type lifeModel struct {
	*testing.T
	*Engine
	rt   *rapid.T
	next int64 // the id that the next job gets
	jobs []*lifeJob
	keys map[byte]keyUse
}

// lifeJob is one that was acknowledged.
type lifeJob struct {
	id        int64
	secret    []byte
	algorithm digest.Algorithm
	due       time.Time
	canceled  bool // and this acknowledged
}

// keyUse is what a key was used for.
type keyUse struct {
	batch engine.Batch
	first engine.Receipt
}

func (m *lifeModel) failf(format string, args ...any) {
	m.rt.Helper()
	m.rt.Fatalf(format, args...)
}

// drawBatch draws jobs, perhaps with a key that was not used before.
func (m *lifeModel) drawBatch(rt *rapid.T, most int) (b engine.Batch) {
	sizes := rapid.SliceOfN(rapid.SampledFrom([]int{1, 12, 52, 53, 300, engine.MaxSecret}), 1, most).Draw(rt, "bytes")
	for n, size := range sizes {
		secret := make([]byte, size)
		copy(secret, fmt.Sprintf("%d/%d", m.next+int64(n), size)) // as far as it fits
		b.Secrets = append(b.Secrets, secret)
	}
	b.Algorithm = rapid.SampledFrom(digest.All()).Draw(rt, "algorithm")
	b.Tenant = rapid.Uint16().Draw(rt, "tenant")
	if name := byte(len(m.keys) + 1); rapid.IntRange(0, 3).Draw(rt, "with a key") == 0 {
		b.IdempotencyKey = engine.IdempotencyKey{ID: [16]byte{name}, Fingerprint: [16]byte{name}}
	}
	return b
}

// submit submits the batch, as a single job if it is one.
func (m *lifeModel) submit(b engine.Batch) (engine.Receipt, error) {
	if len(b.Secrets) > 1 {
		return m.AcceptBatch(m.Context(), b)
	}
	return m.Accept(m.Context(), engine.Job{Secret: b.Secrets[0], Algorithm: b.Algorithm, Tenant: b.Tenant, IdempotencyKey: b.IdempotencyKey})
}

func (m *lifeModel) accept(rt *rapid.T) { m.add(m.drawBatch(rt, 1)) }
func (m *lifeModel) batch(rt *rapid.T)  { m.add(m.drawBatch(rt, 200)) }

func (m *lifeModel) add(b engine.Batch) {
	before := time.Now()
	r, err := m.submit(b)
	if err != nil || r.ID != m.next || r.Due.Before(before.Add(m.cfg.Delay)) {
		m.failf("%d jobs get %+v at %v, error %v; want id %d", len(b.Secrets), r, before, err, m.next)
	}
	for n, secret := range b.Secrets {
		m.jobs = append(m.jobs, &lifeJob{id: r.ID + int64(n), secret: secret, algorithm: b.Algorithm, due: r.Due})
	}
	m.next += int64(len(b.Secrets))
	if b.IdempotencyKey != (engine.IdempotencyKey{}) {
		m.keys[b.IdempotencyKey.ID[0]] = keyUse{b, r}
	}
}

// retry sends a request with a key once more, or another one with that key.
func (m *lifeModel) retry(rt *rapid.T) {
	if len(m.keys) == 0 {
		rt.Skip("no key was used")
	}
	k := m.keys[rapid.ByteRange(1, byte(min(255, len(m.keys)))).Draw(rt, "key")]
	r, err := m.submit(k.batch)
	if err != nil || r.ID != k.first.ID || r.Due.Sub(k.first.Due).Abs() > time.Second {
		m.failf("the retry of %+v gets %+v, error %v", k.first, r, err)
	}
	other := k.batch
	other.IdempotencyKey.Fingerprint[1]++
	if _, err := m.submit(other); !errors.Is(err, engine.ErrIdempotencyKeyReused) {
		m.failf("the key of %+v for another request: error %v", k.first, err)
	}
}

// pick draws one of the jobs.
func (m *lifeModel) pick(rt *rapid.T) *lifeJob {
	if len(m.jobs) == 0 {
		rt.Skip("there are no jobs")
	}
	return rapid.SampledFrom(m.jobs).Draw(rt, "job")
}

func (m *lifeModel) cancel(rt *rapid.T) {
	job := m.pick(rt)
	want := error(nil)
	if job.canceled {
		want = engine.ErrGone
	}
	if err := m.Cancel(m.Context(), job.id); !errors.Is(err, want) {
		m.failf("cancel job %d: error %v, want %v", job.id, err, want)
	}
	job.canceled = true
}

func (m *lifeModel) look(rt *rapid.T) { m.wantFate(m.pick(rt), m.Get) }

// wait waits for a job, if it is due soon.
func (m *lifeModel) wait(rt *rapid.T) {
	job := m.pick(rt)
	if m.cfg.Delay > time.Second {
		rt.Skip("no job comes due")
	}
	if rec := m.wantFate(job, m.awaited); !job.canceled && rec.State != engine.Done {
		m.failf("job %d was waited for and is %+v", job.id, rec)
	}
}

func (m *lifeModel) awaited(ctx context.Context, id int64) (engine.Record, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return m.Wait(ctx, id)
}

// wantFate fails the test unless the job is canceled if it should be, and else pending, or, from its due
// time on, done with the right hash.
func (m *lifeModel) wantFate(job *lifeJob, get func(context.Context, int64) (engine.Record, error)) engine.Record {
	rec, err := get(m.Context(), job.id)
	after := time.Now()
	var want [digest.MaxSize]byte
	job.algorithm.Sum(&want, job.secret)
	switch {
	case job.canceled:
		if !errors.Is(err, engine.ErrGone) {
			m.failf("canceled job %d is %+v, error %v", job.id, rec, err)
		}
	case err != nil || rec.Algorithm != job.algorithm:
		m.failf("job %d is %+v, error %v", job.id, rec, err)
	case rec.State == engine.Done && (after.Before(job.due) || rec.Sum != want):
		m.failf("job %d, due %v, is at %v %+v; want hash %x", job.id, job.due, after, rec, want)
	}
	return rec
}

func (m *lifeModel) restart(*rapid.T) {
	if err := m.Close(); err != nil {
		m.failf("close: %v", err)
	}
	m.Engine = newEngine(m.T, m.cfg)
}

func (m *lifeModel) crash(*rapid.T) {
	old := m.Engine
	m.Engine = crash(m.T, old)
	_ = old.Close() // too late for what the new one has read
}

// check compares what costs little to compare, after each step.
func (m *lifeModel) check(*rapid.T) {
	if _, err := m.Get(m.Context(), m.next); !errors.Is(err, engine.ErrUnknown) {
		m.failf("job %d, which was not submitted yet: error %v", m.next, err)
	}
	canceled := int64(0)
	for _, job := range m.jobs {
		if job.canceled {
			canceled++
		}
	}
	if st := m.Stats(); st.Pending+st.Kept+canceled != int64(len(m.jobs)) || st.Rejected != 0 {
		m.failf("of %d jobs %d are canceled, and the counters are %+v", len(m.jobs), canceled, st)
	}
}

// end looks at every job: once as they are, and once more when they are over.
func (m *lifeModel) end() {
	if m.cfg.Delay < time.Second {
		ctx, cancel := context.WithTimeout(m.Context(), patience)
		defer cancel()
		if err := m.Drain(ctx); err != nil {
			m.failf("drain: %v", err)
		}
		m.restart(nil)
	}
	for _, job := range slices.Backward(m.jobs) {
		rec := m.wantFate(job, m.Get)
		if done := m.cfg.Delay < time.Second; !job.canceled && (rec.State == engine.Done) != done {
			m.failf("in the end job %d is %+v", job.id, rec)
		}
	}
}
