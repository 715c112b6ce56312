package enginetest

import (
	"context"
	"math"
	"slices"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// followAs reads what is done of the tenant's after an id until nothing more is. It fails the test if the id to go on
// after is any but that of the last record, or the one before.
func (s *subject) followAs(ctx context.Context, tenant uint16, after int64, size int, see func(engine.Record)) int64 {
	s.x.Helper()
	to := make([]engine.Record, size)
	for {
		n, next, err := s.Completed(engine.ForTenant(ctx, tenant), after, to)
		if err != nil || n == 0 && next != after || n > 0 && next != to[n-1].ID {
			s.x.Fatalf("completed after %d: %+v, next %d, error %v", after, to[:n], next, err)
		}
		if n == 0 {
			return after
		}
		for _, rec := range to[:n] {
			if rec.ID <= after || rec.Tenant != tenant || rec.State != engine.Done {
				s.x.Fatalf("tenant %d gets after %d: %+v", tenant, after, rec)
			}
			after = rec.ID
			see(rec)
		}
	}
}

// followAllAs is followAs until the tenant's cursor has come to an id: an engine may take a moment to pass what has just
// ended.
func (s *subject) followAllAs(tenant uint16, after, last int64, size int, see func(engine.Record)) {
	s.x.Helper()
	inTime := s.x.context()
	for {
		after = s.followAs(inTime, tenant, after, size, see)
		if after >= last || inTime.Err() != nil {
			return
		}
		s.x.wantErr("await", s.AwaitCompleted(engine.ForTenant(inTime, tenant), after), nil)
	}
}

// wantCursors fails the test unless each tenant's cursor shows its own done jobs, each once.
func (s *shared) wantCursors(size int) {
	s.x.Helper()
	for _, tenant := range theTenants() {
		var want, got []int64
		for id, state := range s.states {
			if state == engine.Done && s.jobs[id].Tenant == tenant {
				want = append(want, id)
			}
		}
		slices.Sort(want)
		s.followAllAs(tenant, 0, slices.Max(append(want, 0)), size, func(rec engine.Record) {
			s.x.wantResult(rec, rec.ID, s.jobs[rec.ID])
			got = append(got, rec.ID)
		})
		if !slices.Equal(got, want) {
			s.x.Errorf("the cursor of tenant %d shows %d jobs, want %d", tenant, len(got), len(want))
		}
	}
}

func cursorOfATenant(x *trial) {
	e := x.engine(engine.Limits{Delay: short})
	for _, after := range []int64{0, 1, math.MaxInt64 - 1, math.MaxInt64} {
		if at := e.followAs(x.Context(), 1, after, 10, func(engine.Record) { x.Error("a job in an empty engine") }); at != after {
			x.Errorf("in an empty engine the cursor goes on after %d", at)
		}
	}
	all := e.share(300)
	x.wantErr("drain", e.Drain(x.context()), nil)
	all.set(engine.Done)
	for _, size := range []int{1, 7, 1000} {
		all.wantCursors(size)
	}
	all.cancelSome()
	for _, size := range []int{1, 7, 1000} { // what the cursors have passed they may remember
		all.wantCursors(size)
	}
	last := all.end + 5
	if at := e.followAs(x.Context(), 1, last, 10, func(engine.Record) { x.Error("a job above the last") }); at != last {
		x.Errorf("above the last job the cursor goes on after %d", at)
	}
}

// A tenant with few jobs among very many of others finds its own, from wherever it asks.
func cursorOfATenantPassesMany(x *trial) {
	e := x.engine(engine.Limits{Delay: short})
	all := &shared{subject: e, jobs: make(map[int64]engine.Job), states: make(map[int64]engine.State)}
	for round := range 8 {
		one := uniform(1, 8)
		one.Tenant = 65535
		all.submit(one)
		b := uniform(min(engine.MaxBatch, x.many()/8), 8)
		b.Tenant = uint16(round % 2)
		all.submit(b)
	}
	x.wantErr("drain", e.Drain(x.context()), nil)
	all.set(engine.Done)
	all.wantCursors(1000)
	for id, job := range all.jobs {
		if job.Tenant != 65535 {
			continue
		}
		for _, before := range []int64{1, 2, 65, 700} {
			var got []int64
			to := make([]engine.Record, 1)
			n, next, err := e.Completed(x.as(65535), max(0, id-before), to)
			if got = append(got, to[0].ID); err != nil || n != 1 || next != to[0].ID || to[0].ID > id {
				x.Errorf("completed after %d: %d, %d, next %d, error %v; want %d", id-before, n, got, next, err, id)
			}
		}
	}
}

// follower follows a tenant's cursor.
type follower struct {
	*subject
	tenant uint16
	at     int64
	seen   map[int64]bool
}

// run follows the cursor until the context has ended.
func (f *follower) run(ctx context.Context) {
	for ctx.Err() == nil {
		f.x.wantErr("await", f.AwaitCompleted(engine.ForTenant(ctx, f.tenant), f.at), nil)
		f.at = f.followAs(ctx, f.tenant, f.at, 50, func(rec engine.Record) {
			if f.seen[rec.ID] {
				f.x.Errorf("job %d comes twice", rec.ID)
			}
			f.seen[rec.ID] = true
		})
	}
}

// submitSome submits batches for the tenant, cancels some of the jobs, and returns those that are not canceled.
func (s *subject) submitSome(tenant uint16, rounds int) (ids []int64) {
	for round := range rounds {
		b := mixed(1, round, 1+round%9)
		b.Tenant = tenant
		first := s.acceptBatch(b).ID
		for id := first; id < first+int64(len(b.Secrets)); id++ {
			if id%5 > 0 || s.Cancel(s.x.as(tenant), id) != nil {
				ids = append(ids, id)
			}
		}
	}
	return ids
}

// Whoever follows a tenant's cursor while jobs of all are submitted, hashed and canceled sees each of the tenant's own
// that ends done, once.
func cursorsOfTenantsMissNothing(x *trial) {
	e := x.engine(engine.Limits{Delay: short})
	ctx, stop := context.WithCancel(x.Context())
	following, g := x.group(), x.group()
	followers, ids := make([]follower, len(theTenants())), make([][]int64, len(theTenants()))
	for n, tenant := range theTenants() {
		followers[n] = follower{subject: e, tenant: tenant, seen: make(map[int64]bool)}
		following.Go(func() { followers[n].run(ctx) })
		g.Go(func() { ids[n] = e.submitSome(tenant, 40) })
	}
	g.Wait()
	x.wantErr("drain", e.Drain(x.context()), nil)
	stop()
	following.Wait()
	for n := range followers {
		e.followAllAs(followers[n].tenant, followers[n].at, slices.Max(ids[n]), 50, func(rec engine.Record) { followers[n].seen[rec.ID] = true })
		for _, id := range ids[n] {
			if !followers[n].seen[id] {
				x.Errorf("job %d was never seen", id)
			}
		}
	}
}

// A tenant's wait for what is done ends with a job of its own, and with no other.
func awaitCompletedOfATenant(x *trial) {
	e := x.engine(engine.Limits{Delay: short})
	inTime := x.context()
	g := x.group()
	await := func(ctx context.Context, tenant uint16, after int64) <-chan error {
		ended := make(chan error, 1)
		g.Go(func() { ended <- e.AwaitCompleted(engine.ForTenant(ctx, tenant), after) })
		return ended
	}
	waits := func(what string, ended <-chan error) {
		x.Helper()
		x.waitIdle()
		select {
		case err := <-ended:
			x.Errorf("%s: the wait is over, error %v", what, err)
		default:
		}
	}
	leaving, cancel := context.WithCancel(x.Context())
	one, two, left := await(inTime, 1, 0), await(inTime, 2, 0), await(leaving, 1, math.MaxInt64)
	foreign := e.accept("of the default tenant").ID
	e.result(foreign)
	waits("another's job is done", one)
	cancel()
	x.wantErr("await that is given up", <-left, nil)
	own := e.acceptJob(engine.Job{Secret: secret(8), Tenant: 1}).ID
	x.wantErr("await of one's own", <-one, nil)
	waits("a job of tenant 1 is done", two)
	x.wantErr("await of what is done", e.AwaitCompleted(engine.ForTenant(inTime, 1), 0), nil)
	after := await(inTime, 1, own)
	waits("nothing of one's own is done since", after)
	next := e.acceptJob(engine.Job{Secret: secret(8), Tenant: 1}).ID
	x.wantErr("await of the next", <-after, nil)
	e.cancel(next)
	x.wantInTime(inTime)
	closing := await(x.Context(), 1, own)
	waits("the next is erased", closing)
	x.wantErr("close", e.Close(), nil)
	x.wantErr("await of a closed engine", <-closing, engine.ErrClosed)
	x.wantErr("await of a closed engine", <-two, engine.ErrClosed)
	_, _, err := e.Completed(x.as(1), 0, make([]engine.Record, 1))
	x.wantErr("completed of a closed engine", err, engine.ErrClosed)
}
