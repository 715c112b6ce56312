package jetstream

import (
	"time"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// accounts are the counters of each tenant but the first, whose are what is left of all. It knows whose the pending and
// kept jobs are. The zero value has none. The ledger's lock guards it.
type accounts struct {
	of     map[uint16]*account
	owners map[int64]*owners // by the first bits of an id
}

// account is one tenant's counters.
type account struct {
	counters engine.Stats
	hashed   engine.RecentCount
}

// owners are the tenants of the ids of one bitmap, and how many of them are not the first.
type owners struct {
	tenants [1 << bitmapBits]uint16
	live    int
}

// get returns a tenant's account; nil for the first's.
func (a *accounts) get(tenant uint16) *account {
	if tenant == 0 {
		return nil
	}
	one := a.of[tenant]
	if one == nil {
		if a.of == nil {
			a.of = make(map[uint16]*account)
		}
		one = new(account)
		a.of[tenant] = one
	}
	return one
}

// left returns how many of all pending and kept jobs are a tenant's.
func (a *accounts) left(tenant uint16, allPending, allKept int64) (pending, kept int64) {
	if one := a.get(tenant); one != nil {
		return one.counters.Pending, one.counters.Kept
	}
	for _, one := range a.of {
		allPending -= one.counters.Pending
		allKept -= one.counters.Kept
	}
	return allPending, allKept
}

// add adds to a tenant's counters.
func (a *accounts) add(tenant uint16, more engine.Stats) {
	if one := a.get(tenant); one != nil {
		add(&one.counters, &more, 1)
	}
}

// add adds the counters, so many times.
func add(to, more *engine.Stats, times int64) {
	to.Accepted += times * more.Accepted
	to.Pending += times * more.Pending
	to.Completed += times * more.Completed
	to.Canceled += times * more.Canceled
	to.Rejected += times * more.Rejected
	to.Kept += times * more.Kept
}

// own notes whose a job is.
func (a *accounts) own(tenant uint16, id int64) {
	if tenant == 0 {
		return
	}
	key, i := id>>bitmapBits, id&(1<<bitmapBits-1)
	o := a.owners[key]
	if o == nil {
		if a.owners == nil {
			a.owners = make(map[int64]*owners)
		}
		o = new(owners)
		a.owners[key] = o
	}
	if o.tenants[i] == 0 {
		o.live++
	}
	o.tenants[i] = tenant
}

// owner returns whose a pending or kept job is.
func (a *accounts) owner(id int64) uint16 {
	o := a.owners[id>>bitmapBits]
	if o == nil {
		return 0
	}
	return o.tenants[id&(1<<bitmapBits-1)]
}

// end counts what has become of a job, and forgets whose it was if nothing of it is kept.
func (a *accounts) end(id int64, change engine.Stats) {
	tenant := a.owner(id)
	if tenant == 0 {
		return
	}
	a.add(tenant, change)
	if change.Kept > 0 {
		return
	}
	key := id >> bitmapBits
	o := a.owners[key]
	o.tenants[id&(1<<bitmapBits-1)] = 0
	if o.live--; o.live == 0 {
		delete(a.owners, key)
	}
}

// stats puts a tenant's counters in the place of those of all.
func (a *accounts) stats(tenant uint16, all engine.Stats, now time.Duration) engine.Stats {
	if tenant == 0 {
		for _, other := range a.of {
			add(&all, &other.counters, -1)
			all.Recent.Completed -= other.hashed.Sum(now)
		}
		return all
	}
	var one account
	if found := a.of[tenant]; found != nil {
		one = *found
	}
	one.counters.Lateness, one.counters.Recent = all.Lateness, all.Recent
	one.counters.Recent.Completed = one.hashed.Sum(now)
	return one.counters
}
