package jetstream

import (
	"slices"
	"testing"
	"time"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// A tenant's figures are its own; the first tenant's are what is left.
func TestStatsOfTenant(t *testing.T) {
	t.Parallel()
	s := newEstate(t)
	each := func(kind string, tenant uint16, n int) (jobs int64) {
		for _, id := range s.owned(tenant, kind) {
			if s.at(id) == n {
				jobs++
			}
		}
		return jobs
	}
	for n, e := range s.all {
		var sum engine.Stats
		for _, tenant := range s.tenants {
			got := e.StatsOf(tenant)
			want := engine.Stats{
				Pending: each("pending", tenant, n), Canceled: each("canceled", tenant, n), Kept: each("done", tenant, n),
				Completed: each("done", tenant, n) + each("erased", tenant, n),
			}
			want.Accepted = want.Pending + want.Canceled + want.Completed
			want.Lateness, want.Recent = got.Lateness, got.Recent
			for began := time.Now(); got != want && time.Since(began) < patience; time.Sleep(10 * time.Millisecond) {
				got = e.StatsOf(tenant) // until the notes of what another instance has done are there
				want.Lateness, want.Recent = got.Lateness, got.Recent
			}
			if got != want {
				t.Errorf("instance %d, tenant %d: %+v, want %+v", n, tenant, got, want)
			}
			add(&sum, &got, 1)
			sum.Recent.Completed += got.Recent.Completed
		}
		all := e.Stats()
		all.Lateness, all.Recent.Lateness = sum.Lateness, sum.Recent.Lateness
		if sum != all {
			t.Errorf("together they are %+v, and all are %+v", sum, all)
		}
		if got := e.StatsOf(9); got.Accepted != 0 || got.Recent.Completed != 0 || got.Pending != 0 {
			t.Errorf("who has no jobs has %+v", got)
		}
	}
}

// at returns which instance has accepted a job.
func (s *estate) at(id int64) int { return slices.Index(s.tenants, s.owner[id]) % 2 }

// Rejections and the end of retention count for their tenant.
func TestAccounts(t *testing.T) {
	l := newTestLedger()
	l.cfg.MaxResults = 3
	if err := l.reserve(5, 3, engine.IdempotencyKey{}); err != nil {
		t.Fatal(err)
	}
	if err := l.reserve(6, 1, engine.IdempotencyKey{}); err == nil {
		t.Fatal("there is no limit")
	}
	l.observe(11, isDone) // before it is acknowledged
	l.accept(5, 10, 3, time.Now())
	l.observe(12, isCanceled)
	if got := l.statsOf(5); got.Accepted != 3 || got.Pending != 1 || got.Completed != 1 || got.Kept != 1 || got.Canceled != 1 || got.Rejected != 0 {
		t.Errorf("%+v", got)
	}
	if got := l.statsOf(6); got.Rejected != 1 || got.Accepted != 0 {
		t.Errorf("%+v", got)
	}
	if got := l.statsOf(0); got.Accepted != 0 || got.Rejected != 0 || got.Pending != 0 || got.Kept != 0 {
		t.Errorf("%+v", got)
	}
	l.expire(time.Now().Add(2 * l.cfg.Retention))
	l.observe(10, isErased)
	if got := l.statsOf(5); got.Kept != 0 || got.Pending != 0 || got.Completed != 2 {
		t.Errorf("%+v", got)
	}
	if len(l.accounts.owners) != 0 {
		t.Errorf("owners are kept: %v", l.accounts.owners)
	}
}
