package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/hashd-project/hashd/v2/client"
)

// bulkOptions is what bulk is told.
type bulkOptions struct {
	file, output, format, algorithm string
	batch, inFlight                 int
	noWait, raw, retryForGiven      bool
}

// So many batches are under way that a server with the default delay is kept busy, and so many of them are collected
// at once.
const (
	defaultInFlight = 128
	collectors      = 4
)

func (p *program) bulkCommand() *cobra.Command {
	var o bulkOptions
	c := &cobra.Command{
		Use: "bulk FILE", Short: "Submit each line of a file and collect the hashes", Long: bulkUsage, Args: oneArg("a file or -"),
		RunE: func(c *cobra.Command, args []string) error {
			o.file, o.retryForGiven = args[0], c.Flags().Changed("retry-for")
			if err := p.bulk(c.Context(), o); err != nil {
				return &runError{err}
			}
			return nil
		},
	}
	f := c.Flags()
	f.StringVar(&o.output, "output", "", "file for the records")
	f.StringVar(&o.format, "format", "", "csv or ndjson")
	f.IntVar(&o.batch, "batch", maxBatch, "most lines submitted at once")
	f.IntVar(&o.inFlight, "in-flight", defaultInFlight, "most batches under way at once")
	f.BoolVar(&o.raw, "raw", false, "take the lines' bytes as they are")
	f.BoolVar(&o.noWait, "no-wait", false, "submit only")
	complete(c, "format", formatCSV, formatNDJSON)
	algorithmFlag(c, &o.algorithm)
	return c
}

// check completes the options, or says what is wrong with them.
func (o *bulkOptions) check(json bool) (client.Options, error) {
	switch {
	case o.format == "" && json:
		o.format = formatNDJSON
	case o.format == "":
		o.format = formatCSV
	case o.format != formatCSV && o.format != formatNDJSON:
		return client.Options{}, &usageError{"there is no such --format", "there are csv and ndjson"}
	case o.format == formatCSV && json:
		return client.Options{}, &usageError{"--json and --format csv exclude each other", "leave one of them out"}
	}
	if o.batch < 1 || o.batch > maxBatch {
		return client.Options{}, &usageError{"--batch must be 1 to 10000", "a server takes no more at once"}
	}
	if o.inFlight < 1 || o.inFlight > 1000 {
		return client.Options{}, &usageError{"--in-flight must be 1 to 1000", "each batch under way takes about 1 MB of memory, and up to 3.5 MB at its peak"}
	}
	return options(o.algorithm, "")
}

func (p *program) bulk(ctx context.Context, o bulkOptions) error {
	options, err := o.check(p.json)
	if err != nil {
		return err
	}
	in, total, err := p.openInput(ctx, o.file, o.raw)
	if err != nil {
		return err
	}
	defer in.Close() //nolint:errcheck // it is only read
	status, err := p.reach(ctx, in, total)
	if err != nil {
		return err
	}
	if taken := int(status.Limits.Batch); taken > 0 {
		o.batch = min(o.batch, taken)
	}
	out, state, err := p.openOutput(o)
	if err != nil {
		return err
	}
	defer out.Close() //nolint:errcheck // what counts is synced
	b := &bulk{
		options: options, size: o.batch, inFlight: o.inFlight, wait: !o.noWait, format: o.format,
		in: newLineReader(in, o.raw), out: out, state: state, collecting: make(chan struct{}, collectors),
	}
	if !p.json {
		work := workload{total: total, done: state.nextLine() - 1, room: int64(o.batch) * int64(o.inFlight), wait: b.wait, resumed: state.resumed}
		b.progress = newProgress(p.stderr, work, o.output != "" || !isTerminal(p.stdout))
	}
	if b.jobs, err = p.jobs(ctx, o.patience(p.retryFor), b.progress.retrying); err == nil {
		err = b.run(ctx)
	}
	b.progress.finish(b.summary(err))
	if p.json && b.again.Load() { // else progress has told it
		text := errors.New("lines were submitted again whose jobs the server did not have any more")
		p.report(local("submitted-again", "Submitted again", text, "was it started anew, or restored from a copy?", exitOK))
	}
	if b.in.other > 0 {
		p.warnOfForm(fmt.Sprintf("line %d, the first of such lines,", b.in.other))
	}
	err = errors.Join(err, state.close(err == nil))
	if err != nil {
		return &failure{err, o.hint(err, state.file != nil)}
	}
	if b.missing > 0 {
		return &incompleteError{b.missing, b.lines()}
	}
	return nil
}

// reach finds out at once whether there is a server, which a bulk would otherwise wait for. An empty input
// needs none.
func (p *program) reach(ctx context.Context, in io.Reader, total int64) (client.Status, error) {
	jobs, err := p.jobs(ctx, p.retryFor, p.patiently())
	if err != nil || total == 0 {
		return client.Status{}, err
	}
	asking, empty := context.WithCancel(ctx)
	defer empty()
	if pipe, ok := in.(piped); ok {
		pipe.begin(empty)
	}
	status, err := jobs.Status(asking)
	if asking.Err() != nil && ctx.Err() == nil {
		return status, nil
	}
	return status, err
}

// piped is an input whose end only reading it finds.
type piped struct {
	*interruptible
	io.Closer
}

// patience is how long requests are tried again: for ever, unless the user says otherwise.
func (o *bulkOptions) patience(retryFor time.Duration) time.Duration {
	if o.retryForGiven {
		return retryFor
	}
	return 0
}

// hint says how to go on after an error.
func (o *bulkOptions) hint(err error, kept bool) string {
	problem, refused := errors.AsType[*client.ProblemError](err)
	switch {
	case refused && problem.Status == http.StatusRequestEntityTooLarge && kept:
		return "remove " + o.output + " and " + o.output + stateSuffix + ", and give a smaller --batch"
	case refused && problem.Status == http.StatusRequestEntityTooLarge:
		return "give a smaller --batch"
	case kept && (errors.Is(err, client.ErrUnauthorized) || errors.Is(err, client.ErrForbidden)):
		return "with a key that the server takes, the same command goes on where this one stopped"
	case kept && errors.Is(err, syscall.ENOSPC):
		return "make room, and the same command goes on where this one stopped"
	case kept:
		return "the same command goes on where this one stopped"
	case errors.Is(err, syscall.EPIPE):
		return "the reader of the output has ended; what was submitted stays submitted"
	}
	return "what was submitted stays submitted; with --output the same command could go on"
}

// incompleteError tells that a bulk came to its end without all hashes.
type incompleteError struct{ missing, lines int64 }

func (i *incompleteError) Error() string {
	return fmt.Sprintf("%d of %d lines have no hash", i.missing, i.lines)
}

// openInput opens the file, standard input if it is "-", and returns how many lines it has, or -1
// if that can't be known. A regular file is checked to its end before anything is submitted.
func (p *program) openInput(ctx context.Context, name string, raw bool) (io.ReadCloser, int64, error) {
	if name == "-" {
		return piped{newInterruptible(ctx, p.stdin), io.NopCloser(nil)}, -1, nil
	}
	const hint = "nothing was submitted"
	f, err := os.Open(name) //nolint:gosec // the user names it
	if err != nil {
		return nil, 0, &failure{err, hint}
	}
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		return nil, 0, &failure{errors.Join(errors.New(name+" is a directory"), f.Close()), hint}
	}
	if err == nil && !info.Mode().IsRegular() {
		return piped{newInterruptible(ctx, f), f}, -1, nil
	}
	lines := int64(0)
	if err == nil {
		lines, err = checkLines(ctx, f, raw)
	}
	if err = errors.Join(err, seek(f, 0)); err != nil {
		return nil, 0, &failure{errors.Join(err, f.Close()), hint}
	}
	return f, lines, nil
}
