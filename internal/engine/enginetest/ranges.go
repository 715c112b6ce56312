package enginetest

import (
	"context"
	"maps"
	"math"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/hashd-project/hashd/v2/internal/digest"
	"github.com/hashd-project/hashd/v2/internal/engine"
)

// read reads a range, in one piece of each size until it has all.
func (s *subject) read(first int64, count int) []engine.Record {
	s.x.Helper()
	all := make([]engine.Record, count)
	for i := range all {
		all[i] = engine.Record{ID: -1, State: engine.Done, Algorithm: digest.SHA256, Sum: [digest.MaxSize]byte{1}} // what was there before
	}
	for n, size := 0, 1; n < count; n, size = n+size, 2*size+1 {
		size = min(size, count-n)
		if err := s.Read(s.x.Context(), first+int64(n), all[n:n+size]); err != nil {
			s.x.Fatalf("read %d from %d: %v", size, first+int64(n), err)
		}
	}
	return all
}

// wantRange fails the test unless the range has these jobs, and all else is as unknown as state says.
func (s *subject) wantRange(first int64, count int, want map[int64]engine.State, jobs map[int64]engine.Job) {
	s.x.Helper()
	records := s.read(first, count)
	pending, last := 0, int64(0)
	for i, rec := range records {
		id := first + int64(i)
		state, ok := want[id]
		if !ok {
			state = engine.Unknown
		}
		switch {
		case rec.ID != id || rec.State != state:
			s.x.Errorf("record %d: id %d, state %d, want id %d, state %d", i, rec.ID, rec.State, id, state)
		case state == engine.Done:
			s.x.wantResult(rec, id, jobs[id])
		case rec.Sum != [digest.MaxSize]byte{}:
			s.x.Errorf("job %d in state %d shows %x", id, state, rec.Sum)
		case state == engine.Pending:
			pending, last = pending+1, id
			if rec.Due.IsZero() || rec.Algorithm != jobs[id].Algorithm || rec.Tenant != jobs[id].Tenant {
				s.x.Errorf("pending job %d: %+v", id, rec)
			}
		}
	}
	s.wantSurvey(first, count, pending, last)
}

// wantSurvey fails the test unless so many jobs of the range are pending, the last with that id.
func (s *subject) wantSurvey(first int64, count, pending int, last int64) {
	s.x.Helper()
	found, err := s.Survey(s.x.Context(), first, count)
	if err != nil || found.Pending != pending || found.Last.ID != last {
		s.x.Errorf("survey of %d from %d: %d pending, the last %d, error %v; want %d, %d", count, first, found.Pending, found.Last.ID, err, pending, last)
	}
	if pending > 0 && (found.Last.State != engine.Pending || found.Last.Due.IsZero()) {
		s.x.Errorf("last pending: %+v", found.Last)
	}
}

// states returns the same state for each of the jobs.
func states(jobs map[int64]engine.Job, state engine.State) map[int64]engine.State {
	all := make(map[int64]engine.State)
	for id := range jobs {
		all[id] = state
	}
	return all
}

// many is how many jobs tests of ranges submit: for an engine that can take them in no time, more than lie
// together in memory.
func (x *trial) many() int {
	if x.suite.Durable {
		return 1_200
	}
	return 70_000
}

// submitMany submits jobs in batches, of several algorithms and tenants, and returns them.
func (s *subject) submitMany(n int) (first int64, jobs map[int64]engine.Job) {
	s.x.Helper()
	jobs = make(map[int64]engine.Job)
	for round := 0; len(jobs) < n; round++ {
		b := mixed(1, round, min(engine.MaxBatch, n-len(jobs), 100+len(jobs)))
		b.Algorithm, b.Tenant = digest.All()[round%len(digest.All())], uint16(round)
		r := s.acceptBatch(b)
		if first == 0 {
			first = r.ID
		}
		maps.Copy(jobs, jobsOf(b, r.ID))
	}
	return first, jobs
}

// inRanges calls do for the ids from first on, as many together as an engine is asked about.
func inRanges(first, end int64, do func(first int64, count int)) {
	for ; first < end; first += engine.MaxRange {
		do(first, int(min(engine.MaxRange, end-first)))
	}
}

func rangeShowsEachJob(x *trial) {
	e := x.engine(engine.Limits{Delay: short})
	first, jobs := e.submitMany(x.many())
	last := slices.Max(keysOf(jobs))
	want := states(jobs, engine.Done)
	x.wantErr("drain", e.Drain(x.context()), nil)
	inRanges(first, last+1, func(first int64, count int) { e.wantRange(first, count, want, jobs) })
	e.wantRange(last, 5, want, jobs)
	if first > 3 {
		e.wantRange(first-3, 5, want, jobs)
	}
}

func keysOf[V any](m map[int64]V) (ids []int64) {
	for id := range m {
		ids = append(ids, id)
	}
	return ids
}

func rangeShowsPendingAndGone(x *trial) {
	e := x.engine(engine.Limits{Delay: unreached})
	first, jobs := e.submitMany(500)
	want := states(jobs, engine.Pending)
	e.wantRange(first, 600, want, jobs)
	for id := range jobs {
		if id%3 == 0 {
			x.wantErr("cancel", e.Cancel(x.Context(), id), nil)
			want[id] = engine.Gone
		}
	}
	e.wantRange(first, 600, want, jobs)
}

func cancelRange(x *trial) {
	e := x.engine(engine.Limits{Delay: short})
	first, jobs := e.submitMany(300)
	e.wantResults(jobs)
	x.wantErr("cancel", e.Cancel(x.Context(), first+1), nil)
	for _, want := range []engine.Ended{{Erased: 199, Gone: 1}, {Gone: 200}} {
		if got, err := e.CancelRange(x.Context(), first, 200); got != want || err != nil {
			x.Errorf("cancel of done jobs: %+v, error %v, want %+v", got, err, want)
		}
	}
	want := states(jobs, engine.Done)
	for id := first; id < first+200; id++ {
		want[id] = engine.Gone
	}
	e.wantRange(first, 300, want, jobs)
}

func cancelRangeOfPending(x *trial) {
	e := x.engine(engine.Limits{Delay: unreached})
	first, jobs := e.submitMany(300)
	ctx := x.context()
	answers := e.polls(ctx, first+250, 2)
	if got, err := e.CancelRange(x.Context(), first+200, 150); got != (engine.Ended{Canceled: 100, Unknown: 50}) || err != nil {
		x.Errorf("%+v, error %v", got, err)
	}
	for _, a := range answers() {
		x.wantErr("wait for a canceled job", a.err, engine.ErrGone)
	}
	want := states(jobs, engine.Pending)
	for id := first + 200; id < first+300; id++ {
		want[id] = engine.Gone
	}
	e.wantRange(first, 300, want, jobs)
	if st := e.Stats(); st.Canceled != 100 || st.Pending != 200 {
		x.Errorf("counters %+v", st)
	}
	if got, err := e.CancelRange(x.Context(), first, 200); got.Canceled != 200 || err != nil {
		x.Errorf("%+v, error %v", got, err)
	}
	x.wantErr("drain of canceled jobs", e.Drain(x.context()), nil)
}

// Two who cancel one range at once end each job once.
func cancelRangeAtOnce(x *trial) {
	e := x.engine(engine.Limits{Delay: short})
	first, _ := e.submitMany(400)
	var ended, gone atomic.Int64
	g := x.group()
	for range 3 {
		g.Go(func() {
			got, err := e.CancelRange(x.Context(), first, 400)
			x.wantErr("cancel", err, nil)
			ended.Add(int64(got.Canceled + got.Erased))
			gone.Add(int64(got.Gone))
		})
	}
	g.Wait()
	if ended.Load() != 400 || gone.Load() != 800 {
		x.Errorf("%d ended, %d gone", ended.Load(), gone.Load())
	}
}

func invalidRanges(x *trial) {
	e := x.engine(engine.Limits{Delay: unreached})
	e.accept("secret")
	ctx := x.Context()
	for _, one := range []struct {
		first int64
		count int
	}{{0, 1}, {-1, 1}, {math.MinInt64, 1}, {1, 0}, {1, engine.MaxRange + 1}} {
		x.wantErr("read", e.Read(ctx, one.first, make([]engine.Record, one.count)), engine.ErrInvalid)
		_, err := e.Survey(ctx, one.first, one.count)
		x.wantErr("survey", err, engine.ErrInvalid)
		_, err = e.CancelRange(ctx, one.first, one.count)
		x.wantErr("cancel", err, engine.ErrInvalid)
	}
	for _, size := range []int{0, engine.MaxRange + 1} {
		_, _, err := e.Completed(ctx, 0, make([]engine.Record, size))
		x.wantErr("completed", err, engine.ErrInvalid)
	}
	_, _, err := e.Completed(ctx, -1, make([]engine.Record, 1))
	x.wantErr("completed after -1", err, engine.ErrInvalid)
	x.wantErr("await after -1", e.AwaitCompleted(ctx, -1), engine.ErrInvalid)
}

// Ids far from those that were given are unknown like any other, and cost nothing.
func rangesFarAway(x *trial) {
	e := x.engine(engine.Limits{Delay: unreached})
	id := e.accept("secret").ID
	for _, first := range []int64{id + 1, id + 1<<40, 1<<53 - 1} {
		e.wantRange(first, 10, nil, nil)
		if got, err := e.CancelRange(x.Context(), first, engine.MaxRange); got != (engine.Ended{Unknown: engine.MaxRange}) || err != nil {
			x.Errorf("cancel from %d: %+v, error %v", first, got, err)
		}
		n, next, err := e.Completed(x.Context(), first, make([]engine.Record, 1))
		if n != 0 || next != first || err != nil {
			x.Errorf("completed after %d: %d, next %d, error %v", first, n, next, err)
		}
	}
}

// follow reads what is done after an id until nothing more is, in pieces of the size, and returns where it is.
func (s *subject) follow(ctx context.Context, after int64, size int, see func(engine.Record)) int64 {
	s.x.Helper()
	to := make([]engine.Record, size)
	for {
		n, next, err := s.Completed(ctx, after, to)
		if err != nil || next < after || n > 0 && next < to[n-1].ID {
			s.x.Fatalf("completed after %d: %d, next %d, error %v", after, n, next, err)
		}
		for _, rec := range to[:n] {
			if rec.ID <= after {
				s.x.Fatalf("after %d comes %d", after, rec.ID)
			}
			after = rec.ID
			see(rec)
		}
		if next == after && n == 0 {
			return after
		}
		after = next
	}
}

// followTo is follow until the cursor has come to an id: an engine may take a moment to pass what has just ended.
func (s *subject) followTo(after, last int64, size int, see func(engine.Record)) int64 {
	s.x.Helper()
	inTime := s.x.context()
	for {
		after = s.follow(inTime, after, size, see)
		if after >= last || inTime.Err() != nil {
			return after
		}
		s.x.wantErr("await", s.AwaitCompleted(inTime, after), nil)
	}
}

func cursorShowsWhatIsDone(x *trial) {
	e := x.engine(engine.Limits{Delay: short})
	if at := e.follow(x.Context(), 0, 10, func(engine.Record) { x.Error("a job in an empty engine") }); at != 0 {
		x.Errorf("in an empty engine the cursor goes on after %d", at)
	}
	first, jobs := e.submitMany(x.many())
	last := slices.Max(keysOf(jobs))
	for id := first; id <= last; id += 7 {
		if _, ok := jobs[id]; ok {
			_ = e.Cancel(x.Context(), id) // before it is hashed or after
			delete(jobs, id)
		}
	}
	x.wantErr("drain", e.Drain(x.context()), nil)
	seen := make(map[int64]bool)
	at := e.followTo(0, last, 777, func(rec engine.Record) {
		x.wantResult(rec, rec.ID, jobs[rec.ID])
		seen[rec.ID] = true
	})
	if len(seen) != len(jobs) || at != last {
		x.Errorf("saw %d of %d jobs, up to %d of %d", len(seen), len(jobs), at, last)
	}
	if at = e.follow(x.Context(), last+5, 10, func(engine.Record) { x.Error("a job above the last") }); at != last+5 {
		x.Errorf("above the last job the cursor goes on after %d", at)
	}
}

// The cursor stops before the oldest pending job, whatever is done above it, and passes those that are gone.
func cursorStopsAtPending(x *trial) {
	e := x.engine(engine.Limits{Delay: unreached})
	first := e.acceptBatch(uniform(10, 8)).ID
	for _, id := range []int64{first, first + 1, first + 4} {
		x.wantErr("cancel", e.Cancel(x.Context(), id), nil)
	}
	if at := e.follow(x.Context(), 0, 10, func(rec engine.Record) { x.Errorf("job %d is done", rec.ID) }); at != first+1 {
		x.Errorf("the cursor is at %d, want %d", at, first+1)
	}
	if at := e.follow(x.Context(), first+3, 10, func(engine.Record) {}); at != first+4 { // the caller says that it knows what is before
		x.Errorf("the cursor is at %d, want %d", at, first+4)
	}
}

// Whoever follows the cursor while jobs are submitted, hashed and canceled sees every job that ends done, once.
func cursorMissesNothing(x *trial) {
	const submitters, rounds = 4, 40
	e := x.engine(engine.Limits{Delay: short})
	ctx, stop := context.WithCancel(x.Context())
	seen, at := make(map[int64]bool), int64(0)
	follower, g := x.group(), x.group()
	follower.Go(func() {
		for ctx.Err() == nil {
			x.wantErr("await", e.AwaitCompleted(ctx, at), nil)
			at = e.follow(ctx, at, 100, func(rec engine.Record) {
				if seen[rec.ID] {
					x.Errorf("job %d comes twice", rec.ID)
				}
				seen[rec.ID] = true
			})
		}
	})
	var mu sync.Mutex
	all, canceled := make(map[int64]engine.Job), make(map[int64]bool)
	for n := range submitters {
		g.Go(func() {
			for id, job := range e.submitRounds(n, rounds) {
				gone := id%5 == 0 && e.Cancel(x.Context(), id) == nil
				mu.Lock()
				all[id], canceled[id] = job, gone
				mu.Unlock()
			}
		})
	}
	g.Wait()
	x.wantErr("drain", e.Drain(x.context()), nil)
	stop()
	follower.Wait()
	e.followTo(at, slices.Max(keysOf(all)), 100, func(rec engine.Record) { seen[rec.ID] = true })
	for id := range all {
		if !canceled[id] && !seen[id] {
			x.Errorf("job %d was never seen", id)
		}
	}
}

func awaitCompletedEnds(x *trial) {
	e := x.engine(engine.Limits{Delay: unreached})
	ctx, cancel := context.WithCancel(x.Context())
	g := x.group()
	await := func(ctx context.Context, after int64) <-chan error {
		ended := make(chan error, 1)
		g.Go(func() { ended <- e.AwaitCompleted(ctx, after) })
		return ended
	}
	inTime := x.context()
	nothing := await(inTime, 0) // nothing was ever accepted
	x.waitIdle()
	first := e.acceptBatch(uniform(3, 8)).ID
	pending, beyond, leaving := await(inTime, first-1), await(inTime, first), await(ctx, first+2)
	x.waitIdle()
	x.wantErr("cancel", e.Cancel(x.Context(), first), nil)
	x.wantErr("await of anything", <-nothing, nil)
	x.wantErr("await of the first", <-pending, nil)
	x.wantErr("await after what is gone", e.AwaitCompleted(inTime, first-1), nil)
	cancel()
	x.wantErr("await that is given up", <-leaving, nil)
	x.wantErr("cancel", e.Cancel(x.Context(), first+1), nil)
	x.wantErr("await of the second", <-beyond, nil)
	x.wantInTime(inTime)
	closing, closingBeyond := await(x.Context(), first+1), await(x.Context(), first+9)
	x.waitIdle()
	x.wantErr("close", e.Close(), nil)
	x.wantErr("await of a closed engine", <-closing, engine.ErrClosed)
	x.wantErr("await of a closed engine", <-closingBeyond, engine.ErrClosed)
}

func awaitRange(x *trial) {
	e := x.engine(engine.Limits{Delay: short})
	first, jobs := e.submitMany(300)
	ctx := x.context()
	x.wantErr("await", engine.AwaitRange(ctx, e, first, 400), nil)
	x.wantInTime(ctx)
	e.wantRange(first, 300, states(jobs, engine.Done), jobs)
	x.wantErr("await of nothing", engine.AwaitRange(ctx, e, first, 400), nil)
}

// A wait for a range ends when its last job is canceled, and with its context.
func awaitRangeOfCanceled(x *trial) {
	e := x.engine(engine.Limits{Delay: unreached})
	first := e.acceptBatch(uniform(20, 8)).ID
	ctx := x.context()
	g := x.group()
	ended := make(chan error, 1)
	g.Go(func() { ended <- engine.AwaitRange(ctx, e, first, 10) })
	x.waitIdle()
	if _, err := e.CancelRange(x.Context(), first, 10); err != nil {
		x.Error(err)
	}
	x.wantErr("await", <-ended, nil)
	x.wantInTime(ctx)
	x.wantErr("await of an ended context", engine.AwaitRange(x.ended(), e, first, 20), nil)
}

// While an engine drains, ranges are read as before, and what is read is collected.
func rangesWhileDraining(x *trial) {
	e := x.engine(engine.Limits{Delay: beforeDue})
	first, jobs := e.submitMany(300)
	e.beginDrain(300)
	x.wantErr("drain", e.Drain(x.context()), nil)
	to := make([]engine.Record, 100)
	x.wantErr("a look", e.Read(engine.Glance(x.Context()), first, to), nil)
	_, _, err := e.Completed(engine.Glance(x.Context()), first-1, to)
	x.wantErr("a look at the cursor", err, nil)
	e.wantSurvey(first, 300, 0, 0)
	e.wantUncollected("after looks", 300)
	x.wantErr("read", e.Read(x.Context(), first, to), nil)
	e.wantUncollected("after a read of 100", 200)
	_, _, err = e.Completed(x.Context(), first+99, to)
	x.wantErr("completed", err, nil)
	e.wantUncollected("after 100 completed", 100)
	_, err = e.CancelRange(x.Context(), first+200, 50)
	x.wantErr("cancel", err, nil)
	e.wantUncollected("after 50 erased", 50)
	want := states(jobs, engine.Done)
	for id := first + 200; id < first+250; id++ {
		want[id] = engine.Gone
	}
	e.wantRange(first, 300, want, jobs)
	e.wantUncollected("after all", 0)
}

func closedEngineRefusesRanges(x *trial) {
	e := x.engine(engine.Limits{Delay: unreached})
	id := e.accept("secret").ID
	x.wantErr("close", e.Close(), nil)
	ctx := x.Context()
	x.wantErr("read", e.Read(ctx, id, make([]engine.Record, 1)), engine.ErrClosed)
	_, err := e.Survey(ctx, id, 1)
	x.wantErr("survey", err, engine.ErrClosed)
	_, _, err = e.Completed(ctx, 0, make([]engine.Record, 1))
	x.wantErr("completed", err, engine.ErrClosed)
	x.wantErr("await", e.AwaitCompleted(ctx, 0), engine.ErrClosed)
	_, err = e.CancelRange(ctx, id, 1)
	x.wantErr("cancel", err, engine.ErrClosed)
}
