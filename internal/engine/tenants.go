package engine

import (
	"context"
	"math"
	"unicode/utf8"
)

// Tenants is the side of an Engine that keeps the jobs of several tenants apart. Every method of an Engine
// whose ctx is one of ForTenant shows and ends that tenant's jobs alone: any other id is to it as one never
// given, in what it answers and in what it costs. All methods may be called by any number of goroutines.
//
// Completed then passes the jobs of others, and stops at the tenant's own oldest pending job at the furthest. The id
// to go on after is that of the last record it returns, or after if there is none: it tells nothing of others. And
// AwaitCompleted returns once Completed would return a record.
//
// A job that is gone may be forgotten. Then it is to all tenants as one never given, its own among them.
type Tenants interface {
	// TenantNumber returns the number by which the store knows the tenant of that name, and gives one to
	// a name that has none. A name keeps its number for as long as the store lives, in all processes that
	// share it, and no other name ever gets it. DefaultTenant is 0. It returns ErrTenants if all
	// numbers are given, ErrInvalid for a name that is not valid, ErrClosed, ErrDown, or a *FullError if
	// the store has no room for another.
	TenantNumber(ctx context.Context, name string) (uint16, error)

	// StatsOf returns the counters of one tenant's jobs, as Stats does those of all. What the engine
	// does not tell apart by tenant is of all, and is nothing that counts their jobs.
	StatsOf(tenant uint16) Stats

	// Room returns what a tenant has of the room that all share. It is cheap enough to ask for each submission.
	Room(tenant uint16) Room
}

// Room is how much of what all tenants share is one tenant's, and how much is left to all of them, in jobs.
type Room struct {
	Pending, FreePending int64 // of max-pending
	Held, FreeHeld       int64 // of max-results: pending jobs and kept results
}

// DefaultTenant is the name of the tenant with the number 0, whose jobs are also those of a server without tenants.
const DefaultTenant = "default"

// MaxTenants is how many tenants a store tells apart.
const MaxTenants = math.MaxUint16 + 1

// maxTenantName is the longest name of a tenant, in bytes.
const maxTenantName = 63

// ValidTenant reports whether an engine takes the name: it has 1 to 63 bytes, of UTF-8. Who gives names may ask for more.
func ValidTenant(name string) bool {
	return name != "" && len(name) <= maxTenantName && utf8.ValidString(name)
}

// tenantKey is the key of what ForTenant puts into a context.
type tenantKey struct{}

// ForTenant returns a context in which an engine shows that tenant's jobs alone.
func ForTenant(ctx context.Context, tenant uint16) context.Context {
	return context.WithValue(ctx, tenantKey{}, tenant)
}

// TenantOf returns the tenant of a context of ForTenant; false if the context is of no one tenant, and shows all.
func TenantOf(ctx context.Context) (tenant uint16, one bool) {
	tenant, one = ctx.Value(tenantKey{}).(uint16)
	return tenant, one
}
