package file

import (
	"bytes"
	"crypto/sha512"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/hashd-project/hashd/v2/internal/engine"
	"github.com/hashd-project/hashd/v2/internal/seal"
)

// count returns how many keys the bucket has.
func count(t *testing.T, e *Engine, bucket []byte) (n int) {
	t.Helper()
	err := e.store.db.View(func(tx *bolt.Tx) error {
		n = tx.Bucket(bucket).Stats().KeyN
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Neither a secret nor its hash can be read from the disk.
func TestStoreIsSealed(t *testing.T) {
	t.Parallel()
	const done, pending = "a secret that is done", "a secret that is pending"
	e := newEngine(t, Config{Limits: limits(0)})
	wantHash(t, e, accept(t, e, done).ID, done)
	e = restart(t, e, slowly)
	accept(t, e, pending)
	closeEngine(t, e)
	b, err := os.ReadFile(filepath.Join(e.cfg.Dir, StoreName))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha512.Sum512([]byte(done))
	for what, text := range map[string][]byte{"a done secret": []byte(done), "a pending secret": []byte(pending), "a hash": sum[:16]} {
		if bytes.Contains(b, text) {
			t.Errorf("the store shows %s", what)
		}
	}
	if info, err := os.Stat(filepath.Join(e.cfg.Dir, StoreName)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, error %v", info.Mode(), err)
	}
}

func TestRings(t *testing.T) {
	t.Parallel()
	ring, err := seal.Generate()
	if err != nil {
		t.Fatal(err)
	}
	rotated, err := seal.Rotate(ring)
	if err != nil {
		t.Fatal(err)
	}
	with := func(ring []byte) *seal.Sealer {
		s, err := seal.New(ring)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	e := newEngine(t, Config{Limits: limits(0), Sealer: with(ring)})
	r := accept(t, e, "secret")
	wantHash(t, e, r.ID, "secret")
	e = restart(t, e, func(cfg *Config) { cfg.Sealer = with(rotated) })
	wantHash(t, e, r.ID, "secret")
	newer := accept(t, e, "newer")
	closeEngine(t, e)

	for what, s := range map[string]*seal.Sealer{"another ring": testSealer(t), "the ring of before": with(ring)} {
		cfg := e.cfg
		cfg.Sealer = s
		_, err := New(cfg)
		if _, ok := errors.AsType[*seal.UnknownKeyError](err); !ok || errors.Is(err, ErrDamaged) {
			t.Errorf("with %s: error %v", what, err)
		}
	}
	e = newEngine(t, e.cfg)
	wantHash(t, e, newer.ID, "newer")
	closeEngine(t, e)
}

func TestOneProcessAtATime(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Config{Limits: limits(0)})
	if _, err := New(e.cfg); err == nil || !strings.Contains(err.Error(), "in use by another process") {
		t.Errorf("a second engine: error %v", err)
	}
	closeEngine(t, e)
	closeEngine(t, newEngine(t, e.cfg))
}

// filled returns the folder of an engine that has ended with results and pending jobs, and what they
// are.
func filled(t *testing.T) (cfg Config, jobs map[int64]string) {
	t.Helper()
	jobs = make(map[int64]string)
	e := newEngine(t, Config{Limits: limits(0)})
	submit := func(what string) {
		for n := range 300 {
			secret := fmt.Sprint(what, " ", n)
			jobs[accept(t, e, secret).ID] = secret
		}
	}
	submit("done")
	if err := e.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	e = restart(t, e, slowly)
	submit("pending")
	closeEngine(t, e)
	return e.cfg, jobs
}

// A store that was changed by anything is found to be damaged, or still has all that it had.
func TestDamage(t *testing.T) {
	t.Parallel()
	cfg, jobs := filled(t)
	path := filepath.Join(cfg.Dir, StoreName)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	found := 0
	for range 150 {
		bad := bytes.Clone(good)
		at := random.IntN(len(bad) - 8)
		what := fmt.Sprintf("8 bytes from %d on", at)
		if random.IntN(4) == 0 {
			bad, what = bad[:at], fmt.Sprintf("cut to %d bytes", at)
		} else {
			for n := range 8 {
				bad[at+n] ^= byte(1 + random.IntN(255))
			}
		}
		if spoiled(t, path, bad, cfg, jobs, what) {
			found++
		}
	}
	if found < 50 {
		t.Errorf("only %d changes were found", found)
	}
}

// spoiled starts an engine on the bytes, and reports whether it refused them as damaged.
func spoiled(t *testing.T, path string, bad []byte, cfg Config, jobs map[int64]string, what string) bool {
	t.Helper()
	if err := os.WriteFile(path, bad, 0o600); err != nil {
		t.Fatal(err)
	}
	e, err := New(cfg)
	if err != nil {
		_, otherKey := errors.AsType[*seal.UnknownKeyError](err)
		if !errors.Is(err, ErrDamaged) && !otherKey && !strings.Contains(err.Error(), "format") {
			t.Errorf("%s: error %v", what, err)
		}
		return true
	}
	defer closeEngine(t, e)
	for id, secret := range jobs {
		rec, err := e.Get(t.Context(), id)
		want := sha512.Sum512([]byte(secret))
		if err != nil || (rec.State == engine.Done) != strings.HasPrefix(secret, "done") || rec.State == engine.Done && rec.Sum != want {
			t.Fatalf("%s: the store is taken for whole, and job %d is %+v, error %v", what, id, rec, err)
		}
	}
	return false
}

func TestOtherFiles(t *testing.T) {
	t.Parallel()
	for what, content := range map[string][]byte{
		"text": []byte("this is no store"), "zeros": make([]byte, 1<<16), "noise": bytes.Repeat([]byte{0xa5, 0x5a, 1}, 1<<14),
	} {
		cfg := Config{Limits: limits(0), Dir: t.TempDir(), Sealer: testSealer(t)}
		if err := os.WriteFile(filepath.Join(cfg.Dir, StoreName), content, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := New(cfg)
		if !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: error %v", what, err)
		}
		if after, err := os.ReadFile(filepath.Join(cfg.Dir, StoreName)); err != nil || !bytes.Equal(after, content) {
			t.Errorf("%s: the file was changed, or %v", what, err)
		}
	}
}

func TestLaterFormat(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Config{Limits: limits(0)})
	err := e.store.db.Update(func(tx *bolt.Tx) error { return tx.Bucket(bucketMeta).Put(metaFormat, numberBytes(format+1)) })
	if err != nil {
		t.Fatal(err)
	}
	closeEngine(t, e)
	if _, err := New(e.cfg); err == nil || errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "has format 3") {
		t.Errorf("error %v", err)
	}
}

// disk is one that can be told to fail.
type disk struct {
	mu         sync.Mutex
	err        error // what transactions end with, if not nil
	carriedOut bool  // whether they take place all the same
	before     func()
}

// spoil is for Config.
func (d *disk) spoil(good transact) transact {
	return func(f func(*bolt.Tx) error) error {
		d.mu.Lock()
		err, carriedOut, before := d.err, d.carriedOut, d.before
		d.mu.Unlock()
		if before != nil {
			before()
		}
		switch {
		case err == nil:
			return good(f)
		case carriedOut:
			return errors.Join(good(f), err)
		}
		return good(func(tx *bolt.Tx) error { return errors.Join(f(tx), err) })
	}
}

func (d *disk) fail(err error, carriedOut bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.err, d.carriedOut = err, carriedOut
}

// On a full disk jobs are refused, and taken again once there is room.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	d := new(disk)
	e := newEngine(t, Config{Limits: limits(time.Hour), spoil: d.spoil})
	before := accept(t, e, "before")
	d.fail(&os.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}, false)
	key := engine.IdempotencyKey{ID: [16]byte{1}, Fingerprint: [16]byte{1}}
	for range 3 {
		_, err := e.Accept(t.Context(), engine.Job{Secret: []byte("refused"), IdempotencyKey: key})
		if full, ok := errors.AsType[*engine.FullError](err); !ok || full.Limit != "disk" || full.RetryAfter < time.Second {
			t.Errorf("error %v", err)
		}
	}
	if err := e.Ready(t.Context()); err != nil {
		t.Errorf("a full engine is not ready: %v", err)
	}
	if got := e.Full(); got != "disk" {
		t.Errorf("with a full disk the engine is full for %q", got)
	}
	d.fail(nil, false)
	after, err := e.Accept(t.Context(), engine.Job{Secret: []byte("taken"), IdempotencyKey: key})
	if err != nil || after.ID != before.ID+1 {
		t.Errorf("after that id %d follows %d, error %v", after.ID, before.ID, err)
	}
	if got := e.Full(); got != "" {
		t.Errorf("with room on the disk the engine is full for %q", got)
	}
	if st := e.Stats(); st.Accepted != 2 || st.Rejected != 3 || st.Pending != 2 {
		t.Errorf("counters are %+v", st)
	}
	e = restart(t, e)
	if st := e.Stats(); st.Pending != 2 {
		t.Errorf("after a restart the counters are %+v", st)
	}
	closeEngine(t, e)
}

// After any other failure nobody knows what the disk holds. Nothing is written any more, and what
// was answered for is there after a restart.
func TestFailedDisk(t *testing.T) {
	t.Parallel()
	for _, carriedOut := range []bool{false, true} {
		for _, cause := range []error{syscall.EIO, &os.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}} {
			if !carriedOut && errors.Is(cause, syscall.ENOSPC) {
				continue // see TestFullDisk
			}
			testFailedDisk(t, cause, carriedOut)
		}
	}
}

func testFailedDisk(t *testing.T, cause error, carriedOut bool) {
	t.Helper()
	var told []error
	d := new(disk)
	e := newEngine(t, Config{Limits: limits(time.Hour), spoil: d.spoil, Failed: func(err error) { told = append(told, err) }})
	before := accept(t, e, "before")
	d.fail(cause, carriedOut)
	for range 2 {
		_, err := e.Accept(t.Context(), engine.Job{Secret: []byte("in doubt")})
		wantErr(t, "accept", err, engine.ErrDown)
	}
	wantErr(t, "cancel", e.Cancel(t.Context(), before.ID), engine.ErrDown)
	wantErr(t, "ready", e.Ready(t.Context()), engine.ErrDown)
	if rec, err := e.Get(t.Context(), before.ID); err != nil || rec.State != engine.Pending {
		t.Errorf("the job of before is %+v, error %v", rec, err)
	}
	d.fail(nil, false) // the engine is down all the same
	_, err := e.Accept(t.Context(), engine.Job{Secret: []byte("in doubt")})
	wantErr(t, "accept", err, engine.ErrDown)
	if len(told) != 1 || !errors.Is(told[0], cause) {
		t.Errorf("the operator is told %v", told)
	}
	e = restart(t, e)
	after := accept(t, e, "after")
	if after.ID <= before.ID {
		t.Errorf("after a restart id %d follows %d", after.ID, before.ID)
	}
	if _, err := e.Get(t.Context(), before.ID); err != nil {
		t.Errorf("the job of before: %v", err)
	}
	closeEngine(t, e)
}

// What waits while the disk is busy goes into one transaction.
func TestGroupCommit(t *testing.T) {
	t.Parallel()
	const jobs = 200
	var (
		transactions atomic.Int64
		busy         = make(chan struct{})
		answers      = make(chan error, jobs)
		d            = new(disk)
	)
	d.before = func() {
		transactions.Add(1)
		<-busy
	}
	e := newEngine(t, Config{Limits: limits(time.Hour), spoil: d.spoil})
	submit := func(n int) {
		for range n {
			go func() {
				_, err := e.Accept(t.Context(), engine.Job{Secret: []byte("secret")})
				answers <- err
			}()
		}
	}
	submit(1)
	until(t, "the disk is busy", func() bool { return transactions.Load() == 1 })
	submit(jobs - 1)
	until(t, "all others wait", func() bool { return e.queue.len() == jobs-1 })
	close(busy)
	for range jobs {
		wantErr(t, "accept", <-answers, nil)
	}
	closeEngine(t, e)
	if n := transactions.Load(); n != 2 {
		t.Errorf("%d transactions for %d jobs", n, jobs)
	}
}

// What the jobs took on disk is free again once they are done and their results are over, and
// is used again.
func TestSpaceComesBack(t *testing.T) {
	t.Parallel()
	cfg := Config{Limits: limits(0)}
	cfg.Retention = time.Second
	e := newEngine(t, cfg)
	path := filepath.Join(e.cfg.Dir, StoreName)
	var sizes []int64
	const rounds = 5 // in each the file has one batch, and then its results, at any speed
	for range rounds {
		b := engine.Batch{}
		for range engine.MaxBatch {
			b.Secrets = append(b.Secrets, []byte("a secret of some thirty letters"))
		}
		if _, err := e.AcceptBatch(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		until(t, "all are over", func() bool { return e.Stats().Kept == 0 && e.Stats().Pending == 0 })
		until(t, "groups are dropped", func() bool { return count(t, e, bucketJobs) == 0 })
		until(t, "blocks are dropped", func() bool { return count(t, e, bucketResults) == 0 })
		until(t, "pages are free", func() bool { return usedBytes(t, e) < 1<<18 })
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, info.Size())
	}
	if sizes[rounds-1] > 2*sizes[0] { // the library doubles a file
		t.Errorf("the file grows from round to round: %v", sizes)
	}
	closeEngine(t, e)
}

// usedBytes returns what the store's pages take that are not free.
func usedBytes(t *testing.T, e *Engine) (n int64) {
	t.Helper()
	err := e.store.db.View(func(tx *bolt.Tx) error {
		st := e.store.db.Stats()
		n = tx.Size() - int64((st.FreePageN+st.PendingPageN)*e.store.db.Info().PageSize)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// A block says which of its jobs were canceled for as long as the store has their secrets, however old
// it is.
func TestBlocksStayWhileTheySayWhatIsCanceled(t *testing.T) {
	t.Parallel()
	cfg := Config{Limits: limits(0)}
	cfg.Retention = time.Second
	e := newEngine(t, cfg)
	const jobs = blockJobs + 2
	for range jobs {
		accept(t, e, "secret")
	}
	until(t, "all are over", func() bool { return e.Stats().Kept == 0 && e.Stats().Pending == 0 })
	closeEngine(t, e)
	f, err := openFolder(e.cfg.Dir, e.cfg.Log)
	if err != nil {
		t.Fatal(err)
	}
	c := e.committer
	if c.store, err = openStore(f, e.cfg.Sealer, false, 0); err != nil {
		t.Fatal(err)
	}
	err = c.store.update(func(tx *bolt.Tx) error {
		results := tx.Bucket(bucketResults)
		for _, tc := range []struct {
			firstPending int64
			left         int
		}{{1, 2}, {blockJobs, 2}, {blockJobs + 1, 1}, {jobs, 1}, {jobs + 1, 0}} {
			for n := range int64(2) {
				if err := results.Put(numberBytes(n), []byte("block")); err != nil {
					return err
				}
			}
			if err := c.dropOld(tx, tc.firstPending, jobs+1); err != nil {
				return err
			}
			left := 0
			_ = results.ForEach(func(_, _ []byte) error { left++; return nil })
			if left != tc.left {
				t.Errorf("first pending %d: %d blocks are left, want %d", tc.firstPending, left, tc.left)
			}
		}
		return nil
	})
	if err := errors.Join(err, c.store.close(), f.close()); err != nil {
		t.Fatal(err)
	}
}
