package memory

import (
	"slices"
	"sort"
)

// owners remembers whose jobs those were that no segment holds any more, in runs of ids in their order. Where
// tenants alternate job by job a run is short, and the oldest are forgotten.
type owners struct{ runs []Run }

// Run is consecutive ids of one tenant's jobs.
type Run struct {
	First, End int64 // from the one on, below the other
	Tenant     uint16
}

// maxRuns bounds the memory for runs to 3 MiB. When there are more, a quarter of them is forgotten at once, so
// that each moves seldom.
const maxRuns = 1 << 17

// of returns whose job the id was, if that is known.
func (o *owners) of(id int64) (tenant uint16, known bool) {
	n := o.above(id)
	if n == 0 || id >= o.runs[n-1].End {
		return 0, false
	}
	return o.runs[n-1].Tenant, true
}

// above returns the number of the first run that begins above the id.
func (o *owners) above(id int64) int {
	return sort.Search(len(o.runs), func(n int) bool { return o.runs[n].First > id })
}

// set replaces what is known of the ids from first on and below end by the runs, which lie there.
func (o *owners) set(first, end int64, runs []Run) {
	from := sort.Search(len(o.runs), func(n int) bool { return o.runs[n].End >= first })
	to := max(from, o.above(end))
	var now []Run
	for _, r := range o.runs[from:to] {
		now = appendRun(now, Run{r.First, min(r.End, first), r.Tenant})
	}
	for _, r := range runs {
		now = appendRun(now, r)
	}
	for _, r := range o.runs[from:to] {
		now = appendRun(now, Run{max(r.First, end), r.End, r.Tenant})
	}
	o.runs = slices.Replace(o.runs, from, to, now...)
	if len(o.runs) > maxRuns {
		o.runs = slices.Delete(o.runs, 0, len(o.runs)-maxRuns*3/4)
	}
}

// appendRun appends a run that follows, unless it is empty.
func appendRun(runs []Run, r Run) []Run {
	last := len(runs) - 1
	switch {
	case r.First >= r.End:
		return runs
	case last >= 0 && runs[last].End == r.First && runs[last].Tenant == r.Tenant:
		runs[last].End = r.End
		return runs
	}
	return append(runs, r)
}

// rememberOwners keeps whose jobs those of a segment were, all of which are gone, and none of which the FIFO still
// passes.
func (e *Engine) rememberOwners(s *segment) {
	var runs []Run
	for at := 0; at < segmentJobs; {
		m, first := s.meta(at), s.first+int64(at)
		for at++; at < segmentJobs && s.meta(at).sameOwner(m); {
			at++
		}
		if r := (Run{first, s.first + int64(at), m.tenant()}); m.ownerless() {
			runs = e.owners.appendKnown(runs, r)
		} else {
			runs = appendRun(runs, r)
		}
	}
	e.owners.set(s.first, s.first+segmentJobs, runs)
}

// appendKnown appends what is known already of the ids of a run.
func (o *owners) appendKnown(runs []Run, r Run) []Run {
	for id := r.First; id < r.End; id++ {
		if tenant, known := o.of(id); known {
			runs = appendRun(runs, Run{id, id + 1, tenant})
		}
	}
	return runs
}
