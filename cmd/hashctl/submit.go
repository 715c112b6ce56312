package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hashd-project/hashd/v2/client"
)

// submission is what submit is told.
type submission struct {
	file, algorithm, key string
	wait, raw            bool
	timeout              time.Duration
}

func (p *program) submitCommand() *cobra.Command {
	var s submission
	c := &cobra.Command{
		Use: "submit", Short: "Submit a secret", Long: submitUsage, Args: noSecretArgs, ValidArgsFunction: cobra.NoFileCompletions,
		RunE: p.action(func(ctx context.Context, jobs *client.Jobs, _ []string) error { return p.submit(ctx, jobs, s) }),
	}
	f := c.Flags()
	f.StringVar(&s.file, "file", "", "file that holds the secret; - is standard input")
	f.BoolVar(&s.raw, "raw", false, "take the input's bytes as they are")
	f.StringVar(&s.key, "idempotency-key", "", "makes it safe to submit again")
	f.BoolVar(&s.wait, "wait", false, "wait for the hash")
	f.DurationVar(&s.timeout, "timeout", 0, "how long to wait; 0 means for ever")
	algorithmFlag(c, &s.algorithm)
	return c
}

func algorithmFlag(c *cobra.Command, algorithm *string) {
	c.Flags().StringVar(algorithm, "algorithm", "", "hash function")
	complete(c, "algorithm", algorithms()...)
}

// algorithms returns the names of those that a user can ask for.
func algorithms() []string {
	return []string{string(client.Sha512), string(client.Sha256), string(client.Sha3512)}
}

// noSecretArgs refuses arguments without repeating them: one is most likely a secret.
func noSecretArgs(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return errors.New("submit takes no arguments: others can see a command line, so a secret comes from a prompt, --file or standard input")
	}
	return nil
}

func (p *program) submit(ctx context.Context, jobs *client.Jobs, s submission) error {
	o, err := options(s.algorithm, s.key)
	if err != nil {
		return err
	}
	secret, err := p.readSecret(ctx, s.file, s.raw)
	if err != nil {
		return err
	}
	accepted, err := jobs.Submit(ctx, secret, o)
	clear(secret)
	if err != nil {
		return err
	}
	if s.wait {
		err := p.await(ctx, jobs, accepted.Id, s.timeout)
		if err != nil && ctx.Err() != nil { // nobody has seen the id yet
			return &failure{err, fmt.Sprintf("job %d stays submitted; 'hashctl wait %d' waits for its hash", accepted.Id, accepted.Id)}
		}
		return err
	}
	return p.print(accepted, strconv.FormatInt(accepted.Id, 10))
}

// options checks what both submit and bulk are told.
func options(algorithm, key string) (client.Options, error) {
	o := client.Options{Algorithm: client.Algorithm(algorithm), Key: key}
	if algorithm != "" && !o.Algorithm.Valid() {
		return o, &usageError{"there is no such --algorithm", "there are " + enumerated(algorithms())}
	}
	return o, nil
}

// enumerated returns two words or more as a sentence lists them.
func enumerated(words []string) string {
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " and " + words[last]
}

// lateError tells that a wait ended before the job was done.
type lateError struct {
	id      client.JobID
	timeout time.Duration
}

func (l *lateError) Error() string {
	return fmt.Sprintf("job %d was not done within %v", l.id, l.timeout)
}

// await waits for the hash and prints it. A timeout of 0 is none.
func (p *program) await(ctx context.Context, jobs *client.Jobs, id client.JobID, timeout time.Duration) error {
	late := &lateError{id, timeout}
	if timeout < 0 {
		return &usageError{"--timeout must not be negative", "0 waits for ever"}
	}
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	result, err := jobs.Wait(ctx, id)
	if timedOut(ctx, err) {
		return late
	}
	if err != nil {
		return err
	}
	return p.print(result, result.Hash)
}

// timedOut reports whether the context's time was over before the server said anything else.
func timedOut(ctx context.Context, err error) bool {
	_, refused := errors.AsType[*client.ProblemError](err)
	return err != nil && !refused && errors.Is(ctx.Err(), context.DeadlineExceeded)
}
