//go:build linux

package main

import (
	"context"
	"fmt"
	"time"

	"github.com/hashd-project/hashd/v2/internal/engine"
	"github.com/hashd-project/hashd/v2/internal/engine/jetstream"
	"github.com/hashd-project/hashd/v2/internal/engine/jetstream/natstest"
)

// addRanges adds how many jobs are read a second by ranges and one by one, while they are pending and once
// they are done, and how many are canceled so.
func (b *clusterBench) addRanges(ctx context.Context, servers *natstest.Cluster, name string) error {
	var all [3]row
	for i, what := range []string{"pending jobs read", "results read", "results erased"} {
		all[i] = row{what: fmt.Sprintf("%s: %s a second by ranges, not one by one", name, what), unit: unit{better: more}}
	}
	for range b.s.runs {
		if err := b.ranges(ctx, servers, &all); err != nil {
			return err
		}
	}
	b.t.add(all[:]...)
	return nil
}

func (b *clusterBench) ranges(ctx context.Context, servers *natstest.Cluster, rows *[3]row) error {
	e, err := b.open(ctx, servers, notDue)
	if err != nil {
		return err
	}
	defer e.Close() //nolint:contextcheck // it has a bound of its own
	if err := rangesOf(ctx, e, b, rows[:1], readRange, getOne); err != nil {
		return err
	}
	const soon = 100 * time.Millisecond
	done, err := b.open(ctx, servers, soon)
	if err != nil {
		return err
	}
	defer done.Close() //nolint:contextcheck // it has a bound of its own
	return rangesOf(ctx, done, b, rows[1:], readRange, getOne, cancelRange, cancelOne)
}

func readRange(ctx context.Context, e engine.Engine, first int64) error {
	return e.Read(ctx, first, make([]engine.Record, engine.MaxRange))
}

func getOne(ctx context.Context, e engine.Engine, id int64) error {
	_, err := e.Get(ctx, id)
	return err
}

func cancelRange(ctx context.Context, e engine.Engine, first int64) error {
	_, err := e.CancelRange(ctx, first, engine.MaxRange)
	return err
}

func cancelOne(ctx context.Context, e engine.Engine, id int64) error { return e.Cancel(ctx, id) }

// rangesOf submits a range and a batch beside it, and adds to each row how fast one call does its work for the range
// and many calls for the jobs of the batch; calls has both for each row.
func rangesOf(ctx context.Context, e *jetstream.Engine, b *clusterBench, rows []row, calls ...func(context.Context, engine.Engine, int64) error) error {
	const single = 5_000
	first, err := acceptNumbered(ctx, e, engine.MaxRange)
	if err != nil {
		return err
	}
	batch, err := acceptNumbered(ctx, e, single)
	if err != nil {
		return err
	}
	if len(calls) > 2 { // for results
		if err := e.Drain(ctx); err != nil {
			return err
		}
	}
	for i := range rows {
		start := time.Now()
		if err := calls[2*i](ctx, e, first); err != nil {
			return err
		}
		rows[i].hashd = append(rows[i].hashd, engine.MaxRange/time.Since(start).Seconds())
		start = time.Now()
		if err := b.spread(ctx, single, func(n int64) error { return calls[2*i+1](ctx, e, batch+n) }); err != nil {
			return err
		}
		rows[i].baseline = append(rows[i].baseline, single/time.Since(start).Seconds())
	}
	return nil
}

// acceptNumbered submits a batch of different secrets, and returns its first id.
func acceptNumbered(ctx context.Context, e *jetstream.Engine, n int) (int64, error) {
	batch := engine.Batch{Secrets: make([][]byte, n)}
	for i := range batch.Secrets {
		var s secret
		s.set(int64(i))
		batch.Secrets[i] = s[:]
	}
	r, err := e.AcceptBatch(ctx, batch)
	return r.ID, err
}
