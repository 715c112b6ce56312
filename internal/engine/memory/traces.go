package memory

import (
	"time"

	"github.com/hashd-project/hashd/v2/internal/digest"
	"github.com/hashd-project/hashd/v2/internal/engine"
)

// mostTraced bounds how many requests are traced whose jobs are pending: the hashes of more are not.
const mostTraced = 1 << 16

// traced is a request whose jobs are pending and are traced.
type traced struct {
	trace     engine.Trace
	algorithm digest.Algorithm
	first     int64 // of its jobs
	end       int64 // behind the last
	left      int64 // jobs that no worker has passed
	hashed    int
	began     int64 // 0 until a job of it was hashed
	ended     int64
}

// traces are those of pending jobs, by their ids. There are none unless requests are traced.
type traces []traced

// note follows jobs that are accepted, which come after all before.
func (t *traces) note(p *Prepared) {
	if p.trace == "" || len(*t) == mostTraced || p.Jobs == 0 {
		return
	}
	n := int64(p.Jobs)
	*t = append(*t, traced{trace: p.trace, algorithm: p.algorithm, first: p.Receipt.ID, end: p.Receipt.ID + n, left: n})
}

// pass takes in that a worker has passed the jobs from first to end, of which it has hashed those for which hashed says
// so. It appends the requests to which none is left. Claims may be passed in another order than they were taken.
func (t *traces) pass(over []traced, first, end, began, ended int64, hashed func(id int64) bool) []traced {
	for i := range *t {
		one := &(*t)[i]
		if one.first >= end {
			break
		}
		for id := max(first, one.first); id < min(end, one.end); id++ {
			one.left--
			if hashed(id) {
				one.hashed++
			}
		}
		if end <= one.first || first >= one.end || one.hashed == 0 {
			continue
		}
		if one.began == 0 || began < one.began {
			one.began = began
		}
		one.ended = max(one.ended, ended)
	}
	gone := 0
	for gone < len(*t) && (*t)[gone].left == 0 {
		gone++
	}
	over = append(over, (*t)[:gone]...)
	*t = (*t)[gone:]
	return over
}

// passTraces takes in that a claim was published, and returns the requests that ended with it.
func (e *Engine) passTraces(c *claim, now int64) []traced {
	first := c.segment.first + int64(c.at)
	return e.traces.pass(c.over, first, first+int64(c.n), c.began, now, func(id int64) bool {
		return c.headers[id-first] != 0 && c.segment.meta(int(id-c.segment.first)).state() == done
	})
}

// tellTraced tells of traced requests whose jobs are over.
func (e *Engine) tellTraced(over []traced) {
	at := func(instant int64) time.Time { return e.epoch.Add(time.Duration(instant)) }
	for _, t := range over {
		if t.hashed > 0 && e.cfg.Traced != nil {
			e.cfg.Traced(engine.Hashing{Trace: t.trace, Algorithm: t.algorithm, Jobs: t.hashed, Began: at(t.began), Ended: at(t.ended)})
		}
	}
}
