package enginetest

import (
	"context"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// Records read while jobs are submitted, hashed and canceled are true: a done one has the digest of its
// secret, and no job goes back to what it was.
func rangesAmongSubmitters(x *trial) {
	e := x.engine(engine.Limits{Delay: short})
	const rounds, readers = 30, 2
	first := e.accept("the first").ID
	ctx, stop := context.WithCancel(x.Context())
	reading, g := x.group(), x.group()
	var found [readers]map[int64]engine.Record
	for n := range readers {
		found[n] = make(map[int64]engine.Record)
		reading.Go(func() {
			before := make([]engine.State, 2_000)
			for i := range before {
				before[i] = engine.Unknown
			}
			for ctx.Err() == nil {
				e.readAgain(ctx, first, before, found[n])
			}
		})
	}
	var mu sync.Mutex
	jobs := map[int64]engine.Job{first: {Secret: []byte("the first")}}
	for n := range 3 {
		g.Go(func() {
			submitted := e.submitRounds(n, rounds)
			mu.Lock()
			maps.Copy(jobs, submitted)
			mu.Unlock()
			for id := range submitted {
				if id%4 == 0 {
					_, err := e.CancelRange(x.Context(), id, 1+int(id%3))
					x.wantErr("cancel", err, nil)
				}
			}
		})
	}
	g.Wait()
	stop()
	reading.Wait()
	for _, records := range found {
		for id, rec := range records {
			x.wantResult(rec, id, jobs[id])
		}
	}
}

// readAgain reads the jobs whose states were those before, adds the done ones to those found, and fails the
// test if one has gone back or changed.
func (s *subject) readAgain(ctx context.Context, first int64, before []engine.State, found map[int64]engine.Record) {
	rank := [...]int{engine.Unknown: 0, engine.Pending: 1, engine.Done: 2, engine.Gone: 3}
	to := make([]engine.Record, len(before))
	if err := s.Read(ctx, first, to); err != nil {
		if ctx.Err() == nil {
			s.x.Errorf("read: %v", err)
		}
		return
	}
	for i, rec := range to {
		if rank[rec.State] < rank[before[i]] {
			s.x.Errorf("job %d was in state %d, and now %+v", rec.ID, before[i], rec)
		}
		before[i] = rec.State
		if rec.State != engine.Done {
			continue
		}
		if seen, ok := found[rec.ID]; ok && seen != rec {
			s.x.Errorf("job %d was %+v, and now %+v", rec.ID, seen, rec)
		}
		found[rec.ID] = rec
	}
}

func longestRangeInOneCall(x *trial) {
	e := x.engine(engine.Limits{Delay: short})
	first, jobs := e.submitMany(1_000)
	x.wantErr("drain", e.Drain(x.context()), nil)
	to := make([]engine.Record, engine.MaxRange)
	x.wantErr("read", e.Read(x.Context(), first, to), nil)
	for i, rec := range to {
		id := first + int64(i)
		if job, ok := jobs[id]; ok {
			x.wantResult(rec, id, job)
		} else if rec != (engine.Record{ID: id, State: engine.Unknown}) {
			x.Errorf("id %d, never given: %+v", id, rec)
		}
	}
}

// counting counts the calls of Wait.
type counting struct {
	engine.Engine
	waits atomic.Int64
}

func (c *counting) Wait(ctx context.Context, id int64) (engine.Record, error) {
	c.waits.Add(1)
	return c.Engine.Wait(ctx, id)
}

// A wait for a range is not one for each of its jobs.
func awaitRangeWaitsForFew(x *trial) {
	e := x.engine(engine.Limits{Delay: short})
	first, _ := e.submitMany(300)
	c := &counting{Engine: e.Engine}
	ctx := x.context()
	x.wantErr("await", engine.AwaitRange(ctx, c, first, 300), nil)
	x.wantInTime(ctx)
	if n := c.waits.Load(); n > 30 {
		x.Errorf("waited %d times for 300 jobs", n)
	}
}

// A range can mix all states there are; once results have expired, the cursor passes them.
func rangesOfExpired(x *trial) {
	const delay, retention = 5 * time.Second, 10 * time.Second
	e := x.engine(engine.Limits{Delay: delay, Retention: retention})
	old, third := uniform(3, 8), uniform(3, 80)
	first := e.acceptBatch(old).ID
	x.sleep(delay + retention + time.Second)
	next := e.acceptBatch(third).ID
	e.cancel(next + 1)
	x.sleep(delay)
	last := e.acceptBatch(uniform(2, 8)).ID
	jobs := jobsOf(third, next)
	maps.Copy(jobs, jobsOf(uniform(2, 8), last))
	e.wantRange(first, int(last-first)+5, map[int64]engine.State{
		first: engine.Gone, first + 1: engine.Gone, first + 2: engine.Gone,
		next: engine.Done, next + 1: engine.Gone, next + 2: engine.Done,
		last: engine.Pending, last + 1: engine.Pending,
	}, jobs)
	var seen []int64
	at := e.follow(x.Context(), first-1, 1, func(rec engine.Record) { seen = append(seen, rec.ID) })
	if len(seen) != 2 || seen[0] != next || seen[1] != next+2 || at != next+2 {
		x.Errorf("saw %d, up to %d", seen, at)
	}
	x.wantErr("await of what has expired", e.AwaitCompleted(x.Context(), first-1), nil)
	x.sleep(delay + retention + time.Second)
	if at := e.follow(x.Context(), 0, 1, func(rec engine.Record) { x.Errorf("job %d has expired", rec.ID) }); at != last+1 {
		x.Errorf("past all that has expired the cursor is at %d, want %d", at, last+1)
	}
}
