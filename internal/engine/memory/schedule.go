package memory

import (
	"time"

	"github.com/hashd-project/hashd/v2/internal/secret"
	"github.com/hashd-project/hashd/v2/internal/wake"
)

// claimJobs is how many jobs a worker claims at a time: enough that the two short holds of
// the mutex for a claim cost next to nothing beside hashing it, few enough that the first job
// of a claim does not wait noticeably for the last.
const claimJobs = 128

// claim is the due jobs that one worker took: n consecutive ones in one segment.
type claim struct {
	segment *segment
	at      int // index in the segment of the first job
	n       int
	dues    [claimJobs]int64
	headers [claimJobs]meta // 0 for a job that was canceled before
	took    [claimJobs]time.Duration
	long    map[int]long // the secrets in the arena, by place in the claim
	began   int64        // when its hashing did
	over    []traced     // requests that ended with it
}

// long is a secret in the arena.
type long struct {
	ref    ref
	secret []byte
}

func newClaim() *claim { return &claim{long: make(map[int]long)} }

// lead is the goroutine that owns the timer. It hashes what is due itself, calls helpers
// when there is more than one claim of it, expires results, and sleeps until the next of these.
func (e *Engine) lead() {
	secret.ScrubStack() // which now need not grow any more
	c := newClaim()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for !e.stopped() {
		e.alarm.Store(0) // awake: nobody need wake it
		if e.work(c) {
			continue
		}
		if wait := e.rest(); wait > 0 {
			e.sleep(timer, wait)
		}
	}
}

// The runtime rounds a timer up to its next millisecond while the process is idle. The last
// fineWait of a sleep is left to the fine timer, which in turn is never asked for less than
// minSleep: at high rates that is how long due jobs gather before they are hashed together.
const (
	fineWait = time.Millisecond
	minSleep = 200 * time.Microsecond
)

// sleep returns after about wait, or earlier if the leader is called.
func (e *Engine) sleep(timer *time.Timer, wait time.Duration) {
	if wait <= fineWait {
		before := time.Now()
		e.fine.sleep(max(wait, minSleep))
		if time.Since(before) > 0 {
			return
		}
		// The clock stood still: it is a test's, which moves only when everyone waits on it.
	} else {
		wait -= fineWait
	}
	timer.Reset(wait)
	select {
	case <-timer.C:
	case <-e.wake:
	case <-e.stop:
	}
}

// assist is a helper: when called, it hashes until nothing is due.
func (e *Engine) assist() {
	secret.ScrubStack()
	c := newClaim()
	for {
		select {
		case <-e.help:
		case <-e.stop:
			return
		}
		for !e.stopped() && e.work(c) {
		}
	}
}

func (e *Engine) stopped() bool {
	select {
	case <-e.stop:
		return true
	default:
		return false
	}
}

// rest sets the alarm and returns how long the leader may sleep: not at all if there turns
// out to be work.
func (e *Engine) rest() time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.now()
	e.expire(now)
	alarm := min(e.headDue(), e.nextExpiry())
	e.alarm.Store(alarm)
	if e.headDue() < alarm { // committed between the two looks
		return 0
	}
	if alarm == never {
		return time.Hour
	}
	return time.Duration(alarm - now)
}

// work hashes one claim of due jobs, and returns false if there was none.
func (e *Engine) work(c *claim) bool {
	e.mu.Lock()
	more := e.claimDue(c)
	e.mu.Unlock()
	if c.n == 0 {
		return false
	}
	if more {
		wake.Up(e.help)
	}
	e.hashAll(c)
	secret.ScrubStack()
	e.mu.Lock()
	e.publish(c)
	e.mu.Unlock()
	e.tellTraced(c.over)
	return true
}

// timedTogether is how many hashes of one algorithm are timed together: each then counts as their mean. To read the clock
// for each would take a tenth of the time that it takes to hash.
const timedTogether = 8

// hashAll computes the digests of a claim, and notes how long that took.
func (e *Engine) hashAll(c *claim) {
	c.began = e.now()
	for j, began := 0, c.began; j < c.n; {
		first := j
		for ; j < c.n && j < first+timedTogether && c.alike(first, j); j++ {
			c.hash(j)
		}
		ended := e.now()
		for i := first; i < j; i++ {
			c.took[i] = time.Duration(ended-began) / time.Duration(j-first)
		}
		began = ended
	}
}

// alike says whether the digests of two jobs take about as long, but for the lengths of their secrets.
func (c *claim) alike(i, j int) bool {
	a, b := c.headers[i], c.headers[j]
	return a.algorithm() == b.algorithm() && (a == 0) == (b == 0)
}

// claimDue takes the due jobs at the head of the FIFO, up to claimJobs or the segment's end, and
// says whether more are due. From here on their slots are the worker's until it publishes.
func (e *Engine) claimDue(c *claim) (more bool) {
	c.n = 0
	now := e.now()
	if e.headDue() > now {
		return false
	}
	s, _ := e.segments.at(e.segmentOf(e.head))
	c.segment, c.at = s, int(e.head-s.first)
	e.noteClaim(e.head, now)
	limit := min(claimJobs, segmentJobs-c.at, int(e.end()-e.head))
	for c.n < limit {
		due := s.due(c.at + c.n).Load()
		if due == 0 || due > now {
			break
		}
		e.take(c, due)
	}
	e.head += int64(c.n)
	return e.headDue() <= now
}

// take adds the job after the last to the claim.
func (e *Engine) take(c *claim, due int64) {
	i, s := c.at+c.n, c.segment
	header, m := s.header(i), s.meta(i)
	s.setMeta(i, m|header)
	switch {
	case m.state() == gone:
		header = 0
	case header.length() == inArena:
		r := refIn(s.slot(i))
		c.long[c.n] = long{r, e.secrets.get(r)}
	}
	c.dues[c.n], c.headers[c.n] = due, header
	c.n++
}

// hash computes the j-th job's digest, which overwrites its slot and so its secret. Outside
// the mutex: nobody else touches a claimed slot.
func (c *claim) hash(j int) {
	header := c.headers[j]
	slot := c.segment.slot(c.at + j)
	switch n := header.length(); n {
	case 0: // canceled
	case inArena:
		header.algorithm().Sum(slot, c.long[j].secret)
	default:
		header.algorithm().Sum(slot, slot[secretAt:secretAt+n])
	}
}

// publish makes the results of a claim visible, all at one instant.
func (e *Engine) publish(c *claim) {
	now := e.now()
	s := c.segment
	s.wiped(c.n)
	owed := meta(0)
	if e.next.Load()&drainBit != 0 {
		owed = owedBit
	}
	for j := range c.n {
		i := c.at + j
		if h := c.headers[j]; h != 0 {
			e.hashTimes[h.algorithm()].Add(c.took[j])
		}
		if c.headers[j].length() == inArena {
			e.secrets.free(c.long[j].ref)
			delete(c.long, j)
		}
		m := s.meta(i)
		if m.state() == gone { // canceled, before the claim or since
			e.retire(s, i)
			continue
		}
		s.setMeta(i, m.with(done)&^awaitedBit|owed)
		if m.awaited() {
			e.notify(s.first + int64(i))
		}
		e.lateness.Add(time.Duration(now - c.dues[j]))
		e.recent.Add(time.Duration(now), time.Duration(now-c.dues[j]))
		e.completed++
		e.countDone(m.tenant(), s.first+int64(i), now)
		if owed != 0 {
			e.owed++
		}
	}
	c.over = c.over[:0]
	if len(e.traces) > 0 {
		c.over = e.passTraces(c, now)
	}
	e.raise()
	e.advance()
	e.endDrain()
	e.expire(now) // here too, for under full load nobody rests
}

// alert wakes the leader if it would sleep past a job that was just committed.
func (e *Engine) alert(due int64) {
	// Either this sees the leader's new alarm, or the leader, who looks at the FIFO again after
	// setting its alarm, sees this job.
	if alarm := e.alarm.Load(); due < alarm && e.alarm.CompareAndSwap(alarm, due) {
		wake.Up(e.wake)
	}
}

// headDue returns when the head of the FIFO is due, or never if there is none.
func (e *Engine) headDue() int64 { return e.dueOf(e.head) }

// dueOf returns when the job, which no worker has claimed, is due, or never if there is none or it is
// not committed, for only then can its due time be read.
func (e *Engine) dueOf(id int64) int64 {
	if id >= e.end() {
		return never
	}
	s, _ := e.segments.at(e.segmentOf(id))
	if due := s.due(int(id - s.first)).Load(); due != 0 {
		return due
	}
	return never
}
