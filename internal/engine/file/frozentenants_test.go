package file

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashd-project/hashd/v2/internal/engine"
	"github.com/hashd-project/hashd/v2/internal/seal"
)

// The frozen store with tenants was closed at this time. Nothing here is ever adapted to a change of the code.
var frozenTenantsAt = time.Date(2026, 11, 26, 13, 29, 0, 100_000_000, time.UTC)

// frozenBatches are its batches: their first id, tenant, number of jobs, and state.
var frozenBatches = []struct {
	first  int64
	tenant uint16
	jobs   int64
	state  engine.State
}{
	{5000, 0, 2, engine.Done},
	{5002, 1, 3, engine.Done},
	{5005, 2, 2, engine.Done},
	{5007, 1, 150, engine.Done},
	{5157, 2, 2, engine.Pending},
	{5159, 0, 1, engine.Pending},
	{5160, 3, 2, engine.Pending},
}

// frozenTenantsGone are the jobs of them that were erased or, the last, canceled.
var frozenTenantsGone = []int64{5001, 5003, 5100, 5160}

func frozenTenantsConfig(t *testing.T) Config {
	t.Helper()
	cfg := frozenConfig(t)
	cfg.Dir = t.TempDir()
	for _, name := range []string{StoreName, RingName} {
		b, err := os.ReadFile(filepath.Join("testdata/frozen/2-tenants", name))
		must(t, err)
		must(t, os.WriteFile(filepath.Join(cfg.Dir, name), b, 0o600))
	}
	var err error
	cfg.Sealer, err = seal.ReadFile(filepath.Join(cfg.Dir, RingName))
	must(t, err)
	return cfg
}

// The tenants of a store keep their numbers in this version, and their jobs.
func TestFrozenTenants(t *testing.T) {
	t.Parallel()
	cfg := frozenTenantsConfig(t)
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(frozenTenantsAt))
		e := newEngine(t, cfg)
		defer closeEngine(t, e)
		for name, want := range map[string]uint16{"default": 0, "alpha": 1, "beta": 2, "a.b-c_d": 3} {
			if n, known := e.committer.names.number(name); n != want || !known {
				t.Errorf("tenant %s is %d, known %v; want %d", name, n, known, want)
			}
		}
		for _, b := range frozenBatches {
			for n := range b.jobs {
				j := frozenJob{id: b.first + n, secret: fmt.Sprintf("tenant %d job %d", b.tenant, n), algorithm: "sha512", tenant: b.tenant}
				j.checkTenants(t, e, b.state)
			}
		}
		for tenant, want := range []engine.Stats{{Pending: 1, Kept: 1}, {Kept: 151}, {Pending: 2, Kept: 2}, {Pending: 1}} {
			if st := e.StatsOf(uint16(tenant)); st != want {
				t.Errorf("counters of tenant %d are %+v, want %+v", tenant, st, want)
			}
		}
	})
}

// checkTenants asks for the job as each of the tenants.
func (j frozenJob) checkTenants(t *testing.T, e *Engine, state engine.State) {
	t.Helper()
	for tenant := range uint16(5) {
		rec, err := e.Get(engine.ForTenant(t.Context(), tenant), j.id)
		what := fmt.Sprintf("job %d of tenant %d for tenant %d", j.id, j.tenant, tenant)
		switch {
		case tenant != j.tenant:
			wantErr(t, what, err, engine.ErrUnknown)
		case slices.Contains(frozenTenantsGone, j.id):
			wantErr(t, what, err, engine.ErrGone)
		case err != nil:
			t.Errorf("%s: %v", what, err)
		default:
			j.due = rec.Due // as the settings were on that day
			j.check(t, e, state)
		}
	}
}
