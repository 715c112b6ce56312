package server

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// gate bounds how many requests are worked on at a time. Others wait, for their turn as long as that comes
// soon. Under overload the newest goes first, whose client is the likeliest to be waiting still: taking turns
// would make everyone wait as long as the longest, and answer those who have left. What has waited for longer
// than waitLimit is refused.
//
// A request is under way from when it has been let in until its answer begins or it has to wait for
// something that takes no core: the rest of its body, its store, its job. So long-polls and slow clients
// take no place. It is safe for concurrent use.
type gate struct {
	limit int

	mu        sync.Mutex
	working   int       // requests under way
	begun     int       // those of them that this round has let in
	waiting   slot      // head of the ring of those that wait, newest first
	count     int       // how many they are
	crowded   time.Time // since when some wait
	asked     bool      // the next round has been asked for
	over      bool      // stop was called, perhaps before start
	letsIn    bool      // everyone, since there are no rounds: before start and from stop on
	sweeping  *time.Timer
	unsettled int           // those that wait or have waited, until they are let in or answered
	settled   chan struct{} // closed when there is none after stop

	bell  bell // rings for the next round
	ended chan struct{}
}

// waitLimit is how long a request waits to be let in: less than clients commonly do.
const waitLimit = 500 * time.Millisecond

// If requests have waited all the time for spellLimit, this is no burst, and none waits for longer than
// waitLimitCrowded to be let in.
const (
	spellLimit       = waitLimit
	waitLimitCrowded = 25 * time.Millisecond
)

// While no more wait than inTurn for each that may be under way, and the oldest has waited for no longer than
// turnLimit, all are let in by turns: they are served in time, and nobody has to go without.
const (
	inTurn    = 16
	turnLimit = 100 * time.Millisecond
)

// requestsPerCore is how many requests are under way at most for each core, if no setting says so. Work that
// does not wait keeps a core busy by itself; more only delays those that came first.
const requestsPerCore = 16

// newGate returns a gate that lets in everyone until it is started. The limit 0 is requestsPerCore.
func newGate(limit int) *gate {
	if limit == 0 {
		limit = requestsPerCore * runtime.GOMAXPROCS(0)
	}
	g := &gate{limit: limit, letsIn: true}
	g.waiting.before, g.waiting.after = &g.waiting, &g.waiting
	return g
}

// slot is a request's place in a gate. It may be used again for the next.
type slot struct {
	gate *gate
	gone func() bool // whether its client seems to have left; asked once it has waited for long
	held atomic.Bool // it is under way

	before, after *slot // among the waiting; the gate's, under its lock
	since         time.Time
	told          chan verdict
}

func newSlot(g *gate, gone func() bool) *slot {
	return &slot{gate: g, gone: gone, told: make(chan verdict, 1)}
}

// verdict is what a gate says to a request.
type verdict int

const (
	admitted verdict = iota
	tooLate          // it has waited for too long
)

// start begins the rounds. In each round at most limit requests are let in. The next one begins once all that
// is ready to run has run, and what has arrived on other connections has been read: only then can the newest
// be known. It is the bell that comes so late.
func (g *gate) start(b bell) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.over {
		b.stop()
		return
	}
	g.bell, g.ended, g.letsIn = b, make(chan struct{}), false
	go func() {
		defer close(g.ended)
		for b.wait() {
			g.round()
		}
	}()
}

// stop refuses those that wait, lets in all others, and returns once the former are answered and the rounds
// have ended, or cut is closed.
func (g *gate) stop(cut <-chan struct{}) {
	if g == nil {
		return
	}
	g.mu.Lock()
	g.over = true
	if g.letsIn {
		g.mu.Unlock()
		return
	}
	g.letsIn = true
	settled := make(chan struct{})
	if g.settled = settled; g.unsettled == 0 {
		close(settled)
	}
	var waiting []*slot
	for g.count > 0 {
		waiting = append(waiting, g.take(g.waiting.after))
	}
	g.mu.Unlock()
	tell(waiting, tooLate)
	select {
	case <-settled:
	case <-cut:
	}
	g.bell.stop()
	<-g.ended
}

// settle says that a request which has waited is let in or answered.
func (g *gate) settle() {
	g.mu.Lock()
	if g.unsettled--; g.unsettled == 0 && g.settled != nil {
		close(g.settled)
		g.settled = nil
	}
	due := g.count > 0 && g.due()
	g.mu.Unlock()
	if due {
		g.bell.ring()
	}
}

// enter waits until the request is let in, or not. If it has waited, the caller calls settle.
func (g *gate) enter(s *slot) (what verdict, waited bool) {
	g.mu.Lock()
	if g.letsIn || g.count == 0 && g.working < g.limit && g.begun < g.limit {
		g.admit(s)
		g.mu.Unlock()
		return admitted, false
	}
	g.unsettled++
	s.since = time.Now()
	s.before, s.after = &g.waiting, g.waiting.after
	s.before.after, s.after.before = s, s
	if g.count++; g.count == 1 {
		g.crowded = s.since
		g.sweeping = time.AfterFunc(sweep, g.next)
	}
	due := g.working < g.limit && g.due()
	g.mu.Unlock()
	if due {
		g.bell.ring()
	}
	return <-s.told, true
}

// sweep is how often the waiting are looked at if nothing else happens.
const sweep = waitLimit / 10

func (g *gate) admit(s *slot) {
	g.working++
	g.begun++
	s.held.Store(true)
}

// take takes a request out of the waiting.
func (g *gate) take(s *slot) *slot {
	s.before.after, s.after.before = s.after, s.before
	s.before, s.after = nil, nil
	if g.count--; g.count == 0 {
		g.sweeping.Stop()
	}
	return s
}

// leave ends a request's time under way; it may have ended already.
func (s *slot) leave() {
	if s.held.Load() && s.held.Swap(false) {
		s.gate.release()
	}
}

func (g *gate) release() {
	g.mu.Lock()
	g.working--
	due := (g.count > 0 || g.begun >= g.limit) && g.due()
	g.mu.Unlock()
	if due {
		g.bell.ring()
	}
}

// due says whether the bell is to be rung for the next round: it has not been, and there are rounds.
func (g *gate) due() bool {
	due := !g.asked && !g.letsIn
	g.asked = g.asked || due
	return due
}

// next asks for a round.
func (g *gate) next() {
	g.mu.Lock()
	due := g.due()
	g.mu.Unlock()
	if due {
		g.bell.ring()
	}
}

// round lets in the newest and refuses the oldest.
func (g *gate) round() {
	var in, out [perRound]*slot
	news, olds := g.choose(in[:0], out[:0])
	now := time.Now()
	for _, s := range news {
		if now.Sub(s.since) > turnLimit && s.gone() {
			s.leave()
			s.told <- tooLate // it may have ended its side alone, and read on
			continue
		}
		s.told <- admitted
	}
	tell(olds, tooLate)
}

// perRound is for how many requests a round has room without an allocation.
const perRound = 64

// choose picks those that a round lets in, and those that it refuses.
func (g *gate) choose(news, olds []*slot) (in, out []*slot) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.asked, g.begun = false, 0
	if g.letsIn {
		return nil, nil
	}
	now := time.Now()
	turns := g.turns(now)
	late := now.Add(-g.longest(now, turns))
	room := g.count <= g.limit-g.working // for all: they have waited for a machine that stood still, not for each other
	for g.count > 0 && g.working < g.limit && g.begun < g.limit {
		s := g.waiting.after
		if turns {
			s = g.waiting.before
		}
		if !room && s.since.Before(late) {
			break
		}
		g.admit(g.take(s))
		news = append(news, s)
	}
	most := g.limit
	if len(news) > 0 {
		most = max(1, len(news)/refusedShare)
	}
	for g.count > 0 && len(olds) < g.limit {
		since := g.waiting.before.since
		if !since.Before(late) || len(olds) >= most && now.Sub(since) < waitLimit {
			break
		}
		olds = append(olds, g.take(g.waiting.before))
	}
	if g.count > 0 {
		g.sweeping.Reset(sweep)
	}
	return news, olds
}

// turns says whether those that wait are let in by turns.
func (g *gate) turns(now time.Time) bool {
	return g.count <= inTurn*g.limit && now.Sub(g.waiting.before.since) <= turnLimit
}

// longest returns how long a request may have waited to be let in. While not all can be, it would be too
// late for most, and so the time that is left goes to the newest.
func (g *gate) longest(now time.Time, turns bool) time.Duration {
	if !turns && now.Sub(g.crowded) > spellLimit {
		return waitLimitCrowded
	}
	return waitLimit
}

// refusedShare is for how many requests let in one is refused at most before it has waited for waitLimit,
// lest refusing takes the time of what is worth doing.
const refusedShare = 8

func tell(waiting []*slot, what verdict) {
	for _, s := range waiting {
		s.told <- what
	}
}

// busy says whether requests wait.
func (g *gate) busy() bool {
	if g == nil {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.count > 0
}

// used returns how many requests are under way or wait, no more than may be under way.
func (g *gate) used() int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return int64(min(g.limit, g.working+g.count))
}
