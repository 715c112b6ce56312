package service_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/hashd-project/hashd/v2/api"
	wire "github.com/hashd-project/hashd/v2/gen/server"
	"github.com/hashd-project/hashd/v2/internal/digest"
	"github.com/hashd-project/hashd/v2/internal/engine"
	"github.com/hashd-project/hashd/v2/internal/secret"
)

// batch returns a request and the memory of its secrets.
func batch(algorithm *wire.Algorithm, texts ...string) (wire.SubmitBatchRequestObject, [][]byte) {
	var memory, list [][]byte
	for _, text := range texts {
		b := []byte(text)
		memory, list = append(memory, b), append(list, b)
	}
	return wire.SubmitBatchRequestObject{Body: &wire.BatchRequest{Passwords: secret.NewList(list), Algorithm: algorithm}}, memory
}

// takes returns an engine that takes every batch as the function says.
func takes(accept func(engine.Batch) (engine.Receipt, error)) fake {
	return fake{acceptBatch: accept}
}

func TestSubmitBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at := time.Now().Add(5 * time.Second)
		for _, n := range []int{1, 2, 10_000} {
			texts := make([]string, n)
			for i := range texts {
				texts[i] = fmt.Sprint("secret ", i)
			}
			sha256 := wire.Sha256
			req, _ := batch(&sha256, texts...)
			answer, err := serviceOn(takes(func(b engine.Batch) (engine.Receipt, error) {
				if len(b.Secrets) != n || string(b.Secrets[n-1]) != texts[n-1] || b.Algorithm != digest.SHA256 || b.Tenant != 0 || b.IdempotencyKey != (engine.IdempotencyKey{}) {
					t.Errorf("the engine gets %d secrets, %s, tenant %d, key %x", len(b.Secrets), b.Algorithm, b.Tenant, b.IdempotencyKey)
				}
				return engine.Receipt{ID: 42, Due: at}, nil
			})).SubmitBatch(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			got := answer.(wire.SubmitBatch202JSONResponse)
			if want := (wire.AcceptedBatch{First: 42, Count: int32(n), Algorithm: wire.Sha256, Due: at.UTC()}); got.Body != want || got.Headers.RetryAfter != 5 {
				t.Errorf("%+v, want %+v", got, want)
			}
		}
	})
}

// The key is that of the whole batch.
func TestKeyOfABatch(t *testing.T) {
	var keys []engine.IdempotencyKey
	s := serviceOn(takes(func(b engine.Batch) (engine.Receipt, error) {
		keys = append(keys, b.IdempotencyKey)
		return engine.Receipt{ID: 42}, nil
	}))
	name := "name"
	for _, texts := range [][]string{{"a", "b"}, {"a", "b"}, {"a"}, {"ab"}} {
		req, _ := batch(nil, texts...)
		req.Params.IdempotencyKey = &name
		if _, err := s.SubmitBatch(t.Context(), req); err != nil {
			t.Fatal(err)
		}
	}
	if keys[0] == (engine.IdempotencyKey{}) || keys[1] != keys[0] || keys[2].ID != keys[0].ID || keys[2].Fingerprint == keys[0].Fingerprint || keys[3].Fingerprint == keys[2].Fingerprint {
		t.Errorf("keys %x", keys)
	}
}

// Nothing is left of a batch's secrets, however it went.
func TestSecretsOfABatchAreWiped(t *testing.T) {
	for name, err := range map[string]error{
		"accepted": nil, "full": &engine.FullError{Limit: "max-pending"}, "draining": engine.ErrDraining, "panic": errors.New("panic"),
	} {
		req, memory := batch(nil, "Zq7xVw93Kp", "x", "Zq7xVw93Kp")
		s := serviceOn(takes(func(engine.Batch) (engine.Receipt, error) {
			if name == "panic" {
				panic(err)
			}
			return engine.Receipt{}, err
		}))
		func() {
			defer func() { _ = recover() }()
			_, got := s.SubmitBatch(t.Context(), req)
			if !errors.Is(got, err) || got != nil && !strings.HasPrefix(got.Error(), "submit batch: ") {
				t.Errorf("%s: error %v", name, got)
			}
		}()
		for _, b := range memory {
			if string(b) != strings.Repeat("\x00", len(b)) {
				t.Errorf("%s: a secret is not wiped: %q", name, b)
			}
		}
		if req.Body.Passwords.Slices() != nil {
			t.Errorf("%s: the list is not empty", name)
		}
	}
}

// What the contract lets in is what an engine takes, to the last batch and the longest secret.
func TestBatchBoundsOfTheContract(t *testing.T) {
	type list struct {
		MaxItems int `yaml:"maxItems"`
		Items    struct {
			MaxLength int `yaml:"maxLength"`
		}
	}
	var doc struct {
		Components struct {
			Schemas struct {
				BatchRequest struct {
					Properties struct{ Passwords list }
				} `yaml:"BatchRequest"`
				AcceptedBatch struct {
					Properties struct {
						Count struct{ Maximum int }
					}
				} `yaml:"AcceptedBatch"`
			}
		}
	}
	if err := yaml.Unmarshal([]byte(api.Contract()), &doc); err != nil {
		t.Fatal(err)
	}
	passwords := doc.Components.Schemas.BatchRequest.Properties.Passwords
	if passwords.MaxItems != engine.MaxBatch || passwords.Items.MaxLength*4 != engine.MaxSecret ||
		doc.Components.Schemas.AcceptedBatch.Properties.Count.Maximum != engine.MaxBatch {
		t.Errorf("the contract has %+v, the engine takes %d of %d bytes", passwords, engine.MaxBatch, engine.MaxSecret)
	}
}
