// Command hashd is the delayed-hash server. This package reads the command line, makes the
// parts, and turns signals into a graceful stop; what the parts do is theirs alone.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/hashd-project/hashd/v2/internal/auth"
	"github.com/hashd-project/hashd/v2/internal/config"
	"github.com/hashd-project/hashd/v2/internal/mistyped"
)

// The exit codes. A command that a signal ends has 128 and the signal's number, as shells report it.
const (
	exitOK          = 0   // also if a signal ended the start
	exitFailed      = 1   // could not run, or stopped with jobs left
	exitUsage       = 2   // a bad flag, variable or file
	exitInterrupted = 130 // a second SIGINT
)

func main() {
	forbidCoreFiles()
	debug.SetTraceback("crash") // so that a crash ends by SIGABRT: the runtime's exit code is that of a bad flag
	os.Exit(execute(os.Args[1:], os.Environ(), os.Stdout, os.Stderr, notify()))
}

// execute runs the command line and returns the exit code.
func execute(args, environ []string, stdout, stderr io.Writer, signals <-chan os.Signal) int {
	out := newOutbox(stderr)
	defer out.close()
	root := command(environ, stdout, out, signals)
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(out)
	return exitCode(root.ExecuteContext(context.Background()), out)
}

// exitCode prints the error, if there is one, and returns the exit code.
func exitCode(err error, stderr io.Writer) int {
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errInterrupted):
		return exitInterrupted
	}
	if ended, ok := errors.AsType[*signalError](err); ok {
		return ended.code()
	}
	if _, failed := errors.AsType[*failure](err); failed {
		_, _ = fmt.Fprintf(stderr, "hashd: %s\n", auth.Redact(err.Error()))
		return exitFailed
	}
	_, _ = fmt.Fprintf(stderr, "hashd: %s\nRun 'hashd --help' for every setting.\n", auth.Redact(err.Error()))
	return exitUsage
}

// failure is an error of running, as opposed to one of the command line.
type failure struct{ error }

func (f *failure) Unwrap() error { return f.error }

// loaded is what the program is told when it starts.
type loaded struct {
	cfg  config.Config
	ring *string // from the environment; nil for none
}

func command(environ []string, stdout io.Writer, stderr *outbox, signals <-chan os.Signal) *cobra.Command {
	root := &cobra.Command{
		Use:           "hashd",
		Args:          noArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetFlagErrorFunc(mistyped.Flag)
	settings := config.New(root.PersistentFlags())
	load := func(run func(loaded) error) func(*cobra.Command, []string) error {
		return func(*cobra.Command, []string) error {
			l, err := until(signals, func(context.Context) (l loaded, err error) {
				l.cfg, l.ring, err = settings.Load(environ)
				return l, err
			})
			if err != nil {
				return err
			}
			if err := run(l); err != nil {
				return &failure{err}
			}
			return nil
		}
	}
	run := load(func(l loaded) error { return serve(l, stdout, stderr, signals) })
	version := root.Flags().Bool("version", false, "print the version")
	printVersion := once(signals, func([]string) error { return printVersion(stdout) })
	root.RunE = func(c *cobra.Command, args []string) error {
		if *version {
			return printVersion(c, args)
		}
		err := run(c, args)
		if ended, ok := errors.AsType[*signalError](err); ok {
			_, _ = fmt.Fprintf(stderr, "hashd: %v, before it was ready\n", ended)
			return nil
		}
		return err
	}
	root.AddCommand(&cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  noArgs,
		RunE:  printVersion,
	}, &cobra.Command{
		Use:   "healthcheck",
		Short: "Ask the server that runs with these settings whether it is alive",
		Args:  noArgs,
		RunE: load(func(l loaded) error {
			_, err := until(signals, func(ctx context.Context) (nothing, error) { return nothing{}, checkHealth(ctx, l.cfg) })
			return err
		}),
	}, configCommand(settings, environ, stdout, stderr, load), ringCommand(stdout, signals), (&keyring{stdout, stderr, signals, func() (string, error) { return settings.Text("api-keys", environ) }}).command())
	root.SetHelpFunc(func(c *cobra.Command, _ []string) { _, _ = io.WriteString(stdout, help(c, settings)) })
	return root
}

// once makes a command of a step that a signal ends.
func once(signals <-chan os.Signal, step func(args []string) error) func(*cobra.Command, []string) error {
	return func(_ *cobra.Command, args []string) error {
		return untilDone(signals, func() error { return step(args) })
	}
}

// noArgs refuses an unknown command, and names the nearest one.
func noArgs(c *cobra.Command, args []string) error {
	err := cobra.NoArgs(c, args)
	if err == nil {
		return nil
	}
	if guess := mistyped.Command(c, args[0]); guess != "" {
		return fmt.Errorf("%w; the nearest is %s", err, guess)
	}
	return err
}

// isPartOf reports whether it is the command of that name directly below the root, or one of its own commands.
func isPartOf(c *cobra.Command, name string) bool {
	for ; c.HasParent(); c = c.Parent() {
		if c.Name() == name && !c.Parent().HasParent() {
			return true
		}
	}
	return false
}

// help is the text of --help for the root and its commands.
func help(c *cobra.Command, settings *config.Settings) string {
	text := "hashd takes secrets over HTTP, hashes each one a fixed delay later, and gives out the hashes.\n\nUsage:\n" +
		"  hashd [flags]               serve until SIGTERM or SIGINT, then finish every accepted job\n" +
		"  hashd healthcheck [flags]   exit 0 if the server that runs with these settings is alive\n" +
		"  hashd config print [flags]  print every setting in force and where it comes from, as a configuration file\n" +
		"  hashd config check [flags]  exit 0 if a server could start with these settings and their files\n" +
		"  hashd ring create FILE      make a ring, the keys that seal a store, for --ring-file\n" +
		"  hashd ring rotate FILE      add a new key to a ring; what older keys sealed stays readable\n" +
		"  hashd key COMMAND           add, list, revoke or rotate API keys; hashd key --help has the details\n" +
		"  hashd completion SHELL      print completions for bash, zsh, fish or powershell\n" +
		"  hashd version, --version    print the version\n"
	switch {
	case isPartOf(c, "key"):
		return keyHelp
	case c.HasParent() && c.Name() != "healthcheck" && !isPartOf(c, "config"): // it has no settings
		return text
	}
	return text + "\n" + settings.Usage() +
		"\nExit codes: 0 stopped as asked, with every job done or handed over; 1 could not run, or stopped with\n" +
		"jobs left; 2 bad flag, variable or file; 130 interrupted a second time. A crash ends by SIGABRT (134).\n"
}
