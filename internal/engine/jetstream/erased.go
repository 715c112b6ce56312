package jetstream

import (
	"sync"
	"time"
)

// erased are the jobs whose results were erased a short while ago, which a server that is behind may
// still have. The zero value has none.
type erased struct {
	mu    sync.Mutex
	jobs  map[int64]bool
	order []erasure // oldest first
}

type erasure struct {
	id int64
	at time.Time
}

// behind is how far a server can be behind and still be asked: longer than it takes to find out that
// it is.
const behind = 10 * time.Second

func (r *erased) add(id int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.jobs == nil {
		r.jobs = make(map[int64]bool)
	}
	now := time.Now()
	for len(r.order) > 0 && now.Sub(r.order[0].at) > behind {
		delete(r.jobs, r.order[0].id)
		r.order = r.order[1:]
	}
	if !r.jobs[id] {
		r.jobs[id] = true
		r.order = append(r.order, erasure{id, now})
	}
}

func (r *erased) has(id int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.jobs[id]
}
