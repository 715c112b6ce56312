package client

import (
	"context"
	"crypto/tls"
	"errors"
	"math/rand/v2"
	"net/http"
	"time"
)

const (
	// tryTimeout bounds one try, beyond the time that its answer may be held.
	tryTimeout = 30 * time.Second
	// firstPause and longestPause bound the pause between two tries where the server names none.
	firstPause, longestPause = 100 * time.Millisecond, 10 * time.Second
	// unnamedPause is before the next poll where the server names none.
	unnamedPause = time.Second
)

// retry calls try until it succeeds or its error is one that another try would only repeat. It
// gives up, with the last error, when ctx ends or the next try would come too late.
func (j *Jobs) retry(ctx context.Context, hold time.Duration, try func(context.Context) error) error {
	var until time.Time
	for n := 0; ; n++ {
		err := limited(ctx, hold+tryTimeout, try)
		if err == nil || ctx.Err() != nil || !temporary(err) {
			return err
		}
		if n == 0 && j.cfg.RetryFor > 0 {
			until = time.Now().Add(j.cfg.RetryFor)
		}
		pause := pauseAfter(err, n)
		if tooLate(ctx, until, pause) {
			return err
		}
		if j.cfg.OnRetry != nil {
			j.cfg.OnRetry(err, pause)
		}
		if cause := sleep(ctx, pause); cause != nil {
			return errors.Join(cause, err)
		}
	}
}

func limited(ctx context.Context, timeout time.Duration, try func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return try(ctx)
}

// tooLate says whether a try after the pause would come after until, if that is set, or the
// context's deadline.
func tooLate(ctx context.Context, until time.Time, pause time.Duration) bool {
	next := time.Now().Add(pause)
	deadline, ok := ctx.Deadline()
	return ok && next.After(deadline) || !until.IsZero() && next.After(until)
}

// temporary says whether the same request can succeed later. Repeating it is safe: submissions
// have an Idempotency-Key, and the rest is idempotent by nature.
func temporary(err error) bool {
	p, refused := errors.AsType[*ProblemError](err)
	if !refused { // a failure of the network, but a certificate stays as it is
		_, untrusted := errors.AsType[*tls.CertificateVerificationError](err)
		return !untrusted
	}
	switch p.Status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return p.Type == IncompleteType
}

// pauseAfter returns how long to pause after the n-th failure, counted from 0: what the server
// asks for, and on top, so that clients don't come back all at once, half to all of an
// exponential back-off.
func pauseAfter(err error, n int) time.Duration {
	backoff := min(firstPause<<min(n, 10), longestPause)
	pause := backoff/2 + rand.N(backoff/2) //nolint:gosec // jitter is no secret
	if p, ok := errors.AsType[*ProblemError](err); ok {
		pause += p.RetryAfter
	}
	return pause
}

// sleep returns after d, or with the context's cause when that ends.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		d = unnamedPause
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}
