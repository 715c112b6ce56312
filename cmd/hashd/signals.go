package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// notify returns the signals that end the program. A signal that was ignored when the program began
// stays ignored: that is how nohup, and shells for background jobs, keep a program running.
func notify() <-chan os.Signal {
	signals := make(chan os.Signal, 8)
	for _, sig := range []os.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} { // a closed terminal must lose no job
		if !signal.Ignored(sig) {
			signal.Notify(signals, sig)
		}
	}
	signal.Ignore(syscall.SIGPIPE) // or a log line that nobody reads any more would end the server
	return signals
}

// errInterrupted says that a second SIGINT ended what the first signal began.
var errInterrupted = errors.New("interrupted")

// signalError says that a signal ended a step before it was done.
type signalError struct{ signal os.Signal }

func (e *signalError) Error() string { return fmt.Sprintf("ended by signal: %v", e.signal) }

// code returns the exit code by which shells report the signal.
func (e *signalError) code() int {
	n, _ := e.signal.(syscall.Signal)
	return 128 + int(n)
}

// stepGrace is how long a step that a signal ended may take to tidy up.
const stepGrace = time.Second

// until runs a step that a signal ends. The signal ends the step's ctx; if the step does not return
// soon, because it waits for a file or a server, it is left behind. The error is then a *signalError. If
// the step has a result nevertheless, until returns it, and the caller closes it.
func until[T any](signals <-chan os.Signal, step func(context.Context) (T, error)) (T, error) {
	type outcome struct {
		result T
		err    error
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan outcome, 1)
	go func() {
		result, err := step(ctx)
		done <- outcome{result, err}
	}()
	var o outcome
	select {
	case o = <-done:
		return o.result, o.err
	case sig := <-signals:
		cancel()
		select {
		case o = <-done:
		case <-signals:
		case <-time.After(stepGrace):
		}
		return o.result, &signalError{sig}
	}
}

// nothing is the result of a step that has none.
type nothing struct{}

// untilDone is until for a step without a result, which heeds no context.
func untilDone(signals <-chan os.Signal, step func() error) error {
	_, err := until(signals, func(context.Context) (nothing, error) { return nothing{}, step() })
	return err
}
