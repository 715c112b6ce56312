//go:build linux

// Command bench owns what hashd says of its own speed and memory: it measures the engine beside
// the plain design of one timer and one map entry a job, and holds both against the goals.
//
// Machines differ and are noisy, so speeds are read as ratios of runs that took turns on one
// machine; absolute figures stand beside what that machine takes to read its clock. Each case
// runs in a process of its own, whose memory nothing else has touched. Nothing may depend on
// this command, and no test may hold hashd to a speed. It reads memory from Linux's /proc.
//
// It exits with 0 although a goal is missed, with 1 if a run failed or any result was early,
// lost or wrong, and with 2 for a wrong command line.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"time"
)

// command is one sub-command. A new one is one line in commands.
type command struct {
	name    string
	summary string
	limit   time.Duration // bounds the time it takes, unless -timeout says otherwise
	inAll   bool          // part of the sub-command all

	// setup declares the flags and returns what runs once they are parsed.
	setup func(*flag.FlagSet) runner
	// child is what the runner has done in fresh processes; nil if it needs none.
	child childFunc
}

// runner measures and prints a table.
type runner func(context.Context, *session) error

func commands() []command {
	return []command{
		{"accept", "time, allocations and memory of accepted jobs", 20 * time.Minute, true, newAccept, child(acceptCase)},
		{"flat", "time to accept a job, by how many are pending already", 15 * time.Minute, true, newFlat, child(flatCase)},
		{"drain", "jobs hashed a second, against what the cores can do", 15 * time.Minute, true, newDrain, child(drainCase)},
		{"lateness", "how long after its due time a hash is visible", 5 * time.Minute, true, newLateness, child(latenessCase)},
		{"http", "POST /hash in process and over loopback, against a bare Echo handler", 10 * time.Minute, true, newHTTP, child(httpCase)},
		{"batch", "time to accept a job in a batch, against one by one", 10 * time.Minute, true, newBatch, child(batchCase)},
		{"file", "the durable engine's speed, recovery and disk space, beside the memory engine", 20 * time.Minute, true, newFile, child(fileCase)},
		{"jetstream", "the engine on NATS servers: clients, lateness and disk space", 20 * time.Minute, true, newJetStream, nil},
		{"burst", "10,000 and 10,000,000 jobs within the delay, every hash verified", 15 * time.Minute, true, newBurst, child(burstCase)},
		{"http-burst", "10,000,000 jobs into a server by HTTP and out again, every hash verified", 15 * time.Minute, true, newHTTPBurst, nil},
		{"overload", "POST /hash at 0.5 to 10 times what one core serves, by clients that wait and that do not", 15 * time.Minute, true, newOverload, child(overloadCase)},
		{"capacity", "memory and CPU time of a job in each engine, to plan machines with (docs/operate.md)", 15 * time.Minute, false, newCapacity, child(capacityCase)},
		{"all", "all of the above but capacity", time.Hour, false, newAll, nil},
	}
}

// errUsage is a wrong command line, which has been explained already.
var errUsage = errors.New("usage")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	err := dispatch(ctx, args, stdout, stderr)
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.Is(err, errUsage):
		return 2
	}
	fmt.Fprintf(stderr, "bench: %v\n", err)
	return 1
}

func dispatch(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 0 {
		usage(stderr)
		return errUsage
	}
	switch args[0] {
	case "-h", "-help", "--help", "help":
		usage(stdout)
		return nil
	case childName:
		return runChild(ctx, args[1:], stdout)
	case thawName:
		return thaw(args[1:])
	}
	for _, c := range commands() {
		if c.name == args[0] {
			return c.main(ctx, args[1:], stdout, stderr)
		}
	}
	fmt.Fprintf(stderr, "bench: no sub-command %q\n", args[0])
	usage(stderr)
	return errUsage
}

// usage lists the sub-commands.
func usage(w io.Writer) {
	fmt.Fprint(w, "usage: bench NAME [flags]\n\n")
	for _, c := range commands() {
		fmt.Fprintf(w, "  %-10s %s\n", c.name, c.summary)
	}
	fmt.Fprint(w, "\nbench NAME -h shows the flags.\n")
}

// main parses the flags and runs the sub-command within its limit of time.
func (c command) main(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs := flag.NewFlagSet(c.name, flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.Usage = func() {
		fmt.Fprintf(fs.Output(), "usage: bench %s [flags]\n\n%s\n\n", c.name, c.summary)
		fs.PrintDefaults()
	}
	runs := fs.Int("runs", 3, "how often each case runs; hashd and the baseline take turns")
	limit := fs.Duration("timeout", c.limit, "give up after this time")
	into := fs.String("into", "", "a document in Markdown that also gets the tables, in place of those between its two marks")
	measure := c.setup(fs)
	if err := fs.Parse(args); errors.Is(err, flag.ErrHelp) {
		return err
	} else if err != nil {
		return errUsage
	}
	if *runs < 1 || *limit <= 0 || fs.NArg() > 0 {
		fmt.Fprintln(stderr, "bench: -runs and -timeout must be positive, and there are no arguments beside flags")
		return errUsage
	}
	ctx, cancel := context.WithTimeoutCause(ctx, *limit, fmt.Errorf("gave up after -timeout %v", *limit))
	defer cancel()
	s := &session{command: c.name, invocation: invocation(c.name, fs, *runs), runs: *runs, out: stdout, progress: stderr}
	if *into == "" {
		return measure(ctx, s)
	}
	return measureInto(ctx, *into, s, measure)
}

// invocation returns the command that measures the same again.
func invocation(name string, fs *flag.FlagSet, runs int) string {
	command := "go run ./cmd/bench " + name
	fs.VisitAll(func(f *flag.Flag) {
		own := f.Name != "runs" && f.Name != "timeout" && f.Name != "into"
		if own && f.Value.String() != f.DefValue {
			command += fmt.Sprintf(" -%s %s", f.Name, f.Value)
		}
	})
	return fmt.Sprintf("%s -runs %d", command, runs)
}

// newAll goes on where one fails, so that one bad case does not cost an hour's other results. It
// runs one after the other what is marked inAll.
func newAll(fs *flag.FlagSet) runner {
	jobs := fs.Int64("jobs", 0, "the most jobs in each sub-command that has this flag, but for burst; 0 keeps their defaults")
	return func(ctx context.Context, s *session) error {
		var errs []error
		for _, c := range commands() {
			if !c.inAll {
				continue
			}
			own := flag.NewFlagSet(c.name, flag.ContinueOnError)
			measure := c.setup(own)
			if *jobs != 0 && c.name != "burst" { // ten million are its point
				errs = append(errs, lower(own.Lookup("jobs"), *jobs))
			}
			part := *s // each starts its own cases
			part.command, part.invocation = c.name, invocation(c.name, own, s.runs)
			errs = append(errs, measure(ctx, &part))
		}
		return errors.Join(errs...)
	}
}

// lower sets a number to n if it is higher.
func lower(f *flag.Flag, n int64) error {
	if f == nil {
		return nil
	}
	if is, err := strconv.ParseInt(f.DefValue, 10, 64); err != nil || is <= n {
		return err
	}
	return f.Value.Set(strconv.FormatInt(n, 10))
}
