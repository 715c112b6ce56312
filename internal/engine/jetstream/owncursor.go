package jetstream

import (
	"context"
	"sync"
	"time"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// completedOf is Completed for one tenant. It stops at the oldest pending job of the store, whosesoever that is. It goes on after that tenant's jobs alone, so that it tells nothing of
// others'; how far it has looked is remembered for the next call.
func (e *Engine) completedOf(ctx context.Context, tenant uint16, after int64, to []engine.Record) (n int, next int64, err error) {
	var end uint64
	from := e.lives().placeAfter(e.passed.skip(tenant, after))
	err = e.call(ctx, func(ctx context.Context) (err error) {
		end, _, err = e.ended(ctx, from)
		return err
	})
	if err != nil {
		return 0, after, err
	}
	const most = 100 // pieces without a job of the tenant, after which a call without a wait had better return
	return e.completedBefore(ctx, tenant, after, end, to, most)
}

// completedBefore is completedOf for a part of the log, all of whose jobs have ended, in which it looks at so many
// pieces at most.
func (e *Engine) completedBefore(ctx context.Context, tenant uint16, after int64, end uint64, to []engine.Record, most int) (n int, next int64, err error) {
	const least = 64 // places worth a request
	next = after
	looked := e.passed.skip(tenant, after)
	size := max(least, len(to))
	for ; n < len(to) && most > 0 && ctx.Err() == nil; most-- {
		from := e.lives().placeAfter(looked)
		if from >= end {
			break
		}
		piece := e.pieceOf(from, min(end, from+uint64(min(askJobs, size))))
		if err = e.findOwn(ctx, tenant, piece); err != nil {
			break
		}
		for _, s := range piece {
			if looked = s.ID; s.State != engine.Done {
				continue
			}
			to[n], next = s.Record, s.ID
			if n++; n == len(to) {
				break
			}
		}
		size *= 2
	}
	e.passed.note(tenant, next, looked)
	return n, next, err
}

// findOwn finds the tenant's results in a piece of which all jobs have ended.
func (e *Engine) findOwn(ctx context.Context, tenant uint16, piece []*seen) error {
	var rest []*seen
	for _, s := range piece {
		if owner := e.seen.get(s.ID); owner == unseen || owner == ownerOf(tenant) {
			rest = append(rest, s)
		} else {
			s.State = engine.Unknown
		}
	}
	if len(rest) == 0 {
		return nil
	}
	err := e.call(ctx, func(ctx context.Context) error {
		if err := e.findNeighbors(ctx, rest); err != nil || !anyPending(rest) {
			return err
		}
		return e.findAllResults(ctx, rest)
	})
	if err != nil {
		return err
	}
	for _, s := range rest {
		if s.State == engine.Pending { // it has left nothing behind
			e.seen.note(s.ID, nobody)
		}
	}
	return nil
}

// awaitOf is AwaitCompleted for one tenant. Whose a job is that a note tells of it has to find out; the calls of all
// tenants do that together.
func (e *Engine) awaitOf(ctx context.Context, tenant uint16, after int64) error {
	looked := uint64(0) // no place of the log
	for pause := pauseLeast; ctx.Err() == nil; {
		id := e.lives().id(looked)
		note := e.waiters.join(id)
		f, fresh, err := e.lookAtFront()
		if err == nil && f.end == looked {
			if !fresh { // a note may have come since
				pause = pauseLeast
			}
			if pause, err = e.rest(ctx, id, note, pause, f.pending); err != nil {
				return err
			}
			continue
		}
		e.waiters.leave(id, note)
		found := false
		if err == nil {
			found, err = e.anyOwn(ctx, tenant, after, f.end)
		}
		if found || err != nil {
			return err
		}
		looked, pause = f.end, pauseLeast
	}
	return nil
}

// anyOwn reports whether Completed would return a job of the tenant.
func (e *Engine) anyOwn(ctx context.Context, tenant uint16, after int64, end uint64) (bool, error) {
	const most = 8 // pieces, after which it is another call's turn
	find := func() (n int, err error) {
		e.fronts.finding.Lock()
		defer e.fronts.finding.Unlock()
		n, _, err = e.completedBefore(ctx, tenant, after, end, make([]engine.Record, 1), most)
		return n, err
	}
	for ctx.Err() == nil && e.lives().placeAfter(e.passed.skip(tenant, after)) < end {
		if n, err := find(); n > 0 || err != nil {
			return n > 0, err
		}
	}
	return false, nil
}

// front is the place of the log before which all jobs have ended, and whether that place has a job.
type front struct {
	end     uint64
	pending bool
}

// fronts is where the front was a moment ago. Calls of AwaitCompleted for tenants share it. The zero value is of no moment.
type fronts struct {
	mu   sync.Mutex // held while somebody looks
	last front
	at   time.Time

	finding sync.Mutex // held while one finds out whose jobs are, which the others then know
}

// lookAtFront returns the front, and whether it is as it was seen during this call.
func (e *Engine) lookAtFront() (found front, fresh bool, err error) {
	f := &e.fronts
	f.mu.Lock()
	defer f.mu.Unlock()
	if time.Since(f.at) < pauseLeast/2 {
		return f.last, false, nil
	}
	err = e.call(e.ctx, func(ctx context.Context) error {
		found.end, found.pending, err = e.ended(ctx, e.lives()[0].from)
		return err
	})
	if err == nil {
		f.last, f.at = found, time.Now()
	}
	return found, true, err
}

// passed knows of each tenant some stretches of ids whose jobs have ended and left nothing that Completed returns,
// so that calls which come again and again look at each job once. The zero value knows none.
type passed struct {
	mu sync.Mutex
	of map[uint16]*engine.Passed
}

// skip returns the id after which there may be a job for the tenant that comes after the given one.
func (p *passed) skip(tenant uint16, after int64) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.of[tenant]
	if s == nil {
		return after
	}
	return s.Skip(after)
}

// note notes that there is nothing for the tenant after one id up to another.
func (p *passed) note(tenant uint16, after, to int64) {
	if to <= after {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.of[tenant]
	if s == nil {
		if p.of == nil {
			p.of = make(map[uint16]*engine.Passed)
		}
		s = new(engine.Passed)
		p.of[tenant] = s
	}
	s.Note(after, to, 1)
}

// owner is whose an ended job was: a tenant, or one of these.
type owner uint32

const (
	unseen owner = iota
	nobody       // it has left nothing behind, or there was none
	firstOwner
)

func ownerOf(tenant uint16) owner { return firstOwner + owner(tenant) }

// seenOwners are the owners of jobs that calls for tenants have looked at of late. The zero value knows none.
type seenOwners struct {
	mu     sync.Mutex
	chunks map[int64]*[1 << bitmapBits]owner // by the first bits of an id
	order  []int64                           // oldest first
}

// mostSeen is how many chunks are remembered, in 256 KiB.
const mostSeen = 64

func (o *seenOwners) get(id int64) owner {
	o.mu.Lock()
	defer o.mu.Unlock()
	if chunk := o.chunks[id>>bitmapBits]; chunk != nil {
		return chunk[id&(1<<bitmapBits-1)]
	}
	return unseen
}

func (o *seenOwners) note(id int64, whose owner) {
	o.mu.Lock()
	defer o.mu.Unlock()
	key := id >> bitmapBits
	chunk := o.chunks[key]
	if chunk == nil {
		if o.chunks == nil {
			o.chunks = make(map[int64]*[1 << bitmapBits]owner)
		}
		if len(o.order) == mostSeen {
			delete(o.chunks, o.order[0])
			o.order = o.order[1:]
		}
		chunk = new([1 << bitmapBits]owner)
		o.chunks[key], o.order = chunk, append(o.order, key)
	}
	chunk[id&(1<<bitmapBits-1)] = whose
}
