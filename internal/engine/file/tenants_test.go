package file

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"syscall"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/hashd-project/hashd/v2/internal/engine"
	"github.com/hashd-project/hashd/v2/internal/engine/memory"
)

// acceptFor submits jobs for tenants 0, 1 and 2 in turn, and returns whose each is.
func acceptFor(t *testing.T, e *Engine, jobs int) map[int64]uint16 {
	t.Helper()
	all := make(map[int64]uint16)
	for n := range jobs {
		tenant := uint16(n % 3)
		r, err := e.Accept(t.Context(), engine.Job{Secret: fmt.Append(nil, "secret ", n), Tenant: tenant})
		must(t, err)
		all[r.ID] = tenant
	}
	return all
}

// wantGone fails the test unless each owner is told that its job is gone, and nobody else is told of it.
func wantGone(t *testing.T, e *Engine, jobs map[int64]uint16) {
	t.Helper()
	for id, owner := range jobs {
		for tenant := range uint16(4) {
			want, ended := engine.ErrUnknown, engine.Ended{Unknown: 1}
			if tenant == owner {
				want, ended = engine.ErrGone, engine.Ended{Gone: 1}
			}
			ctx := engine.ForTenant(t.Context(), tenant)
			_, err := e.Get(ctx, id)
			wantErr(t, fmt.Sprintf("job %d of tenant %d for tenant %d", id, owner, tenant), err, want)
			wantErr(t, "cancel", e.Cancel(ctx, id), want)
			if got, err := e.CancelRange(ctx, id, 1); got != ended || err != nil {
				t.Errorf("job %d of tenant %d for tenant %d: %+v, error %v", id, owner, tenant, got, err)
			}
		}
		_, err := e.Get(t.Context(), id)
		wantErr(t, "for all", err, engine.ErrGone)
	}
}

// A job that is gone has an owner also after a restart, a crash, and in another life of the store, whatever is left
// of it in the store.
func TestGoneJobsHaveOwners(t *testing.T) {
	t.Parallel()
	for name, again := range map[string]func(*testing.T, *Engine, ...func(*Config)) *Engine{"restart": restart, "crash": crash} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEngine(t, Config{Limits: limits(0)})
			jobs := acceptFor(t, e, 300)
			must(t, e.Drain(t.Context()))
			for id := range jobs {
				must(t, e.Cancel(t.Context(), id))
			}
			e = again(t, e, slowly)
			wantGone(t, e, jobs)
			canceled := acceptFor(t, e, 50)
			for id, tenant := range canceled {
				must(t, e.Cancel(engine.ForTenant(t.Context(), tenant), id))
				jobs[id] = tenant
			}
			e = again(t, e)
			wantGone(t, e, jobs)
			dir := t.TempDir()
			closeEngine(t, e)
			copyFiles(t, e.cfg.Dir, dir, StoreName)
			e = newEngine(t, edited(e.cfg, []func(*Config){func(c *Config) { c.Dir = dir }}))
			wantGone(t, e, jobs)
			if another := acceptFor(t, e, 1); len(e.store.lives) != 2 {
				t.Errorf("lives %v, job %v", e.store.lives, another)
			}
			closeEngine(t, e)
		})
	}
}

// A store remembers whose the latest jobs were, and drops what is too old.
func TestOwnersAreBounded(t *testing.T) {
	t.Parallel()
	e, err := open(edited(Config{Limits: limits(0), Dir: t.TempDir(), Sealer: testSealer(t), NoSync: true}, nil))
	must(t, err)
	c := e.committer
	next := int64(1)
	put := func(jobs int) {
		c.jobs = c.jobs[:0]
		for range jobs {
			c.jobs = append(c.jobs, memory.Prepared{Receipt: engine.Receipt{ID: next}, Jobs: 2, Tenant: uint16(next % 4)})
			next += 2
		}
		must(t, c.store.db.Update(func(tx *bolt.Tx) error {
			owners, err := c.putOwners(tx)
			c.owners = owners
			return err
		}))
	}
	for range 9 {
		put(10_000)
		put(1)
	}
	var runs []memory.Run
	must(t, c.store.db.View(func(tx *bolt.Tx) (err error) {
		runs, err = c.restoreOwners(tx)
		return err
	}))
	if len(runs) != mostRuns+1 || c.owners.runs != mostRuns {
		t.Fatalf("%d runs, counted as %d", len(runs), c.owners.runs)
	}
	for n, r := range runs {
		want := next - int64(2*(len(runs)-n))
		if r != (memory.Run{First: want, End: want + 2, Tenant: uint16(want % 4)}) {
			t.Fatalf("run %d is %+v, want one from %d on", n, r, want)
		}
	}
	must(t, e.jobs.Close(), c.store.close(), c.store.folder.close())
}

// A store of one tenant keeps one run, however often it writes it.
func TestOneTenantIsOneRun(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Config{Limits: limits(0)})
	for range 20 {
		accept(t, e, "secret")
	}
	e = restart(t, e)
	accept(t, e, "secret")
	if got := e.committer.owners; got != (ownership{last: memory.Run{First: 1, End: 22}}) {
		t.Errorf("owners are %+v", got)
	}
	closeEngine(t, e)
}

// What a version without owners has accepted is nobody's.
func TestUnknownOwners(t *testing.T) {
	t.Parallel()
	o := ownership{last: memory.Run{First: 1, End: 5, Tenant: 3}}
	next, complete := o.after([]memory.Prepared{{Receipt: engine.Receipt{ID: 9}, Jobs: 2, Tenant: 3}})
	if len(complete) != 1 || complete[0] != o.last || next.last != (memory.Run{First: 9, End: 11, Tenant: 3}) || next.runs != 1 {
		t.Errorf("%+v, complete %+v", next, complete)
	}
}

// A number that the disk has no room for is not given, and the next try gets it.
func TestTenantNumberOnAFullDisk(t *testing.T) {
	t.Parallel()
	d := new(disk)
	e := newEngine(t, Config{Limits: limits(0), spoil: d.spoil})
	defer closeEngine(t, e)
	d.fail(syscall.ENOSPC, false)
	_, err := e.TenantNumber(t.Context(), "a")
	if full, ok := errors.AsType[*engine.FullError](err); !ok || full.Limit != diskLimit {
		t.Errorf("error %v", err)
	}
	d.fail(nil, false)
	for name, want := range map[string]uint16{"b": 1, "default": 0} {
		if n, err := e.TenantNumber(t.Context(), name); n != want || err != nil {
			t.Errorf("tenant %s is %d, error %v", name, n, err)
		}
	}
}

// A number whose storing failed may be in the store or not. It never becomes another tenant's.
func TestTenantNumberOnAFailedDisk(t *testing.T) {
	t.Parallel()
	for _, carriedOut := range []bool{false, true} {
		d := new(disk)
		e := newEngine(t, Config{Limits: limits(0), spoil: d.spoil})
		first, err := e.TenantNumber(t.Context(), "first")
		must(t, err)
		d.fail(syscall.EIO, carriedOut)
		_, err = e.TenantNumber(t.Context(), "a")
		wantErr(t, "a number on a failed disk", err, engine.ErrDown)
		if n, err := e.TenantNumber(t.Context(), "first"); n != first || err != nil {
			t.Errorf("a tenant that is known is %d, error %v", n, err)
		}
		_ = e.Close()
		e = newEngine(t, edited(e.cfg, []func(*Config){func(c *Config) { c.spoil = nil }}))
		numbers := make(map[uint16]bool)
		for _, name := range []string{"first", "b", "a"} {
			n, err := e.TenantNumber(t.Context(), name)
			must(t, err)
			numbers[n] = true
		}
		if len(numbers) != 3 || !numbers[first] {
			t.Errorf("numbers are %v", numbers)
		}
		closeEngine(t, e)
	}
}

// No number can be made another tenant's by a change to the store.
func TestTenantNamesAreBound(t *testing.T) {
	t.Parallel()
	for what, change := range map[string]func(*bolt.Bucket) error{
		"exchanged": func(b *bolt.Bucket) error {
			one, two := append([]byte(nil), b.Get([]byte{0, 1})...), append([]byte(nil), b.Get([]byte{0, 2})...)
			return errors.Join(b.Put([]byte{0, 1}, two), b.Put([]byte{0, 2}, one))
		},
		"missing": func(b *bolt.Bucket) error { return b.Delete([]byte{0, 1}) },
		"changed": func(b *bolt.Bucket) error { return b.Put([]byte{0, 2}, []byte("b")) },
	} {
		e := newEngine(t, Config{Limits: limits(0)})
		for _, name := range []string{"a", "b"} {
			_, err := e.TenantNumber(t.Context(), name)
			must(t, err)
		}
		closeEngine(t, e)
		db, err := bolt.Open(e.store.path, 0o600, options(false, nil))
		must(t, err)
		must(t, db.Update(func(tx *bolt.Tx) error { return change(tx.Bucket(bucketTenants)) }), db.Close())
		if _, err = New(e.cfg); !errors.Is(err, ErrDamaged) {
			t.Errorf("names are %s, and the store opens with error %v", what, err)
		}
	}
}

// All numbers can be given, and then no more.
func TestAllTenantNumbers(t *testing.T) {
	t.Parallel()
	n := newNames()
	for number := 1; number < engine.MaxTenants; number++ {
		n.add([]string{fmt.Sprint(number)})
	}
	c := &committer{names: n}
	_, err := c.nameTenant("one more")
	wantErr(t, "one more", err, engine.ErrTenants)
	if last, err := c.nameTenant("65535"); last != 65535 || err != nil {
		t.Errorf("the last is %d, error %v", last, err)
	}
}

// A tenant's numbers and jobs are the same in a store that was restored from an older copy.
func TestTenantsInARestoredStore(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Config{Limits: limits(0)})
	one, err := e.TenantNumber(t.Context(), "one")
	must(t, err)
	jobs := acceptFor(t, e, 30)
	must(t, e.Drain(t.Context()))
	closeEngine(t, e)
	dir := t.TempDir()
	copyFiles(t, e.cfg.Dir, dir, StoreName)
	e = restart(t, e)
	acceptFor(t, e, 5)
	closeEngine(t, e)
	copyFiles(t, dir, e.cfg.Dir, StoreName)
	e = newEngine(t, e.cfg)
	defer closeEngine(t, e)
	if n, err := e.TenantNumber(t.Context(), "one"); n != one || err != nil {
		t.Errorf("tenant one is %d, error %v", n, err)
	}
	maps.Copy(jobs, acceptFor(t, e, 5))
	must(t, e.Drain(t.Context()))
	for id, owner := range jobs {
		for tenant := range uint16(3) {
			rec, err := e.Get(engine.ForTenant(context.Background(), tenant), id)
			if tenant == owner && (err != nil || rec.State != engine.Done) || tenant != owner && !errors.Is(err, engine.ErrUnknown) {
				t.Errorf("job %d of tenant %d for tenant %d: %+v, error %v", id, owner, tenant, rec, err)
			}
		}
	}
	for tenant := range uint16(3) {
		to := make([]engine.Record, 100)
		n, next, err := e.Completed(engine.ForTenant(t.Context(), tenant), 0, to)
		if err != nil || n < 11 || next != to[n-1].ID {
			t.Fatalf("tenant %d gets %d, next %d, error %v", tenant, n, next, err)
		}
		for _, rec := range to[:n] {
			if owner, ok := jobs[rec.ID]; !ok || owner != tenant {
				t.Errorf("tenant %d gets job %d of tenant %d", tenant, rec.ID, owner)
			}
		}
	}
}

// In a store that keeps no owners, as one of an earlier version, a canceled job has the owner that its group says.
func TestCanceledJobsOfAStoreWithoutOwners(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Config{Limits: limits(time.Hour)})
	accept(t, e, "pending") // so that the groups stay
	jobs := acceptFor(t, e, 30)
	for id := range jobs {
		must(t, e.Cancel(t.Context(), id))
	}
	closeEngine(t, e)
	db, err := bolt.Open(e.store.path, 0o600, options(false, nil))
	must(t, err)
	must(t, db.Update(func(tx *bolt.Tx) error {
		return errors.Join(tx.DeleteBucket(bucketOwners), tx.Bucket(bucketMeta).Delete(metaLastRun))
	}), db.Close())
	e = newEngine(t, e.cfg)
	wantGone(t, e, jobs)
	closeEngine(t, e)
}
