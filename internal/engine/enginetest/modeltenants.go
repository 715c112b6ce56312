package enginetest

import (
	"context"
	"fmt"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// viewer is one of the tenants, by its place among them, or one who sees the jobs of all.
type viewer int

const all viewer = -1

func (v viewer) context(x *trial) context.Context {
	if v == all {
		return x.Context()
	}
	return x.as(theTenants()[v])
}

func (v viewer) sees(j *modelJob) bool { return v == all || j.Tenant == theTenants()[v] }

// compareStats compares the counters of the jobs that somebody sees.
func (m *model) compareStats(as viewer, got engine.Stats) error {
	var want engine.Stats
	for _, j := range m.jobs {
		if !as.sees(j) {
			continue
		}
		want.Accepted++
		switch j.stage {
		case isPending:
			want.Pending++
		case isCanceled:
			want.Canceled++
		case isDone:
			want.Kept++
		case isGone:
		}
	}
	want.Completed = want.Accepted - want.Pending - want.Canceled
	for tenant, n := range m.rejected {
		if as == all || theTenants()[as] == tenant {
			want.Rejected += n
		}
	}
	if recent := got.Recent.Completed; recent > got.Completed {
		return fmt.Errorf("%d jobs completed of late, and %d in all", recent, got.Completed)
	}
	got.Recent = engine.RecentStats{}
	if got != want {
		return fmt.Errorf("counters as %d are %+v, want %+v", as, got, want)
	}
	return nil
}
