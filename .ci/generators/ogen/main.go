// Command ogen has a session with hashd by the client that ogen generates from the contract, into
// the folder api beside this file. Its arguments are the URLs of a server that hashes at once and of
// one that does not within the session. It ends with an error where an answer is not the right one.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"hashd.example/ogen/api"
)

const (
	monkey = "/iKaK4dQuFt0w2h6u20dpZQ7EPaM30pdx/sWN4BXIR8=" // SHA-256 of angryMonkey
	otter  = "0MSARGopjzoZIFGypraXlY23mW9paTGzCDsJ9qCTFvY=" // of calmOtter
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := session(ctx, os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("well")
}

// anyKey is the key of a client of servers that ask for none: they let every key pass.
type anyKey struct{}

func (anyKey) ApiKey(context.Context, api.OperationName) (api.ApiKey, error) {
	return api.ApiKey{Token: "any"}, nil
}

func session(ctx context.Context, fastURL, slowURL string) error {
	fast, err := api.NewClient(fastURL, anyKey{})
	if err != nil {
		return err
	}
	slow, err := api.NewClient(slowURL, anyKey{})
	if err != nil {
		return err
	}
	return errors.Join(
		step("one", one(ctx, fast)), step("batch", batch(ctx, fast)), step("pending and canceled", pending(ctx, slow)),
		step("problems", problems(ctx, fast, fastURL)), step("status", status(ctx, fast)),
	)
}

func step(name string, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// must returns the answer if it is of the type wanted.
func must[T any](answer any, err error) (*T, error) {
	if err != nil {
		return nil, err
	}
	if a, ok := answer.(*T); ok {
		return a, nil
	}
	return nil, fmt.Errorf("it is %T: %+v", answer, answer)
}

func request(password string) *api.HashRequest {
	return &api.HashRequest{Password: password, Algorithm: api.NewOptAlgorithm(api.AlgorithmSHA256)}
}

// one submits a secret and waits for its hash.
func one(ctx context.Context, c *api.Client) error {
	key := api.SubmitHashParams{IdempotencyKey: api.NewOptString("key of ogen")}
	a, err := must[api.SubmitHashAcceptedHeaders](c.SubmitHash(ctx, request("angryMonkey"), key))
	if err != nil {
		return err
	}
	job := a.Response
	if job.Status != api.JobStatusPending || job.Algorithm != api.AlgorithmSHA256 || !job.Due.Set || job.Hash.Set || a.RetryAfter < 1 || a.Location == "" || a.XRequestID == "" {
		return fmt.Errorf("accepted %+v", a)
	}
	if _, err := must[api.KeyReusedHeaders](c.SubmitHash(ctx, request("calmOtter"), key)); err != nil {
		return fmt.Errorf("the same key: %w", err)
	}
	return hash(ctx, c, job.ID, monkey)
}

// hash waits for the job's hash.
func hash(ctx context.Context, c *api.Client, id api.JobID, want api.Hash) error {
	a, err := must[api.GetHashOKHeaders](c.GetHash(ctx, api.GetHashParams{ID: id, Prefer: api.NewOptString("wait=20")}))
	if err != nil {
		return err
	}
	if job := a.Response; job.ID != id || job.Status != api.JobStatusDone || job.Hash != api.NewOptHash(want) || job.Due.Set {
		return fmt.Errorf("done %+v", job)
	}
	return nil
}

func batch(ctx context.Context, c *api.Client) error {
	request := &api.BatchRequest{Passwords: []string{"angryMonkey", "calmOtter"}, Algorithm: api.NewOptAlgorithm(api.AlgorithmSHA256)}
	a, err := must[api.AcceptedBatchHeaders](c.SubmitBatch(ctx, request, api.SubmitBatchParams{}))
	if err != nil {
		return err
	}
	if b := a.Response; b.Count != 2 || b.Algorithm != api.AlgorithmSHA256 {
		return fmt.Errorf("accepted %+v", b)
	}
	first := api.JobID(a.Response.First)
	return errors.Join(hash(ctx, c, first, monkey), hash(ctx, c, first+1, otter))
}

// pending collects a job that is not done, and cancels it.
func pending(ctx context.Context, c *api.Client) error {
	submitted, err := must[api.SubmitHashAcceptedHeaders](c.SubmitHash(ctx, request("angryMonkey"), api.SubmitHashParams{}))
	if err != nil {
		return err
	}
	id := submitted.Response.ID
	got, err := must[api.GetHashAcceptedHeaders](c.GetHash(ctx, api.GetHashParams{ID: id}))
	if err != nil {
		return err
	}
	if got.Response != submitted.Response || got.RetryAfter < 1 {
		return fmt.Errorf("pending %+v, submitted %+v", got, submitted)
	}
	if _, err := must[api.CancelHashNoContent](c.CancelHash(ctx, api.CancelHashParams{ID: id})); err != nil {
		return err
	}
	gone, err := must[api.GoneHeaders](c.GetHash(ctx, api.GetHashParams{ID: id}))
	if err != nil {
		return err
	}
	if p := gone.Response; p.Type.String() != "urn:hashd:problem:job-gone" || p.Status != 410 {
		return fmt.Errorf("gone %+v", p)
	}
	return nil
}

// problems looks at refusals: of a field, of a job unknown, and one that the operation does not list.
func problems(ctx context.Context, c *api.Client, url string) error {
	refused, err := must[api.BadRequestHeaders](c.SubmitHash(ctx, &api.HashRequest{}, api.SubmitHashParams{}))
	if err != nil {
		return err
	}
	if p := refused.Response; len(p.Errors) != 1 || p.Errors[0].Pointer != api.NewOptString("#/password") || p.Errors[0].Parameter.Set {
		return fmt.Errorf("a field: %+v", p)
	}
	if _, err := must[api.NotFoundHeaders](c.CancelHash(ctx, api.CancelHashParams{ID: 1 << 60})); err != nil {
		return fmt.Errorf("unknown job: %w", err)
	}
	lost, err := api.NewClient(url+"/elsewhere", anyKey{})
	if err != nil {
		return err
	}
	_, err = lost.GetStats(ctx)
	other, ok := errors.AsType[*api.OtherProblemStatusCodeWithHeaders](err)
	if !ok || other.StatusCode != 404 || other.Response.Type.String() != "urn:hashd:problem:unknown-path" {
		return fmt.Errorf("unknown path: %w", err)
	}
	return nil
}

func status(ctx context.Context, c *api.Client) error {
	s, err := must[api.StatusHeaders](c.GetStatus(ctx))
	if err != nil {
		return err
	}
	if s.Response.Status != api.ServerStatusOk {
		return fmt.Errorf("status %+v", s)
	}
	if _, err := must[api.HealthHeaders](c.GetReadiness(ctx)); err != nil {
		return err
	}
	stats, err := must[api.StatsHeaders](c.GetStats(ctx))
	if err == nil && stats.Response.Total != 3 {
		err = fmt.Errorf("stats %+v", stats)
	}
	return err
}
