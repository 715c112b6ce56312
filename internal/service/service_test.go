package service_test

import (
	"context"
	"errors"
	"reflect"
	"slices"
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
	"github.com/hashd-project/hashd/v2/internal/service"
)

// fake is an engine of which a test says what it does; what it does not say must not happen.
type fake struct {
	engine.Engine
	accept      func(engine.Job) (engine.Receipt, error)
	acceptBatch func(engine.Batch) (engine.Receipt, error)
	get         func(id int64) (engine.Record, error)
	wait        func(ctx context.Context, id int64) (engine.Record, error)
	cancel      func(id int64) error
	drain       func(context.Context) error
	ready       error
	stats       engine.Stats
	full        string
	uses        []engine.Use
}

func (f fake) AcceptBatch(_ context.Context, b engine.Batch) (engine.Receipt, error) {
	return f.acceptBatch(b)
}

func (f fake) Accept(_ context.Context, job engine.Job) (engine.Receipt, error) { return f.accept(job) }
func (f fake) Get(_ context.Context, id int64) (engine.Record, error)           { return f.get(id) }
func (f fake) Wait(ctx context.Context, id int64) (engine.Record, error)        { return f.wait(ctx, id) }
func (f fake) Cancel(_ context.Context, id int64) error                         { return f.cancel(id) }
func (f fake) Drain(ctx context.Context) error                                  { return f.drain(ctx) }
func (f fake) Ready(context.Context) error                                      { return f.ready }
func (f fake) Full() string                                                     { return f.full }
func (f fake) Stats() engine.Stats                                              { return f.stats }
func (f fake) Uses() []engine.Use                                               { return f.uses }

func serviceOn(e fake) *service.Service {
	return service.New(service.Config{Engine: e, MaxWait: time.Minute})
}

// submission returns a request and the memory of its secret.
func submission(text string, algorithm *wire.Algorithm) (wire.SubmitHashRequestObject, []byte) {
	b := []byte(text)
	return wire.SubmitHashRequestObject{Body: &wire.HashRequest{Password: secret.New(b), Algorithm: algorithm}}, b
}

// submit submits a job that must be taken.
func submit(t *testing.T, s *service.Service) wire.SubmitHash202JSONResponse {
	t.Helper()
	req, _ := submission("angryMonkey", nil)
	answer, err := s.SubmitHash(t.Context(), req)
	if err != nil {
		t.Fatalf("submit: %v", err)
	}
	return answer.(wire.SubmitHash202JSONResponse)
}

// due returns an engine that takes every job, and shows it, as due then.
func due(due time.Time) fake {
	return fake{
		accept: func(engine.Job) (engine.Receipt, error) { return engine.Receipt{ID: 42, Due: due}, nil },
		get:    func(id int64) (engine.Record, error) { return engine.Record{ID: id, Due: due}, nil },
	}
}

func TestSubmit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at := time.Now().Add(5 * time.Second)
		for _, id := range []int64{1, 42, 9223372036854775807} {
			e := fake{accept: func(engine.Job) (engine.Receipt, error) { return engine.Receipt{ID: id, Due: at}, nil }}
			got := submit(t, serviceOn(e))
			location := map[int64]string{1: "/hash/1", 42: "/hash/42", 9223372036854775807: "/hash/9223372036854775807"}[id]
			if got.Body.Id != id || !got.Body.Due.Equal(at) || got.Headers.Location != location || got.Headers.RetryAfter != 5 {
				t.Errorf("id %d: %+v", id, got)
			}
		}
	})
}

func TestGet(t *testing.T) {
	sum := [digest.MaxSize]byte{0: 0xfb, 1: 0xff, 31: 1, 63: 2}
	for algorithm, want := range map[digest.Algorithm]string{
		digest.SHA256:   "+/8AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE=",
		digest.SHA512:   "+/8AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAg==",
		digest.SHA3x512: "+/8AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAg==",
	} {
		answer, err := serviceOn(fake{get: func(id int64) (engine.Record, error) {
			return engine.Record{ID: id, State: engine.Done, Algorithm: algorithm, Sum: sum}, nil
		}}).GetHash(t.Context(), wire.GetHashRequestObject{Id: 42})
		if err != nil {
			t.Fatal(err)
		}
		got := answer.(wire.GetHash200JSONResponse)
		if got.Body != (wire.Job{Id: 42, Status: wire.JobStatusDone, Algorithm: wire.Algorithm(algorithm.String()), Hash: want}) || got.Headers.PreferenceApplied != nil {
			t.Errorf("%s: %+v, want %s", algorithm, got, want)
		}
	}
}

// A job shows the same due time, in UTC, when it is accepted and later, and Retry-After shrinks.
func TestDueIsShownAlike(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at := time.Now().Add(5*time.Second + 250*time.Millisecond + 7).In(time.FixedZone("east", 5*3600))
		s := serviceOn(due(at))
		first := submit(t, s)
		for wait := range int64(8) {
			answer, err := s.GetHash(t.Context(), wire.GetHashRequestObject{Id: 42})
			if err != nil {
				t.Fatal(err)
			}
			got := answer.(wire.GetHash202JSONResponse)
			if got.Body.Id != 42 || got.Body.Status != wire.JobStatusPending || got.Body.Due != first.Body.Due {
				t.Errorf("after %d s: %+v, first %+v", wait, got.Body, first.Body)
			}
			if want := max(1, 6-wait); got.Headers.RetryAfter != want {
				t.Errorf("after %d s: retry after %d, want %d", wait, got.Headers.RetryAfter, want)
			}
			time.Sleep(time.Second)
		}
		if got, _ := first.Body.Due.MarshalText(); string(got) != "2000-01-01T00:00:05.250000007Z" {
			t.Errorf("due %s, want it in UTC", got)
		}
	})
}

// The engine gets the secret as submitted; afterwards nothing of it is left, however it went.
func TestSecretIsWiped(t *testing.T) {
	for name, err := range map[string]error{
		"accepted": nil, "full": &engine.FullError{Limit: "max-pending"}, "draining": engine.ErrDraining, "panic": errors.New("panic"),
	} {
		req, memory := submission("Zq7xVw93Kp", nil)
		s := serviceOn(fake{accept: func(job engine.Job) (engine.Receipt, error) {
			if string(job.Secret) != "Zq7xVw93Kp" || job.Tenant != 0 || job.IdempotencyKey != (engine.IdempotencyKey{}) {
				t.Errorf("%s: job %+v", name, job)
			}
			if name == "panic" {
				panic(err)
			}
			return engine.Receipt{}, err
		}})
		func() {
			defer func() { _ = recover() }()
			if _, got := s.SubmitHash(t.Context(), req); !errors.Is(got, err) {
				t.Errorf("%s: error %v", name, got)
			}
		}()
		if string(memory) != strings.Repeat("\x00", len(memory)) || req.Body.Password.Bytes() != nil {
			t.Errorf("%s: the secret is not wiped: %q", name, memory)
		}
	}
}

// What the engine refuses with reaches package server, which knows what it means.
func TestErrorsReachTheServer(t *testing.T) {
	full := &engine.FullError{Limit: "max-pending", RetryAfter: 3 * time.Second}
	for _, want := range []error{engine.ErrUnknown, engine.ErrGone, engine.ErrDraining, engine.ErrClosed, engine.ErrInvalid, engine.ErrIdempotencyKeyReused, full} {
		s := serviceOn(fake{
			accept: func(engine.Job) (engine.Receipt, error) { return engine.Receipt{}, want },
			get:    func(int64) (engine.Record, error) { return engine.Record{}, want },
			wait:   func(context.Context, int64) (engine.Record, error) { return engine.Record{}, want },
			cancel: func(int64) error { return want },
		})
		req, _ := submission("Zq7xVw93Kp", nil)
		prefer := "wait=1"
		_, submitted := s.SubmitHash(t.Context(), req)
		_, got := s.GetHash(t.Context(), wire.GetHashRequestObject{Id: 1})
		_, waited := s.GetHash(t.Context(), wire.GetHashRequestObject{Id: 1, Params: wire.GetHashParams{Prefer: &prefer}})
		_, canceled := s.CancelHash(t.Context(), wire.CancelHashRequestObject{Id: 1})
		for i, err := range []error{submitted, got, waited, canceled} {
			if !errors.Is(err, want) || !strings.HasPrefix(err.Error(), []string{"submit: ", "get: ", "get: ", "cancel: "}[i]) {
				t.Errorf("error %v, want %v", err, want)
			}
		}
	}
}

func TestCancel(t *testing.T) {
	var canceled []int64
	s := serviceOn(fake{cancel: func(id int64) error { canceled = append(canceled, id); return nil }})
	answer, err := s.CancelHash(t.Context(), wire.CancelHashRequestObject{Id: 42})
	if _, ok := answer.(wire.CancelHash204Response); !ok || err != nil || !slices.Equal(canceled, []int64{42}) {
		t.Errorf("%T, error %v, canceled %v", answer, err, canceled)
	}
}

// The contract's algorithms, its default too, are those of package digest.
func TestAlgorithmsOfTheContract(t *testing.T) {
	var doc struct {
		Components struct {
			Schemas struct {
				Algorithm struct {
					Enum    []string
					Default string
				} `yaml:"Algorithm"`
			}
		}
	}
	if err := yaml.Unmarshal([]byte(api.Contract()), &doc); err != nil {
		t.Fatal(err)
	}
	schema := doc.Components.Schemas.Algorithm
	var known []string
	for _, a := range digest.All() {
		known = append(known, a.String())
	}
	slices.Sort(known)
	if enum := slices.Sorted(slices.Values(schema.Enum)); !slices.Equal(enum, known) {
		t.Errorf("the contract has %v, package digest %v", enum, known)
	}
	hashedBy := func(name *wire.Algorithm) string {
		var got digest.Algorithm
		s := serviceOn(fake{accept: func(job engine.Job) (engine.Receipt, error) {
			got = job.Algorithm
			return engine.Receipt{}, nil
		}})
		req, _ := submission("angryMonkey", name)
		if _, err := s.SubmitHash(t.Context(), req); err != nil {
			t.Fatal(err)
		}
		return got.String()
	}
	if got := hashedBy(nil); got != schema.Default {
		t.Errorf("without an algorithm %s is used, the contract says %s", got, schema.Default)
	}
	for _, name := range schema.Enum {
		if got := hashedBy((*wire.Algorithm)(&name)); got != name {
			t.Errorf("asked for %s, got %s", name, got)
		}
	}
}

// A name that nothing computes, as of an algorithm that was added to the contract alone, does not
// become another algorithm.
func TestAlgorithmThatNothingComputesIsNotAnother(t *testing.T) {
	name := wire.Algorithm("sha3-256")
	refuse := func(a digest.Algorithm) (engine.Receipt, error) {
		if a.Valid() {
			t.Errorf("%s was taken for %v", name, a)
		}
		return engine.Receipt{}, engine.ErrInvalid
	}
	s := serviceOn(fake{
		accept:      func(job engine.Job) (engine.Receipt, error) { return refuse(job.Algorithm) },
		acceptBatch: func(b engine.Batch) (engine.Receipt, error) { return refuse(b.Algorithm) },
	})
	one, _ := submission("angryMonkey", &name)
	many, _ := batch(&name, "angryMonkey", "calmOtter")
	_, err := s.SubmitHash(t.Context(), one)
	_, errMany := s.SubmitBatch(t.Context(), many)
	if !errors.Is(err, engine.ErrInvalid) || !errors.Is(errMany, engine.ErrInvalid) {
		t.Errorf("errors %v and %v", err, errMany)
	}
}

func TestAverage(t *testing.T) {
	const us = time.Microsecond
	for _, tt := range []struct {
		took []time.Duration
		want int64
	}{
		{nil, 0},
		{[]time.Duration{0}, 0},
		{[]time.Duration{499}, 0},
		{[]time.Duration{500}, 1},
		{[]time.Duration{1499}, 1},
		{[]time.Duration{1500}, 2},
		{[]time.Duration{41 * us}, 41},
		{[]time.Duration{1 * us, 2 * us}, 2},
		{[]time.Duration{1 * us, 1 * us, 2 * us}, 1},
		{[]time.Duration{0, 0, 0, 2 * us}, 1},
		{[]time.Duration{time.Hour, 0}, 1_800_000_000},
		{slices.Repeat([]time.Duration{3 * us, 5 * us}, 1000), 4},
	} {
		s := serviceOn(fake{})
		for _, took := range tt.took {
			s.Answered(t.Context(), took)
		}
		if got := stats(t, s).Average; got != tt.want {
			t.Errorf("%.60v: average %d, want %d", tt.took, got, tt.want)
		}
	}
}

func stats(t *testing.T, s *service.Service) wire.Stats {
	t.Helper()
	answer, err := s.GetStats(t.Context(), wire.GetStatsRequestObject{})
	if err != nil {
		t.Fatal(err)
	}
	return answer.(wire.GetStats200JSONResponse).Body
}

// total is the engine's count of jobs, which is there even before the answers are counted.
func TestStats(t *testing.T) {
	s := serviceOn(fake{stats: engine.Stats{
		Accepted: 1, Pending: 2, Completed: 3, Canceled: 4, Rejected: 5, Kept: 6,
		Lateness: engine.Lateness{P50: 7 * time.Microsecond, P90: 8*time.Microsecond + 999, P99: 9 * time.Microsecond, Max: 10 * time.Second},
		Recent:   engine.RecentStats{Completed: 11, Lateness: engine.Lateness{P50: 12 * time.Microsecond}},
	}, uses: []engine.Use{{Name: "max-pending", Limit: 13, Used: 14}}})
	want := wire.Stats{
		Total: 1, Pending: 2, Completed: 3, Canceled: 4, Rejected: 5, Kept: 6,
		Lateness: wire.Lateness{P50: 7, P90: 8, P99: 9, Max: 10_000_000},
		Recent:   wire.Recent{Completed: 11, Lateness: wire.Lateness{P50: 12}},
		Limits:   []wire.Use{{Name: "max-pending", Limit: 13, Used: 14}},
	}
	got := stats(t, s)
	want.Started = got.Started // which TestStatsAndStatusAreOfOneStart has
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if got := stats(t, serviceOn(fake{full: "max-results"})).Full; got == nil || *got != "max-results" {
		t.Errorf("a full engine is shown as %v", got)
	}
}

// Counters tell of which start they are, by the same time as the status.
func TestStatsAndStatusAreOfOneStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := serviceOn(fake{})
		time.Sleep(time.Nanosecond)
		second := serviceOn(fake{})
		for _, s := range []*service.Service{first, second} {
			answer, err := s.GetStatus(t.Context(), wire.GetStatusRequestObject{})
			if err != nil {
				t.Fatal(err)
			}
			if counters, status := stats(t, s).Started, answer.(wire.GetStatus200JSONResponse).Body.Started; counters != status {
				t.Errorf("the counters are of the start at %v, the status of that at %v", counters, status)
			}
		}
		if stats(t, first).Started.Equal(stats(t, second).Started) {
			t.Error("two starts have one time")
		}
	})
}

// A store's name is as old as the store, tells it from others, and does not tell its key.
func TestStoreName(t *testing.T) {
	name := func(fingerprintKey []byte) string {
		s := service.New(service.Config{Engine: fake{}, FingerprintKey: fingerprintKey})
		status, err := s.GetStatus(t.Context(), wire.GetStatusRequestObject{})
		if err != nil {
			t.Fatal(err)
		}
		return status.(wire.GetStatus200JSONResponse).Body.Store
	}
	if a, again, b := name([]byte("a")), name([]byte("a")), name([]byte("b")); a != again || a == b || len(a) != 16 {
		t.Errorf("the stores a, a and b have the names %s, %s and %s", a, again, b)
	}
	if first, second := name(nil), name(nil); first == second {
		t.Errorf("two stores in memory both have the name %s", first)
	}
}

// An engine that is down shows in readiness and in the counters; the process is well.
func TestEngineDown(t *testing.T) {
	s := serviceOn(fake{ready: engine.ErrDown})
	if ready, err := s.GetReadiness(t.Context(), wire.GetReadinessRequestObject{}); !errors.Is(err, engine.ErrDown) || ready != nil {
		t.Errorf("ready %+v, error %v", ready, err)
	}
	if _, err := s.GetHealth(t.Context(), wire.GetHealthRequestObject{}); err != nil {
		t.Errorf("health: error %v", err)
	}
	for _, tt := range []struct {
		ready error
		want  string
	}{{engine.ErrDown, "down"}, {engine.ErrClosed, "down"}, {engine.ErrDraining, "draining"}} {
		if got := stats(t, serviceOn(fake{ready: tt.ready})).Refusing; got == nil || *got != tt.want {
			t.Errorf("%v is shown as %v, want %s", tt.ready, got, tt.want)
		}
	}
}

// hanging is an engine whose store does not answer.
type hanging struct{ fake }

func (hanging) Ready(ctx context.Context) error {
	<-ctx.Done()
	return engine.ErrDown
}

// Counters do not wait for a store that does not answer, and do not say that it is down before that is known.
func TestCountersDoNotWaitForTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, asked := service.New(service.Config{Engine: hanging{}}), time.Now()
		if got, took := stats(t, s).Refusing, time.Since(asked); got != nil || took > time.Second {
			t.Errorf("after %v counters say that jobs are refused: %v", took, got)
		}
	})
}

// A drain shows from its first moment on: the service is unready, but alive, and says so.
func TestDraining(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		started, left := time.Now(), &engine.LeftError{Left: 3, Cause: context.Canceled}
		begin := make(chan struct{})
		s := service.New(service.Config{
			Engine: fake{drain: func(context.Context) error { <-begin; return left }},
			Build:  service.Build{API: "1.2.3", Version: "v4.5.6", Commit: "abc", Go: "go1.26"},

			FingerprintKey: []byte("a key"), EngineName: "memory", MaxWait: time.Minute,
			Limits: service.Limits{Delay: 500 * time.Millisecond, Retention: time.Hour, BodyBytes: 1, BatchBodyBytes: 2},
		})
		time.Sleep(time.Hour)
		check := func(want wire.ServerStatus) {
			t.Helper()
			status, err := s.GetStatus(t.Context(), wire.GetStatusRequestObject{})
			wanted := wire.GetStatus200JSONResponse{Body: wire.Status{
				Status: want, Api: "1.2.3", Version: "v4.5.6", Commit: "abc", Go: "go1.26", Started: started.UTC(), Store: "d2971e1bacb26c32",
				Engine: "memory", Algorithms: []string{"sha512", "sha256", "sha3-512"},
				Limits: wire.Limits{Secret: 1024, Batch: 10_000, Range: 10_000, Wait: 60, Delay: 0.5, Retention: 3600, Body: 1, BatchBody: 2},
			}}
			if err != nil || !reflect.DeepEqual(status, wanted) {
				t.Errorf("status %+v, error %v, want %+v", status, err, wanted)
			}
			health, err := s.GetHealth(t.Context(), wire.GetHealthRequestObject{})
			if err != nil || !reflect.DeepEqual(health, wire.GetHealth200JSONResponse{Body: wire.Health{Status: "ok"}}) {
				t.Errorf("health %+v, error %v", health, err)
			}
			ready, err := s.GetReadiness(t.Context(), wire.GetReadinessRequestObject{})
			if want == "ok" && (err != nil || !reflect.DeepEqual(ready, wire.GetReadiness200JSONResponse{Body: wire.Health{Status: "ok"}})) ||
				want != "ok" && (!errors.Is(err, engine.ErrDraining) || ready != nil) {
				t.Errorf("ready %+v, error %v", ready, err)
			}
		}
		check("ok")
		drained := make(chan error)
		go func() { drained <- s.Drain(t.Context()) }()
		synctest.Wait()
		check("draining")
		close(begin)
		if err := <-drained; err != left {
			t.Errorf("drain: error %v, want %v", err, left)
		}
		check("draining")
	})
}
