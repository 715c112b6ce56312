package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hashd-project/hashd/v2/client"
)

// The exit codes.
const (
	exitOK          = 0
	exitFailed      = 1   // refused by the server, unreachable, or a file could not be read or written
	exitUsage       = 2   // a bad command line, or a secret that no server takes
	exitPending     = 3   // not done yet
	exitGone        = 4   // the job is gone, or no job has this id
	exitIncomplete  = 5   // a bulk ended, but for some lines there is no hash
	exitInterrupted = 130 // by a signal, as shells report Ctrl-C
)

// runError is an error of running a command. Any other error is cobra's, of the command line.
type runError struct{ error }

func (r *runError) Unwrap() error { return r.error }

// usageError is a mistake in what was given.
type usageError struct{ problem, hint string }

func (u *usageError) Error() string { return u.problem }

// failure is an error of running that comes with its own hint.
type failure struct {
	error
	hint string
}

func (f *failure) Unwrap() error { return f.error }

// outcome is how a run that did not succeed is reported: the exit code, and an RFC 9457 problem
// with the hint and the code as extensions.
type outcome struct {
	Type     string              `json:"type"`
	Title    string              `json:"title"`
	Status   int                 `json:"status,omitempty"` // of HTTP, if the server refused
	Detail   string              `json:"detail"`
	Instance string              `json:"instance,omitempty"`
	Errors   []client.FieldError `json:"errors,omitempty"`
	Hint     string              `json:"hint"`
	Exit     int                 `json:"exit"`

	text    string      // what a person reads instead of Detail, if not ""
	pending *client.Job // with --json this is what there is to print
}

func local(kind, title string, err error, hint string, exit int) outcome {
	return outcome{Type: "urn:hashctl:problem:" + kind, Title: title, Detail: err.Error(), Hint: hint, Exit: exit}
}

// outcomeOf is the whole table from errors to exit codes and hints.
func (p *program) outcomeOf(ctx context.Context, c *cobra.Command, err error) outcome {
	failed, _ := errors.AsType[*failure](err)
	if ctx.Err() != nil {
		o := local("interrupted", "Interrupted", errors.New("interrupted"), "what was submitted stays submitted", exitInterrupted)
		if failed != nil {
			o.Hint = failed.hint
		}
		return o
	}
	help := "run '" + c.CommandPath() + " --help'"
	if _, ran := errors.AsType[*runError](err); !ran || errors.Is(err, client.ErrKey) {
		return local("usage", "Bad command line", err, help, exitUsage)
	}
	if mistake, ok := errors.AsType[*usageError](err); ok {
		return local("usage", "Bad command line", mistake, mistake.hint, exitUsage)
	}
	if pending, ok := errors.AsType[*client.PendingError](err); ok {
		o := local("pending", "Not done yet", pending, fmt.Sprintf("'hashctl wait %d' waits for it", pending.Job.Id), exitPending)
		o.pending = &pending.Job
		return o
	}
	if late, ok := errors.AsType[*lateError](err); ok {
		return local("pending", "Not done yet", late, "wait longer with --timeout", exitPending)
	}
	if some, ok := errors.AsType[*unfinishedError](err); ok {
		return local("pending", "Not done yet", some, "'hashctl wait' waits for them", exitPending)
	}
	if some, ok := errors.AsType[*absentError](err); ok {
		return local("gone", "Some have no hash", some, some.hint(c.Name()), exitGone)
	}
	if some, ok := errors.AsType[*incompleteError](err); ok {
		return local("incomplete", "Some have no hash", some, "the column status tells which; submit those lines again", exitIncomplete)
	}
	var o outcome
	if problem, ok := errors.AsType[*client.ProblemError](err); ok {
		o = p.refused(problem, err)
	} else {
		o = local("failed", "Failed", err, cmp.Or(p.networkHint(err), help), exitFailed)
	}
	if failed != nil {
		o.Hint = failed.hint
	}
	return o
}

// refused is the outcome of a refusal by the server.
func (p *program) refused(problem *client.ProblemError, err error) outcome {
	o := outcome{
		Type: problem.Type, Title: problem.Title, Status: problem.Status, Detail: problem.Detail, Instance: problem.Instance, Errors: problem.Errors,
		Hint: "the message says what the server takes", Exit: exitFailed, text: err.Error(),
	}
	if o.Detail == "" {
		o.Detail = o.text
	}
	switch {
	case problem.Type == client.GoneType:
		o.Exit, o.Hint = exitGone, "submit the secret again"
	case problem.Type == client.UnknownJobType:
		o.Exit, o.Hint = exitGone, "check the id and the server; a server that keeps jobs in memory forgets them when it stops"
	case problem.Type == client.UnauthorizedType:
		o.Hint = p.keyHint()
	case problem.Type == client.ForbiddenType:
		o.Hint = "ask the operator of the server for a key that has the scope"
	case problem.Type == client.QuotaExceededType:
		o.Hint = "try again once some of the pending jobs are done, or give --retry-for more time"
	case problem.Status >= http.StatusInternalServerError || problem.Status == http.StatusTooManyRequests:
		o.Hint = "try again later, or give --retry-for more time"
	case problem.Status/100 == 3:
		o.Hint = "a redirection is not followed, for it would take a secret to another place; give --server or HASHD_SERVER the right URL"
	case problem.Type == "about:blank" && problem.Status == http.StatusBadRequest && strings.HasPrefix(p.server, "http://"):
		o.Hint = p.server + " is not a hashd, or it wants https://; check --server or HASHD_SERVER"
	case problem.Type == "about:blank":
		o.Hint = p.server + " is not a hashd, or something is in front of it; check --server or HASHD_SERVER"
	}
	return o
}

// keyHint says what to do where the server does not take the key, or wants one.
func (p *program) keyHint() string {
	if name := p.access.name(p.env); name != "" {
		return "the server does not take the key " + name + ": it is of another server, expired or revoked; ask the operator for a new one"
	}
	return "give an API key in --api-key-file or " + keyVariable + "; the operator of the server makes one with 'hashd key add'"
}

// report prints the outcome and returns its exit code.
func (p *program) report(o outcome) int {
	o.Detail, o.text, o.Hint = withoutKeys(o.Detail), withoutKeys(o.text), withoutKeys(o.Hint)
	switch {
	case p.json && o.pending != nil:
		_ = p.printJSON(o.pending)
	case p.json:
		_ = json.NewEncoder(p.stderr).Encode(o)
	default:
		_, _ = fmt.Fprintf(p.stderr, "hashctl: %s\nhint: %s\n", cmp.Or(o.text, o.Detail), o.Hint)
	}
	return o.Exit
}

// printJSON prints one document.
func (p *program) printJSON(document any) error { return json.NewEncoder(p.stdout).Encode(document) }

// print prints the document with --json, and else the text.
func (p *program) print(document any, text string) error {
	if p.json {
		return p.printJSON(document)
	}
	_, err := fmt.Fprintln(p.stdout, text)
	return err
}
