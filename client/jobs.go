// Package client is a client of hashd. Jobs is what most users want; Operations, and the types of
// what is sent and answered, are generated from the contract.
package client

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	gen "github.com/hashd-project/hashd/v2/gen/client"
)

// Config says how Jobs reaches a server. All but Server may be left zero.
type Config struct {
	// Server is the server's URL, http or https. It may have a path, below which the API then is.
	Server string
	// HTTP sends the requests; by default a NewHTTPClient does. Of an *http.Client given here a
	// copy is used that follows no redirect, which would take a secret to another place.
	HTTP Doer
	// TLS is how the default of HTTP trusts servers (RootCAs) and shows itself to them (GetClientCertificate). Give
	// either TLS or HTTP.
	TLS *tls.Config
	// APIKey returns the key that each request shows; nil is for a server that wants none. See Authorized.
	APIKey KeySource
	// RetryFor is how long one request is tried again after its first failure: the last try is
	// that long after it, unless the server asks for a pause that is longer than all of RetryFor.
	// 0 means until its context ends.
	RetryFor time.Duration
	// OnRetry is called before each pause between two tries, from any number of goroutines.
	OnRetry func(err error, pause time.Duration)
}

// Jobs submits secrets and collects their hashes. It does what the generated client leaves to its
// user: it retries what is safe to retry, always with the same Idempotency-Key, honours
// Retry-After, waits with long-polls, and returns each refusal as a *ProblemError. Where the server
// has a rate for its caller, submissions wait until it should take them. Its methods may be called by any number of goroutines; all give up when their context ends.
//
// No secret is kept, and none is in an error. The memory in which one was encoded is wiped once
// it is sent; what net/http copied of it is not ours to wipe.
type Jobs struct {
	cfg    Config
	client *gen.Client
	known  atomic.Pointer[limits] // once they were needed
	pace   *pace
}

// NewJobs returns a Jobs, or an error if the server's URL is not one, or has a password or an API key in it.
func NewJobs(cfg Config) (*Jobs, error) {
	if err := checkServer(cfg.Server); err != nil {
		return nil, err
	}
	if cfg.HTTP != nil && cfg.TLS != nil {
		return nil, errors.New("give the TLS configuration to HTTP, or leave HTTP out")
	}
	doer := staying(cfg.HTTP)
	if cfg.TLS != nil {
		doer = newHTTPClient(cfg.TLS.Clone())
	}
	if cfg.APIKey != nil {
		doer = Authorized(doer, cfg.APIKey)
	}
	c, err := gen.NewClient(cfg.Server, gen.WithHTTPClient(doer))
	return &Jobs{cfg: cfg, client: c, pace: newPace()}, err
}

// Options of a submission. The zero value is fine.
type Options struct {
	// Algorithm is the hash function; "" leaves it to the server, which takes SHA-512.
	Algorithm Algorithm
	// Key is the Idempotency-Key, 1 to 255 visible ASCII characters; "" means a new random one.
	// Give one to make a submission repeatable beyond this call.
	Key string
}

// key returns the Idempotency-Key of the submission.
func (o Options) key() (string, error) {
	if o.Key == "" {
		return rand.Text(), nil
	}
	for _, c := range []byte(o.Key) {
		if c <= ' ' || c > '~' {
			return "", ErrKey
		}
	}
	if len(o.Key) > 255 {
		return "", ErrKey
	}
	return o.Key, nil
}

// Errors of submissions that were not sent.
var (
	// ErrKey tells of an Idempotency-Key that is not 1 to 255 visible ASCII characters.
	ErrKey = errors.New("an idempotency key is 1 to 255 visible ASCII characters")
	// ErrEncoding tells of a secret that is not UTF-8, and so no JSON string.
	ErrEncoding = errors.New("a secret must be valid UTF-8")
)

// Submit submits one secret and returns its pending job. It keeps no reference to the secret.
func (j *Jobs) Submit(ctx context.Context, secret []byte, o Options) (Job, error) {
	key, err := o.key()
	if err != nil {
		return Job{}, err
	}
	b, err := encodeJob(secret, o.Algorithm)
	if err != nil {
		return Job{}, err
	}
	defer b.release()
	r, err := submit(ctx, j, 1, func(ctx context.Context) (*http.Response, error) {
		return j.client.SubmitHashWithBody(ctx, &SubmitHashParams{IdempotencyKey: &key}, jsonType, b.open(), b.describe)
	}, gen.ParseSubmitHashResponse)
	if err != nil {
		return Job{}, fmt.Errorf("submit: %w", err)
	}
	return expect(r.JSON202, func(job Job) bool { return job.Id > 0 })
}

// SubmitBatch submits as many secrets as the server's limits allow in one batch, of which it takes all or none. Their
// jobs' ids follow one by one.
func (j *Jobs) SubmitBatch(ctx context.Context, secrets [][]byte, o Options) (AcceptedBatch, error) {
	key, err := o.key()
	if err != nil {
		return AcceptedBatch{}, err
	}
	b, err := encodeBatch(secrets, o.Algorithm)
	if err != nil {
		return AcceptedBatch{}, err
	}
	defer b.release()
	r, err := submit(ctx, j, len(secrets), func(ctx context.Context) (*http.Response, error) {
		return j.client.SubmitBatchWithBody(ctx, &SubmitBatchParams{IdempotencyKey: &key}, jsonType, b.open(), b.describe)
	}, gen.ParseSubmitBatchResponse)
	if err != nil {
		return AcceptedBatch{}, fmt.Errorf("submit batch: %w", err)
	}
	return expect(r.JSON202, func(b AcceptedBatch) bool { return b.First > 0 && int(b.Count) == len(secrets) })
}

// SubmitAndWait submits one secret and returns its job once that has the hash.
func (j *Jobs) SubmitAndWait(ctx context.Context, secret []byte, o Options) (Job, error) {
	accepted, err := j.Submit(ctx, secret, o)
	if err != nil {
		return Job{}, err
	}
	return j.Wait(ctx, accepted.Id)
}

// Get returns the job with its hash, or a *PendingError if it is not due yet.
func (j *Jobs) Get(ctx context.Context, id JobID) (Job, error) { return j.get(ctx, id, 0) }

// longestPoll is how long Wait asks the server to hold an answer: what it allows by default.
const longestPoll = 30 * time.Second

// Wait waits until the job is done and returns it with its hash. It asks with Prefer: wait; while the
// job stays pending it asks again once Retry-After has passed. If ctx ends meanwhile, the error wraps
// the context's, and the last *PendingError if there was one.
func (j *Jobs) Wait(ctx context.Context, id JobID) (Job, error) {
	for {
		result, err := j.get(ctx, id, pollFor(ctx))
		pending, ok := errors.AsType[*PendingError](err)
		if !ok {
			return result, err
		}
		if cause := sleep(ctx, pending.RetryAfter); cause != nil {
			return Job{}, fmt.Errorf("wait: %w: %w", cause, pending)
		}
	}
}

// pollFor returns for how long to ask: no more than a second beyond the context's deadline.
func pollFor(ctx context.Context) time.Duration {
	deadline, ok := ctx.Deadline()
	if !ok {
		return longestPoll
	}
	left := (time.Until(deadline) + time.Second - 1).Truncate(time.Second)
	return min(max(left, time.Second), longestPoll)
}

// get asks once for the job, and has the answer held for a pending one.
func (j *Jobs) get(ctx context.Context, id JobID, hold time.Duration) (Job, error) {
	params := GetHashParams{Prefer: preferring(hold)}
	r, err := call(ctx, j, hold, func(ctx context.Context) (*http.Response, error) {
		return j.client.GetHash(ctx, id, &params)
	}, gen.ParseGetHashResponse)
	if err != nil {
		return Job{}, fmt.Errorf("job %d: %w", id, err)
	}
	if r.JSON202 != nil && r.JSON202.Id == id {
		return Job{}, &PendingError{*r.JSON202, retryAfter(r.HTTPResponse)}
	}
	return expect(r.JSON200, func(job Job) bool { return job.Id == id && isHash(job.Hash) })
}

// isHash says whether the text can be a hash.
func isHash(text string) bool {
	sum, err := base64.StdEncoding.DecodeString(text)
	return err == nil && len(sum) > 0
}

// Cancel cancels a pending job, whose secret is never hashed then, or erases a hash. If the job is
// neither pending nor done, it returns a *ProblemError: GoneType or UnknownJobType.
func (j *Jobs) Cancel(ctx context.Context, id JobID) error {
	status := http.StatusNoContent
	lost := false // an answer, which may have said that the job is canceled
	err := j.retry(ctx, 0, func(ctx context.Context) error {
		resp, err := success(j.client.CancelHash(ctx, id)) //nolint:bodyclose // success has closed the connection's
		problem, refused := errors.AsType[*ProblemError](err)
		if lost && refused && problem.Type == GoneType {
			return nil
		}
		lost = lost || err != nil && !refused
		if err == nil {
			status = resp.StatusCode
		}
		return err
	})
	switch {
	case err != nil:
		return fmt.Errorf("job %d: %w", id, err)
	case status != http.StatusNoContent:
		return ErrAnswer
	}
	return nil
}

// Stats returns the server's counters.
func (j *Jobs) Stats(ctx context.Context) (Stats, error) {
	r, err := call(ctx, j, 0, func(ctx context.Context) (*http.Response, error) { return j.client.GetStats(ctx) }, gen.ParseGetStatsResponse)
	if err != nil {
		return Stats{}, fmt.Errorf("stats: %w", err)
	}
	return expect(r.JSON200, func(Stats) bool { return bytes.Contains(r.Body, []byte(`"total"`)) })
}

// Status returns what runs at the server and since when.
func (j *Jobs) Status(ctx context.Context) (Status, error) {
	r, err := call(ctx, j, 0, func(ctx context.Context) (*http.Response, error) { return j.client.GetStatus(ctx) }, gen.ParseGetStatusResponse)
	if err != nil {
		return Status{}, fmt.Errorf("status: %w", err)
	}
	return expect(r.JSON200, func(s Status) bool { return s.Status != "" && s.Store != "" })
}

// ErrAnswer tells of an answer that is not hashd's: something else listens there.
var ErrAnswer = errors.New("the answer is not one of hashd; is this its URL?")

// expect returns what the answer holds, if that is what it must: any JSON can come from a wrong address.
func expect[T any](body *T, fits func(T) bool) (T, error) {
	if body == nil || !fits(*body) {
		var none T
		return none, ErrAnswer
	}
	return *body, nil
}

// call sends a request until it succeeds and parses the answer.
func call[R any](ctx context.Context, j *Jobs, hold time.Duration,
	send func(context.Context) (*http.Response, error), parse func(*http.Response) (*R, error),
) (*R, error) {
	var resp *http.Response
	err := j.retry(ctx, hold, func(ctx context.Context) (err error) {
		resp, err = success(send(ctx)) //nolint:bodyclose // success has closed the connection's
		return err
	})
	if err != nil {
		return nil, err
	}
	return read(resp, parse)
}

// submit is call for a request that submits jobs: each try waits for its turn, however long that takes.
func submit[R any](ctx context.Context, j *Jobs, jobs int,
	send func(context.Context) (*http.Response, error), parse func(*http.Response) (*R, error),
) (*R, error) {
	var resp *http.Response
	err := j.retryUnlimited(ctx, func(ctx context.Context) error {
		turn, err := j.pace.wait(ctx, jobs)
		if err != nil {
			return err
		}
		var answer *http.Response
		defer func() { turn.end(answer) }()
		return limited(ctx, tryTimeout, func(ctx context.Context) (err error) {
			answer, err = send(ctx)          //nolint:bodyclose // success closes it
			resp, err = success(answer, err) //nolint:bodyclose // success has closed the connection's
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return read(resp, parse)
}

func read[R any](resp *http.Response, parse func(*http.Response) (*R, error)) (*R, error) {
	r, err := parse(resp)
	if err != nil {
		return nil, ErrAnswer
	}
	return r, nil
}

// maxAnswerBytes is more than any answer has.
const maxAnswerBytes = 1 << 20

// success reads the response whole and returns it with its body in memory. One that is no success
// comes back as a *ProblemError.
func success(resp *http.Response, err error) (*http.Response, error) {
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswerBytes+1))
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return nil, err
	}
	if len(text) > maxAnswerBytes { // its beginning could be an answer by itself
		return nil, ErrAnswer
	}
	if resp.StatusCode/100 != 2 {
		return nil, problemOf(resp, text)
	}
	resp.Body = io.NopCloser(bytes.NewReader(text))
	// Media types know no case (RFC 9110, section 8.3.1), but the generated code does.
	resp.Header.Set("Content-Type", strings.ToLower(resp.Header.Get("Content-Type")))
	return resp, nil
}
