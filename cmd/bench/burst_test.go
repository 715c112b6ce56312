//go:build linux

package main

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// faulty is an engine with one fault of each kind.
type faulty struct {
	engine.Engine
	wrong, lost int64 // ids
	twice       int64 // an id that is also given for the job after
}

func (f *faulty) Accept(ctx context.Context, job engine.Job) (engine.Receipt, error) {
	r, err := f.Engine.Accept(ctx, job)
	if r.ID == f.twice+1 {
		r.ID--
	}
	return r, err
}

func (f *faulty) Get(ctx context.Context, id int64) (engine.Record, error) {
	rec, err := f.Engine.Get(ctx, id)
	switch id {
	case f.wrong:
		rec.Sum[63] ^= 1
	case f.lost:
		return engine.Record{}, engine.ErrUnknown
	}
	return rec, err
}

func TestBurstFindsFaults(t *testing.T) {
	const never = -2
	for _, tc := range []struct {
		name string
		faulty
		want findings
	}{
		{"none", faulty{wrong: never, lost: never, twice: never}, findings{}},
		{"wrong", faulty{wrong: 1500, lost: never, twice: never}, findings{Wrong: 1}},
		{"lost", faulty{wrong: never, lost: 2000, twice: never}, findings{Lost: 1}},
		{"id given twice", faulty{wrong: never, lost: never, twice: 7}, findings{Lost: 1}},
		{"all", faulty{wrong: 1, lost: 2, twice: 3}, findings{Lost: 2, Wrong: 1}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			task := burstTask{Jobs: 2000, Submitters: 3, Delay: 5 * time.Millisecond}
			if tc.twice != never {
				task.Submitters = 1 // of two, either job could be the first to have the id
			}
			e, err := openEngine(task.Delay, task.Jobs)
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			tc.Engine = e
			r, err := burst(t.Context(), &tc.faulty, task)
			if err != nil || r.findings != tc.want || r.Early != 0 {
				t.Errorf("found %+v, early %d, error %v; want %+v", r.findings, r.Early, err, tc.want)
			}
			if failed := faults(r.sightings, r.findings) != nil; failed != (tc.want != findings{}) {
				t.Errorf("failed: %v", failed)
			}
		})
	}
}

// A refused job ends the burst at once, though the accepted ones are not due for hours.
func TestBurstRefused(t *testing.T) {
	e, err := openEngine(notDue, 1000)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	_, err = burst(t.Context(), e, burstTask{Jobs: 2000, Submitters: 2, Delay: notDue})
	if _, ok := errors.AsType[*engine.FullError](err); !ok {
		t.Errorf("got %v, want a *FullError", err)
	}
}

// clockwork is an engine whose job is done at a set time; a look at it takes 100 µs.
type clockwork struct {
	engine.Engine
	done time.Time
}

func (c clockwork) Get(context.Context, int64) (engine.Record, error) {
	time.Sleep(100 * time.Microsecond)
	rec := engine.Record{State: engine.Pending}
	if !time.Now().Before(c.done) {
		rec.State = engine.Done
	}
	return rec, nil
}

func (c clockwork) Wait(ctx context.Context, id int64) (engine.Record, error) {
	time.Sleep(time.Until(c.done))
	return c.Get(ctx, id)
}

func TestWatchSeesEarlyResults(t *testing.T) {
	const hour = time.Hour
	for _, tc := range []struct {
		name string
		done time.Duration // after acceptance; due after an hour
		want sightings
	}{
		{"at due", hour, sightings{Polls: 14, Waits: 1}},
		{"late", hour + time.Second, sightings{Polls: 14, Waits: 1}},
		{"at once", 0, sightings{Polls: 1, Waits: 1, Early: 2}},
		{"a little early", hour - 350*time.Microsecond, sightings{Polls: 12, Waits: 1, Early: 2}},
	} {
		synctest.Test(t, func(t *testing.T) {
			now := time.Now()
			w := newWatch(t.Context(), clockwork{done: now.Add(tc.done)})
			w.sample(1)(0, engine.Receipt{ID: 1, Due: now.Add(hour)})
			got := w.end()
			if got != tc.want {
				t.Errorf("%s: got %+v, want %+v", tc.name, got, tc.want)
			}
			if failed := faults(got, findings{}) != nil; failed != (tc.want.Early > 0) {
				t.Errorf("%s: failed: %v", tc.name, failed)
			}
		})
	}
}
