package enginetest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/hashd-project/hashd/v2/internal/digest"
	"github.com/hashd-project/hashd/v2/internal/engine"
)

// theTenants are those whose jobs lie among one another in these tests.
func theTenants() []uint16 { return []uint16{0, 1, 65535} }

// as returns a context of the tenant.
func (x *trial) as(tenant uint16) context.Context { return engine.ForTenant(x.Context(), tenant) }

// shared is an engine with jobs of several tenants, and what has become of them.
type shared struct {
	*subject
	jobs   map[int64]engine.Job
	states map[int64]engine.State
	first  int64
	end    int64        // the id after the last
	probes atomic.Int64 // of other tenants' jobs
}

// share submits n jobs for the tenants in turn: alone, and in batches of 1 to 7.
func (s *subject) share(n int) *shared {
	s.x.Helper()
	all := &shared{subject: s, jobs: make(map[int64]engine.Job), states: make(map[int64]engine.State)}
	for round := 0; len(all.jobs) < n; round++ {
		b := mixed(1, round, 1+round%7)
		b.Algorithm, b.Tenant = digest.All()[round%len(digest.All())], theTenants()[round%len(theTenants())]
		all.submit(b)
	}
	return all
}

func (s *shared) submit(b engine.Batch) {
	s.x.Helper()
	r := s.acceptBatch(b)
	if s.first == 0 {
		s.first = r.ID
	}
	for id, job := range jobsOf(b, r.ID) {
		s.jobs[id], s.states[id] = job, engine.Pending
		s.end = max(s.end, id+1)
	}
}

// set notes what has become of all jobs that are not gone.
func (s *shared) set(state engine.State) {
	for id, was := range s.states {
		if was != engine.Gone {
			s.states[id] = state
		}
	}
}

// cancelSome has the owners cancel every third job, one by one.
func (s *shared) cancelSome() {
	s.x.Helper()
	for id := s.first; id < s.end; id++ {
		if job, ok := s.jobs[id]; ok && id%3 == 0 {
			s.x.wantErr("cancel by its owner", s.Cancel(s.x.as(job.Tenant), id), nil)
			s.states[id] = engine.Gone
		}
	}
}

// wantApart fails the test unless each tenant sees its own jobs as they are and no others, whichever way it asks.
// An owner may have forgotten those that are gone, if that is said.
func (s *shared) wantApart(forgotten bool) {
	s.x.Helper()
	for _, tenant := range theTenants() {
		for id := s.first; id < s.end; id++ {
			if job, ok := s.jobs[id]; ok && job.Tenant == tenant {
				s.wantOwn(tenant, id, forgotten)
			} else {
				s.wantForeign(tenant, id)
			}
		}
		s.wantRangesOf(tenant, forgotten)
	}
}

// stateErr returns what Get and Wait say of a state.
func stateErr(s engine.State) error {
	switch s {
	case engine.Gone:
		return engine.ErrGone
	case engine.Unknown:
		return engine.ErrUnknown
	case engine.Pending, engine.Done:
	}
	return nil
}

func (s *shared) wantOwn(tenant uint16, id int64, forgotten bool) {
	s.x.Helper()
	want := stateErr(s.states[id])
	for what, ask := range map[string]func(context.Context, int64) (engine.Record, error){"get": s.Get, "wait": s.Wait} {
		ctx := s.x.as(tenant)
		if s.states[id] == engine.Pending {
			ctx = engine.ForTenant(s.x.ended(), tenant)
		}
		rec, err := ask(ctx, id)
		switch {
		case forgotten && want != nil && errors.Is(err, engine.ErrUnknown):
		case !errors.Is(err, want):
			s.x.Errorf("%s of its owner's job %d in state %d: %v", what, id, s.states[id], err)
		case err == nil && (rec.ID != id || rec.State != s.states[id] || rec.Tenant != tenant):
			s.x.Errorf("%s of job %d of tenant %d in state %d: %+v", what, id, tenant, s.states[id], rec)
		}
	}
}

// wantForeign asks all there is to ask of one id that is not the tenant's. Wait has a context that does not end.
func (s *shared) wantForeign(tenant uint16, id int64) {
	s.x.Helper()
	ctx := s.x.as(tenant)
	got, get := s.Get(ctx, id)
	waited, wait := s.Wait(ctx, id)
	_, cancelRange := s.Survey(ctx, id, 1)
	for what, err := range map[string]error{"get": get, "wait": wait, "cancel": s.Cancel(ctx, id)} {
		if err == nil || err.Error() != engine.ErrUnknown.Error() {
			s.x.Errorf("%s by tenant %d of job %d of tenant %d: %v", what, tenant, id, s.jobs[id].Tenant, err)
		}
	}
	if got != (engine.Record{}) || waited != (engine.Record{}) || cancelRange != nil {
		s.x.Errorf("tenant %d sees of job %d of tenant %d: %+v, %+v, %v", tenant, id, s.jobs[id].Tenant, got, waited, cancelRange)
	}
	s.probes.Add(3)
}

// wantRangesOf compares what the tenant reads of all.
func (s *shared) wantRangesOf(tenant uint16, forgotten bool) {
	s.x.Helper()
	ctx := s.x.as(tenant)
	inRanges(s.first, s.end, func(first int64, count int) {
		to := make([]engine.Record, count)
		s.x.wantErr("read", s.Read(ctx, first, to), nil)
		pending, last := 0, int64(0)
		for i, rec := range to {
			id := first + int64(i)
			job, state := s.jobs[id], s.states[id]
			foreign := job.Secret == nil || job.Tenant != tenant
			switch {
			case foreign || forgotten && state == engine.Gone && rec.State == engine.Unknown:
				s.probes.Add(1)
				if rec != (engine.Record{ID: id, State: engine.Unknown}) {
					s.x.Errorf("tenant %d reads of job %d of tenant %d: %+v", tenant, id, job.Tenant, rec)
				}
				continue
			case rec.ID != id || rec.State != state || state == engine.Gone && rec != (engine.Record{ID: id, State: engine.Gone}):
				s.x.Errorf("tenant %d reads its job %d in state %d as %+v", tenant, id, state, rec)
			case state == engine.Done:
				s.x.wantResult(rec, id, job)
			case state == engine.Pending:
				pending, last = pending+1, id
			}
		}
		found, err := s.Survey(ctx, first, count)
		if err != nil || found.Pending != pending || found.Last.ID != last {
			s.x.Errorf("survey by tenant %d of %d from %d: %+v, error %v; want %d, the last %d", tenant, count, first, found, err, pending, last)
		}
	})
}

// wantProbes fails the test if too few of other tenants' jobs were asked for.
func (s *shared) wantProbes(least int64) {
	s.x.Helper()
	if n := s.probes.Load(); n < least {
		s.x.Errorf("%d probes, want %d at least", n, least)
	}
}

// crowd returns how many jobs are probed, and how many probes of other tenants' jobs those are at least if each is
// probed twice. One that is asked for over a network takes its time.
func (x *trial) crowd() (jobs int, probes int64) {
	jobs = 660
	if x.suite.Shared {
		jobs = 130
	}
	return jobs, int64(jobs) * 16
}

func tenantSeesItsOwnPendingAndCanceled(x *trial) {
	jobs, probes := x.crowd()
	all := x.engine(engine.Limits{Delay: unreached}).share(jobs)
	all.wantApart(false)
	all.cancelSome()
	all.wantApart(false)
	all.wantProbes(probes)
	for id, state := range all.states { // no foreign cancel had an effect
		rec, err := all.Get(x.Context(), id)
		x.wantErr(fmt.Sprint("job ", id), err, stateErr(state))
		if err == nil && rec.State != state {
			x.Errorf("job %d of state %d: %+v", id, state, rec)
		}
	}
}

func tenantSeesItsOwnDoneAndErased(x *trial) {
	jobs, probes := x.crowd()
	all := x.engine(engine.Limits{Delay: short}).share(jobs)
	x.wantErr("drain", all.Drain(x.context()), nil)
	all.set(engine.Done)
	all.wantApart(false)
	all.cancelSome()
	all.wantApart(false)
	all.wantProbes(probes)
}

func tenantSeesItsOwnExpired(x *trial) {
	all := x.engine(engine.Limits{Delay: short, Retention: time.Second}).share(60)
	for id := range all.jobs {
		all.untilGone(id)
	}
	all.set(engine.Gone)
	all.wantApart(true)
}

// What is gone is told apart also where so many jobs are gone that nothing is kept for each.
func tenantSeesItsOwnOfManyGone(x *trial) {
	e := x.engine(engine.Limits{Delay: unreached, MaxPending: 200_000})
	all := e.share(10)
	for round := 0; len(all.jobs) < x.many(); round++ {
		b := mixed(1, round, min(engine.MaxBatch, 50*round+1))
		b.Tenant = theTenants()[round%len(theTenants())]
		all.submit(b)
	}
	inRanges(all.first, all.end, func(first int64, count int) {
		_, err := e.CancelRange(x.Context(), first, count)
		x.wantErr("cancel", err, nil)
	})
	all.set(engine.Gone)
	for _, tenant := range theTenants() {
		all.wantRangesOf(tenant, false)
	}
}

// reopen closes the engine and goes on with another on its store, or skips the test.
func (s *subject) reopen() {
	s.x.Helper()
	if s.x.suite.Reopen == nil {
		s.x.Skip("nothing outlives the process")
	}
	e := s.x.suite.Reopen(s.x.T, s.Engine)
	s.Engine = e
	s.x.Cleanup(func() { s.x.wantErr("close", e.Close(), nil) })
}

func tenantSeesItsOwnAfterReopening(x *trial) {
	for _, delay := range []time.Duration{short, unreached} {
		all := x.engine(engine.Limits{Delay: delay}).share(120)
		if delay == short {
			x.wantErr("drain", all.Drain(x.context()), nil)
			all.set(engine.Done)
		}
		all.cancelSome()
		for range 2 {
			all.reopen()
			all.wantApart(delay == short) // what was done and then erased leaves nothing behind
		}
	}
}

// A wait for another tenant's job ends at once, and those of its owner go on as if there had been none.
func foreignWaitEndsAtOnce(x *trial) {
	e := x.engine(engine.Limits{Delay: unreached})
	id := e.acceptJob(engine.Job{Secret: secret(8), Tenant: 1}).ID
	foreign := func() {
		for _, tenant := range []uint16{0, 2} {
			for _, a := range e.polls(engine.ForTenant(x.context(), tenant), id, 5)() {
				x.wantErr("wait for another tenant's job", a.err, engine.ErrUnknown)
			}
		}
	}
	foreign()
	answers := e.polls(engine.ForTenant(x.context(), 1), id, 3)
	all := e.polls(x.context(), id, 3)
	x.waitIdle()
	foreign()
	x.wantErr("cancel by another tenant", e.Cancel(x.as(2), id), engine.ErrUnknown)
	x.wantErr("cancel", e.Cancel(x.as(1), id), nil)
	foreign()
	for _, a := range append(answers(), all()...) {
		x.wantErr("wait for a job then canceled", a.err, engine.ErrGone)
	}
}

func cancelRangeOfATenant(x *trial) {
	for _, delay := range []time.Duration{short, unreached} {
		all := x.engine(engine.Limits{Delay: delay}).share(200)
		if delay == short {
			x.wantErr("drain", all.Drain(x.context()), nil)
			all.set(engine.Done)
		}
		for _, tenant := range theTenants() {
			for range 2 {
				all.cancelRangeAs(tenant, all.first, int(all.end-all.first)-20)
			}
			all.wantRangesOf(tenant, false)
		}
		all.wantApart(false)
	}
}

// cancelRangeAs has the tenant cancel a range, and fails the test unless what becomes of it is right.
func (s *shared) cancelRangeAs(tenant uint16, first int64, count int) {
	s.x.Helper()
	var want engine.Ended
	for id := first; id < first+int64(count); id++ {
		job, ok := s.jobs[id]
		switch {
		case !ok || job.Tenant != tenant:
			want.Unknown++
			continue
		case s.states[id] == engine.Pending:
			want.Canceled++
		case s.states[id] == engine.Done:
			want.Erased++
		default:
			want.Gone++
		}
		s.states[id] = engine.Gone
	}
	if got, err := s.CancelRange(s.x.as(tenant), first, count); got != want || err != nil {
		s.x.Errorf("cancel by tenant %d: %+v, error %v; want %+v", tenant, got, err, want)
	}
}

// An idempotency key's id has the tenant in it, so what it recalls is the tenant's own.
func keysOfTenantsAreApart(x *trial) {
	e := x.engine(engine.Limits{Delay: unreached})
	receipts := make(map[uint16]engine.Receipt)
	for range 2 {
		for _, tenant := range theTenants() {
			job := engine.Job{Secret: secret(8), Tenant: tenant, IdempotencyKey: engine.IdempotencyKey{ID: [16]byte{1, byte(tenant)}}}
			r := e.acceptJob(job)
			if first, again := receipts[tenant]; again && first.ID != r.ID {
				x.Errorf("tenant %d: the retry of %d gets %d", tenant, first.ID, r.ID)
			}
			receipts[tenant] = r
			rec, err := e.Get(x.as(tenant), r.ID)
			if err != nil || rec.Tenant != tenant {
				x.Errorf("tenant %d got the receipt of %+v, error %v", tenant, rec, err)
			}
		}
	}
	e.wantCounts(engine.Stats{Accepted: 3, Pending: 3})
}
