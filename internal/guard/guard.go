// Package guard decides who may call what, and how many jobs each caller may submit: it brings the keys of
// package auth, the scopes of the contract and the tenants of an engine together. It must not know what an
// operation does.
package guard

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/hashd-project/hashd/v2/internal/auth"
	"github.com/hashd-project/hashd/v2/internal/engine"
	"github.com/hashd-project/hashd/v2/internal/strict"
)

// Tenants is what a Guard asks of the engine.
type Tenants interface {
	// TenantNumber returns the store's number for the tenant of that name.
	TenantNumber(ctx context.Context, name string) (uint16, error)
	// Room returns what a tenant has of the room that all share.
	Room(tenant uint16) engine.Room
}

// Config is what a Guard is made of.
type Config struct {
	Keys          func() *auth.Keys // those that are valid now; nil for a server that is open to all
	Tenants       Tenants
	Delay         time.Duration                    // from a job's acceptance until it is due
	AnonymousRate auth.Rate                        // of each address, on a server that is open to all; zero for any
	Address       func(r *http.Request) netip.Addr // the client's, behind what proxies are trusted
	Log           *slog.Logger
}

// Guard decides who may call what, and how many jobs each caller may submit. It is safe for concurrent use.
type Guard struct {
	cfg      Config
	numbers  sync.Map // of tenants, by name: uint16
	inFlight sync.Map // jobs on their way to the engine, by tenant: *atomic.Int64
	keys     limiters[paced]
	visitors limiters[netip.Addr]
	several  several
}

var _ strict.Guard = (*Guard)(nil)

// New returns a guard.
func New(cfg Config) *Guard {
	return &Guard{cfg: cfg}
}

// Caller is who sent a request.
type Caller struct {
	Key    *auth.Key // nil for an unknown one, on a server that is open to all
	Tenant uint16

	limiter *limiter // nil for any rate
}

type callerKey struct{}

// CallerOf returns who sent the request of that context; nil if nobody has to be known.
func CallerOf(ctx context.Context) *Caller {
	c, _ := ctx.Value(callerKey{}).(*Caller)
	return c
}

// Admit implements strict.Guard. Behind it, an engine shows the caller its own tenant's jobs alone, unless the
// key has the scope admin. It returns ErrUnauthorized, a *ScopeError, a *LimitError if there is nothing
// left of the rate for a submission, or what the engine says of the tenant.
func (g *Guard) Admit(r *http.Request, anyOf ...strict.Requirement) (context.Context, error) {
	if g.cfg.Keys == nil {
		return g.admitVisitor(r, anyOf)
	}
	key, err := g.cfg.Keys().Find(bearer(r.Header), time.Now())
	if err != nil {
		return nil, ErrUnauthorized
	}
	if err := missing(key.Scopes, anyOf); err != nil {
		return nil, err
	}
	tenant, err := g.numberOf(r.Context(), key.Tenant)
	if err != nil {
		return nil, fmt.Errorf("tenant: %w", err)
	}
	caller := &Caller{Key: key, Tenant: tenant, limiter: g.limiterOf(key)}
	if err := caller.spent(anyOf); err != nil {
		return nil, err
	}
	ctx := context.WithValue(r.Context(), callerKey{}, caller)
	if !key.Scopes.Has(auth.Admin) {
		return engine.ForTenant(ctx, tenant), nil
	}
	g.audit(key, anyOf)
	return ctx, nil
}

// admitVisitor admits anyone, and knows an address if those have a rate.
func (g *Guard) admitVisitor(r *http.Request, anyOf []strict.Requirement) (context.Context, error) {
	if g.cfg.AnonymousRate == (auth.Rate{}) || !wants(anyOf, auth.Submit) {
		return r.Context(), nil
	}
	caller := &Caller{limiter: g.limiterOfAddress(g.cfg.Address(r))}
	if err := caller.spent(anyOf); err != nil {
		return nil, err
	}
	return context.WithValue(r.Context(), callerKey{}, caller), nil
}

// audit logs that a key of all tenants is used to end jobs.
func (g *Guard) audit(key *auth.Key, anyOf []strict.Requirement) {
	if wants(anyOf, auth.Cancel) {
		g.cfg.Log.Info("an admin key cancels jobs or erases hashes", "audit", true, "name", key.Name, "key_id", key.ID)
	}
}

// bearer returns the token of the request; "" unless there is exactly one (RFC 6750, section 2.1). A second way of
// showing it, in the query or the body, is not heeded: it would leave the token in logs.
func bearer(h http.Header) string {
	lines := h["Authorization"]
	if len(lines) != 1 {
		return ""
	}
	scheme, token, _ := strings.Cut(lines[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return token
}

// missing returns nil if the scopes meet one of the requirements, or an error that names a scope to ask for.
func missing(has auth.Scopes, anyOf []strict.Requirement) error {
	lacks := ""
	for _, one := range anyOf {
		if lacks = firstMissing(has, one.Scopes); lacks == "" {
			return nil
		}
	}
	return &ScopeError{Scope: lacks}
}

func firstMissing(has auth.Scopes, scopes []string) string {
	for _, name := range scopes {
		if !has.Has(auth.Admin) && (auth.Scope(name) == 0 || !has.Has(auth.Scope(name))) {
			return name
		}
	}
	return ""
}

// wants reports whether the scope is what an operation needs.
func wants(anyOf []strict.Requirement, scope auth.Scopes) bool {
	for _, one := range anyOf {
		for _, name := range one.Scopes {
			if auth.Scope(name) == scope {
				return true
			}
		}
	}
	return false
}

// numberOf returns the tenant's number, which never changes while the store is the same. Another store may be there
// after a restart only.
func (g *Guard) numberOf(ctx context.Context, name string) (uint16, error) {
	if name == engine.DefaultTenant {
		return 0, nil
	}
	if known, ok := g.numbers.Load(name); ok {
		return known.(uint16), nil
	}
	number, err := g.cfg.Tenants.TenantNumber(ctx, name)
	if err == nil {
		g.numbers.Store(name, number)
	}
	return number, err //nolint:wrapcheck // Admit wraps it
}
