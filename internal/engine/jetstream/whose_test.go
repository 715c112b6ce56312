package jetstream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	natsjs "github.com/nats-io/nats.go/jetstream"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// estate is a store with jobs of several tenants, of each kind some, one after the other.
type estate struct {
	t       *testing.T
	all     []*Engine
	cfg     Config
	first   int64
	tenants []uint16           // in the order in which each round of jobs has them
	owner   map[int64]uint16   // of every job
	kinds   map[string][]int64 // the jobs that are in each state
}

const estateRounds = 5

func newEstate(t *testing.T) *estate {
	t.Helper()
	s := &estate{
		t: t, cfg: config(t, single(t)), tenants: []uint16{1, 0, 2, 65535},
		owner: make(map[int64]uint16), kinds: make(map[string][]int64),
	}
	s.all = instances(t, 2, s.cfg)
	done, erased := s.submit("done"), s.submit("erased")
	for _, id := range slices.Concat(done, erased) {
		if _, err := s.all[0].Wait(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	for _, e := range s.all {
		e.cfg.Delay = time.Hour
	}
	canceled := s.submit("canceled")
	for n, id := range slices.Concat(canceled, erased) {
		if err := s.all[n%2].Cancel(engine.ForTenant(t.Context(), s.owner[id]), id); err != nil {
			t.Fatalf("%d of its own tenant %d: %v", id, s.owner[id], err)
		}
	}
	s.submit("pending")
	return s
}

// submit has jobs of all tenants accepted, by the instances in turn, some of them in batches.
func (s *estate) submit(kind string) (jobs []int64) {
	s.t.Helper()
	for round := range estateRounds {
		for n, tenant := range s.tenants {
			r, err := s.all[n%2].AcceptBatch(s.t.Context(), engine.Batch{
				Secrets: [][]byte{[]byte("a"), []byte("b")}[:1+round%2], Tenant: tenant,
			})
			if err != nil {
				s.t.Fatal(err)
			}
			if s.first == 0 {
				s.first = r.ID
			}
			for id := r.ID; id <= r.ID+int64(round%2); id++ {
				s.owner[id] = tenant
				jobs = append(jobs, id)
			}
		}
	}
	s.kinds[kind] = append(s.kinds[kind], jobs...)
	return jobs
}

func (s *estate) of(tenant uint16) context.Context { return engine.ForTenant(s.t.Context(), tenant) }

// records is what a tenant is shown of all jobs.
func (s *estate) records(e *Engine, tenant uint16) []engine.Record {
	s.t.Helper()
	to := make([]engine.Record, len(s.owner))
	if err := e.Read(s.of(tenant), s.first, to); err != nil {
		s.t.Fatal(err)
	}
	return to
}

var stateOf = map[string]engine.State{"done": engine.Done, "pending": engine.Pending, "canceled": engine.Gone, "erased": engine.Gone}

// check fails the test unless each tenant is shown its own jobs and no other.
func (s *estate) check(e *Engine) (probes int) {
	s.t.Helper()
	want := make(map[int64]engine.State)
	for kind, jobs := range s.kinds {
		for _, id := range jobs {
			want[id] = stateOf[kind]
		}
	}
	for _, tenant := range append(s.tenants, 3) {
		for _, rec := range s.records(e, tenant) {
			one, err := e.Get(s.of(tenant), rec.ID)
			if s.owner[rec.ID] != tenant {
				probes += 2
				if rec != (engine.Record{ID: rec.ID, State: engine.Unknown}) || !errors.Is(err, engine.ErrUnknown) || errors.Is(err, engine.ErrGone) || one != (engine.Record{}) {
					s.t.Fatalf("tenant %d is shown %+v of tenant %d, and %+v, %v", tenant, rec, s.owner[rec.ID], one, err)
				}
				continue
			}
			if rec.State != want[rec.ID] || rec.State == engine.Done && rec.Tenant != tenant ||
				rec.State == engine.Gone && !errors.Is(err, engine.ErrGone) || rec.State != engine.Gone && (err != nil || one != rec) {
				s.t.Fatalf("tenant %d is shown of its own %+v, and %+v, %v", tenant, rec, one, err)
			}
		}
		survey, err := e.Survey(s.of(tenant), s.first, len(s.owner))
		if own := s.owned(tenant, "pending"); err != nil || survey.Pending != len(own) ||
			len(own) > 0 && (survey.Last.ID != own[len(own)-1] || survey.Last.Due.IsZero()) {
			s.t.Errorf("survey of tenant %d: %+v, %v", tenant, survey, err)
		}
	}
	return probes
}

func (s *estate) owned(tenant uint16, kind string) (own []int64) {
	for _, id := range s.kinds[kind] {
		if s.owner[id] == tenant {
			own = append(own, id)
		}
	}
	return own
}

// What one tenant submits is to another as if it had never been given, in every state, by every call, on every
// instance, and after a restart.
func TestTenantsAreApart(t *testing.T) {
	t.Parallel()
	s := newEstate(t)
	probes := 0
	for _, e := range s.all {
		probes += s.check(e)
	}
	const stranger = 9
	for _, e := range s.all { // ends nothing
		for range 20 {
			ended, err := e.CancelRange(s.of(stranger), s.first, len(s.owner))
			if err != nil || ended != (engine.Ended{Unknown: len(s.owner)}) {
				t.Fatalf("a stranger cancels %+v, %v", ended, err)
			}
			to := make([]engine.Record, len(s.owner))
			if n, next, err := e.Completed(s.of(stranger), 0, to); n != 0 || next != 0 || err != nil {
				t.Fatalf("a stranger's cursor: %d, %d, %v", n, next, err)
			}
			probes += 2 * len(s.owner)
		}
		for id := range s.owner {
			if err := e.Cancel(s.of(stranger), id); !errors.Is(err, engine.ErrUnknown) {
				t.Fatalf("a stranger cancels: %v", err)
			}
			if rec, err := e.Wait(s.of(stranger), id); !errors.Is(err, engine.ErrUnknown) || rec != (engine.Record{}) {
				t.Fatalf("a stranger waits: %+v, %v", rec, err)
			}
			probes += 2
		}
		for range 10 {
			for _, rec := range s.records(e, stranger) {
				if probes++; rec != (engine.Record{ID: rec.ID, State: engine.Unknown}) {
					t.Fatalf("a stranger is shown %+v", rec)
				}
			}
		}
	}
	for _, e := range s.all {
		_ = e.Close()
	}
	s.all = []*Engine{start(t, s.cfg)}
	probes += s.check(s.all[0])
	if probes < 10_000 {
		t.Errorf("only %d probes", probes)
	}
	for _, tenant := range s.tenants[:2] {
		ended, err := s.all[0].CancelRange(s.of(tenant), s.first, len(s.owner))
		own := 0
		for _, owner := range s.owner {
			if owner == tenant {
				own++
			}
		}
		want := engine.Ended{
			Canceled: len(s.owned(tenant, "pending")), Erased: len(s.owned(tenant, "done")),
			Gone: len(s.owned(tenant, "canceled")) + len(s.owned(tenant, "erased")), Unknown: len(s.owner) - own,
		}
		if err != nil || ended != want {
			t.Errorf("tenant %d cancels %+v, %v, want %+v", tenant, ended, err, want)
		}
	}
	s.kinds["canceled"] = append(s.kinds["canceled"], s.take("pending", 1, 0)...)
	s.kinds["erased"] = append(s.kinds["erased"], s.take("done", 1, 0)...)
	s.check(s.all[0])
}

// take takes the tenants' jobs out of those of a kind.
func (s *estate) take(kind string, tenants ...uint16) (taken []int64) {
	s.kinds[kind] = slices.DeleteFunc(s.kinds[kind], func(id int64) bool {
		mine := slices.Contains(tenants, s.owner[id])
		if mine {
			taken = append(taken, id)
		}
		return mine
	})
	return taken
}

// What another tenant has takes the same requests as what was never given.
func TestForeignJobsTakeTheRequestsOfUnknownOnes(t *testing.T) {
	t.Parallel()
	s := newEstate(t)
	e := s.all[0]
	r := accept(t, e, engine.Job{Secret: []byte("x"), Tenant: 1, IdempotencyKey: engine.IdempotencyKey{ID: [16]byte{1}}})
	lost := s.owned(1, "done")[0]
	tamper(t, single(t), func(ctx context.Context, js natsjs.JetStream) error {
		results, err := js.Stream(ctx, e.names.results())
		if err != nil {
			return err
		}
		return results.Purge(ctx, natsjs.WithPurgeSubject(e.names.result(lost)))
	})
	kinds := map[string]int64{
		"above all": r.ID + 1000, "next": r.ID + 2, "far above": 1 << 62, "below all": s.first - 1, "place of a key": r.ID + 1, "left nothing": lost,
	}
	for kind := range stateOf {
		kinds[kind] = s.owned(1, kind)[1]
	}
	counts := make(map[string]int)
	for kind, id := range kinds {
		for range 10 { // some of which the instance sends something else meanwhile
			n := requestsOf(t, e, func() error {
				if _, err := e.Get(s.of(2), id); !errors.Is(err, engine.ErrUnknown) {
					return fmt.Errorf("%s: %w", kind, err)
				}
				return nil
			})
			if old, ok := counts[kind]; !ok || n < old {
				counts[kind] = n
			}
		}
	}
	for kind, n := range counts {
		if n != counts["above all"] {
			t.Errorf("%s takes %d requests, and what was never given %d", kind, n, counts["above all"])
		}
	}
	if _, err := e.Get(s.of(1), lost); !errors.Is(err, engine.ErrUnknown) {
		t.Errorf("what has left nothing is %v to its tenant", err)
	}
	if _, err := e.Get(t.Context(), lost); !errors.Is(err, engine.ErrGone) {
		t.Errorf("what has left nothing is %v to who sees all", err)
	}
}

// An erased job is its owner's alone, though a server that is behind still has its result.
func TestErasedOfTenant(t *testing.T) {
	t.Parallel()
	s := newEstate(t)
	id := s.owned(2, "done")[0]
	for _, e := range s.all {
		e.erased.add(id)
		to := make([]engine.Record, 1)
		if err := e.Read(s.of(2), id, to); err != nil || to[0].State != engine.Gone {
			t.Errorf("%+v, %v", to, err)
		}
		if _, err := e.Get(s.of(2), id); !errors.Is(err, engine.ErrGone) {
			t.Error(err)
		}
		if _, err := e.Get(s.of(1), id); !errors.Is(err, engine.ErrUnknown) {
			t.Error(err)
		}
	}
}
