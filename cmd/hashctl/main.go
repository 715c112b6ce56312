// Command hashctl submits secrets to a hashd and collects their hashes. It knows hashd by its
// contract alone, through the Go client.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/hashd-project/hashd/v2/client"
	"github.com/hashd-project/hashd/v2/internal/mistyped"
)

func main() {
	debug.SetTraceback("crash")    // so that a crash ends by SIGABRT: the runtime's exit code is one of ours
	signal.Ignore(syscall.SIGPIPE) // an error tells that nobody reads the output any more, and how to go on
	ctx, stop := interrupted()
	context.AfterFunc(ctx, stop) // a second one ends the process at once
	p := &program{env: os.Getenv, environ: os.Environ(), stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr}
	os.Exit(p.run(ctx, os.Args[1:]))
}

// interrupted returns a context that a signal ends: Ctrl-C, a request to end, or a terminal that is closed.
// One that was ignored when the process began, as by nohup, stays ignored.
func interrupted() (ctx context.Context, stop context.CancelFunc) {
	signals := slices.DeleteFunc([]os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP}, signal.Ignored)
	if len(signals) == 0 { // to NotifyContext that would be all
		return context.WithCancel(context.Background())
	}
	return signal.NotifyContext(context.Background(), signals...)
}

// program is one run of hashctl.
type program struct {
	env            func(name string) string
	environ        []string // all variables, as os.Environ gives them
	stdin          io.Reader
	stdout, stderr io.Writer

	// Flags of every command.
	server   string
	json     bool
	retryFor time.Duration
	access   access
}

const serverVariable = "HASHD_SERVER"

const defaultServer = "http://127.0.0.1:8080"

// run runs the command line until it is done, or until a signal ends ctx. It returns the exit code.
func (p *program) run(ctx context.Context, args []string) int {
	root := p.command() //nolint:contextcheck // cobra hands the context to the command that runs
	root.SetArgs(args)
	root.SetIn(p.stdin)
	root.SetOut(p.stdout)
	root.SetErr(p.stderr)
	c, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	return p.report(p.outcomeOf(ctx, c, err))
}

func (p *program) command() *cobra.Command {
	root := &cobra.Command{
		Use: "hashctl", Long: usage, SilenceErrors: true, SilenceUsage: true,
		Args: noArgs,
	}
	version := root.Flags().Bool("version", false, "print the version of hashctl")
	root.RunE = func(*cobra.Command, []string) error {
		if *version {
			return p.printVersion()
		}
		return errors.New("a command is missing")
	}
	root.SetHelpTemplate("{{.Long}}\n") // the texts are written by hand
	root.SetFlagErrorFunc(mistyped.Flag)
	server := p.env(serverVariable)
	if server == "" {
		server = defaultServer
	}
	flags := root.PersistentFlags()
	flags.StringVar(&p.server, "server", server, "URL of the server")
	flags.BoolVar(&p.json, "json", false, "results and errors as JSON")
	flags.DurationVar(&p.retryFor, "retry-for", defaultRetryFor, "how long a failing request is tried again")
	p.access.addFlags(flags)
	complete(root, "server")
	root.AddCommand(
		p.submitCommand(), p.getCommand(), p.waitCommand(), p.cancelCommand(),
		p.statsCommand(), p.statusCommand(), p.bulkCommand(), p.tailCommand(), p.versionCommand(),
	)
	return root
}

// defaultRetryFor is long enough for a server to restart, and short enough for a person.
const defaultRetryFor = 10 * time.Second

// jobs returns the client of the server.
func (p *program) jobs(ctx context.Context, retryFor time.Duration, onRetry func(error, time.Duration)) (*client.Jobs, error) {
	if retryFor < 0 {
		return nil, &usageError{"--retry-for must not be negative", "0 tries again until it succeeds"}
	}
	if name := mistypedServer(p.environ); name != "" {
		return nil, &usageError{"hashctl takes no variable " + name, "the nearest is " + serverVariable}
	}
	const form = "give one like http://127.0.0.1:8080 or https://hashd.example/below"
	key, err := p.access.keys(ctx, p.env)
	if err != nil {
		return nil, err
	}
	trust, err := p.access.tls(p.server)
	if err != nil {
		return nil, err
	}
	jobs, err := client.NewJobs(client.Config{Server: p.server, RetryFor: retryFor, OnRetry: onRetry, APIKey: key, TLS: trust})
	if err != nil {
		return nil, &usageError{err.Error(), form}
	}
	p.warnOfPlainKey()
	return jobs, nil
}

// mistypedServer returns the first variable that was most likely meant to name the server, or "": unnoticed,
// it would send secrets to another one. The other variables that begin with HASHD_ are for hashd to judge.
func mistypedServer(environ []string) string {
	for _, entry := range environ {
		name, _, _ := strings.Cut(entry, "=")
		for _, prefix := range []string{"HASHD_", "HASHCTL_"} {
			rest, ours := strings.CutPrefix(name, prefix)
			if ours && name != serverVariable && mistyped.Guess(rest, []string{"server"}) != "" {
				return name
			}
		}
	}
	return ""
}

// patiently returns an OnRetry that tells a person, once, why nothing happens.
func (p *program) patiently() func(error, time.Duration) {
	var once sync.Once
	return func(err error, _ time.Duration) {
		once.Do(func() {
			if !p.json {
				_, _ = fmt.Fprintf(p.stderr, "hashctl: %v; trying again for %v\n", err, p.retryFor)
			}
		})
	}
}

// action returns a command's RunE. It makes the client, and marks errors as those of running, as
// opposed to those that cobra finds in the command line.
func (p *program) action(do func(ctx context.Context, jobs *client.Jobs, args []string) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) error {
		jobs, err := p.jobs(c.Context(), p.retryFor, p.patiently())
		if err == nil {
			err = do(c.Context(), jobs, args)
		}
		if err != nil {
			return &runError{err}
		}
		return nil
	}
}

// complete makes the values the completions of a flag; none means that there are none to offer.
func complete(c *cobra.Command, flag string, values ...string) {
	err := c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	if err != nil {
		panic(err) // impossible: the flag was defined just before
	}
}

// noArgs refuses an unknown command and does not quote it: it may be a secret.
func noArgs(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if guess := mistyped.Command(c, args[0]); guess != "" {
		return errors.New("there is no such command; the nearest is " + guess)
	}
	return errors.New("there is no such command")
}

// noMoreArgs refuses all arguments.
func noMoreArgs(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return errors.New(c.CommandPath() + " takes no arguments")
	}
	return nil
}

// oneArg demands the one argument that the words describe.
func oneArg(words string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) != 1 {
			return fmt.Errorf("%s takes one argument, %s, not %d", c.CommandPath(), words, len(args))
		}
		return nil
	}
}
