package jetstream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hashd-project/hashd/v2/internal/digest"
	"github.com/hashd-project/hashd/v2/internal/engine"
	"github.com/hashd-project/hashd/v2/internal/secret"
	"github.com/hashd-project/hashd/v2/internal/wake"
)

// task is a job on which this instance has a lease.
type task struct {
	msg jetstream.Msg
	id  int64
	storedJob
	stamp  stamp
	at     time.Time // when it may be hashed
	result *nats.Msg // its sealed result, once hashed
}

// What an instance takes of the head of the schedule at a time.
const (
	leastPull = 16
	mostPull  = 1_000
	longPull  = 30 * time.Second // an idle instance sends two requests a minute
)

// hash is the goroutine that follows the head of the schedule. It leases one job until that is due, and
// only then pulls more: as many as were due at once the last time, and as many again. So an instance
// keeps little from the others, and a burst takes few requests.
func (e *Engine) hash() {
	var queue []*task // by when they are due
	for want := leastPull; e.ctx.Err() == nil; {
		if len(queue) == 0 {
			queue = e.pullHead()
		}
		if len(queue) > 0 {
			queue = e.awaitHead(queue)
		}
		if len(queue) == 0 || e.ctx.Err() != nil {
			continue
		}
		if len(queue) < want {
			queue = sorted(append(queue, e.pullMore(want-len(queue))...))
		}
		n, now := 1, e.clock.now()
		for n < len(queue) && !queue[n].at.After(now) {
			n++
		}
		e.begin(queue[:n:n])
		queue = queue[n:]
		want = min(max(2*n, leastPull), mostPull)
	}
}

// sorted puts a job that is delivered again, because another instance gave it up, before those due
// later.
func sorted(queue []*task) []*task {
	slices.SortStableFunc(queue, func(a, b *task) int { return a.at.Compare(b.at) })
	return queue
}

// awaitHead returns the queue once its head is due by the clock that counts, or the engine is closed.
// A head that is not due for long must not keep this instance from jobs that another gave up: now
// and then it looks for those.
func (e *Engine) awaitHead(queue []*task) []*task {
	looked := time.Now()
	for {
		wait := queue[0].at.Sub(e.clock.now())
		if wait <= 0 {
			return queue
		}
		if time.Since(looked) >= e.cfg.Lease {
			queue = sorted(append(queue, e.pullOverdue()...))
			looked = time.Now()
			continue
		}
		select {
		case <-time.After(min(wait, time.Second)): // the clock may have been measured anew
		case <-e.ctx.Done():
			return queue
		}
	}
}

// pullOverdue takes the next few jobs, of which the cluster gives those first that are delivered again,
// and returns the due ones. The others go back.
func (e *Engine) pullOverdue() (overdue []*task) {
	const few = 4
	now := e.clock.now()
	for _, t := range e.pullMore(few) {
		if !t.at.After(now) {
			overdue = append(overdue, t)
			continue
		}
		e.leases.remove([]*task{t})
		clear(t.secret)
		_ = t.msg.Nak() // if that fails the lease runs out
	}
	return overdue
}

// pullHead waits for a job for some time. It returns none if there was none, or no cluster.
func (e *Engine) pullHead() []*task {
	const pause = 250 * time.Millisecond
	ctx, cancel := context.WithTimeout(e.ctx, longPull)
	defer cancel()
	pulled, err := e.link().consumer.Fetch(1, jetstream.FetchContext(ctx))
	tasks := e.take(pulled, err)
	if failed := err != nil || pulled.Error() != nil; failed && len(tasks) == 0 && ctx.Err() == nil {
		wake.Up(e.suspect) // such as a consumer that is gone
		select {
		case <-time.After(pause):
		case <-e.ctx.Done():
		}
	}
	return tasks
}

// pullMore returns as many jobs as there are now, at most n.
func (e *Engine) pullMore(n int) []*task {
	pulled, err := e.link().consumer.FetchNoWait(n)
	return e.take(pulled, err)
}

// take opens what was pulled.
func (e *Engine) take(pulled jetstream.MessageBatch, err error) (tasks []*task) {
	if err != nil {
		return nil
	}
	voids := 0
	for msg := range pulled.Messages() {
		t, err := e.open(msg)
		switch {
		case errors.Is(err, errVoid):
			voids++
			_ = msg.Ack() // or it comes again
			continue
		case errors.Is(err, errUnsure):
			wake.Up(e.suspect)
			_ = msg.NakWithDelay(watchEvery / 4)
			continue
		case err != nil:
			e.cfg.Log.Error("a job cannot be hashed now: it is left for later", "id", t.id, "error", err)
			_ = msg.NakWithDelay(e.cfg.Lease)
			continue
		}
		tasks = append(tasks, t)
	}
	if voids > 0 {
		e.cfg.Log.Warn("jobs that were refused, for the jobs stream had lost its end, are left out", "jobs", voids)
	}
	e.leases.add(tasks)
	return tasks
}

// errVoid says that a job lies in the place of another, or does if this instance knows what has become of the
// log, which errUnsure leaves to be seen.
var (
	errVoid   = errors.New("a job in the place of another")
	errUnsure = errors.New("a job of another life of the log")
)

func misplaced(at *jetstream.MsgMetadata, o origin) error {
	const enough = 10 // looks at it, half a second apart
	if at.Sequence.Stream > o.after && at.NumDelivered < enough {
		return errUnsure
	}
	return errVoid
}

func (e *Engine) open(msg jetstream.Msg) (*task, error) {
	t := &task{msg: msg}
	meta, err := msg.Metadata()
	if err != nil {
		return t, err
	}
	t.id, t.stamp = e.lives().id(meta.Sequence.Stream), stampOf(msg.Data())
	if t.storedJob, err = e.codec.openJob(msg.Data()); err != nil {
		return t, err
	}
	if !t.origin.holds(meta.Sequence.Stream, t.id) {
		clear(t.secret)
		return t, misplaced(meta, t.origin)
	}
	t.at = begins(meta.Timestamp, t.accepted).Add(t.delay)
	return t, nil
}

// begin hashes a claim on a goroutine of its own, once there is a slot for one.
func (e *Engine) begin(tasks []*task) {
	select {
	case e.slots <- struct{}{}:
	case <-e.ctx.Done():
		return
	}
	e.done.Go(func() {
		defer func() { <-e.slots }()
		e.finish(tasks)
	})
}

// finish hashes a claim, stores the results, and ends the leases: tasks whose results are stored are
// over, the others are given back.
func (e *Engine) finish(tasks []*task) {
	defer e.leases.remove(tasks)
	began := time.Now()
	for _, t := range tasks {
		if err := e.compute(t); err != nil {
			e.cfg.Log.Error("a result cannot be sealed", "id", t.id, "error", err)
			return // the lease runs out
		}
	}
	bisect(tasks, func(part []*task) error {
		msgs := make([]*nats.Msg, len(part))
		for i, t := range part {
			msgs[i] = t.result
		}
		_, err := e.commit(msgs)
		switch {
		case err == nil:
			e.finished(part)
			e.tellTraced(part, began)
		case definite(err) && len(part) > 1:
			return err
		case definite(err):
			e.yield(part[0])
		default:
			e.giveBack(part)
		}
		return nil
	})
}

// compute hashes the task's secret, wipes it, and seals the digest.
func (e *Engine) compute(t *task) error {
	var sum [digest.MaxSize]byte
	began := time.Now()
	t.algorithm.Sum(&sum, t.secret)
	e.hashTimes[t.algorithm].Add(time.Since(began))
	clear(t.secret)
	secret.ScrubStack()
	sealed, err := e.codec.sealResult(t.id, &storedResult{
		outcome: isDone, algorithm: t.algorithm, tenant: t.tenant, stamp: t.stamp, sum: sum[:t.algorithm.Size()],
	})
	if err != nil {
		return fmt.Errorf("seal: %w", err)
	}
	t.result = e.resultMsg(t.id, sealed, 0)
	return nil
}

// finished ends tasks whose results are stored by this instance.
func (e *Engine) finished(tasks []*task) {
	now := time.Now()
	done := make([]int64, len(tasks))
	for i, t := range tasks {
		done[i] = t.id
	}
	e.ledger.late(tasks, now)
	e.tell(isDone, done...)
	for _, t := range tasks {
		_ = t.msg.Ack() // if that fails the job comes again, and its result is found
	}
}

// tellTraced tells of the tasks that are traced, whose results are visible.
func (e *Engine) tellTraced(tasks []*task, began time.Time) {
	if e.cfg.Traced == nil {
		return
	}
	ended := time.Now()
	var all []engine.Hashing // by their traces: jobs of a request lie side by side
	for _, t := range tasks {
		trace := engine.Trace(t.msg.Headers().Get(traceField))
		if n := len(all); n > 0 && all[n-1].Trace == trace && all[n-1].Algorithm == t.algorithm {
			all[n-1].Jobs++
			continue
		}
		all = append(all, engine.Hashing{Trace: trace, Algorithm: t.algorithm, Jobs: 1, Began: began, Ended: ended})
	}
	for _, h := range all {
		if h.Trace != "" {
			e.cfg.Traced(h)
		}
	}
}

// yield ends a task whose result another instance has stored, or whose job was canceled.
func (e *Engine) yield(t *task) {
	var m *message
	err := e.call(e.ctx, func(ctx context.Context) (err error) {
		m, err = e.ask(ctx, e.names.results(), request{LastFor: e.names.result(t.id)})
		return err
	})
	if err == nil && m == nil {
		err = errors.New("another is being stored")
	}
	var r storedResult
	if err == nil {
		r, err = e.codec.openResult(t.id, m.Data)
	}
	if err == nil && r.stamp != (stamp{}) && r.stamp != t.stamp {
		err = e.displace(t, m)
		r.outcome = isDone
	}
	if err != nil {
		e.giveBack([]*task{t})
		return
	}
	e.tell(r.outcome, t.id)
	_ = t.msg.Ack()
}

// displace replaces a result of another job, which had the id before the log lost its end.
func (e *Engine) displace(t *task, m *message) error {
	e.cfg.Log.Error("a result was of another job with the same id", "id", t.id)
	_, err := e.commit([]*nats.Msg{e.resultMsg(t.id, t.result.Data, m.Sequence)})
	return err
}

// giveBack lets some instance try again soon.
func (e *Engine) giveBack(tasks []*task) {
	const soon = 500 * time.Millisecond
	for _, t := range tasks {
		_ = t.msg.NakWithDelay(soon) // if that fails the lease runs out
	}
}

// leases are the tasks on which this instance has a lease, which it renews. The zero value has none.
type leases struct {
	mu    sync.Mutex
	tasks map[*task]struct{}
}

func (l *leases) add(tasks []*task) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.tasks == nil {
		l.tasks = make(map[*task]struct{})
	}
	for _, t := range tasks {
		l.tasks[t] = struct{}{}
	}
}

func (l *leases) remove(tasks []*task) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range tasks {
		delete(l.tasks, t)
	}
}

// renew is the goroutine that renews the leases.
func (e *Engine) renew() {
	tick := time.NewTicker(e.cfg.Lease / 3)
	defer tick.Stop()
	for {
		select {
		case <-e.ctx.Done():
			return
		case <-tick.C:
			e.leases.each(func(m jetstream.Msg) error { return m.InProgress() })
		}
	}
}

// each does something with the message of each task, none of which is over yet.
func (l *leases) each(do func(jetstream.Msg) error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for t := range l.tasks {
		_ = do(t.msg) // where it fails the lease runs out
	}
}

// release gives back all tasks, and wipes their secrets.
func (l *leases) release() {
	l.each(jetstream.Msg.Nak)
	l.mu.Lock()
	defer l.mu.Unlock()
	for t := range l.tasks {
		clear(t.secret)
	}
	clear(l.tasks)
}
