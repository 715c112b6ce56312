package jetstream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hashd-project/hashd/v2/internal/engine"
	"github.com/hashd-project/hashd/v2/internal/engine/jetstream/natstest"
)

// numbered returns a batch of n different secrets.
func numbered(n int) (b engine.Batch) {
	for i := range n {
		b.Secrets = append(b.Secrets, fmt.Append(nil, "secret ", i))
	}
	return b
}

// requestsOf returns how many messages the instance sends while it does something.
func requestsOf(t *testing.T, e *Engine, do func() error) int {
	t.Helper()
	before := e.link().conn.Stats().OutMsgs
	if err := do(); err != nil {
		t.Error(err)
	}
	return int(e.link().conn.Stats().OutMsgs - before)
}

// wantFewRequests fails the test if a range costs more requests than what the instance does beside may send.
func wantFewRequests(t *testing.T, e *Engine, jobs int, calls map[string]func() error) {
	t.Helper()
	for what, do := range calls {
		if n := requestsOf(t, e, do); n > jobs/20 {
			t.Errorf("%s of %d jobs: %d requests", what, jobs, n)
		}
	}
}

// wantStates fails the test unless all jobs of the range are in that state.
func wantStates(t *testing.T, e *Engine, first int64, count int, want engine.State) {
	t.Helper()
	to := make([]engine.Record, count)
	if err := e.Read(t.Context(), first, to); err != nil {
		t.Fatal(err)
	}
	for i, rec := range to {
		if rec.ID != first+int64(i) || rec.State != want {
			t.Fatalf("record %d: %+v, want state %d", i, rec, want)
		}
		if want == engine.Pending && rec.Due.IsZero() {
			t.Fatalf("pending job %d has no due time", rec.ID)
		}
	}
}

func acceptMany(t *testing.T, e *Engine, n int) int64 {
	t.Helper()
	r, err := e.AcceptBatch(t.Context(), numbered(n))
	if err != nil {
		t.Fatal(err)
	}
	return r.ID
}

// Ranges are read by requests for many jobs each, whatever state those are in, and whoever accepted them.
func TestRequestsOfRanges(t *testing.T) {
	t.Parallel()
	const jobs = 3_000
	cfg := config(t, single(t))
	e, other := start(t, cfg), start(t, cfg)
	calls := func(first int64) map[string]func() error {
		return map[string]func() error{
			"read":   func() error { return other.Read(t.Context(), first, make([]engine.Record, jobs)) },
			"survey": func() error { _, err := other.Survey(t.Context(), first, jobs); return err },
			"completed": func() error {
				_, _, err := other.Completed(t.Context(), first-1, make([]engine.Record, jobs))
				return err
			},
		}
	}
	first := acceptMany(t, e, jobs)
	if err := engine.AwaitRange(t.Context(), e, first, jobs); err != nil {
		t.Fatal(err)
	}
	awaitEmptyLog(t, e) // so that the other has no job to acknowledge
	wantFewRequests(t, other, jobs, calls(first))
	wantStates(t, other, first, jobs, engine.Done)

	e.cfg.Delay = time.Hour
	first = acceptMany(t, e, jobs)
	wantFewRequests(t, other, jobs, calls(first))
	wantStates(t, other, first, jobs, engine.Pending)
	if err := e.link().jobs.Purge(t.Context()); err != nil { // somebody does
		t.Fatal(err)
	}
	wantFewRequests(t, other, jobs, calls(first))
	wantStates(t, other, first, jobs, engine.Gone)
}

// A log that an earlier hashd made allows no direct gets. Instances take it as it is, and find its jobs.
func TestLogWithoutDirectGets(t *testing.T) {
	t.Parallel()
	cfg := config(t, single(t))
	cfg.Delay = time.Hour
	e := start(t, cfg)
	made := e.link().jobs.CachedInfo().Config
	made.AllowDirect = false
	if _, err := e.link().js.UpdateStream(t.Context(), made); err != nil {
		t.Fatal(err)
	}
	if err := e.call(t.Context(), e.check); err != nil {
		t.Fatal(err)
	}
	first := acceptMany(t, e, 1_500)
	other := start(t, cfg)
	wantStates(t, other, first, 1_500, engine.Pending)
	if ended, err := other.CancelRange(t.Context(), first, 1_500); err != nil || ended != (engine.Ended{Canceled: 1_500}) {
		t.Errorf("canceled: %+v, error %v", ended, err)
	}
	wantStates(t, e, first, 1_500, engine.Gone)
	if info, err := e.link().jobs.Info(t.Context()); err != nil || info.State.Msgs != 0 {
		t.Errorf("of the canceled jobs the log has %+v, error %v", info, err)
	}
}

// Instances that cancel a range at once, while it is hashed, end each job once.
func TestInstancesCancelRangeAtOnce(t *testing.T) {
	t.Parallel()
	const jobs = 2_500
	cfg := config(t, single(t))
	cfg.Delay = 300 * time.Millisecond
	all := instances(t, 3, cfg)
	first := acceptMany(t, all[0], jobs)
	time.Sleep(cfg.Delay) // or a little before or after: any moment will do
	ended := make([]engine.Ended, len(all))
	var g errgroup.Group
	for n, e := range all {
		g.Go(func() (err error) {
			ended[n], err = e.CancelRange(t.Context(), first, jobs)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	once := 0
	for _, one := range ended {
		once += one.Canceled + one.Erased
		if one.Canceled+one.Erased+one.Gone != jobs {
			t.Errorf("of %d jobs: %+v", jobs, one)
		}
	}
	if once != jobs {
		t.Errorf("%d jobs were ended %d times: %+v", jobs, once, ended)
	}
	for _, e := range all {
		wantStates(t, e, first, jobs, engine.Gone)
	}
	if err := all[0].Drain(t.Context()); err != nil {
		t.Error(err)
	}
}

// The cursor of one instance stops at the oldest pending job of all, and a wait for it ends when another instance
// cancels that.
func TestCursorStopsAtOthersJobs(t *testing.T) {
	t.Parallel()
	cfg := config(t, single(t))
	cfg.Delay = time.Hour
	one, two := start(t, cfg), start(t, cfg)
	first := acceptMany(t, one, 3)
	second := accept(t, two, engine.Job{Secret: []byte("secret")}).ID
	if _, err := two.CancelRange(t.Context(), second, 1); err != nil {
		t.Fatal(err)
	}
	to := make([]engine.Record, 10)
	if n, next, err := two.Completed(t.Context(), first-1, to); n != 0 || next != first-1 || err != nil {
		t.Errorf("before a pending job: %d, next %d, error %v", n, next, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- two.AwaitCompleted(t.Context(), first-1) }()
	if _, err := one.CancelRange(t.Context(), first, 2); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if n, next, err := two.Completed(t.Context(), first-1, to); n != 0 || next != first+1 || err != nil {
		t.Errorf("before a pending job: %d, next %d, error %v", n, next, err)
	}
}

// Many calls that wait for the cursor share their requests.
func TestWaitsForTheCursorShareRequests(t *testing.T) {
	t.Parallel()
	e := start(t, config(t, single(t)))
	ctx, stop := context.WithTimeout(t.Context(), time.Second)
	defer stop()
	n := requestsOf(t, e, func() error {
		var g errgroup.Group
		for range 500 {
			g.Go(func() error { return e.AwaitCompleted(ctx, 0) })
		}
		return g.Wait()
	})
	if n > 300 {
		t.Errorf("500 calls that waited a second sent %d requests", n)
	}
}

// An instance whose server was stopped, and has not yet caught up with the others, shows no job as unknown or gone
// that is not, and its cursor leaves out none.
func TestRangesOfServerBehind(t *testing.T) {
	t.Parallel()
	servers := three(t)
	cfg := config(t, servers)
	made := start(t, cfg)
	leader := leaderOf(t, servers, made.names.jobs())
	results := leaderOf(t, servers, made.names.results())
	_ = made.Close()
	well := cfg
	well.URLs = servers.URLs()[slices.Index(servers.Nodes, leader):][:1]
	e := start(t, well)
	i := slices.IndexFunc(servers.Nodes, func(n *natstest.Node) bool { return n != leader && n != results })
	follower := cfg
	follower.URLs = servers.URLs()[i : i+1]
	behind := start(t, follower)
	for range rounds(10) {
		const jobs = 2_000
		first := acceptMany(t, e, jobs)
		if err := servers.Nodes[i].Signal(freeze); err != nil {
			t.Fatal(err)
		}
		ids := []int64{first, acceptMany(t, e, jobs)}
		for _, first := range ids {
			if err := engine.AwaitRange(t.Context(), e, first, jobs); err != nil && !errors.Is(err, engine.ErrDown) {
				t.Error(err)
			}
		}
		if err := servers.Nodes[i].Signal(thaw); err != nil {
			t.Fatal(err)
		}
		for _, first := range ids {
			wantAllSeen(t, behind, first, jobs)
		}
	}
}

// wantAllSeen fails the test unless the instance, as soon as it can say something, finds all jobs of the range done, by
// ranges and by the cursor.
func wantAllSeen(t *testing.T, e *Engine, first int64, jobs int) {
	t.Helper()
	to := make([]engine.Record, jobs)
	for pending := true; pending; {
		err := e.Read(t.Context(), first, to)
		if err != nil && !errors.Is(err, engine.ErrDown) {
			t.Fatal(err)
		}
		if pending = err != nil; pending {
			continue
		}
		for i, rec := range to {
			if pending = pending || rec.State == engine.Pending; rec.State == engine.Gone || rec.State == engine.Unknown {
				t.Fatalf("record %d: %+v", i, rec)
			}
		}
	}
	for after, last := first-1, first+int64(jobs)-1; after < last; {
		n, next, err := e.Completed(t.Context(), after, to[:min(int64(jobs), last-after)])
		if err != nil && !errors.Is(err, engine.ErrDown) {
			t.Fatal(err)
		}
		if int64(n) != next-after {
			t.Fatalf("after %d come %d jobs, up to %d", after, n, next)
		}
		after = next
	}
}

// Whichever instance is asked knows what all of them have done.
func TestRangesOfOthersJobs(t *testing.T) {
	t.Parallel()
	cfg := config(t, single(t))
	one, two := start(t, cfg), start(t, cfg)
	first, err := one.AcceptBatch(t.Context(), numbered(500))
	if err != nil {
		t.Fatal(err)
	}
	if err := two.AwaitCompleted(t.Context(), first.ID-1); err != nil {
		t.Fatal(err)
	}
	if err := engine.AwaitRange(t.Context(), two, first.ID, 500); err != nil {
		t.Fatal(err)
	}
	seen, after, to := 0, first.ID-1, make([]engine.Record, 200)
	for seen < 500 {
		n, next, err := two.Completed(t.Context(), after, to)
		if err != nil || next == after && two.AwaitCompleted(t.Context(), after) != nil {
			t.Fatal(err)
		}
		for i, rec := range to[:n] {
			if rec.ID != first.ID+int64(seen+i) || rec.State != engine.Done {
				t.Fatalf("record %d: %+v", seen+i, rec)
			}
		}
		seen, after = seen+n, next
	}
	ended, err := two.CancelRange(t.Context(), first.ID, 500)
	if err != nil || ended != (engine.Ended{Erased: 500}) {
		t.Errorf("canceled: %+v, error %v", ended, err)
	}
	records := make([]engine.Record, 500)
	if err := one.Read(t.Context(), first.ID, records); err != nil {
		t.Fatal(err)
	}
	for _, rec := range records {
		if rec.State != engine.Gone {
			t.Fatalf("erased by another instance: %+v", rec)
		}
	}
}

func TestPlaceAfter(t *testing.T) {
	l := lives{{from: 10, first: 100}, {from: 20, first: 1000}}
	for id, want := range map[int64]uint64{0: 10, 99: 10, 100: 11, 108: 19, 109: 20, 500: 20, 999: 20, 1000: 21, 1005: 26} {
		if got := l.placeAfter(id); got != want {
			t.Errorf("after %d: place %d, want %d", id, got, want)
		}
	}
}
