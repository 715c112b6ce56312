package jetstream

import (
	"slices"
	"sort"
	"time"
)

// moments knows when jobs were accepted, about: each at most as much too early as two that are noted lie apart. The
// zero value knows of none.
type moments struct {
	noted []moment      // by their ids
	apart time.Duration // momentStep for 0
}

// moment is when the job with that id was accepted, the first of those up to the next moment.
type moment struct {
	first int64
	at    time.Time
}

// However long the oldest job has been pending, no more than mostMoments are noted: then they lie farther apart.
const (
	momentStep  = 100 * time.Millisecond
	mostMoments = 4096
)

// full says whether forget must be called before the next note.
func (m *moments) full() bool { return len(m.noted) == mostMoments }

// note notes when the jobs from first on were accepted, which are later than all before.
func (m *moments) note(first int64, at time.Time) {
	if n := len(m.noted); n > 0 && (first <= m.noted[n-1].first || at.Sub(m.noted[n-1].at) < max(m.apart, momentStep)) {
		return
	}
	m.noted = append(m.noted, moment{first, at})
}

// forget forgets what was before the job with the id, and every other moment if there are too many still.
func (m *moments) forget(before int64) {
	m.noted = slices.Delete(m.noted, 0, max(0, m.place(before)))
	if len(m.noted) <= mostMoments/2 {
		m.apart = momentStep
		return
	}
	thin := m.noted[:0]
	for i := 0; i < len(m.noted); i += 2 {
		thin = append(thin, m.noted[i])
	}
	m.noted, m.apart = thin, 2*max(m.apart, momentStep)
}

// of returns when the job was accepted; the zero time if that is not known.
func (m *moments) of(id int64) time.Time {
	if n := m.place(id); n >= 0 {
		return m.noted[n].at
	}
	return time.Time{}
}

// place returns where the moment is that the job belongs to; -1 if there is none.
func (m *moments) place(id int64) int {
	return sort.Search(len(m.noted), func(i int) bool { return m.noted[i].first > id }) - 1
}
