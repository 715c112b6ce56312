package client

import (
	"context"
	"crypto/tls"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
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
// gives up, with the last error, when ctx ends or RetryFor is over: the last try is at its very end.
func (j *Jobs) retry(ctx context.Context, hold time.Duration, try func(context.Context) error) error {
	return j.retryUnlimited(ctx, func(ctx context.Context) error { return limited(ctx, hold+tryTimeout, try) })
}

// retryUnlimited is retry where each try bounds its own time.
func (j *Jobs) retryUnlimited(ctx context.Context, try func(context.Context) error) error {
	var until time.Time
	for n := 0; ; n++ {
		err := try(ctx)
		if err == nil || ctx.Err() != nil || !temporary(err) {
			return err
		}
		now := time.Now()
		if n == 0 {
			until = now.Add(j.cfg.RetryFor)
		}
		pause, again := j.pauseWithin(ctx, until.Sub(now), err, n)
		if !again {
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

// pauseWithin returns how long to pause after the n-th failure, and whether another try makes sense:
// none does once nothing of RetryFor is left, past the context's deadline, or where the server asks for a
// longer pause than there can be. A pause that would be too long is shortened, so that no time is given away.
func (j *Jobs) pauseWithin(ctx context.Context, left time.Duration, err error, n int) (pause time.Duration, again bool) {
	asked := askedPause(err)
	pause = asked + backoff(n)
	if deadline, ok := ctx.Deadline(); ok {
		most := time.Until(deadline)
		if asked > most || most < firstPause {
			return 0, false
		}
		if pause > most { // the try needs some of it
			pause = max(asked, most/2)
		}
	}
	if j.cfg.RetryFor > 0 {
		if asked > j.cfg.RetryFor || left <= 0 {
			return 0, false
		}
		pause = min(pause, left)
	}
	return pause, true
}

// temporary says whether the same request can succeed later. Repeating it is safe: submissions
// have an Idempotency-Key, and the rest is idempotent by nature.
func temporary(err error) bool {
	p, refused := errors.AsType[*ProblemError](err)
	if !refused {
		return !lasting(err)
	}
	switch p.Status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return p.Type == IncompleteType
}

// lasting says whether a failure to get an answer stays: a bad certificate stays bad, whosever it is, and another
// server does not become a hashd.
func lasting(err error) bool {
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](err)
	_, keyless := errors.AsType[*APIKeyError](err)
	return untrusted || keyless || IsCertificateRefused(err) || errors.Is(err, http.ErrSchemeMismatch) || errors.Is(err, ErrAnswer)
}

// IsCertificateRefused reports whether the server wants a certificate of the client (RFC 8446, section 4.4.2), and
// has got none or one that it does not take.
func IsCertificateRefused(err error) bool {
	alert, ok := errors.AsType[*net.OpError](err)
	return ok && alert.Op == "remote error" && strings.Contains(alert.Err.Error(), "certificate")
}

// askedPause returns the pause that the server asks for, 0 if it names none.
func askedPause(err error) time.Duration {
	if p, ok := errors.AsType[*ProblemError](err); ok {
		return p.RetryAfter
	}
	return 0
}

// backoff returns the pause after the n-th failure, counted from 0, where the server names none, and
// what is added to the one that it names: half to all of an exponential back-off, so that clients
// don't come back all at once.
func backoff(n int) time.Duration {
	most := min(firstPause<<min(n, 10), longestPause)
	return most/2 + rand.N(most/2) //nolint:gosec // jitter is no secret
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
