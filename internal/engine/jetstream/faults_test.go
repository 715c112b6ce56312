package jetstream

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashd-project/hashd/v2/internal/digest"
	"github.com/hashd-project/hashd/v2/internal/engine"
	"github.com/hashd-project/hashd/v2/internal/engine/jetstream/natstest"
)

// load submits jobs on all instances while something breaks, and then asks for every job that was
// acknowledged, on every instance.
type load struct {
	t    *testing.T
	all  []*Engine
	stop chan struct{}
	g    sync.WaitGroup

	mu       sync.Mutex
	jobs     map[int64]submitted
	refused  int
	accepted atomic.Int64
}

type submitted struct {
	engine.Receipt
	secret string
}

// submitters is how many goroutines submit on each instance.
const submitters = 4

func startLoad(t *testing.T, all []*Engine) *load {
	l := &load{t: t, all: all, stop: make(chan struct{}), jobs: make(map[int64]submitted)}
	for n, e := range all {
		for m := range submitters {
			l.g.Go(func() { l.submit(e, fmt.Sprintf("%d/%d", n, m)) })
		}
	}
	return l
}

func (l *load) submit(e *Engine, name string) {
	pace := time.NewTicker(5 * time.Millisecond)
	defer pace.Stop()
	for n := 0; ; n++ {
		select {
		case <-l.stop:
			return
		case <-pace.C:
		}
		secret := fmt.Sprintf("secret %s/%d", name, n)
		r, err := e.Accept(context.Background(), engine.Job{Secret: []byte(secret)})
		l.note(submitted{r, secret}, err)
	}
}

func (l *load) note(s submitted, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case errors.Is(err, engine.ErrDown):
		l.refused++
	case err != nil:
		l.t.Errorf("accept: %v", err)
	case l.jobs[s.ID].ID != 0:
		l.t.Errorf("id %d is given twice", s.ID)
	default:
		l.jobs[s.ID] = s
		l.accepted.Add(1)
	}
}

// await returns once so many more jobs are accepted, and how long that took.
func (l *load) await(more int64) time.Duration {
	l.t.Helper()
	began, want := time.Now(), l.accepted.Load()+more
	for l.accepted.Load() < want {
		if time.Since(began) > patience {
			l.t.Fatalf("%d more jobs: not within %v", more, patience)
		}
		time.Sleep(5 * time.Millisecond)
	}
	return time.Since(began)
}

// verdict is what became of the jobs that were acknowledged.
type verdict struct{ lost, wrong, early, different atomic.Int64 }

// end stops the load and looks for every job, on each instance.
func (l *load) end() *verdict {
	close(l.stop)
	l.g.Wait()
	var v verdict
	var g sync.WaitGroup
	queue := make(chan submitted)
	for range 32 {
		g.Go(func() {
			for s := range queue {
				l.check(s, &v)
			}
		})
	}
	for _, s := range l.jobs {
		queue <- s
	}
	close(queue)
	g.Wait()
	if v.lost.Load()+v.wrong.Load()+v.early.Load()+v.different.Load() > 0 {
		l.t.Errorf("%d lost, %d wrong, %d early, %d different", v.lost.Load(), v.wrong.Load(), v.early.Load(), v.different.Load())
	}
	return &v
}

func (l *load) check(s submitted, v *verdict) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var want [digest.MaxSize]byte
	digest.SHA512.Sum(&want, []byte(s.secret))
	var first engine.Record
	for n, e := range l.all {
		if n > 0 { // as all see it, and as its tenant does
			ctx = engine.ForTenant(ctx, 0)
		}
		rec, err := l.read(ctx, e, s.ID)
		switch {
		case err != nil || rec.State != engine.Done:
			v.lost.Add(1)
			l.t.Errorf("job %d: state %d, %v", s.ID, rec.State, err)
		case rec.Sum != want:
			v.wrong.Add(1)
		case time.Now().Before(s.Due):
			v.early.Add(1)
		case n > 0 && rec != first:
			v.different.Add(1)
		}
		first = rec
	}
}

// read waits for the job, also while the cluster is down.
func (l *load) read(ctx context.Context, e *Engine, id int64) (rec engine.Record, err error) {
	for ctx.Err() == nil {
		if rec, err = e.Wait(ctx, id); !errors.Is(err, engine.ErrDown) {
			return rec, err
		}
		time.Sleep(20 * time.Millisecond)
	}
	return rec, ctx.Err()
}

// report prints what make chaos is for.
func (l *load) report(what string, rounds int, recovery time.Duration) {
	v := l.end()
	l.t.Logf("%s: rounds %d, acknowledged %d, refused %d, lost %d, wrong %d, different %d, early %d, longest recovery %v (goal 10s)",
		what, rounds, len(l.jobs), l.refused, v.lost.Load(), v.wrong.Load(), v.different.Load(), v.early.Load(), recovery.Round(time.Millisecond))
}

// rounds returns how often a fault is made.
func rounds(long int) int {
	if *chaos {
		return long
	}
	return 1
}

// underLoad makes a fault again and again on three servers under load. The fault is over when the
// function that breaks returns has been called.
func underLoad(t *testing.T, what string, breaks func(leader *natstest.Node) (mends func())) {
	servers := three(t)
	cfg := config(t, servers)
	cfg.Delay, cfg.Lease, cfg.Timeout = 200*time.Millisecond, 2*time.Second, 0 // as hashd has it: the recovery is told
	l := startLoad(t, instances(t, 2, cfg))
	var longest time.Duration
	n := rounds(10)
	for range n {
		l.await(200)
		leader := leaderOf(t, servers, l.all[0].names.jobs())
		mend := breaks(leader)
		recovery := l.await(int64(2*len(l.all)*submitters) + 1) // more than can have been under way
		longest = max(longest, recovery)
		l.await(200)
		mend()
		if err := servers.Await(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	l.report(what, n, longest)
}

func leaderOf(t *testing.T, servers *natstest.Cluster, stream string) *natstest.Node {
	t.Helper()
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		leader, err := servers.Leader(t.Context(), stream)
		if err == nil && leader != nil {
			return leader
		}
		if time.Since(began) > patience {
			t.Fatal(err)
		}
	}
}

// The stream's leader is killed (SIGKILL) under load, and comes back with the store it had.
func TestLeaderKilled(t *testing.T) {
	t.Parallel()
	underLoad(t, "stream leader killed", func(leader *natstest.Node) func() {
		leader.Kill()
		return func() {
			if err := leader.Start(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// The stream's leader hangs (SIGSTOP) until others have taken its place and leases have run out, and goes
// on as if nothing had been (SIGCONT).
func TestLeaderStopped(t *testing.T) {
	t.Parallel()
	underLoad(t, "stream leader stopped", func(leader *natstest.Node) func() {
		if err := leader.Signal(freeze); err != nil {
			t.Fatal(err)
		}
		return func() {
			if err := leader.Signal(thaw); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// While the only server is away the engine says so at once; what it had accepted is done
// when the server is back, and those who wait have their answer.
func TestServerAwayMidFlight(t *testing.T) {
	t.Parallel()
	servers := cluster(t, natstest.Config{Nodes: 1, SyncAlways: true})
	cfg := config(t, servers)
	cfg.Delay, cfg.Lease, cfg.Timeout = 500*time.Millisecond, 2*time.Second, timeout
	e := start(t, cfg)
	l := &load{t: t, all: []*Engine{e}, stop: make(chan struct{}), jobs: make(map[int64]submitted)}
	for n := range 100 {
		secret := fmt.Sprint("secret ", n)
		l.note(submitted{accept(t, e, engine.Job{Secret: []byte(secret)}), secret}, nil)
	}
	if err := e.Ready(t.Context()); err != nil {
		t.Errorf("ready: %v", err)
	}
	servers.Stop()
	if _, err := e.Accept(t.Context(), engine.Job{Secret: []byte("secret")}); !errors.Is(err, engine.ErrDown) {
		t.Errorf("accept without a server: %v", err)
	}
	for id := range l.jobs {
		_, get := e.Get(t.Context(), id)
		if cancel := e.Cancel(t.Context(), id); !errors.Is(get, engine.ErrDown) || !errors.Is(cancel, engine.ErrDown) {
			t.Errorf("without a server: get %v, cancel %v", get, cancel)
		}
		break
	}
	if err := e.Ready(t.Context()); !errors.Is(err, engine.ErrDown) {
		t.Errorf("ready without a server: %v", err)
	}
	began := time.Now()
	if err := servers.Nodes[0].Start(); err != nil {
		t.Fatal(err)
	}
	if err := servers.Await(t.Context()); err != nil {
		t.Fatal(err)
	}
	l.report("only server killed", 1, time.Since(began))
	if err := e.Drain(t.Context()); err != nil {
		t.Errorf("drain: %v", err)
	}
	if st := e.Stats(); st.Completed != 100 {
		t.Errorf("counters are %+v", st)
	}
}
