package enginetest

import (
	"fmt"
	"strings"
	"sync"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// free returns how much is left of a limit.
func (s *subject) free(limit string) int64 {
	for _, u := range s.Uses() {
		if u.Name == limit {
			return u.Limit - u.Used
		}
	}
	s.x.Fatalf("the engine does not tell how much of %s is left", limit)
	return 0
}

// number returns the tenant's number, which must be given.
func (s *subject) number(name string) uint16 {
	s.x.Helper()
	n, err := s.TenantNumber(s.x.Context(), name)
	if err != nil {
		s.x.Fatalf("the number of tenant %q: %v", name, err)
	}
	return n
}

func tenantNumbers(x *trial) {
	e := x.engine(engine.Limits{Delay: unreached})
	names := []string{"default", "a", "b", "A", "a.b-c_d", strings.Repeat("n", 63), "\x00", "tenant"}
	seen := make(map[uint16]string)
	for range 2 {
		for _, name := range names {
			n := e.number(name)
			if other, ok := seen[n]; ok && other != name {
				x.Errorf("tenants %q and %q are both %d", name, other, n)
			}
			seen[n] = name
		}
	}
	if len(seen) != len(names) || seen[0] != engine.DefaultTenant {
		x.Errorf("numbers are %v", seen)
	}
	for _, name := range []string{"", "\xff", strings.Repeat("n", 64), strings.Repeat("n", 1<<20)} {
		_, err := e.TenantNumber(x.Context(), name)
		x.wantErr(fmt.Sprintf("a name of %d bytes", len(name)), err, engine.ErrInvalid)
	}
	x.wantErr("close", e.Close(), nil)
	for _, name := range []string{"a", "another"} {
		_, err := e.TenantNumber(x.Context(), name)
		x.wantErr("a number of a closed engine", err, engine.ErrClosed)
	}
}

// All who ask at once for the same names get the same numbers.
func tenantNumbersAtOnce(x *trial) {
	const askers, names = 4, 20
	e := x.engine(engine.Limits{Delay: unreached})
	var got [askers][names]uint16
	g := new(sync.WaitGroup)
	for asker := range askers {
		g.Go(func() {
			for n := range names {
				number, err := e.TenantNumber(x.Context(), fmt.Sprint("tenant ", (n+asker)%names))
				x.wantErr("number", err, nil)
				got[asker][(n+asker)%names] = number
			}
		})
	}
	g.Wait()
	seen := map[uint16]bool{0: true}
	for n := range names {
		if seen[got[0][n]] {
			x.Errorf("number %d is given twice", got[0][n])
		}
		seen[got[0][n]] = true
	}
	for asker := range askers {
		if got[asker] != got[0] {
			x.Errorf("numbers are %v for one and %v for another", got[0], got[asker])
		}
	}
}

func tenantNumbersAfterReopening(x *trial) {
	e := x.engine(engine.Limits{Delay: unreached})
	names := []string{"z", "y", "default", "x"}
	numbers := make(map[string]uint16)
	for round := range 4 {
		names = append(names, fmt.Sprint("new in round ", round))
		for _, name := range names {
			n := e.number(name)
			if before, ok := numbers[name]; ok && before != n {
				x.Errorf("tenant %q was %d and is %d", name, before, n)
			}
			numbers[name] = n
		}
		e.reopen()
	}
	seen := make(map[uint16]bool)
	for name, n := range numbers {
		if seen[n] {
			x.Errorf("number %d of %q is given twice", n, name)
		}
		seen[n] = true
	}
}

// wantStatsOf fails the test unless the tenant's counters, lateness aside, are these.
func (s *subject) wantStatsOf(tenant uint16, want engine.Stats) {
	s.x.Helper()
	got := s.StatsOf(tenant)
	if recent := got.Recent.Completed; recent < 0 || recent > got.Completed {
		s.x.Errorf("of tenant %d's jobs %d are done of late, and %d in all", tenant, recent, got.Completed)
	}
	got.Lateness, got.Recent = engine.Lateness{}, engine.RecentStats{}
	if got != want {
		s.x.Errorf("counters of tenant %d are %+v, want %+v", tenant, got, want)
	}
	s.wantRoom(tenant, want.Pending, want.Kept)
}

// wantRoom fails the test unless the tenant has so many pending jobs and kept results, and the rest is left to all.
func (s *subject) wantRoom(tenant uint16, pending, kept int64) {
	s.x.Helper()
	left := func() engine.Room {
		return engine.Room{Pending: pending, FreePending: s.free("max-pending"), Held: pending + kept, FreeHeld: s.free("max-results")}
	}
	want := left()
	if got := s.Room(tenant); got != want && want == left() { // unless others submit meanwhile
		s.x.Errorf("the room of tenant %d is %+v, want %+v", tenant, got, want)
	}
}

// wantSum fails the test unless the counters of all are the sums of those of the tenants.
func (s *subject) wantSum() {
	s.x.Helper()
	var sum engine.Stats
	for _, tenant := range theTenants() {
		st := s.StatsOf(tenant)
		sum.Accepted += st.Accepted
		sum.Pending += st.Pending
		sum.Completed += st.Completed
		sum.Canceled += st.Canceled
		sum.Rejected += st.Rejected
		sum.Kept += st.Kept
		sum.Recent.Completed += st.Recent.Completed
	}
	all := s.Stats()
	sum.Lateness, sum.Recent.Lateness = all.Lateness, all.Recent.Lateness
	if sum != all {
		s.x.Errorf("the tenants' counters come to %+v, and those of all are %+v", sum, all)
	}
}

// Jobs of several tenants are brought to each of their ends, and counted for their own.
func statsOfTenantsAddUp(x *trial) {
	e := x.engine(engine.Limits{Delay: short, MaxResults: 11})
	e.wantStatsOf(1, engine.Stats{})
	e.wantStatsOf(0, engine.Stats{})
	first := make(map[uint16]int64)
	for n, tenant := range theTenants() {
		b := mixed(1, n, 2+n)
		b.Tenant = tenant
		first[tenant] = e.acceptBatch(b).ID
		for i := range b.Secrets {
			e.result(first[tenant] + int64(i))
		}
	}
	for n, tenant := range theTenants() {
		e.wantStatsOf(tenant, engine.Stats{Accepted: int64(2 + n), Completed: int64(2 + n), Kept: int64(2 + n)})
		if recent := e.StatsOf(tenant).Recent.Completed; recent > int64(2+n) {
			x.Errorf("of %d jobs %d are done of late", 2+n, recent)
		}
	}
	e.cancel(first[1])
	two := uniform(3, 8)
	two.Tenant = 1
	e.acceptBatch(two)
	_, err := e.Accept(x.Context(), engine.Job{Secret: secret(8), Tenant: 65535})
	x.wantFullError(err, "max-results")
	two.Tenant = 65535
	_, err = e.AcceptBatch(x.Context(), two)
	x.wantFullError(err, "max-results")
	x.wantErr("drain", e.Drain(x.context()), nil)
	_, err = e.Accept(x.Context(), engine.Job{Secret: secret(100)})
	x.wantErr("accept", err, engine.ErrDraining)
	e.wantStatsOf(0, engine.Stats{Accepted: 2, Completed: 2, Kept: 2, Rejected: 1})
	e.wantStatsOf(1, engine.Stats{Accepted: 6, Completed: 6, Kept: 5})
	e.wantStatsOf(65535, engine.Stats{Accepted: 4, Completed: 4, Kept: 4, Rejected: 4})
	e.wantStatsOf(2, engine.Stats{})
	e.wantSum()
}

// What a tenant has pending and kept is known after a restart.
func statsOfTenantsAfterReopening(x *trial) {
	if x.suite.Shared {
		x.Skip("the counters begin with the process")
	}
	for _, state := range []engine.State{engine.Pending, engine.Done} {
		delay := unreached
		if state == engine.Done {
			delay = short
		}
		all := x.engine(engine.Limits{Delay: delay}).share(50)
		if state == engine.Done {
			x.wantErr("drain", all.Drain(x.context()), nil)
			all.set(engine.Done)
		}
		all.cancelSome()
		all.reopen()
		all.wantSum()
		counts := make(map[uint16]int64)
		for id, s := range all.states {
			if s == state {
				counts[all.jobs[id].Tenant]++
			}
		}
		for _, tenant := range theTenants() {
			st := all.StatsOf(tenant)
			if state == engine.Pending && st.Pending != counts[tenant] || state == engine.Done && (st.Kept != counts[tenant] || st.Pending != 0) {
				x.Errorf("tenant %d has %d jobs in state %d, and the counters are %+v", tenant, counts[tenant], state, st)
			}
		}
	}
}

// A tenant's counters are right at once, whatever others do: a quota is checked against them.
func statsOfATenantAreExact(x *trial) {
	jobs := 2_000
	if x.suite.Durable {
		jobs = 100
	}
	e := x.engine(engine.Limits{Delay: unreached})
	g := new(sync.WaitGroup)
	for tenant := range uint16(4) {
		g.Go(func() {
			var pending, canceled int64
			for n := range jobs {
				b := uniform(1+n%3, 8+60*(n%2))
				b.Tenant = tenant
				r, err := e.submit(b)
				x.wantErr("accept", err, nil)
				if pending += int64(len(b.Secrets)); n%4 == 0 {
					x.wantErr("cancel", e.Cancel(x.as(tenant), r.ID), nil)
					pending--
					canceled++
				}
				if tenant > 0 { // the others are taken for it while they are being accepted
					e.wantStatsOf(tenant, engine.Stats{Accepted: pending + canceled, Pending: pending, Canceled: canceled})
				}
			}
		})
	}
	g.Wait()
	var sum engine.Stats
	for tenant := range uint16(4) {
		st := e.StatsOf(tenant)
		sum.Accepted += st.Accepted
		sum.Pending += st.Pending
		sum.Canceled += st.Canceled
	}
	e.wantCounts(sum)
}
