//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
)

// session is one run of a sub-command.
type session struct {
	command    string
	invocation string // the command line that measures the same again
	runs       int
	out        io.Writer     // tables
	document   *bytes.Buffer // tables in Markdown; nil if nobody wants them
	progress   io.Writer     // what is being measured now
}

// print writes a table.
func (s *session) print(t *table) error {
	t.command, t.machine = s.invocation, machine()
	if s.document != nil {
		t.markdown(s.document)
	}
	return t.print(s.out)
}

// childName is the hidden sub-command that a fresh process gets: its arguments are the name of
// the sub-command that asks and a case in JSON, its output is one line of JSON.
const childName = "child"

// childFunc measures one case, given and answered in JSON.
type childFunc func(context.Context, []byte) (any, error)

// child makes a childFunc of a function from a case C to a result.
func child[C, R any](measure func(context.Context, C) (R, error)) childFunc {
	return func(ctx context.Context, args []byte) (any, error) {
		var c C
		if err := json.Unmarshal(args, &c); err != nil {
			return nil, fmt.Errorf("read the case: %w", err)
		}
		return measure(ctx, c)
	}
}

// runChild is the fresh process's side.
func runChild(ctx context.Context, args []string, stdout io.Writer) error {
	beFirstToGo()
	for _, c := range commands() {
		if len(args) != 2 || c.name != args[0] || c.child == nil {
			continue
		}
		result, err := c.child(ctx, []byte(args[1]))
		if err != nil {
			return err
		}
		return json.NewEncoder(stdout).Encode(result)
	}
	return errors.New("no such case")
}

// fresh measures one case in a process of its own.
func fresh[R any](ctx context.Context, s *session, c any) (R, error) {
	var result R
	args, err := json.Marshal(c)
	if err != nil {
		return result, fmt.Errorf("write the case: %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return result, fmt.Errorf("find this program: %w", err)
	}
	// Its progress goes where errors go: a pipe that reads the tables is left clean.
	fmt.Fprintf(s.progress, "%s %s\n", s.command, args)
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, self, childName, s.command, string(args))
	cmd.Stdout, cmd.Stderr = &out, s.progress
	if err := cmd.Run(); ctx.Err() != nil {
		return result, context.Cause(ctx)
	} else if err != nil {
		return result, fmt.Errorf("%s %s: %w", s.command, args, err)
	}
	if err := json.Unmarshal(out.Bytes(), &result); err != nil {
		return result, fmt.Errorf("%s %s: read the result: %w", s.command, args, err)
	}
	return result, nil
}

// killed says whether the error is that of a process which SIGKILL ended.
func killed(err error) bool {
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		return false
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// repeat measures the case of hashd alone, once a run.
func repeat[R any](ctx context.Context, s *session, c any) ([]R, error) {
	var results []R
	for range s.runs {
		r, err := fresh[R](ctx, s, c)
		if err != nil {
			return nil, err
		}
		results = append(results, r)
	}
	return results, nil
}

// pairs holds the results of both designs: those of one index ran one right after the other.
type pairs[R any] struct {
	hashd, baseline []R
}

// inTurn measures a case of both designs.
func inTurn[R any](ctx context.Context, s *session, of func(design) any) (pairs[R], error) {
	return turns[R](ctx, s, of(hashd), of(baseline))
}

// turns measures two cases, A B A B …, once a run: what slows the machine for a while slows both.
func turns[R any](ctx context.Context, s *session, first, second any) (pairs[R], error) {
	var p pairs[R]
	for range s.runs {
		a, err := fresh[R](ctx, s, first)
		if err != nil {
			return p, err
		}
		b, err := fresh[R](ctx, s, second)
		if err != nil {
			return p, err
		}
		p.hashd, p.baseline = append(p.hashd, a), append(p.baseline, b)
	}
	return p, nil
}

// row makes a row of one figure of the results.
func (p pairs[R]) row(what string, u unit, figure func(R) float64) row {
	return row{what: what, unit: u, hashd: collect(p.hashd, figure), baseline: collect(p.baseline, figure)}
}
