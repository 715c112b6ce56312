package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/hashd-project/hashd/v2/internal/config"
	"github.com/hashd-project/hashd/v2/internal/engine"
	"github.com/hashd-project/hashd/v2/internal/server"
)

// Why a stop ended early.
var (
	errDrainTimeout = errors.New("drain-timeout reached")
	errHangs        = errors.New("the stop hangs in a part of the program: it is left behind")
)

// The bounds of a stop beyond drain-timeout.
const (
	closeLimit    = 10 * time.Second       // for the engine to close, and for what does not heed drain-timeout
	abandonLimit  = time.Second            // the same once a second SIGINT asks to stop at once
	handoverLimit = 5 * time.Second        // for the requests under way in a handover
	lastAnswers   = time.Second            // for bodies still arriving in one, and for answers after drain-timeout
	tellEvery     = 5 * time.Second        // how often the log says how far a drain is
	showEvery     = 250 * time.Millisecond // the same on a terminal
)

// stop finishes every accepted job, answers the requests under way, ends the server and closes the
// engine. impatient says that the next SIGINT is a second one. served is what Serve returns.
func (p *program) stop(cause string, impatient bool, signals <-chan os.Signal, served <-chan error) error {
	ctx, cancel := context.WithTimeoutCause(context.Background(), p.cfg.DrainTimeout, errDrainTimeout)
	defer cancel()
	hint := "SIGINT (Ctrl-C) twice stops at once"
	if impatient {
		hint = "SIGINT (Ctrl-C) again stops at once"
	}
	return p.attend(ctx, impatient, signals, func(ctx context.Context, closing func()) error {
		started := time.Now()
		p.log.Info("draining", "cause", cause, "pending", p.engine.Stats().Pending, "timeout", p.cfg.DrainTimeout,
			"until", started.Add(p.cfg.DrainTimeout), "hint", hint)
		p.leaving()
		err := p.end(ctx)
		why, stats := context.Cause(ctx), p.engine.Stats()
		closing()
		err = p.report(errors.Join(err, p.engine.Close()), why, stats, time.Since(started))
		return errors.Join(<-served, err)
	})
}

// close closes the engine of a program that does not serve.
func (p *program) close(signals <-chan os.Signal) error {
	return p.attend(context.Background(), true, signals, func(_ context.Context, closing func()) error {
		closing()
		return p.engine.Close()
	})
}

// attend runs the work of a stop and handles the signals that come meanwhile: a second SIGINT ends it,
// all others are noted and ignored. Whatever the work does, it is left behind closeLimit after its ctx
// has ended or it says that it is closing, and abandonLimit after a second SIGINT.
func (p *program) attend(ctx context.Context, impatient bool, signals <-chan os.Signal, work func(ctx context.Context, closing func()) error) error {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	done := make(chan error, 1)
	go func() { done <- work(ctx, func() { end(nil) }) }()
	var bound <-chan time.Time
	over, early := ctx.Done(), errHangs
	for {
		select {
		case err := <-done:
			return err
		case <-over:
			over, bound = nil, time.After(closeLimit)
		case <-bound:
			p.log.Error("stopped early", "error", early)
			return early
		case sig := <-signals:
			if sig == syscall.SIGINT && impatient {
				end(errInterrupted)
				over, bound, early = nil, time.After(abandonLimit), errInterrupted
				continue
			}
			impatient = impatient || sig == syscall.SIGINT
			p.log.Info("already draining: signal ignored", "signal", sig.String())
		}
	}
}

// ending is what a stop does with the pending jobs and the requests under way.
type ending func(*program, context.Context) error

func endingOf(d config.Drain) (ending, error) {
	switch d {
	case config.DrainFinish:
		return (*program).complete, nil
	case config.DrainHandover:
		return (*program).handOver, nil
	}
	return nil, fmt.Errorf("there is no drain %q", d)
}

// end deals with jobs and requests as the setting drain says, and logs how far it is.
func (p *program) end(ctx context.Context) error {
	telling, told := context.WithCancel(ctx)
	var group sync.WaitGroup
	group.Go(func() { p.tell(telling) })
	defer group.Wait()
	defer told()
	return p.ending(p, ctx)
}

// complete finishes the jobs and answers the requests under way.
func (p *program) complete(ctx context.Context) error {
	err := p.finish(ctx)
	if errors.Is(context.Cause(ctx), errDrainTimeout) { // long-polls are answered that their jobs are pending
		p.service.EndWaits()
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(context.WithoutCancel(ctx), lastAnswers, errDrainTimeout)
		defer cancel()
	}
	return errors.Join(err, p.server.Shutdown(ctx, p.cfg.ReadTimeout))
}

// handOver leaves the jobs to the next start or to others. It answers long-polls that their jobs are
// pending, and cuts requests that would hold it up.
func (p *program) handOver(ctx context.Context) error {
	if p.sockets.main != nil {
		p.server.StopAccepting(ctx) // the next process has the same socket
	}
	over, cancel := context.WithCancel(ctx)
	cancel()
	err := p.service.Drain(over)
	if left, ok := errors.AsType[*engine.LeftError](err); ok {
		p.log.Info("handing over", "pending", left.Left)
		err = nil
	}
	p.service.EndWaits()
	limited, cancel := context.WithTimeout(ctx, handoverLimit)
	defer cancel()
	shut := p.server.Shutdown(limited, lastAnswers)
	if cut, ok := errors.AsType[*server.CutError](shut); ok && ctx.Err() == nil {
		p.log.Info("connections cut", "connections", cut.Connections)
		shut = nil
	}
	return errors.Join(err, shut)
}

// tell says how far a drain is, until ctx ends: in the log every few seconds, and on a terminal all the time.
func (p *program) tell(ctx context.Context) {
	logging, showing := time.NewTicker(tellEvery), time.NewTicker(showEvery)
	defer logging.Stop()
	defer showing.Stop()
	defer p.show("")
	until, _ := ctx.Deadline()
	for {
		left := p.engine.Stats().Pending
		p.show(leftLine(left, p.engine.Uncollected(), time.Until(until)))
		select {
		case <-ctx.Done():
			return
		case <-showing.C:
		case <-logging.C:
			p.log.Info("still draining", "left", left, "until", until)
			tellManager(statusOf("draining, %d jobs left", left))
		}
	}
}

// leftLine says on a terminal what a drain still waits for, and how long it may.
func leftLine(jobs, results int64, most time.Duration) string {
	what := fmt.Sprintf("jobs left: %d", jobs)
	if jobs == 0 && results > 0 {
		what = fmt.Sprintf("results not collected yet: %d", results)
	}
	return fmt.Sprintf("draining, %s (%v at most) ", what, max(0, most.Round(time.Second)))
}

// show has the terminal's last line say this, if there is a terminal.
func (p *program) show(line string) {
	if p.screen != nil {
		p.screen.show(line)
	}
}

// report logs how the stop went and returns what it means for the exit code.
func (p *program) report(err, cause error, st engine.Stats, took time.Duration) error {
	attrs := []any{"took", took, "completed", st.Completed, "canceled", st.Canceled, "left", st.Pending}
	if err == nil {
		p.log.Info("stopped", attrs...)
		return nil
	}
	p.log.Error("stopped early", append(attrs, "error", err)...)
	if errors.Is(cause, errInterrupted) {
		return errInterrupted
	}
	return err
}
