package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hashd-project/hashd/v2/client"
)

// bulk takes lines through a server. One goroutine reads batches, one for each batch under way
// submits it and collects its hashes, and one writes the records in the order of the lines. The
// number of batches under way is bounded, and with it the memory.
type bulk struct {
	jobs     *client.Jobs
	options  client.Options
	size     int // lines in a batch
	inFlight int // batches
	wait     bool
	format   string
	in       *lineReader
	out      output
	state    *state
	progress *progress

	collecting chan struct{} // has room for the batches that are collected at once: the first that are due

	again atomic.Bool // lines were submitted again

	// Once run has returned: how many lines an earlier run has done, how many this one has, and
	// how many of all have no hash.
	skipped, done, missing int64
}

// flight is a batch under way.
type flight struct {
	*batch
	result chan result // takes one
}

type result struct {
	records []record
	err     error
}

func (b *bulk) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	queue := make(chan *flight, b.inFlight-1)
	g.Go(func() error {
		defer close(queue)
		return b.read(ctx, g, queue)
	})
	g.Go(func() error { return b.write(ctx, queue) })
	return g.Wait()
}

// read reads batches and has them processed. What is wrong with the input is handed on in its
// place, so that the lines before it are still done.
func (b *bulk) read(ctx context.Context, g *errgroup.Group, queue chan<- *flight) error {
	written, _, _ := b.state.progress()
	for n := 0; ; n++ {
		next, err := b.nextBatch(n)
		if err != nil {
			return push(ctx, queue, failedFlight(err))
		}
		lines := int64(len(next.secrets))
		if lines == 0 {
			return nil
		}
		if n < written {
			next.wipe()
			b.skipped += lines
			continue
		}
		f := &flight{next, make(chan result, 1)}
		if err := push(ctx, queue, f); err != nil {
			return err
		}
		g.Go(func() error {
			defer f.wipe()
			records, err := b.process(ctx, f.batch)
			f.result <- result{records: records}
			return err
		})
	}
}

func failedFlight(err error) *flight {
	f := &flight{result: make(chan result, 1)}
	f.result <- result{err: err}
	return f
}

func push(ctx context.Context, queue chan<- *flight, f *flight) error {
	select {
	case queue <- f:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// nextBatch reads a batch: as it was, if it was read by an earlier run.
func (b *bulk) nextBatch(n int) (*batch, error) {
	known, again := b.state.known(n)
	size := b.size
	if again {
		size = known.Lines
	}
	next, err := b.in.nextBatch(n, size, again)
	if err != nil || !again && len(next.secrets) == 0 {
		return next, err
	}
	fingerprint := next.fingerprint(b.state.asked.Key)
	if !again {
		return next, b.state.record(step{Batch: n, Lines: len(next.secrets), Fingerprint: fingerprint})
	}
	if fingerprint != known.Fingerprint {
		next.wipe()
		return nil, &usageError{
			fmt.Sprintf("the input has changed since this output was begun, in lines %d to %d", next.line, next.line+int64(size)-1),
			"give the same input to go on, or remove the output and its " + stateSuffix + " to begin anew",
		}
	}
	return next, nil
}

// maxRounds is how many restarts of the server a batch outlives.
const maxRounds = 5

// process submits a batch and collects its hashes. A server that keeps its jobs in memory forgets
// them when it stops; one that was restored from a copy forgets the latest, and may give their ids to
// others. So a batch that another store was given, or of which a job is lost, is submitted again, with
// its key: a server that still knows the batch answers with the same jobs. A hash counts for a line if
// it is that line's; where that can't be told, if the store was the same before and after.
func (b *bulk) process(ctx context.Context, next *batch) ([]record, error) {
	store, err := b.store(ctx)
	if err != nil {
		return nil, err
	}
	h := holding{store: store}
	if h.step, _ = b.state.known(next.number); h.First > 0 {
		b.progress.submit(len(next.secrets), time.Time{})
	}
	for range maxRounds {
		if h.First == 0 || h.Store != h.store {
			if h.First != 0 {
				b.lost("the server has another store than before: it was started anew or restored, or is another one")
			}
			if err := b.submit(ctx, next, &h); err != nil {
				return nil, err
			}
			h.again = false
		}
		if !b.wait {
			return pendingRecords(next, h.First), nil
		}
		records, err := b.collect(ctx, next, h.First)
		if err != nil {
			return nil, err
		}
		final, err := b.final(ctx, next, records, &h)
		if err != nil {
			return nil, err
		}
		if final {
			return records, nil
		}
		b.progress.collect(-len(records))
	}
	return nil, errors.New("the server forgets its jobs all the time, or there are several at its URL that do not share theirs")
}

// holding is what is known of a batch and of the server.
type holding struct {
	step         // of the batch's submission
	store string // of the server, as last asked
	again bool   // the batch was submitted again to the store that already had it
}

// final says whether the records may be written. If not, because they come from another store than the
// batch was submitted to or from an earlier time of the same, it sees to it that they are collected again.
func (b *bulk) final(ctx context.Context, next *batch, records []record, h *holding) (final bool, err error) {
	found := judge(records, next.secrets, client.Algorithm(h.Algorithm))
	if found == allOwn {
		return true, nil
	}
	if h.store, err = b.store(ctx); err != nil || h.store != h.Store {
		return false, err
	}
	switch {
	case found == plausible || found == someUnknown && h.again:
		return true, nil
	case h.again:
		return false, errors.New("the server answers with hashes of other secrets")
	}
	b.lost("the server lacks jobs that it has accepted: was it restored from a copy?")
	h.again = true
	return false, b.submit(ctx, next, h)
}

// lost tells why lines are submitted again.
func (b *bulk) lost(why string) {
	b.again.Store(true)
	b.progress.lost(why)
}

// store names what keeps the server's jobs.
func (b *bulk) store(ctx context.Context) (string, error) {
	status, err := b.jobs.Status(ctx)
	return status.Store, err
}

func (b *bulk) submit(ctx context.Context, next *batch, h *holding) error {
	o := b.options
	o.Key = b.state.asked.Run + "-" + strconv.Itoa(next.number)
	if h.First > 0 {
		b.progress.submit(-len(next.secrets), time.Time{})
	}
	leave := b.progress.enter(submitting)
	accepted, err := b.jobs.SubmitBatch(ctx, next.secrets, o)
	leave()
	if err != nil {
		return fmt.Errorf("lines %d to %d: %w", next.line, next.line+int64(len(next.secrets))-1, err)
	}
	b.progress.submit(len(next.secrets), accepted.Due)
	h.step = step{Batch: next.number, First: accepted.First, Store: h.store, Algorithm: string(accepted.Algorithm)}
	return b.state.record(h.step)
}

func pendingRecords(next *batch, first client.JobID) []record {
	records := make([]record, len(next.secrets))
	for i := range records {
		records[i] = record{Line: next.line + int64(i), ID: first + int64(i), Status: statusPending}
	}
	return records
}

// collect waits for the batch's jobs and collects their hashes, by ranges. It fetches none twice unless an answer is
// lost or comes before its jobs are done: a server that is being stopped may end once each was fetched.
func (b *bulk) collect(ctx context.Context, next *batch, first client.JobID) ([]record, error) {
	leave := b.progress.enter(waiting)
	defer func() { leave() }()
	select {
	case b.collecting <- struct{}{}:
		defer func() { <-b.collecting }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	records, n := pendingRecords(next, first), 0
	for result, err := range b.jobs.WaitBatch(ctx, first, len(records)) {
		if err != nil {
			return nil, err
		}
		if n == 0 {
			leave()
			leave = b.progress.enter(collecting)
		}
		records[n].settle(result)
		b.progress.collect(1)
		n++
	}
	return records, nil
}

// write writes the records of each batch in turn.
func (b *bulk) write(ctx context.Context, queue <-chan *flight) error {
	_, end, missing := b.state.progress()
	b.missing = missing
	for f := range queue {
		var r result
		select {
		case r = <-f.result:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if r.err != nil {
			return r.err
		}
		if r.records == nil { // it failed, and its goroutine says how
			return nil
		}
		s := step{Batch: f.number, Missing: missingOf(r.records)}
		n, err := b.out.Write(encode(r.records, b.format))
		if err = errors.Join(err, b.out.Sync()); err != nil {
			return fmt.Errorf("write the output: %w", err)
		}
		end += int64(n)
		s.End, s.Output = &end, b.out.digest()
		if err := b.state.record(s); err != nil {
			return err
		}
		b.done += int64(len(r.records))
		b.missing += s.Missing
	}
	return context.Cause(ctx)
}

func missingOf(records []record) (n int64) {
	for _, r := range records {
		if r.missing() {
			n++
		}
	}
	return n
}

// lines returns how many records there are.
func (b *bulk) lines() int64 { return b.skipped + b.done }

// summary says what was done, or "" if not all was.
func (b *bulk) summary(err error) string {
	switch {
	case err != nil:
		return ""
	case b.lines() == 0:
		return "the input is empty: nothing was submitted"
	case !b.wait:
		return fmt.Sprintf("%d lines submitted", b.lines())
	}
	return fmt.Sprintf("%d lines: %d hashed, %d without a hash", b.lines(), b.lines()-b.missing, b.missing)
}
