package jetstream

import (
	"errors"
	"testing"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// What all instances hold is bounded, also by one that has accepted nothing.
func TestResultsOfAllAreBounded(t *testing.T) {
	t.Parallel()
	cfg := config(t, single(t))
	e := start(t, cfg)
	b := engine.Batch{Secrets: make([][]byte, 1_200)}
	for n := range b.Secrets {
		b.Secrets[n] = []byte("secret")
	}
	if _, err := e.AcceptBatch(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if err := e.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	cfg.MaxResults = 50
	full := new(engine.FullError)
	_, err := start(t, cfg).Accept(t.Context(), engine.Job{Secret: []byte("secret")})
	if !errors.As(err, &full) || full.Limit != "max-results" {
		t.Errorf("with room for 50 results and 1200 there: %v", err)
	}
	cfg.MaxResults = 5_000
	accept(t, start(t, cfg), engine.Job{Secret: []byte("secret")})
}
