package guard

import (
	"context"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/hashd-project/hashd/internal/auth"
	"github.com/hashd-project/hashd/internal/strict"
)

// Grant is what a caller has taken from its rate and quota for jobs that are on their way to the engine.
// The zero value is one of a caller that may submit any number.
type Grant struct {
	Fields RateFields

	jobs     int64
	inFlight *atomic.Int64
	limiter  *limiter
	at       time.Time
	taken    []*rate.Reservation
}

// Take takes n jobs from what the caller of the context may submit, or returns a *LimitError. Settle must follow.
func (g *Guard) Take(ctx context.Context, n int64) (Grant, error) {
	caller := CallerOf(ctx)
	if caller == nil {
		return Grant{}, nil
	}
	grant := Grant{jobs: n, at: time.Now()}
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
		g.limiter.giveBack(g)
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
	pending, free := g.cfg.Tenants.Room(c.Tenant)
	over := c.Key.Quota > 0 && pending+coming > c.Key.Quota
	if over || shared && pending+coming > shareOf(free-coming) {
		grant.Settle(false)
		grant.inFlight = nil
		return &LimitError{Quota: true, Key: c.Key.Name, RetryAfter: max(time.Second, g.cfg.Delay), Fields: c.limiter.fields(grant.at)}
	}
	return nil
}

// shareOf returns how many jobs one tenant of several may have pending where there is room for so many more: eight
// times as many. So a tenant alone can fill eight ninths of max-pending, there is always room for one
// that comes later, and no share has to be set for each (Choudhury and Hahne, "Dynamic queue length
// thresholds for shared-memory packet switches", 1998).
func shareOf(free int64) int64 { return 8 * max(0, min(free, math.MaxInt64/8)) }

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
func (c *Caller) spent(now time.Time, anyOf []strict.Requirement) error {
	if c.limiter == nil || !wants(anyOf, auth.Submit) {
		return nil
	}
	return c.limiter.spent(now)
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

// take takes the grant's jobs. A nil limiter takes any.
func (l *limiter) take(g *Grant) error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	burst := l.rate.Jobs
	first := l.jobs.ReserveN(g.at, int(min(g.jobs, burst)))
	if delay := first.DelayFrom(g.at); delay > 0 {
		first.CancelAt(g.at)
		return l.refusal(g.at, delay)
	}
	g.limiter, g.taken = l, append(g.taken, first)
	for rest := g.jobs - burst; rest > 0; rest -= burst {
		g.taken = append(g.taken, l.jobs.ReserveN(g.at, int(min(rest, burst))))
	}
	g.Fields = l.fieldsNow(g.at)
	return nil
}

// giveBack undoes take.
func (l *limiter) giveBack(g *Grant) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, one := range slices.Backward(g.taken) {
		one.CancelAt(g.at)
	}
}

// spent returns the refusal if not one job is left.
func (l *limiter) spent(now time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
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
func (l *limiter) fields(now time.Time) RateFields {
	if l == nil {
		return RateFields{}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fieldsNow(now)
}

func (l *limiter) fieldsNow(now time.Time) RateFields {
	tokens := l.jobs.TokensAt(now)
	left := int64(max(0, math.Floor(tokens)))
	full := int64(math.Ceil((float64(l.rate.Jobs) - tokens) / float64(l.jobs.Limit())))
	return RateFields{Policy: l.policy, Limit: `"jobs";r=` + strconv.FormatInt(left, 10) + ";t=" + strconv.FormatInt(max(0, full), 10)}
}

// limiters are those of keys, by name: the keys of a rotation share one. A rate that is changed begins anew.
type limiters struct {
	mu  sync.Mutex
	all map[string]*limiter
}

// of returns the limiter for a key of that name and rate; nil for any rate.
func (ls *limiters) of(name string, r auth.Rate) *limiter {
	if r == (auth.Rate{}) {
		return nil
	}
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l := ls.all[name]
	if l == nil || l.rate != r {
		if ls.all == nil {
			ls.all = make(map[string]*limiter)
		}
		l = newLimiter(name, r)
		ls.all[name] = l
	}
	return l
}

// maxVisitors is how many addresses are told apart.
const maxVisitors = 10_000

// visitors are the limiters of addresses.
type visitors struct {
	rate auth.Rate

	mu  sync.Mutex
	all map[netip.Addr]*limiter
}

// of returns the limiter of an address, or of the network that it can choose its address from (IPv6).
func (v *visitors) of(address netip.Addr) *limiter {
	if address.Is6() {
		network, _ := address.WithZone("").Prefix(64)
		address = network.Addr()
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	l := v.all[address]
	if l == nil {
		v.makeRoom()
		l = newLimiter("", v.rate)
		v.all[address] = l
	}
	return l
}

// makeRoom forgets those whose rate is whole again, which lose nothing by it, and if those are few any others: a tenth
// of all, so that it is seldom called.
func (v *visitors) makeRoom() {
	if v.all == nil {
		v.all = make(map[netip.Addr]*limiter)
	}
	if len(v.all) < maxVisitors {
		return
	}
	now := time.Now()
	for address, l := range v.all {
		if l.jobs.TokensAt(now) >= float64(l.rate.Jobs) {
			delete(v.all, address)
		}
	}
	for address := range v.all {
		if len(v.all) < maxVisitors*9/10 {
			return
		}
		delete(v.all, address)
	}
}
