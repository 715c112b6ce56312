package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/hashd-project/hashd/v2/client"
)

// idRange is consecutive ids.
type idRange struct{ first, last client.JobID }

func (r idRange) count() int { return int(r.last - r.first + 1) }

// maxRange is the most ids that a range may have: a typing error should not take a day.
const maxRange = 1_000_000_000

// parseRange returns the range that FIRST-LAST names, and false for a single id.
func parseRange(arg string) (r idRange, ok bool, err error) {
	first, last, ok := strings.Cut(arg, "-")
	if !ok || first == "" {
		return idRange{}, false, nil
	}
	ids, err := parseIDs([]string{first, last})
	switch {
	case err != nil:
		return r, true, &usageError{"a range of jobs is FIRST-LAST, two whole numbers from 1 on", "like 43-1042; submit and bulk print ids"}
	case ids[1] < ids[0]:
		return r, true, &usageError{"a range ends at or after its first id", fmt.Sprintf("like %d-%d", ids[1], ids[0])}
	case ids[1]-ids[0] >= maxRange:
		return r, true, &usageError{"a range has 1,000,000,000 ids at most", "split it"}
	}
	return idRange{ids[0], ids[1]}, true, nil
}

// onRange does what the command does to a range, if that is its only argument, and reports whether it is.
func onRange(args []string, do func(idRange) error) (is bool, err error) {
	if len(args) != 1 {
		return false, nil
	}
	r, is, err := parseRange(args[0])
	if is && err == nil {
		err = do(r)
	}
	return is, err
}

// found is a line of the output about a range. It never has the secret.
type found struct {
	ID     client.JobID        `json:"id"`
	Status client.ResultStatus `json:"status"`
	Hash   string              `json:"hash,omitempty"`
}

func foundOf(r client.Result) found {
	f := found{ID: r.Id, Status: r.Status}
	if r.Hash != nil {
		f.Hash = *r.Hash
	}
	return f
}

// finder prints what is found, and counts what has no hash.
type finder struct {
	out                        *bufio.Writer
	json                       bool
	begun                      bool
	found, pending, gone, lost int64
}

func (p *program) finder() *finder { return &finder{out: bufio.NewWriter(p.stdout), json: p.json} }

func (f *finder) print(r client.Result) error {
	f.found++
	switch r.Status {
	case client.ResultStatusPending:
		f.pending++
	case client.ResultStatusGone:
		f.gone++
	case client.ResultStatusUnknown:
		f.lost++
	case client.ResultStatusDone:
	}
	one := foundOf(r)
	if f.json {
		return json.NewEncoder(f.out).Encode(one)
	}
	if !f.begun {
		f.begun = true
		_, _ = f.out.WriteString("id,status,hash\n") // the next write has its error
	}
	_, err := fmt.Fprintf(f.out, "%d,%s,%s\n", one.ID, one.Status, one.Hash)
	return err
}

// end returns what is worst about what was found.
func (f *finder) end(err error) error {
	err = errors.Join(err, f.out.Flush())
	switch {
	case err != nil:
		return err
	case f.gone+f.lost > 0:
		return &absentError{f.gone, f.lost, f.found}
	case f.pending > 0:
		return &unfinishedError{f.pending, f.found}
	}
	return nil
}

// absentError tells that some jobs of a range have no hash and never will.
type absentError struct{ gone, unknown, of int64 }

func (a *absentError) Error() string {
	return fmt.Sprintf("of %d jobs %d are gone and %d unknown", a.of, a.gone, a.unknown)
}

// hint is for the command that found them: cancel prints no columns.
func (a *absentError) hint(command string) string {
	if command == "cancel" {
		return "the others are canceled or erased; check the ids and the server"
	}
	return "the column status tells which; check the ids and the server"
}

// unfinishedError tells that some jobs of a range are not done.
type unfinishedError struct{ pending, of int64 }

func (u *unfinishedError) Error() string {
	return fmt.Sprintf("of %d jobs %d are pending", u.of, u.pending)
}

// getRange prints what has become of a range, as it is now.
func (p *program) getRange(ctx context.Context, jobs *client.Jobs, r idRange) error {
	f := p.finder()
	return f.end(f.printNow(ctx, jobs, r))
}

func (f *finder) printNow(ctx context.Context, jobs *client.Jobs, r idRange) error {
	const piece = 10_000
	for first := r.first; first <= r.last; first += piece {
		results, err := jobs.GetBatch(ctx, first, int(min(piece, r.last-first+1)))
		if err != nil {
			return err
		}
		for _, one := range results {
			if err := f.print(one); err != nil {
				return err
			}
		}
	}
	return nil
}

// awaitRange prints each job of a range once it is not pending, and after the timeout the others as they are.
func (p *program) awaitRange(ctx context.Context, jobs *client.Jobs, r idRange, timeout time.Duration) error {
	if timeout < 0 {
		return &usageError{"--timeout must not be negative", "0 waits for ever"}
	}
	within, cancel := context.WithCancel(ctx)
	if timeout > 0 {
		within, cancel = context.WithTimeout(ctx, timeout)
	}
	defer cancel()
	f := p.finder()
	err := pump(within, func(ctx context.Context) iter.Seq2[client.Result, error] {
		return jobs.WaitBatch(ctx, r.first, r.count())
	}, f.take)
	if timedOut(within, err) {
		err = f.printNow(ctx, jobs, idRange{r.first + f.found, r.last})
	}
	return f.end(err)
}

// take prints one, and if no other is ready sees to it that it is read.
func (f *finder) take(one client.Result, last bool) error {
	err := f.print(one)
	if err == nil && last {
		err = f.out.Flush()
	}
	return err
}

// canceledRange is what cancel prints with --json of a range.
type canceledRange struct {
	First client.JobID `json:"first"`
	Last  client.JobID `json:"last"`
	client.Ended
}

func (p *program) cancelRange(ctx context.Context, jobs *client.Jobs, r idRange) error {
	ended, err := jobs.CancelBatch(ctx, r.first, r.count())
	if p.json {
		err = errors.Join(p.printJSON(canceledRange{r.first, r.last, ended}), err)
	}
	if err == nil && ended.Gone+ended.Unknown > 0 {
		err = &absentError{int64(ended.Gone), int64(ended.Unknown), int64(r.count())}
	}
	return err
}

// settle puts into the record what has become of its job.
func (r *record) settle(result client.Result) {
	one := foundOf(result)
	r.Status, r.Hash = string(one.Status), one.Hash
}
