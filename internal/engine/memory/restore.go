package memory

import (
	"errors"
	"time"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// restored counts what an engine began with: the ids below its first count as given out and ended.
type restored struct {
	given int64 // ids given out
	ended int64 // of those, jobs not pending
	kept  int64 // of those, results that were there
}

// Restore starts an engine with jobs of an earlier one, which fill must put into it; its Close stops
// it. No job comes due before fill has returned. FirstID must be set.
func Restore(cfg engine.Limits, fill func(*Restorer) error) (*Durable, error) {
	if cfg.FirstID == 0 {
		return nil, errors.New("memory engine: a restored engine needs its first id")
	}
	e, err := unstarted(cfg)
	if err != nil {
		return nil, err
	}
	r := &Restorer{e: e}
	err = fill(r)
	if err == nil {
		err = r.end()
	}
	if err != nil {
		return nil, errors.Join(err, e.Close())
	}
	e.start()
	return &Durable{e}, nil
}

// Restorer puts jobs into an engine that is not yet running: first Begin, then results, then pending
// jobs, each in the order of their ids, and keys in the order in which they are forgotten. Jobs that are
// put in as neither are gone.
type Restorer struct{ e *Engine }

// Begin says which ids there are: the first that is to be restored, the first that is pending,
// and the first that was not given out; they must not be below FirstID and not go down.
func (r *Restorer) Begin(first, firstPending, next int64) {
	e := r.e
	e.segments.first = e.segmentOf(min(first, firstPending))
	e.head = firstPending
	e.next.Store(next)
	e.before = restored{given: next - 1, ended: next - 1}
}

// segment returns the job's segment, and maps it if need be, with all its ids gone that were
// given out. Segments before it that nothing was put into take no memory.
func (r *Restorer) segment(id int64) (*segment, int, error) {
	e := r.e
	for index := e.segmentOf(id); e.segments.end() <= index; {
		if at := e.segments.end(); at < index && e.cfg.FirstID-1+(at+1)*segmentJobs < e.head {
			e.segments.push(nil)
			continue
		}
		if err := r.grow(); err != nil {
			return nil, 0, err
		}
	}
	s, _ := e.segments.at(e.segmentOf(id))
	return s, int(id - s.first), nil
}

// grow maps the next segment. Those of its jobs that the FIFO still passes are live until then.
func (r *Restorer) grow() error {
	e := r.e
	if err := e.grow(); err != nil {
		return err
	}
	s, _ := e.segments.at(e.segments.end() - 1)
	for i := range segmentJobs {
		switch id := s.first + int64(i); {
		case id >= e.end():
			return nil
		case id >= e.head:
			s.fill(i, ownerless, nil)
			s.due(i).Store(1)
		default:
			s.live--
			s.wiped(1)
		}
		s.setMeta(i, ownerless.with(gone))
	}
	return nil
}

// Result puts a result in.
func (r *Restorer) Result(res Result) error {
	s, i, err := r.segment(res.ID)
	if err != nil {
		return err
	}
	*s.slot(i) = *res.Sum
	s.setMeta(i, newHeader(0, res.Algorithm, res.Tenant).with(done))
	s.live++
	r.e.noteClaim(res.ID, r.e.instant(res.Done)) // of the result before, if the clock had been set back
	r.e.before.kept++
	t := r.e.tallies.of(res.Tenant)
	t.kept++
	t.lastDone = max(t.lastDone, res.ID)
	return nil
}

// Pending puts a pending job in. It is kept also where there are more than the limits allow.
func (r *Restorer) Pending(id int64, job engine.Job, due time.Time) error {
	s, i, err := r.segment(id)
	if err != nil {
		return err
	}
	var refs []ref
	if len(job.Secret) > inlineBytes {
		long, err := r.e.secrets.put(job.Secret)
		if err != nil {
			return err
		}
		refs = append(refs, long)
	}
	s.setMeta(i, meta(pending))
	r.e.fillMany(&engine.Batch{Secrets: [][]byte{job.Secret}, Algorithm: job.Algorithm, Tenant: job.Tenant}, id, refs)
	s.due(i).Store(max(1, r.e.instant(due)))
	r.e.before.ended--
	r.e.tallies.of(job.Tenant).restored++
	return nil
}

// Canceled puts in a job that is gone and not before the first pending one, so that its owner is known.
func (r *Restorer) Canceled(id int64, tenant uint16) error {
	s, i, err := r.segment(id)
	if err == nil {
		s.fill(i, newHeader(0, 0, tenant), nil)
	}
	return err
}

// Owners puts in whose jobs those are that are gone. The runs are in their order.
func (r *Restorer) Owners(runs []Run) {
	for _, one := range runs {
		r.e.owners.runs = appendRun(r.e.owners.runs, one)
	}
}

// Key puts an idempotency key in, which is forgotten at the given time.
func (r *Restorer) Key(k engine.IdempotencyKey, first engine.Receipt, until time.Time) {
	e := r.e
	e.keys.jobs[k.ID] = firstUse{k.Fingerprint, first.ID, e.instant(first.Due), e.instant(until)}
	e.keys.order.push(agedKey{k.ID, e.instant(until)})
}

// end lets the engine accept jobs. The next one may lie in a segment that nothing was put into,
// whose earlier jobs must be known to be gone. What has expired meanwhile is never seen again.
func (r *Restorer) end() error {
	e := r.e
	if last := e.end() - 1; last > e.mappedEnd() {
		if _, _, err := r.segment(last); err != nil {
			return err
		}
	}
	r.dropEmpty()
	for now := e.now(); e.nextExpiry() <= now; {
		e.expire(now)
	}
	return nil
}

// dropEmpty gives back segments of which nothing is left but the last, which takes the next jobs.
func (r *Restorer) dropEmpty() {
	e := r.e
	for n := e.segments.start(); n < e.segments.end(); n++ {
		if s, _ := e.segments.at(n); s != nil && s.live == 0 {
			s.unmap()
			e.mapped--
			e.segments.set(n, nil)
		}
	}
	e.segments.trim(func(s *segment) bool { return s == nil })
}
