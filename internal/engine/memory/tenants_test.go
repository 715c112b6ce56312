package memory

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// Owners are as in a list of all ids, whatever stretches of them are set.
func TestOwnersModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		const ids = 60
		var o owners
		want := make(map[int64]uint16)
		for range rapid.IntRange(1, 20).Draw(t, "sets") {
			first := rapid.Int64Range(1, ids-1).Draw(t, "first")
			end := rapid.Int64Range(first+1, ids).Draw(t, "end")
			var runs []Run
			for id := first; id < end; id++ {
				delete(want, id)
				if tenant := rapid.Uint16Range(0, 3).Draw(t, "tenant"); tenant > 0 { // 0 for not known
					want[id] = tenant
					runs = appendRun(runs, Run{id, id + 1, tenant})
				}
			}
			o.set(first, end, runs)
		}
		for id := range int64(ids + 5) {
			got, known := o.of(id)
			if tenant, ok := want[id]; got != tenant || known != ok {
				t.Fatalf("id %d is of %d, known %v; want %d, %v, in %+v", id, got, known, tenant, ok, o.runs)
			}
		}
		for n := 1; n < len(o.runs); n++ {
			if before, r := o.runs[n-1], o.runs[n]; before.End > r.First || before.End == r.First && before.Tenant == r.Tenant {
				t.Fatalf("runs %+v and %+v", before, r)
			}
		}
	})
}

// However tenants alternate, memory for owners is bounded, and the latest are known.
func TestOwnersAreBounded(t *testing.T) {
	t.Parallel()
	var o owners
	const stretch = 20_000
	for first := int64(1); first < 20*stretch; first += stretch {
		var runs []Run
		for id := first; id < first+stretch; id++ {
			runs = append(runs, Run{id, id + 1, uint16(id % 2)})
		}
		o.set(first, first+stretch, runs)
		if len(o.runs) > maxRuns {
			t.Fatalf("%d runs", len(o.runs))
		}
		for _, id := range []int64{first, first + stretch - 1, max(1, first-stretch)} {
			if tenant, known := o.of(id); !known || tenant != uint16(id%2) {
				t.Errorf("id %d is of %d, known %v", id, tenant, known)
			}
		}
	}
	if _, known := o.of(1); known {
		t.Error("the oldest is still known")
	}
}

// A tenant whose jobs lie in segments that are gone is told so, and others are not, also where the engine was
// restored with some of the owners. What nobody knows is gone to those alone who see all.
func TestOwnersOfRestoredJobs(t *testing.T) {
	t.Parallel()
	const jobs, canceled = 2*segmentJobs + 100, 2*segmentJobs + 90
	e := restore(t, engine.Limits{Delay: time.Hour}, func(r *Restorer) error {
		r.Begin(1, 2*segmentJobs+50, jobs+1)
		r.Owners([]Run{{10, 20, 1}, {20, 30, 2}, {segmentJobs + 5, segmentJobs + 10, 1}})
		sum := [64]byte{1}
		for _, id := range []int64{15, 2*segmentJobs + 1} {
			if err := r.Result(Result{ID: id, Tenant: 1, Done: time.Now(), Sum: &sum}); err != nil {
				return err
			}
		}
		if err := r.Canceled(canceled, 7); err != nil {
			return err
		}
		return r.Pending(jobs, engine.Job{Secret: inline, Tenant: 1}, time.Now().Add(time.Hour))
	})
	wantOwner := func(id int64, owner uint16, want error) {
		t.Helper()
		for tenant := range uint16(9) {
			if tenant != owner {
				_, err := e.Get(engine.ForTenant(t.Context(), tenant), id)
				wantErr(t, fmt.Sprintf("job %d for tenant %d", id, tenant), err, engine.ErrUnknown)
			}
		}
		_, err := e.Get(engine.ForTenant(t.Context(), owner), id)
		wantErr(t, fmt.Sprintf("job %d for its owner", id), err, want)
	}
	wantOwner(10, 1, engine.ErrGone)
	wantOwner(15, 1, nil)
	wantOwner(20, 2, engine.ErrGone)
	wantOwner(segmentJobs+9, 1, engine.ErrGone)
	wantOwner(canceled, 7, engine.ErrGone)
	wantOwner(jobs, 1, nil)
	for _, id := range []int64{1, 30, segmentJobs + 20, 2*segmentJobs + 60} {
		wantOwner(id, 1, engine.ErrUnknown)
		_, err := e.Get(t.Context(), id)
		wantErr(t, "for all", err, engine.ErrGone)
	}
	if err := e.Cancel(t.Context(), 15); err != nil { // the last in its segment
		t.Fatal(err)
	}
	wantOwner(10, 1, engine.ErrGone)
	wantOwner(15, 1, engine.ErrGone)
	wantOwner(25, 2, engine.ErrGone)
	wantOwner(1, 1, engine.ErrUnknown)
	if st := e.StatsOf(1); st != (engine.Stats{Pending: 1, Kept: 1}) {
		t.Errorf("counters are %+v", st)
	}
}

// A tenant that asks again and again for what is done does not have others' jobs looked at again and again.
func TestTenantCursorRemembersWhatItPassed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const others = 3 * segmentJobs
		e := newEngine(t, engine.Limits{Delay: time.Second})
		accept := func(tenant uint16, jobs int) {
			for jobs > 0 {
				n := min(jobs, engine.MaxBatch)
				b := engine.Batch{Tenant: tenant}
				for range n {
					b.Secrets = append(b.Secrets, inline)
				}
				if _, err := e.AcceptBatch(t.Context(), b); err != nil {
					t.Fatal(err)
				}
				jobs -= n
			}
		}
		accept(0, others)
		accept(1, 1)
		accept(0, 10)
		time.Sleep(time.Minute)
		synctest.Wait()
		pieces := func(after int64) (pieces int) {
			c := cursor{after: after, to: make([]engine.Record, 1)}
			for more := true; more; pieces++ {
				if err := e.locked(func() { more = e.moveOf(1, &c) }); err != nil {
					t.Fatal(err)
				}
			}
			if want := int64(others + 1); after < want && (c.n != 1 || c.to[0].ID != want) {
				t.Errorf("after %d the cursor finds %d jobs: %+v", after, c.n, c.to)
			}
			return pieces
		}
		if n := pieces(0); n < others/lookJobs {
			t.Errorf("the first time the cursor passes all in %d pieces", n)
		}
		for _, after := range []int64{0, 1, 1000, segmentJobs, others - 1, others, others + 1, others + 5} {
			if n := pieces(after); n > 1 {
				t.Errorf("after %d the cursor goes on in %d pieces", after, n)
			}
		}
	})
}

// The tally of each of very many tenants is its own.
func TestTalliesOfAllTenants(t *testing.T) {
	t.Parallel()
	var all tallies
	g := new(sync.WaitGroup)
	for range 2 {
		g.Go(func() {
			for tenant := range math.MaxUint16 + 1 {
				all.of(uint16(tenant)).accepted.Add(int64(tenant))
			}
		})
	}
	g.Wait()
	for tenant := range math.MaxUint16 + 1 {
		if got := all.of(uint16(tenant)).accepted.Load(); got != 2*int64(tenant) {
			t.Fatalf("tenant %d has %d", tenant, got)
		}
	}
}

// Jobs that were prepared and are taken back are no tenant's, and are no longer anyone's.
func TestAbortedJobsOfTenants(t *testing.T) {
	t.Parallel()
	e := newEngine(t, engine.Limits{Delay: time.Hour})
	d := durable(e)
	for _, tenant := range []uint16{0, 1, 2} {
		p, err := d.Prepare(&engine.Batch{Secrets: [][]byte{inline, inline}, Tenant: tenant}, time.Now().Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		_, err = e.Get(engine.ForTenant(t.Context(), tenant), p.Receipt.ID)
		wantErr(t, "a job that is not committed", err, engine.ErrUnknown)
		if st := e.StatsOf(tenant); st.Pending != 2 {
			t.Errorf("prepared: %+v", st)
		}
		d.Abort([]Prepared{p})
		if st := e.StatsOf(tenant); st != (engine.Stats{Rejected: 2}) {
			t.Errorf("aborted: %+v", st)
		}
	}
}

// Waits of a tenant for what is done, when they end, leave nothing behind but one channel.
func TestTenantWaitsLeaveNothingBehind(t *testing.T) {
	t.Parallel()
	e := newEngine(t, engine.Limits{Delay: time.Hour})
	r, err := e.Accept(t.Context(), engine.Job{Secret: inline, Tenant: 1})
	if err != nil {
		t.Fatal(err)
	}
	for tenant := range uint16(3) {
		ctx, cancel := context.WithCancel(engine.ForTenant(t.Context(), tenant))
		cancel()
		if _, err := e.Wait(ctx, r.ID); tenant == 1 && err != nil || tenant != 1 && !errors.Is(err, engine.ErrUnknown) {
			t.Errorf("wait of tenant %d: %v", tenant, err)
		}
		if err := e.AwaitCompleted(ctx, 0); err != nil {
			t.Error(err)
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if s, i, err := e.find(r.ID); err != nil || len(e.waiters) > 0 || s.meta(i).awaited() {
		t.Errorf("%d waiters, error %v", len(e.waiters), err)
	}
}

// A tenant's wait for what is done ends also when the job that holds it up is canceled while it is being hashed.
func TestTenantWaitEndsWithACanceledClaim(t *testing.T) {
	t.Parallel()
	e, err := unstarted(engine.Limits{
		Retention: time.Hour, MaxPending: 1 << 10, MaxResults: 1 << 10, MaxSecretBytes: 64 << 20, FirstID: 1, Workers: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = e.Close() }()
	for range claimJobs + 1 {
		if _, err := e.Accept(t.Context(), engine.Job{Secret: inline, Tenant: 1}); err != nil {
			t.Fatal(err)
		}
	}
	slow, quick := newClaim(), newClaim()
	e.mu.Lock()
	e.claimDue(slow)
	e.claimDue(quick)
	quick.hash(0)
	e.publish(quick)
	e.mu.Unlock()
	ctx, cancel := context.WithTimeout(engine.ForTenant(t.Context(), 1), time.Minute)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- e.AwaitCompleted(ctx, claimJobs-1) }()
	for waits := false; !waits; time.Sleep(time.Millisecond) {
		e.mu.Lock()
		waits = e.tallies.of(1).progress != nil
		e.mu.Unlock()
	}
	if err := e.Cancel(ctx, claimJobs); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil || ctx.Err() != nil {
		t.Errorf("the wait ends with %v, and its context with %v", err, ctx.Err())
	}
	if n, next, err := e.Completed(ctx, claimJobs-1, make([]engine.Record, 1)); n != 1 || next != claimJobs+1 || err != nil {
		t.Errorf("completed: %d, next %d, error %v", n, next, err)
	}
}
