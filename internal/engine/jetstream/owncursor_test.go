package jetstream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

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

// A tenant that waits finds a job of its own behind more of others' than one piece has, and the end of its ctx ends a
// wait that finds none.
func TestAwaitCompletedOfTenantPassesMany(t *testing.T) {
	t.Parallel()
	e := start(t, config(t, single(t)))
	acceptMany(t, e, engine.MaxBatch)
	own := accept(t, e, engine.Job{Secret: []byte("own"), Tenant: 7}).ID
	if rec := awaitOwn(t, e, engine.ForTenant(t.Context(), 7), 0); rec.ID != own {
		t.Errorf("%+v", rec)
	}
	short, cancel := context.WithTimeout(engine.ForTenant(t.Context(), 8), 100*time.Millisecond)
	defer cancel()
	if err := e.AwaitCompleted(short, 0); err != nil || short.Err() == nil {
		t.Errorf("a wait without jobs: %v", err)
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
	all := instances(t, 2, config(t, single(t)))
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
