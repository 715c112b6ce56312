package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/hashd-project/hashd/v2/client"
)

func (p *program) getCommand() *cobra.Command {
	return &cobra.Command{
		Use: "get ID", Short: "Print a job's hash", Long: getUsage, Args: oneArg("a job's id"), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: p.action(func(ctx context.Context, jobs *client.Jobs, args []string) error {
			if is, err := onRange(args, func(r idRange) error { return p.getRange(ctx, jobs, r) }); is {
				return err
			}
			ids, err := parseIDs(args)
			if err != nil {
				return err
			}
			result, err := jobs.Get(ctx, ids[0])
			if err != nil {
				return err
			}
			return p.print(result, result.Hash)
		}),
	}
}

func (p *program) waitCommand() *cobra.Command {
	var timeout time.Duration
	c := &cobra.Command{
		Use: "wait ID", Short: "Wait for a job's hash", Long: waitUsage, Args: oneArg("a job's id"), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: p.action(func(ctx context.Context, jobs *client.Jobs, args []string) error {
			if is, err := onRange(args, func(r idRange) error { return p.awaitRange(ctx, jobs, r, timeout) }); is {
				return err
			}
			ids, err := parseIDs(args)
			if err != nil {
				return err
			}
			return p.await(ctx, jobs, ids[0], timeout)
		}),
	}
	c.Flags().DurationVar(&timeout, "timeout", 0, "how long to wait; 0 means for ever")
	return c
}

func (p *program) cancelCommand() *cobra.Command {
	return &cobra.Command{
		Use: "cancel ID...", Short: "Cancel jobs or erase their hashes", Long: cancelUsage, Args: someArgs, ValidArgsFunction: cobra.NoFileCompletions,
		RunE: p.action(func(ctx context.Context, jobs *client.Jobs, args []string) error {
			if is, err := onRange(args, func(r idRange) error { return p.cancelRange(ctx, jobs, r) }); is {
				return err
			}
			ids, err := parseIDs(args)
			if err != nil {
				return err
			}
			return p.cancel(ctx, jobs, ids)
		}),
	}
}

func someArgs(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return errors.New(c.CommandPath() + " takes the ids of one or more jobs")
	}
	return nil
}

// parseIDs checks all ids before anything is done to one.
func parseIDs(args []string) (ids []client.JobID, err error) {
	for _, arg := range args {
		id, err := strconv.ParseInt(arg, 10, 64)
		if err != nil || id < 1 {
			return nil, &usageError{"a job's id is a whole number from 1 on", "submit prints it"}
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// canceled is what cancel prints with --json.
type canceled struct {
	Canceled []client.JobID `json:"canceled"` // or their hashes erased
	Missing  []client.JobID `json:"missing"`  // gone before, or never there
}

// cancel goes on after jobs that are gone or unknown, and then fails for the first of them. Any
// other failure ends it; what was canceled till then is told all the same.
func (p *program) cancel(ctx context.Context, jobs *client.Jobs, ids []client.JobID) error {
	done := canceled{Canceled: []client.JobID{}, Missing: []client.JobID{}}
	var failure error
	for _, id := range ids {
		err := jobs.Cancel(ctx, id)
		if err == nil {
			done.Canceled = append(done.Canceled, id)
			continue
		}
		problem, _ := errors.AsType[*client.ProblemError](err)
		if problem == nil || problem.Type != client.GoneType && problem.Type != client.UnknownJobType {
			failure = err
			break
		}
		done.Missing = append(done.Missing, id)
		if failure == nil {
			failure = err
		} else if !p.json {
			_, _ = fmt.Fprintf(p.stderr, "hashctl: %v\n", err)
		}
	}
	if p.json {
		return errors.Join(p.printJSON(done), failure)
	}
	return failure
}
