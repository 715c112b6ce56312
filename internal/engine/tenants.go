package engine

import "context"

// Tenants is the side of an Engine that keeps the jobs of several tenants apart. Every method of an Engine
// whose ctx is one of ForTenant shows and ends that tenant's jobs alone: any other id is to it as one never
// given, in what it answers and in what it costs. All methods may be called by any number of goroutines.
type Tenants interface {
	// TenantNumber returns the number by which the store knows the tenant of that name, and gives one to
	// a name that has none. A name keeps its number for as long as the store lives, in all processes that
	// share it, and no other name ever gets it. DefaultTenant is 0. It returns ErrTenants if all
	// numbers are given, ErrClosed or ErrDown.
	TenantNumber(ctx context.Context, name string) (uint16, error)

	// StatsOf returns the counters of one tenant's jobs, as Stats does those of all. What the engine
	// does not tell apart by tenant is of all, and is nothing that counts their jobs.
	StatsOf(tenant uint16) Stats
}

// DefaultTenant is the name of the tenant with the number 0, whose jobs are also those of a server without tenants.
const DefaultTenant = "default"

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
