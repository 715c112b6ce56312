package main

import (
	"context"
	"errors"
	"time"
)

// lingerTick is how often linger checks whether results were collected.
const lingerTick = 20 * time.Millisecond

// lastMoment is the time that linger leaves before drain-timeout, to answer the requests that are under
// way.
const lastMoment = time.Second

// finish refuses new jobs and finishes the accepted ones. Where results end with the process, it lets
// clients collect them.
func (p *program) finish(ctx context.Context) error {
	err := p.service.Drain(ctx)
	if err == nil && !p.linger(ctx) {
		err = errInterrupted
	}
	if n := p.engine.Uncollected(); n > 0 {
		p.log.Warn("results that were hashed while draining were not collected: they end with the process", "results", n)
	}
	return err
}

// linger returns once every result of the drain was collected, or none was for as long as the setting
// says: so a client that collects many is not cut off between two of them. It returns false if it was
// interrupted.
func (p *program) linger(ctx context.Context) bool {
	left := p.engine.Uncollected()
	if left == 0 || p.cfg.Linger == 0 {
		return true
	}
	p.log.Info("all jobs are done: waiting until their results are collected", "results", left, "linger", p.cfg.Linger)
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-lastMoment))
		defer cancel()
	}
	ticker := time.NewTicker(lingerTick)
	defer ticker.Stop()
	for idle := time.Now(); left > 0 && time.Since(idle) < p.cfg.Linger; {
		select {
		case <-ctx.Done():
			return !errors.Is(context.Cause(ctx), errInterrupted)
		case <-ticker.C:
		}
		if n := p.engine.Uncollected(); n != left {
			left, idle = n, time.Now()
		}
	}
	return true
}
