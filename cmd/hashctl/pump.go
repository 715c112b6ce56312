package main

import (
	"context"
	"errors"
	"iter"

	"github.com/hashd-project/hashd/v2/client"
)

// pump has the results taken as they come, each with whether it is the last that is ready: what was written is then to be
// flushed, for the next one may take long.
func pump(ctx context.Context, results func(context.Context) iter.Seq2[client.Result, error], take func(one client.Result, last bool) error) error {
	ready := make(chan client.Result, 1_000)
	ended := make(chan error, 1)
	reading, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		defer close(ready)
		ended <- send(reading, results(reading), ready)
	}()
	for one := range ready {
		if err := take(one, len(ready) == 0); err != nil {
			stop()
			for range ready { // until its sender has ended
			}
			return errors.Join(err, ignoreEnd(<-ended))
		}
	}
	return <-ended
}

// ignoreEnd leaves out what a context's end has caused.
func ignoreEnd(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// send sends the results until ctx ends.
func send(ctx context.Context, results iter.Seq2[client.Result, error], to chan<- client.Result) error {
	for one, err := range results {
		if err != nil {
			return err
		}
		select {
		case to <- one:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}
