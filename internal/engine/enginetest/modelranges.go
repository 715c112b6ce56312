package enginetest

import (
	"fmt"

	"github.com/hashd-project/hashd/internal/engine"
)

// span returns a range that touches the jobs, or lies beside them.
func (m *model) span(which int) (first int64, count int) {
	return max(1, m.subject.first-2+int64(which%(len(m.jobs)+4))), 1 + which%11
}

// at returns what a record of the id is to say, and its job if there was ever one.
func (m *model) at(id int64) (engine.State, *modelJob) {
	for _, j := range m.jobs {
		switch {
		case j.id != id:
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
func (m *model) read(which int) error {
	first, count := m.span(which)
	to := make([]engine.Record, count)
	if err := m.Read(m.x.Context(), first, to); err != nil {
		return err
	}
	pending, last := 0, int64(0)
	for i, rec := range to {
		id := first + int64(i)
		state, j := m.at(id)
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
	found, err := m.Survey(m.x.Context(), first, count)
	if err != nil || found.Pending != pending || found.Last.ID != last {
		return fmt.Errorf("survey of %d from %d: %+v, error %w; want %d pending, the last %d", count, first, found, err, pending, last)
	}
	return nil
}

// completed compares what the cursor shows. Behind the last record that it has room for it may pass jobs
// that are gone.
func (m *model) completed(which int) error {
	first, size := m.span(which)
	after := first - 1
	want, least, most := m.ended(after, size)
	to := make([]engine.Record, size)
	n, next, err := m.Completed(m.x.Context(), after, to)
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

// ended returns the done jobs after an id up to the oldest pending one, size at most, and where a cursor may be then.
func (m *model) ended(after int64, size int) (found []*modelJob, least, most int64) {
	least, most = after, after
	for _, j := range m.jobs {
		switch {
		case j.id <= after:
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

func (m *model) cancelRange(which int) error {
	first, count := m.span(which)
	var want engine.Ended
	for id := first; id < first+int64(count); id++ {
		switch state, j := m.at(id); state {
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
	got, err := m.CancelRange(m.x.Context(), first, count)
	if err != nil || got != want {
		return fmt.Errorf("cancel of %d from %d: %+v, error %w; want %+v", count, first, got, err, want)
	}
	return nil
}
