package file

import (
	"runtime"
	"sync"

	"github.com/hashd-project/hashd/v2/internal/engine"
	"github.com/hashd-project/hashd/v2/internal/engine/memory"
	"github.com/hashd-project/hashd/v2/internal/wake"
)

// request is what one caller waits for: that its jobs are in the store, that a canceled job is gone from it, or
// that a tenant's name has a number in it.
type request struct {
	batch    engine.Batch
	secret   [1][]byte // room for a batch of one
	gone     int64     // where jobs were canceled, if there is no batch
	count    int64     // how many jobs from there on to look at
	name     string    // of a tenant, if there is neither
	number   uint16    // of that tenant
	prepared memory.Prepared
	err      error
	answered chan struct{} // gets a value once number, prepared and err are final
}

// requests keeps requests between calls, each with its channel.
var requests = sync.Pool{New: func() any { return &request{answered: make(chan struct{}, 1)} }}

func newRequest() *request { return requests.Get().(*request) }

// release gives the request back, without the secrets.
func (r *request) release() {
	*r = request{answered: r.answered}
	requests.Put(r)
}

func (r *request) answer(err error) {
	if r.err == nil {
		r.err = err
	}
	r.answered <- struct{}{}
}

// bytes returns about what the request takes in a group.
func (r *request) bytes() (n int) {
	for _, s := range r.batch.Secrets {
		n += len(s) + jobOverhead
	}
	return n + resultBytes(int(r.count))
}

// queue is where requests wait for the committer.
type queue struct {
	wake chan struct{} // has a value if something came since the committer looked last

	mu      sync.Mutex // guards the rest
	waiting []*request
	closed  bool
}

func newQueue() queue { return queue{wake: make(chan struct{}, 1)} }

func (q *queue) put(r *request) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return engine.ErrClosed
	}
	q.waiting = append(q.waiting, r)
	wake.Up(q.wake)
	return nil
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
}

func (q *queue) isClosed() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed
}

func (q *queue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting)
}

// groupBytes bounds a transaction, and so how long those in it wait for each other.
const groupBytes = 8 << 20

// take returns what waits, up to a transaction's worth; the rest stays. Clients that were just answered
// are about to come again, so take yields to them as long as more keep coming. On an idle machine none
// come, and it loses no time.
func (q *queue) take(group []*request) []*request {
	for before, now := -1, q.len(); now > before; before, now = now, q.len() {
		runtime.Gosched()
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	n, size := 0, 0
	for n < len(q.waiting) && size < groupBytes {
		size += q.waiting[n].bytes()
		n++
	}
	group = append(group, q.waiting[:n]...)
	rest := copy(q.waiting, q.waiting[n:])
	clear(q.waiting[rest:])
	q.waiting = q.waiting[:rest]
	return group
}
