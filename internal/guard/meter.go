package guard

import (
	"context"
	"math"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/hashd-project/hashd/v2/internal/auth"
	"github.com/hashd-project/hashd/v2/internal/strict"
)

// Grant is what a caller has taken from its rate and quota for jobs that are on their way to the engine.
// The zero value is one of a caller that may submit any number.
type Grant struct {
	Fields RateFields

	jobs     int64
	inFlight *atomic.Int64
	limiter  *limiter
}

// Take takes n jobs from what the caller of the context may submit, or returns a *LimitError. Settle must follow.
func (g *Guard) Take(ctx context.Context, n int64) (Grant, error) {
	caller := CallerOf(ctx)
	if caller == nil {
		return Grant{}, nil
	}
	grant := Grant{jobs: n}
	if err := g.takeQuota(caller, &grant); err != nil {
		return Grant{}, err
	}
	if err := caller.limiter.take(&grant); err != nil {
		grant.Settle(false)
		return Grant{}, err
	}
	return grant, nil
}

// Settle ends the grant once the engine has answered. Jobs that it has refused cost nothing.
func (g *Grant) Settle(accepted bool) {
	if g.inFlight != nil {
		g.inFlight.Add(-g.jobs)
	}
	if g.limiter != nil && !accepted {
		g.limiter.giveBack(g.jobs)
	}
}

// takeQuota holds a tenant to the quota of the key and to its share of what the engine takes. What is on its way
// counts as pending, and for a moment twice: so no more are ever accepted than the quota says.
func (g *Guard) takeQuota(c *Caller, grant *Grant) error {
	shared := c.Key != nil && g.several.are(g.cfg.Keys())
	if c.Key == nil || c.Key.Quota == 0 && !shared {
		return nil
	}
	counter, _ := g.inFlight.LoadOrStore(c.Tenant, new(atomic.Int64))
	grant.inFlight = counter.(*atomic.Int64)
	coming := grant.inFlight.Add(grant.jobs)
	room := g.cfg.Tenants.Room(c.Tenant)
	over := c.Key.Quota > 0 && room.Pending+coming > c.Key.Quota || shared && beyondShare(room.Pending, room.FreePending, coming)
	kept := !over && shared && beyondShare(room.Held, room.FreeHeld, coming)
	if over || kept {
		grant.Settle(false)
		grant.inFlight = nil
		return &LimitError{Quota: true, Kept: kept, Key: c.Key.Name, RetryAfter: max(time.Second, g.cfg.Delay), Fields: c.limiter.fields()}
	}
	return nil
}

// Most returns the most jobs that the caller of the context can ever submit at once, where there is room for so many.
func (g *Guard) Most(ctx context.Context, room int64) int64 {
	c := CallerOf(ctx)
	if c == nil || c.Key == nil {
		return room
	}
	if g.several.are(g.cfg.Keys()) {
		room = max(1, room-(room+8)/9) // as beyondShare has it for a tenant that has none
	}
	if c.Key.Quota > 0 {
		return min(room, c.Key.Quota)
	}
	return room
}

// beyondShare reports whether so many jobs more are beyond the share of a tenant that has some. Where there is no
// room for them anyway, that is the engine's to say.
func beyondShare(has, free, coming int64) bool {
	return coming <= free && has+coming > shareOf(free-coming)
}

// shareOf returns how many jobs one tenant of several may have where there is room for so many more: eight
// times as many. So a tenant alone can fill eight ninths of a limit, there is always room for one
// that comes later, and no share has to be set for each (Choudhury and Hahne, "Dynamic queue length
// thresholds for shared-memory packet switches", 1998). One job is anybody's share.
func shareOf(free int64) int64 { return max(1, 8*max(0, min(free, math.MaxInt64/8))) }

// several remembers whether keys are of more than one tenant.
type several struct {
	mu    sync.Mutex
	last  *auth.Keys
	found bool
}

func (s *several) are(keys *auth.Keys) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last != keys {
		s.last, s.found = keys, false
		first := ""
		for k := range keys.All() {
			s.found = s.found || first != "" && first != k.Tenant
			first = k.Tenant
		}
	}
	return s.found
}

// spent returns a *LimitError if an operation submits and nothing at all is left of the caller's rate: then its body need
// not be read.
func (c *Caller) spent(anyOf []strict.Requirement) error {
	if c.limiter == nil || !wants(anyOf, auth.Submit) {
		return nil
	}
	return c.limiter.spent()
}

// limiter holds a caller to its rate: it may submit Rate.Jobs at once, and as many again in each Rate.Per. A batch of
// more than that is taken where nothing else was submitted for so long, and is then paid for.
type limiter struct {
	name   string // of the key; "" for those without one
	policy string

	mu   sync.Mutex
	rate auth.Rate
	jobs *rate.Limiter
}

func newLimiter(name string, r auth.Rate) *limiter {
	return &limiter{
		name:   name,
		policy: `"jobs";q=` + strconv.FormatInt(r.Jobs, 10) + ";w=" + strconv.FormatInt(int64(r.Per/time.Second), 10),
		rate:   r,
		jobs:   rate.NewLimiter(rate.Limit(float64(r.Jobs)/r.Per.Seconds()), int(r.Jobs)),
	}
}

// take takes the grant's jobs. A nil limiter takes any. It reads the clock itself, for time must not go back from one
// call to the next: the time between would count twice.
func (l *limiter) take(g *Grant) error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now, burst := time.Now(), l.rate.Jobs
	first := l.jobs.ReserveN(now, int(min(g.jobs, burst)))
	if delay := first.DelayFrom(now); delay > 0 {
		first.CancelAt(now)
		return l.refusal(now, delay)
	}
	for rest := g.jobs - burst; rest > 0; rest -= burst {
		l.jobs.ReserveN(now, int(min(rest, burst)))
	}
	g.limiter, g.Fields = l, l.fieldsNow(now)
	return nil
}

// giveBack undoes the taking of so many jobs, whatever was taken since: a canceled reservation would give back the less
// the more that is.
func (l *limiter) giveBack(jobs int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.jobs.ReserveN(time.Now(), -int(jobs))
}

// spent returns the refusal if not one job is left.
func (l *limiter) spent() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	tokens := l.jobs.TokensAt(now)
	if tokens >= 1 {
		return nil
	}
	return l.refusal(now, time.Duration((1-tokens)/float64(l.jobs.Limit())*float64(time.Second)))
}

func (l *limiter) refusal(now time.Time, delay time.Duration) error {
	return &LimitError{Key: l.name, RetryAfter: max(time.Second, delay), Fields: l.fieldsNow(now)}
}

// fields tells what is left; nothing for a nil limiter.
func (l *limiter) fields() RateFields {
	if l == nil {
		return RateFields{}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fieldsNow(time.Now())
}

func (l *limiter) fieldsNow(now time.Time) RateFields {
	tokens := l.jobs.TokensAt(now)
	left := int64(max(0, math.Floor(tokens)))
	full := int64(math.Ceil((float64(l.rate.Jobs) - tokens) / float64(l.jobs.Limit())))
	return RateFields{Policy: l.policy, Limit: `"jobs";r=` + strconv.FormatInt(left, 10) + ";t=" + strconv.FormatInt(max(0, full), 10)}
}

// maxLimiters is how many callers are told apart.
const maxLimiters = 10_000

// limiters are those of callers, by what tells these apart.
type limiters[K comparable] struct {
	mu  sync.Mutex
	all map[K]*limiter
}

// of returns the limiter of a caller, which has the name and that rate.
func (ls *limiters[K]) of(caller K, name string, r auth.Rate) *limiter {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l := ls.all[caller]
	if l == nil {
		ls.makeRoom()
		l = newLimiter(name, r)
		ls.all[caller] = l
	}
	return l
}

// makeRoom forgets those whose rate is whole again, which lose nothing by it, and if those are few any others: a tenth
// of all, so that it is seldom called.
func (ls *limiters[K]) makeRoom() {
	if ls.all == nil {
		ls.all = make(map[K]*limiter)
	}
	if len(ls.all) < maxLimiters {
		return
	}
	now := time.Now()
	for caller, l := range ls.all {
		if l.jobs.TokensAt(now) >= float64(l.rate.Jobs) {
			delete(ls.all, caller)
		}
	}
	for caller := range ls.all {
		if len(ls.all) < maxLimiters*9/10 {
			return
		}
		delete(ls.all, caller)
	}
}

// paced is a caller with a key: the keys of one name share a rate, as those of a rotation do. A rate that is changed
// begins anew. Where they have several rates, each has its own limiter, so that using them in turn begins none anew.
type paced struct {
	name string
	rate auth.Rate
}

// limiterOf returns the limiter of a key; nil for any rate.
func (g *Guard) limiterOf(key *auth.Key) *limiter {
	if key.Rate == (auth.Rate{}) {
		return nil
	}
	return g.keys.of(paced{key.Name, key.Rate}, key.Name, key.Rate)
}

// limiterOfAddress returns the limiter of an address, or of the network that a client can choose its address from (IPv6).
func (g *Guard) limiterOfAddress(address netip.Addr) *limiter {
	if address.Is6() {
		network, _ := address.WithZone("").Prefix(64)
		address = network.Addr()
	}
	return g.visitors.of(address, "", g.cfg.AnonymousRate)
}
