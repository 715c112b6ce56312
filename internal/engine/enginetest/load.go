package enginetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashd-project/hashd/v2/internal/digest"
	"github.com/hashd-project/hashd/v2/internal/engine"
)

func idsAreUnique(x *trial) {
	const submitters, jobs = 8, 250
	e := x.engine(engine.Limits{Delay: unreached})
	ids := make([][]int64, submitters)
	g := x.group()
	for n := range submitters {
		g.Go(func() {
			for range jobs {
				r, err := e.Accept(x.Context(), engine.Job{Secret: secret(45 + 2*n)})
				x.wantErr("accept", err, nil)
				ids[n] = append(ids[n], r.ID)
			}
		})
	}
	g.Wait()
	for n, mine := range ids {
		if !slices.IsSorted(mine) {
			x.Errorf("submitter %d got ids that go back", n)
		}
	}
	all := slices.Sorted(slices.Values(slices.Concat(ids...)))
	if all[0] < e.first || len(slices.Compact(all)) != submitters*jobs || !x.suite.Gaps && all[len(all)-1] != e.first+submitters*jobs-1 {
		x.Errorf("%d jobs got ids from %d to %d, %d of them different", submitters*jobs, all[0], all[len(all)-1], len(slices.Compact(all)))
	}
}

// Load is how much Suite.Load does. The number of jobs is given, not the time.
type Load struct {
	Submitters int
	Jobs       int  // of each submitter
	Expiry     bool // and then wait until all results have expired
}

// Load has many clients do all there is to do at once, under tight limits, and checks each
// digest and each counter. An implementation runs it with the load that finds its own races.
func (s Suite) Load(t *testing.T, load Load) {
	(&trial{T: t, suite: s, first: s.first(3)}).load(load)
}

func (x *trial) load(load Load) {
	e := x.engine(engine.Limits{Delay: 2 * time.Millisecond, Retention: time.Second, MaxPending: 200, MaxResults: 1_000})
	stop := make(chan struct{})
	readers := x.group()
	for n := range 2 {
		readers.Go(func() { x.readAround(e, uint64(n), stop) })
	}
	clients := make([]*client, load.Submitters)
	var g sync.WaitGroup
	for n := range clients {
		clients[n] = &client{subject: e, name: n, jobs: make(map[int64]job)}
		g.Go(func() { clients[n].submit(load.Jobs) })
	}
	g.Wait()
	close(stop)
	readers.Wait()

	x.wantErr("drain", e.Drain(x.context()), nil)
	jobs, early := int64(load.Submitters*load.Jobs), int64(0)
	for _, c := range clients {
		early += c.canceled
	}
	st := e.Stats()
	x.wantConsistent(engine.Stats{}, st)
	if st.Accepted != jobs || st.Pending != 0 || st.Canceled > early {
		x.Errorf("of %d jobs, at most %d canceled early, the counters are %+v", jobs, early, st)
	}
	if load.Expiry {
		x.until("all results expire", func() bool { return e.Stats().Kept == 0 })
	}
}

// readAround asks for any id, known or not, and for the counters, until it is stopped.
func (x *trial) readAround(e *subject, seed uint64, stop <-chan struct{}) {
	random := rand.New(rand.NewPCG(seed, 2))
	var before engine.Stats
	for {
		select {
		case <-stop:
			return
		case <-time.After(100 * time.Microsecond):
		}
		st := e.Stats()
		if st.Completed < before.Completed || st.Canceled < before.Canceled {
			x.Errorf("counters went back from %+v to %+v", before, st)
		}
		before = st
		id := e.first + random.Int64N(st.Accepted+10) - 4
		rec, err := e.Get(x.Context(), id)
		if err == nil && rec.ID != id || err != nil && !errors.Is(err, engine.ErrUnknown) && !errors.Is(err, engine.ErrGone) {
			x.Errorf("get %d: id %d, error %v", id, rec.ID, err)
		}
	}
}

// job is what a client remembers of a job of its own.
type job struct {
	engine.Job
	due time.Time
}

// client submits jobs and looks after those that it has not canceled.
type client struct {
	*subject
	name     int
	jobs     map[int64]job
	oldest   []int64 // ids in jobs, in their order
	canceled int64   // jobs canceled at once: perhaps before they were hashed
}

func (c *client) submit(jobs int) {
	for n := 0; n < jobs; n++ {
		if n%16 == 15 {
			n += c.submitBatch(c.newJob(n), min(1+n%13, jobs-n)) - 1
			continue
		}
		r := c.acceptOne(c.newJob(n))
		switch n % 4 {
		case 0:
			c.cancelAtOnce(r.ID)
		case 1:
			c.waitByTwo(r.ID)
		case 2:
			c.check(r.ID, false)
		}
	}
	for len(c.oldest) > 0 {
		c.check(c.oldest[0], true)
		c.forget()
	}
}

func (c *client) newJob(n int) engine.Job {
	text := fmt.Sprintf("secret %d of client %d %s", n, c.name, strings.Repeat("long ", n%3*n%200))
	return engine.Job{
		Secret:    []byte(text),
		Algorithm: digest.All()[n%len(digest.All())],
		Tenant:    uint16(n),
	}
}

// submitBatch submits n jobs like this one at once, ends the last of them, and returns n.
func (c *client) submitBatch(j engine.Job, n int) int {
	b := engine.Batch{Algorithm: j.Algorithm, Tenant: j.Tenant}
	for i := range n {
		b.Secrets = append(b.Secrets, fmt.Appendf(nil, "%d of %s", i, j.Secret))
	}
	r := c.makeRoom(func() (engine.Receipt, error) { return c.AcceptBatch(c.x.Context(), b) })
	for i := range n {
		id := r.ID + int64(i)
		c.jobs[id] = job{engine.Job{Secret: b.Secrets[i], Algorithm: j.Algorithm, Tenant: j.Tenant}, r.Due}
		c.oldest = append(c.oldest, id)
	}
	c.cancelAtOnce(r.ID + int64(n) - 1)
	return n
}

func (c *client) acceptOne(j engine.Job) engine.Receipt {
	r := c.makeRoom(func() (engine.Receipt, error) { return c.Accept(c.x.Context(), j) })
	c.jobs[r.ID] = job{j, r.Due}
	c.oldest = append(c.oldest, r.ID)
	return r
}

// makeRoom submits for as long as it takes: while the engine is full, it ends the oldest job of
// its own, which is to make room.
func (c *client) makeRoom(submit func() (engine.Receipt, error)) (r engine.Receipt) {
	c.x.until("room", func() bool {
		var err error
		for r, err = submit(); err != nil && len(c.oldest) > 0; r, err = submit() {
			c.wantRetry(err)
			c.check(c.oldest[0], true)
			_ = c.Cancel(c.x.Context(), c.oldest[0])
			c.forget()
		}
		return err == nil
	})
	return r
}

// wantRetry fails the test unless err tells a client to come again.
func (c *client) wantRetry(err error) {
	if full, ok := errors.AsType[*engine.FullError](err); !ok || full.RetryAfter < time.Second {
		c.x.Errorf("accept: %v", err)
	}
}

// forget drops the oldest job.
func (c *client) forget() {
	delete(c.jobs, c.oldest[0])
	c.oldest = c.oldest[1:]
}

// cancelAtOnce ends the job just submitted: nobody else could have.
func (c *client) cancelAtOnce(id int64) {
	late := c.late(id)
	if err := c.Cancel(c.x.Context(), id); err != nil && !late() {
		c.x.Errorf("cancel %d: %v", id, err)
	}
	for what, err := range c.errorsOf(id) {
		c.x.wantErr(what+" a canceled job", err, engine.ErrGone)
	}
	c.canceled++
	delete(c.jobs, id)
	c.oldest = c.oldest[:len(c.oldest)-1]
}

// late returns what tells whether the job's result may have expired by now.
func (c *client) late(id int64) func() bool {
	end := c.jobs[id].due.Add(time.Second)
	return func() bool { return !time.Now().Before(end) }
}

func (c *client) waitByTwo(id int64) {
	var g sync.WaitGroup
	for range 2 {
		g.Go(func() { c.check(id, true) })
	}
	g.Wait()
}

// check reads one of the client's own jobs, waiting until it is done or not.
func (c *client) check(id int64, wait bool) {
	read := c.Get
	if wait {
		read = c.Wait
	}
	late := c.late(id)
	rec, err := read(c.x.Context(), id)
	switch {
	case err != nil:
		if !errors.Is(err, engine.ErrGone) || !late() {
			c.x.Errorf("read %d: %v", id, err)
		}
	case wait || rec.State == engine.Done:
		c.x.wantResult(rec, id, c.jobs[id].Job)
		if now := time.Now(); now.Before(c.jobs[id].due) {
			c.x.Errorf("job %d is done %v early", id, c.jobs[id].due.Sub(now))
		}
	}
}
