package enginetest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/hashd-project/hashd/v2/internal/digest"
	"github.com/hashd-project/hashd/v2/internal/engine"
)

// checkModel compares the engine with a model of it over random runs. What a run does is
// drawn before its bubble begins, for the drawing must not happen on a bubble's goroutine.
func (s Suite) checkModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		cfg := drawConfig(rt)
		steps := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) step { return drawStep(rt, cfg) }), 1, 80).Draw(rt, "steps")
		var err error
		synctest.Test(t, func(t *testing.T) {
			err = newModel(&trial{T: t, suite: s, fake: true}, cfg).run(steps)
		})
		if err != nil {
			rt.Fatalf("%+v: %v", cfg, err)
		}
	})
}

// step is one thing that happens to an engine.
type step struct {
	do    string
	which int           // of the jobs so far; or a stranger
	job   engine.Job    // to accept
	size  int           // of the batch to accept, whose first job it is
	pass  time.Duration // to let pass
	as    viewer        // to whom the jobs are shown
}

func (s step) String() string {
	return fmt.Sprintf("%s (which %d, as %d, %d times %d bytes, tenant %d, key %d by %d, %v)",
		s.do, s.which, s.as, s.size, len(s.job.Secret), s.job.Tenant, s.job.IdempotencyKey.ID[0], s.job.IdempotencyKey.Fingerprint[0], s.pass)
}

func drawConfig(rt *rapid.T) engine.Limits {
	return engine.Limits{
		Delay:              rapid.SampledFrom([]time.Duration{0, 1, time.Millisecond, time.Second, 5 * time.Second}).Draw(rt, "delay"),
		Retention:          rapid.SampledFrom([]time.Duration{time.Second, 1700 * time.Millisecond, 10 * time.Second}).Draw(rt, "retention"),
		MaxPending:         rapid.Int64Range(1, 6).Draw(rt, "max-pending"),
		MaxResults:         rapid.Int64Range(1, 10).Draw(rt, "max-results"),
		IdempotencyWindow:  rapid.SampledFrom([]time.Duration{time.Millisecond, 3 * time.Second}).Draw(rt, "window"),
		MaxIdempotencyKeys: rapid.Int64Range(0, 3).Draw(rt, "max-keys"),
		FirstID:            rapid.SampledFrom([]int64{1, 2, 1_000_000, engine.MaxFirstID}).Draw(rt, "first-id"),
	}
}

func drawStep(rt *rapid.T, cfg engine.Limits) step {
	job := engine.Job{
		Secret:    secret(rapid.SampledFrom([]int{1, 8, 52, 53, 200, engine.MaxSecret}).Draw(rt, "bytes")),
		Algorithm: rapid.SampledFrom(digest.All()).Draw(rt, "algorithm"),
		Tenant:    rapid.SampledFrom(theTenants()).Draw(rt, "tenant"),
	}
	if name := rapid.ByteRange(0, 9).Draw(rt, "key"); name > 5 { // most have none
		job.IdempotencyKey = engine.IdempotencyKey{ID: [16]byte{name}, Fingerprint: [16]byte{rapid.ByteRange(0, 2).Draw(rt, "fingerprint") / 2}}
	}
	passes := []time.Duration{
		1, time.Microsecond, time.Millisecond, time.Second, 20 * time.Second,
		max(cfg.Delay-1, 0), cfg.Delay, cfg.Retention - 1, cfg.Retention, cfg.Retention + time.Second,
	}
	return step{
		do: rapid.SampledFrom([]string{
			"accept", "accept", "accept", "batch", "batch", "pass", "pass", "get", "cancel", "cancel", "wait", "drain",
			"read", "completed", "cancel range",
		}).Draw(rt, "do"),
		which: rapid.IntRange(0, 1000).Draw(rt, "which"),
		job:   job,
		size:  rapid.IntRange(1, 4).Draw(rt, "size"),
		pass:  rapid.SampledFrom(passes).Draw(rt, "pass"),
		as:    viewer(rapid.IntRange(int(all), len(theTenants())-1).Draw(rt, "as")),
	}
}

// stage is where the model's job stands.
type stage int

const (
	isPending stage = iota
	isDone
	isCanceled // before it was done
	isGone     // erased or expired
)

// modelJob is what the model knows of a job.
type modelJob struct {
	engine.Job
	id    int64
	due   time.Time
	since time.Time // of its acceptance
	stage stage
}

// poll is a call of Wait that the model watches.
type poll struct {
	job    *modelJob
	answer chan answer
}

// model is the simplest engine there is: a list of all jobs ever, on an idle machine.
type model struct {
	*subject
	cfg      engine.Limits
	jobs     []*modelJob
	rejected map[uint16]int64 // by tenant
	draining bool
	drained  chan error // what the drain in the background came back with
	polls    []poll
}

func newModel(x *trial, cfg engine.Limits) *model {
	return &model{subject: x.engine(cfg), cfg: cfg, drained: make(chan error, 1), rejected: make(map[uint16]int64)}
}

// run takes the steps and then the engine to its end. After each it compares all there is.
func (m *model) run(steps []step) error {
	for i, s := range steps {
		if err := errors.Join(m.take(s), m.compare()); err != nil {
			return fmt.Errorf("step %d, %v: %w", i, s, err)
		}
	}
	m.beginDrain()
	time.Sleep(m.cfg.Delay)
	if err := m.compare(); err != nil {
		return fmt.Errorf("at the end: %w", err)
	}
	if m.count(isPending) > 0 {
		return fmt.Errorf("model: %d jobs pending after the delay", m.count(isPending))
	}
	return nil
}

func (m *model) take(s step) error {
	switch s.do {
	case "accept":
		return m.accept(s.job, 1, func() (engine.Receipt, error) { return m.Accept(m.x.Context(), s.job) })
	case "batch":
		return m.accept(s.job, int64(s.size), func() (engine.Receipt, error) { return m.AcceptBatch(m.x.Context(), s.batch()) })
	case "pass":
		time.Sleep(s.pass)
	case "get":
		return m.get(s.as, s.which)
	case "cancel":
		return m.cancel(s.as, s.which)
	case "wait":
		return m.wait(s.as, s.which)
	case "drain":
		m.beginDrain()
	case "read":
		return m.read(s.as, s.which)
	case "completed":
		return m.completed(s.as, s.which)
	case "cancel range":
		return m.cancelRange(s.as, s.which)
	}
	return nil
}

// compare lets the model follow the clock, and asks the engine whether it is there too.
func (m *model) compare() error {
	synctest.Wait()
	if err := m.follow(); err != nil {
		return err
	}
	err := m.compareStats(all, m.Stats())
	for n, tenant := range theTenants() {
		err = errors.Join(err, m.compareStats(viewer(n), m.StatsOf(tenant)))
	}
	return errors.Join(err, m.comparePolls(), m.compareDrain())
}

// follow moves each job to where the clock has brought it. Within the second in which a
// result may go, the engine is asked whether it did.
func (m *model) follow() error {
	for _, j := range m.jobs {
		age := time.Since(j.due)
		if j.stage == isPending && age >= 0 {
			j.stage = isDone
		}
		if j.stage != isDone || age < m.cfg.Retention {
			continue
		}
		_, err := m.Get(m.x.Context(), j.id)
		if err == nil && age >= m.cfg.Retention+time.Second {
			return fmt.Errorf("job %d, done for %v, is still there", j.id, age)
		}
		if errors.Is(err, engine.ErrGone) {
			j.stage = isGone
		}
	}
	return nil
}

func (m *model) count(s stage) (n int64) {
	for _, j := range m.jobs {
		if j.stage == s {
			n++
		}
	}
	return n
}

// comparePolls checks that those polls ended that must have, with the right answer.
func (m *model) comparePolls() (err error) {
	m.polls = slices.DeleteFunc(m.polls, func(p poll) bool {
		select {
		case a := <-p.answer:
			err = errors.Join(err, p.job.check(a))
			return true
		default:
			if p.job.stage != isPending {
				err = errors.Join(err, fmt.Errorf("the wait for job %d goes on, and the job does not", p.job.id))
			}
			return false
		}
	})
	return err
}

// check checks what a poll that ended came back with.
func (j *modelJob) check(a answer) error {
	switch {
	case j.stage == isPending:
		return fmt.Errorf("the wait for job %d is over before the job", j.id)
	case j.stage == isCanceled && !errors.Is(a.err, engine.ErrGone):
		return fmt.Errorf("wait for canceled job %d: %w", j.id, a.err)
	case j.stage == isCanceled:
		return nil
	}
	return errors.Join(a.err, j.checkResult(a.rec))
}

func (j *modelJob) checkResult(rec engine.Record) error {
	if rec.ID != j.id || rec.State != engine.Done || rec.Algorithm != j.Algorithm || rec.Tenant != j.Tenant ||
		!bytes.Equal(rec.Digest(), sum(j.Algorithm, j.Secret)) {
		return fmt.Errorf("job %d with %v for tenant %d has result %+v", j.id, j.Algorithm, j.Tenant, rec)
	}
	return nil
}

// compareDrain checks that a drain in the background is over if and only if nothing is pending.
func (m *model) compareDrain() error {
	if !m.draining {
		return nil
	}
	select {
	case err := <-m.drained:
		m.drained <- err
		if pending := m.count(isPending); pending > 0 || err != nil {
			return fmt.Errorf("the drain is over with %d jobs pending: %w", pending, err)
		}
	default:
		if m.count(isPending) == 0 {
			return errors.New("nothing is pending, and the drain goes on")
		}
	}
	return nil
}

func (m *model) beginDrain() {
	if !m.draining {
		m.draining = true
		m.x.group().Go(func() { m.drained <- m.Drain(m.x.Context()) })
	}
}

// batch returns as many jobs like the step's as it says.
func (s step) batch() engine.Batch {
	b := uniform(s.size, len(s.job.Secret))
	b.Algorithm, b.Tenant, b.IdempotencyKey = s.job.Algorithm, s.job.Tenant, s.job.IdempotencyKey
	return b
}

// accept submits n jobs like this one and checks that they are taken, refused or found again as
// they must be.
func (m *model) accept(j engine.Job, n int64, submit func() (engine.Receipt, error)) error {
	first, limits := m.first(j.IdempotencyKey), m.limits(j, n)
	r, err := submit()
	full, isFull := errors.AsType[*engine.FullError](err)
	switch {
	case first != nil && first.IdempotencyKey.Fingerprint != j.IdempotencyKey.Fingerprint:
		return want(err, engine.ErrIdempotencyKeyReused)
	case first != nil:
		return first.checkReceipt(r, err)
	case m.draining:
		m.rejected[j.Tenant] += n
		return want(err, engine.ErrDraining)
	case isFull && slices.Contains(limits, full.Limit):
		m.rejected[j.Tenant] += n
		return nil
	case len(limits) > 0 || err != nil:
		return fmt.Errorf("limits %v: id %d, error %w", limits, r.ID, err)
	}
	id := m.next()
	if m.x.suite.Gaps {
		id = max(id, r.ID)
	}
	now := time.Now()
	for i := range n {
		m.jobs = append(m.jobs, &modelJob{Job: j, id: id + i, due: now.Add(m.cfg.Delay), since: now})
		j.IdempotencyKey = engine.IdempotencyKey{} // which is that of the first alone
	}
	return m.jobs[len(m.jobs)-int(n)].checkReceipt(r, err)
}

func (j *modelJob) checkReceipt(r engine.Receipt, err error) error {
	if err != nil || r.ID != j.id || !r.Due.Equal(j.due) {
		return fmt.Errorf("receipt is %+v, error %w; want id %d, due %v", r, err, j.id, j.due)
	}
	return nil
}

// limits returns the names of those limits that do not allow n more jobs like this one.
func (m *model) limits(j engine.Job, n int64) (reached []string) {
	pending, kept := m.count(isPending), m.count(isDone)
	if pending+n > m.cfg.MaxPending {
		reached = append(reached, "max-pending")
	}
	if pending+kept+n > m.cfg.MaxResults {
		reached = append(reached, "max-results")
	}
	if j.IdempotencyKey != (engine.IdempotencyKey{}) && m.keys() >= m.cfg.MaxIdempotencyKeys {
		reached = append(reached, "max-idempotency-keys")
	}
	return reached
}

// remembers reports whether the job has a key whose window goes on.
func (m *model) remembers(j *modelJob) bool {
	return j.IdempotencyKey != (engine.IdempotencyKey{}) && time.Since(j.since) < m.cfg.IdempotencyWindow
}

// keys returns how many keys are in their windows.
func (m *model) keys() (n int64) {
	for _, j := range m.jobs {
		if m.remembers(j) {
			n++
		}
	}
	return n
}

// first returns the job for which the key was used first in its window, or nil.
func (m *model) first(k engine.IdempotencyKey) *modelJob {
	for _, j := range m.jobs {
		if m.remembers(j) && j.IdempotencyKey.ID == k.ID {
			return j
		}
	}
	return nil
}

// next returns the id after the last one given.
func (m *model) next() int64 {
	if len(m.jobs) == 0 {
		return m.subject.first
	}
	return m.jobs[len(m.jobs)-1].id + 1
}

// find returns the job, or nil and an id that was never given to a job that the viewer sees.
func (m *model) find(as viewer, which int) (*modelJob, int64) {
	if len(m.jobs) == 0 || which%5 == 0 {
		ids := strangers(m.subject.first, m.next())
		return nil, ids[which/5%len(ids)]
	}
	j := m.jobs[which%len(m.jobs)]
	if !as.sees(j) {
		return nil, j.id
	}
	return j, j.id
}

// wantErr returns the error that the job's stage calls for.
func (j *modelJob) wantErr() error {
	switch {
	case j == nil:
		return engine.ErrUnknown
	case j.stage == isCanceled || j.stage == isGone:
		return engine.ErrGone
	}
	return nil
}

func (m *model) get(as viewer, which int) error {
	j, id := m.find(as, which)
	rec, err := m.Get(as.context(m.x), id)
	switch {
	case j.wantErr() != nil || err != nil:
		return want(err, j.wantErr())
	case j.stage == isDone:
		return j.checkResult(rec)
	case rec.ID != id || rec.State != engine.Pending || !rec.Due.Equal(j.due) || rec.Algorithm != j.Algorithm || rec.Tenant != j.Tenant:
		return fmt.Errorf("pending job %d reads as %+v", id, rec)
	}
	return nil
}

func (m *model) cancel(as viewer, which int) error {
	j, id := m.find(as, which)
	err := want(m.Cancel(as.context(m.x), id), j.wantErr())
	switch {
	case j == nil:
	case j.stage == isPending:
		j.stage = isCanceled
	case j.stage == isDone:
		j.stage = isGone
	}
	return err
}

// wait starts a poll for a job that is there. For any other there is no wait.
func (m *model) wait(as viewer, which int) error {
	j, id := m.find(as, which)
	if wanted := j.wantErr(); wanted != nil {
		_, err := m.Wait(as.context(m.x), id)
		return want(err, wanted)
	}
	p := poll{j, make(chan answer, 1)}
	m.polls = append(m.polls, p)
	m.x.group().Go(func() {
		rec, err := m.Wait(as.context(m.x), id)
		p.answer <- answer{rec, err}
	})
	return nil
}

// want returns an error unless err is the one wanted.
func want(err, wanted error) error {
	if !errors.Is(err, wanted) {
		return fmt.Errorf("error %w, want %w", err, wanted)
	}
	return nil
}
