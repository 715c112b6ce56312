package jetstream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	natsjs "github.com/nats-io/nats.go/jetstream"

	"github.com/hashd-project/hashd/internal/engine"
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

// A tenant's cursor returns its own jobs, each once, and goes on after the last of them; without one it stays.
func TestCursorOfTenant(t *testing.T) {
	t.Parallel()
	s := newEstate(t)
	e := s.all[0]
	for _, tenant := range s.tenants {
		want := s.owned(tenant, "done")
		for _, size := range []int{1, 2, 1000} {
			var got []int64
			for after := int64(0); ; {
				to := make([]engine.Record, size)
				n, next, err := e.Completed(s.of(tenant), after, to)
				if err != nil {
					t.Fatal(err)
				}
				if n == 0 {
					if next != after {
						t.Errorf("with nothing it goes from %d on to %d", after, next)
					}
					break
				}
				for _, rec := range to[:n] {
					got = append(got, rec.ID)
				}
				if after = next; next != to[n-1].ID {
					t.Errorf("it goes on after %d, not after its last job %d", next, to[n-1].ID)
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("tenant %d reads %v, want %v", tenant, got, want)
			}
		}
	}
}

// Calls that find nothing again and again do not look at the same jobs again.
func TestCursorOfTenantLooksOnce(t *testing.T) {
	t.Parallel()
	e := start(t, config(t, single(t)))
	first := acceptMany(t, e, 5_000)
	if err := engine.AwaitRange(t.Context(), e, first, 5_000); err != nil {
		t.Fatal(err)
	}
	own := accept(t, e, engine.Job{Secret: []byte("own"), Tenant: 7})
	ctx, to := engine.ForTenant(t.Context(), 7), make([]engine.Record, 10)
	awaitOwn(t, e, ctx, 0)
	least := 1 << 30
	for range 5 {
		least = min(least, requestsOf(t, e, func() error {
			n, next, err := e.Completed(ctx, own.ID, to)
			if err == nil && (n != 0 || next != own.ID) {
				err = fmt.Errorf("%d, %d", n, next)
			}
			return err
		}))
	}
	if least > 4 {
		t.Errorf("a call that finds nothing takes %d requests", least)
	}
	other := engine.ForTenant(t.Context(), 8)
	for range 5 {
		least = min(least, requestsOf(t, e, func() error {
			n, next, err := e.Completed(other, 0, to)
			if err == nil && (n != 0 || next != 0) {
				err = fmt.Errorf("%d, %d", n, next)
			}
			return err
		}))
	}
	if least > 4 {
		t.Errorf("a call of who has no jobs takes %d requests", least)
	}
}

// awaitOwn waits until there is something after the id, and checks that it is the tenant's.
func awaitOwn(t *testing.T, e *Engine, ctx context.Context, after int64) engine.Record {
	t.Helper()
	bound, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := e.AwaitCompleted(bound, after); err != nil || bound.Err() != nil {
		t.Fatal(err, bound.Err())
	}
	to := make([]engine.Record, 1)
	n, _, err := e.Completed(ctx, after, to)
	if tenant, _ := engine.TenantOf(ctx); err != nil || n != 1 || to[0].Tenant != tenant {
		t.Fatalf("after a wait there is %d, %+v, %v", n, to, err)
	}
	return to[0]
}

// A tenant that waits for its next result is not told of others', however many there are, and is of its own, on
// every instance.
func TestAwaitCompletedOfTenant(t *testing.T) {
	t.Parallel()
	cfg := config(t, single(t))
	all := instances(t, 2, cfg)
	last := accept(t, all[0], engine.Job{Secret: []byte("own"), Tenant: 7}).ID
	ctx := engine.ForTenant(t.Context(), 7)
	if rec := awaitOwn(t, all[1], ctx, 0); rec.ID != last {
		t.Fatalf("%+v", rec)
	}
	short, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make(chan error, 20)
	for n := range cap(results) {
		go func() { results <- all[n%2].AwaitCompleted(short, last) }()
	}
	for n := range 20 { // others'
		first := acceptMany(t, all[n%2], 200)
		if err := engine.AwaitRange(t.Context(), all[0], first, 200); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case err := <-results:
		t.Fatalf("it ends with others' jobs: %v", err)
	default:
	}
	own := accept(t, all[1], engine.Job{Secret: []byte("own"), Tenant: 7}).ID
	for range cap(results) {
		select {
		case err := <-results:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(patience):
			t.Fatal("it does not end with the tenant's own job")
		}
	}
	if rec := awaitOwn(t, all[0], ctx, last); rec.ID != own {
		t.Errorf("%+v, want %d", rec, own)
	}
	cancel()
	if err := all[0].AwaitCompleted(short, own); err != nil {
		t.Errorf("ended: %v", err)
	}
	if err := all[0].AwaitCompleted(ctx, -1); !errors.Is(err, engine.ErrInvalid) {
		t.Error(err)
	}
	closed := make(chan error, 1)
	go func() { closed <- all[0].AwaitCompleted(ctx, own) }()
	_ = all[0].Close()
	if err := <-closed; !errors.Is(err, engine.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

// A cursor that has passed an id of the tenant that was canceled after it was seen as done does not end the wait for
// ever.
func TestAwaitCompletedForgetsWhatIsCanceled(t *testing.T) {
	t.Parallel()
	e := start(t, config(t, single(t)))
	ctx := engine.ForTenant(t.Context(), 7)
	own := accept(t, e, engine.Job{Secret: []byte("own"), Tenant: 7}).ID
	awaitOwn(t, e, ctx, 0)
	if err := e.Cancel(ctx, own); err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	if err := e.AwaitCompleted(short, 0); err != nil || short.Err() == nil {
		t.Errorf("it ends with %v for a job that is gone", err)
	}
	next := accept(t, e, engine.Job{Secret: []byte("next"), Tenant: 7}).ID
	if rec := awaitOwn(t, e, ctx, 0); rec.ID != next {
		t.Errorf("%+v", rec)
	}
}

// Stretches that follow on each other become one, and a few others are kept.
func TestPassedStretches(t *testing.T) {
	t.Parallel()
	var p passed
	p.note(1, 10, 20)
	p.note(1, 20, 30)
	p.note(1, 15, 25)
	p.note(1, 5, 5)
	for after, want := range map[int64]int64{9: 9, 10: 30, 29: 30, 30: 30, 5: 5} {
		if got := p.skip(1, after); got != want {
			t.Errorf("after %d it goes on after %d, want %d", after, got, want)
		}
	}
	if p.skip(2, 10) != 10 {
		t.Error("another tenant's is taken")
	}
	for n := range int64(10) {
		p.note(1, 100*n+100, 100*n+150)
	}
	if p.skip(1, 10) != 10 || p.skip(1, 1000) != 1050 {
		t.Error("the oldest is kept, or the newest is not")
	}
}

// Owners that were seen are remembered up to a bound.
func TestSeenOwners(t *testing.T) {
	t.Parallel()
	var o seenOwners
	for n := range int64(mostSeen + 10) {
		o.note(n<<bitmapBits, ownerOf(uint16(n)))
	}
	if len(o.chunks) != mostSeen || len(o.order) != mostSeen {
		t.Errorf("%d chunks", len(o.chunks))
	}
	if o.get(0) != unseen || o.get(20<<bitmapBits) != ownerOf(20) || o.get(20<<bitmapBits|1) != unseen {
		t.Error("it has others than it should")
	}
}

// A tenant's figures are its own; the first tenant's are what is left.
func TestStatsOfTenant(t *testing.T) {
	t.Parallel()
	s := newEstate(t)
	each := func(kind string, tenant uint16, n int) (jobs int64) {
		for _, id := range s.owned(tenant, kind) {
			if s.at(id) == n {
				jobs++
			}
		}
		return jobs
	}
	for n, e := range s.all {
		var sum engine.Stats
		for _, tenant := range s.tenants {
			got := e.StatsOf(tenant)
			want := engine.Stats{
				Pending: each("pending", tenant, n), Canceled: each("canceled", tenant, n), Kept: each("done", tenant, n),
				Completed: each("done", tenant, n) + each("erased", tenant, n),
			}
			want.Accepted = want.Pending + want.Canceled + want.Completed
			want.Lateness, want.Recent = got.Lateness, got.Recent
			if got != want {
				t.Errorf("instance %d, tenant %d: %+v, want %+v", n, tenant, got, want)
			}
			add(&sum, &got, 1)
			sum.Recent.Completed += got.Recent.Completed
		}
		all := e.Stats()
		all.Lateness, all.Recent.Lateness = sum.Lateness, sum.Recent.Lateness
		if sum != all {
			t.Errorf("together they are %+v, and all are %+v", sum, all)
		}
		if got := e.StatsOf(9); got.Accepted != 0 || got.Recent.Completed != 0 || got.Pending != 0 {
			t.Errorf("who has no jobs has %+v", got)
		}
	}
}

// at returns which instance has accepted a job.
func (s *estate) at(id int64) int { return slices.Index(s.tenants, s.owner[id]) % 2 }

// Rejections and the end of retention count for their tenant.
func TestAccounts(t *testing.T) {
	l := newTestLedger()
	l.cfg.MaxResults = 3
	if err := l.reserve(5, 3, engine.IdempotencyKey{}); err != nil {
		t.Fatal(err)
	}
	if err := l.reserve(6, 1, engine.IdempotencyKey{}); err == nil {
		t.Fatal("there is no limit")
	}
	l.observe(11, isDone) // before it is acknowledged
	l.accept(5, 10, 3)
	l.observe(12, isCanceled)
	if got := l.statsOf(5); got.Accepted != 3 || got.Pending != 1 || got.Completed != 1 || got.Kept != 1 || got.Canceled != 1 || got.Rejected != 0 {
		t.Errorf("%+v", got)
	}
	if got := l.statsOf(6); got.Rejected != 1 || got.Accepted != 0 {
		t.Errorf("%+v", got)
	}
	if got := l.statsOf(0); got.Accepted != 0 || got.Rejected != 0 || got.Pending != 0 || got.Kept != 0 {
		t.Errorf("%+v", got)
	}
	l.expire(time.Now().Add(2 * l.cfg.Retention))
	l.observe(10, isErased)
	if got := l.statsOf(5); got.Kept != 0 || got.Pending != 0 || got.Completed != 2 {
		t.Errorf("%+v", got)
	}
	if len(l.accounts.owners) != 0 {
		t.Errorf("owners are kept: %v", l.accounts.owners)
	}
}

// Jobs that were hashed are a tenant's recent ones for a minute.
func TestHashedOfLate(t *testing.T) {
	t.Parallel()
	var h hashed
	h.add(0, 2)
	h.add(time.Second, 1)
	h.add(30*time.Second, 4)
	for now, want := range map[time.Duration]int64{30 * time.Second: 7, 61 * time.Second: 4, 5 * time.Minute: 0} {
		if got := h.total(now); got != want {
			t.Errorf("at %v there are %d, want %d", now, got, want)
		}
	}
}
