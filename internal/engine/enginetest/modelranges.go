package enginetest

import (
	"fmt"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// span returns a range that touches the jobs, or lies beside them.
func (m *model) span(which int) (first int64, count int) {
	return max(1, m.subject.first-2+int64(which%(len(m.jobs)+4))), 1 + which%11
}

// at returns what a record of the id is to say to the viewer, and its job if there was ever one.
func (m *model) at(as viewer, id int64) (engine.State, *modelJob) {
	for _, j := range m.jobs {
		switch {
		case j.id != id || !as.sees(j):
		case j.stage == isPending:
			return engine.Pending, j
		case j.stage == isDone:
			return engine.Done, j
		default:
			return engine.Gone, j
		}
	}
	return engine.Unknown, nil
}

// read compares a range's records, and what of it is pending.
func (m *model) read(as viewer, which int) error {
	first, count := m.span(which)
	to := make([]engine.Record, count)
	if err := m.Read(as.context(m.x), first, to); err != nil {
		return err
	}
	pending, last := 0, int64(0)
	for i, rec := range to {
		id := first + int64(i)
		state, j := m.at(as, id)
		switch {
		case rec.ID != id || rec.State != state:
			return fmt.Errorf("job %d is in state %d, and reads as %+v", id, state, rec)
		case state == engine.Done:
			if err := j.checkResult(rec); err != nil {
				return err
			}
		case state == engine.Pending:
			pending, last = pending+1, id
		}
	}
	found, err := m.Survey(as.context(m.x), first, count)
	if err != nil || found.Pending != pending || found.Last.ID != last {
		return fmt.Errorf("survey of %d from %d: %+v, error %w; want %d pending, the last %d", count, first, found, err, pending, last)
	}
	return nil
}

// completed compares what the cursor shows. Behind the last record that it has room for it may pass jobs
// that are gone. A tenant's is at its last record.
func (m *model) completed(as viewer, which int) error {
	first, size := m.span(which)
	after := first - 1
	want, least, most := m.ended(as, after, size)
	if as != all {
		least = after
		if len(want) > 0 {
			least = want[len(want)-1].id
		}
		most = least
	}
	to := make([]engine.Record, size)
	n, next, err := m.Completed(as.context(m.x), after, to)
	if err != nil || n != len(want) || next < least || next > most {
		return fmt.Errorf("%d completed after %d: %d, next %d, error %w; want %d, next %d to %d", size, after, n, next, err, len(want), least, most)
	}
	for i, j := range want {
		if err := j.checkResult(to[i]); err != nil {
			return err
		}
	}
	return nil
}

// ended returns the viewer's done jobs after an id up to the oldest pending one, size at most, and where a cursor over
// the jobs of all may be then.
func (m *model) ended(as viewer, after int64, size int) (found []*modelJob, least, most int64) {
	least, most = after, after
	for _, j := range m.jobs {
		switch {
		case j.id <= after || !as.sees(j):
			continue
		case j.stage == isPending || j.stage == isDone && len(found) == size:
			return found, least, most
		case j.stage == isDone:
			found = append(found, j)
		}
		most = j.id
		if len(found) < size || j.stage == isDone {
			least = j.id
		}
	}
	return found, least, most
}

func (m *model) cancelRange(as viewer, which int) error {
	first, count := m.span(which)
	var want engine.Ended
	for id := first; id < first+int64(count); id++ {
		switch state, j := m.at(as, id); state {
		case engine.Pending:
			want.Canceled++
			j.stage = isCanceled
		case engine.Done:
			want.Erased++
			j.stage = isGone
		case engine.Gone:
			want.Gone++
		case engine.Unknown:
			want.Unknown++
		}
	}
	got, err := m.CancelRange(as.context(m.x), first, count)
	if err != nil || got != want {
		return fmt.Errorf("cancel of %d from %d: %+v, error %w; want %+v", count, first, got, err, want)
	}
	return nil
}
