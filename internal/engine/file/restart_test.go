package file

import (
	"bytes"
	"context"
	"crypto/sha512"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/hashd-project/hashd/v2/internal/digest"
	"github.com/hashd-project/hashd/v2/internal/engine"
)

// patience bounds a wait, which ends with the event it is for.
const patience = time.Minute

func accept(t *testing.T, e *Engine, secret string) engine.Receipt {
	t.Helper()
	r, err := e.Accept(t.Context(), engine.Job{Secret: []byte(secret)})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func closeEngine(t *testing.T, e *Engine) {
	t.Helper()
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
}

// wantHash waits for the job and checks its digest.
func wantHash(t *testing.T, e *Engine, id int64, secret string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	rec, err := e.Wait(ctx, id)
	if want := sha512.Sum512([]byte(secret)); err != nil || rec.State != engine.Done || rec.Sum != want {
		t.Errorf("job %d: %+v, error %v; want the hash of %.20q", id, rec, err, secret)
	}
}

func wantErr(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: error %v, want %v", what, err, want)
	}
}

// until waits for what no event tells of.
func until(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

// restart is what an orderly stop and a start make of the engine. edits change its settings.
func restart(t *testing.T, e *Engine, edits ...func(*Config)) *Engine {
	t.Helper()
	closeEngine(t, e)
	return newEngine(t, edited(e.cfg, edits))
}

func edited(cfg Config, edits []func(*Config)) Config {
	for _, edit := range edits {
		edit(&cfg)
	}
	return cfg
}

// slowly is an edit with which no job comes due in a test.
func slowly(cfg *Config) { cfg.Delay = time.Hour }

// crash is what a kill -9 and a start make of the engine: a new one on the file as it is at this
// moment, while the old one lives on without being asked to write anything.
func crash(t *testing.T, e *Engine, edits ...func(*Config)) *Engine {
	t.Helper()
	cfg := edited(e.cfg, edits)
	cfg.Dir = t.TempDir()
	m, err := readHighWater(e.store.folder.lock) // first, for a store is never behind its mark
	if err != nil {
		t.Fatal(err)
	}
	var b []byte
	err = e.store.db.View(func(*bolt.Tx) (err error) { // reading takes a while, in which no page may be used again
		b, err = os.ReadFile(filepath.Join(e.cfg.Dir, StoreName))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(cfg.Dir, StoreName), b, 0o600); err != nil {
		t.Fatal(err)
	}
	putHighWater(t, cfg.Dir, m)
	t.Cleanup(func() { _ = e.Close() })
	return newEngine(t, cfg)
}

// putHighWater makes a folder with a copy of a store the one that the store was always in.
func putHighWater(t *testing.T, dir string, m highWater) {
	t.Helper()
	f, err := openFolder(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.write(m), f.close()); err != nil {
		t.Fatal(err)
	}
}

// Whatever a job was when the engine ended, it is in the next one.
func TestJobsOutliveTheEngine(t *testing.T) {
	t.Parallel()
	for name, again := range map[string]func(*testing.T, *Engine, ...func(*Config)) *Engine{"stop": restart, "crash": crash} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testOutlive(t, again)
		})
	}
}

func testOutlive(t *testing.T, again func(*testing.T, *Engine, ...func(*Config)) *Engine) {
	long := strings.Repeat("long ", 500)
	e := newEngine(t, Config{Limits: limits(0)})
	done, erased := accept(t, e, "done"), accept(t, e, long)
	wantHash(t, e, done.ID, "done")
	wantHash(t, e, erased.ID, long)
	wantErr(t, "erase", e.Cancel(t.Context(), erased.ID), nil)

	e = again(t, e, slowly)
	pending, canceled, last := accept(t, e, "pending"), accept(t, e, "canceled"), accept(t, e, long)
	wantErr(t, "cancel", e.Cancel(t.Context(), canceled.ID), nil)

	e = again(t, e)
	wantHash(t, e, done.ID, "done")
	for _, id := range []int64{erased.ID, canceled.ID} {
		_, err := e.Get(t.Context(), id)
		wantErr(t, fmt.Sprint("get of the gone job ", id), err, engine.ErrGone)
	}
	for _, r := range []engine.Receipt{pending, last} {
		rec, err := e.Get(t.Context(), r.ID)
		if err != nil || rec.State != engine.Pending || rec.Due.Before(r.Due) || rec.Due.Sub(r.Due) > time.Second {
			t.Errorf("job %d was due %v and is %+v, error %v", r.ID, r.Due, rec, err)
		}
	}
	if next := accept(t, e, "next"); next.ID != last.ID+1 {
		t.Errorf("id %d follows %d", next.ID, last.ID)
	}
	_, err := e.Get(t.Context(), last.ID+2)
	wantErr(t, "get of a job that never was", err, engine.ErrUnknown)
	st := e.Stats()
	st.Lateness, st.Recent, st.Completed = engine.Lateness{}, engine.RecentStats{}, 0 // what was done just before a crash is done again
	if want := (engine.Stats{Accepted: 1, Pending: 3, Kept: 1}); st != want {
		t.Errorf("counters are %+v, want %+v", st, want)
	}
	closeEngine(t, e)
}

// Jobs that come due while nobody runs are hashed at once by the next engine.
func TestOverdueJobs(t *testing.T) {
	t.Parallel()
	const jobs = 1000
	e := newEngine(t, Config{Limits: limits(50 * time.Millisecond)})
	b := engine.Batch{Algorithm: digest.SHA512}
	for n := range jobs {
		b.Secrets = append(b.Secrets, fmt.Append(nil, "secret ", n))
	}
	r, err := e.AcceptBatch(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	closeEngine(t, e)
	until(t, "the jobs are due", func() bool { return time.Now().After(r.Due) })
	e = newEngine(t, e.cfg)
	if err := e.Drain(t.Context()); err != nil {
		t.Error(err)
	}
	for n := range jobs {
		wantHash(t, e, r.ID+int64(n), fmt.Sprint("secret ", n))
	}
	closeEngine(t, e)
}

// Engines that die again and again under load lose no job that they answered for, and no two jobs
// have one id.
func TestCrashes(t *testing.T) {
	t.Parallel()
	cfg := Config{Limits: limits(20 * time.Millisecond), Sealer: testSealer(t)}
	e := newEngine(t, cfg)
	jobs := make(map[int64]string)
	for round := range 8 {
		jobs = submitUntil(t, e, jobs, fmt.Sprint("round ", round), func() {
			e = crash(t, e)
		})
		for id, secret := range jobs {
			wantHash(t, e, id, secret)
		}
	}
	closeEngine(t, e)
}

// submitUntil submits from several goroutines, calls f among them, and returns which jobs had been
// answered for when it did, and those of before.
func submitUntil(t *testing.T, e *Engine, jobs map[int64]string, name string, f func()) map[int64]string {
	t.Helper()
	var (
		mu     sync.Mutex
		g      sync.WaitGroup
		over   = make(chan struct{})
		enough = make(chan struct{}, 1000)
	)
	for n := range 8 {
		g.Go(func() {
			for m := 0; ; m++ {
				select {
				case <-over:
					return
				default:
				}
				secret := fmt.Sprint(name, " submitter ", n, " job ", m, strings.Repeat(" long", m%3*50))
				mu.Lock()   // what is answered before the crash is in the map before it
				mu.Unlock() //nolint:staticcheck // waits for a crash under way to end
				r, err := e.Accept(context.Background(), engine.Job{Secret: []byte(secret)})
				if err != nil {
					return
				}
				mu.Lock()
				select {
				case <-over: // too late for the copy, perhaps
				default:
					jobs[r.ID] = secret
				}
				mu.Unlock()
				select {
				case enough <- struct{}{}:
				default:
				}
			}
		})
	}
	for range 100 {
		<-enough
	}
	mu.Lock()
	close(over)
	f()
	mu.Unlock()
	g.Wait()
	return jobs
}

// A retry is known for one also after a restart.
func TestKeysOutliveTheEngine(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Config{Limits: limits(time.Hour)})
	job := engine.Job{Secret: []byte("secret"), IdempotencyKey: engine.IdempotencyKey{ID: [16]byte{1}, Fingerprint: [16]byte{1}}}
	first, err := e.Accept(t.Context(), job)
	if err != nil {
		t.Fatal(err)
	}
	key := e.FingerprintKey()
	e = restart(t, e)
	if !bytes.Equal(e.FingerprintKey(), key) || len(key) != 32 {
		t.Error("fingerprints of before a restart cannot be compared with those of after")
	}
	again, err := e.Accept(t.Context(), job)
	if err != nil || again.ID != first.ID || again.Due.Sub(first.Due).Abs() > time.Second {
		t.Errorf("the retry of %+v got %+v, error %v", first, again, err)
	}
	job.IdempotencyKey.Fingerprint[0]++
	_, err = e.Accept(t.Context(), job)
	wantErr(t, "the key for another request", err, engine.ErrIdempotencyKeyReused)
	closeEngine(t, e)
}

func TestKeysAreForgotten(t *testing.T) {
	t.Parallel()
	cfg := Config{Limits: limits(time.Hour)}
	cfg.IdempotencyWindow = time.Millisecond
	e := newEngine(t, cfg)
	job := engine.Job{Secret: []byte("secret"), IdempotencyKey: engine.IdempotencyKey{ID: [16]byte{1}, Fingerprint: [16]byte{1}}}
	first, err := e.Accept(t.Context(), job)
	if err != nil {
		t.Fatal(err)
	}
	until(t, "the window is over", func() bool { return time.Since(first.Due.Add(-time.Hour)) > 2*cfg.IdempotencyWindow })
	e = restart(t, e)
	if again, err := e.Accept(t.Context(), job); err != nil || again.ID != first.ID+1 {
		t.Errorf("after the window the key gets %+v, error %v", again, err)
	}
	if n := count(t, e, bucketKeys); n > 1 { // the second one may be over by now, too
		t.Errorf("%d keys are stored", n)
	}
	closeEngine(t, e)
}

// Results end with their retention, also when that passes over a restart, and so does what they take
// in the store.
func TestRetentionAcrossARestart(t *testing.T) {
	t.Parallel()
	cfg := Config{Limits: limits(0)}
	cfg.Retention = time.Second
	e := newEngine(t, cfg)
	submitted := time.Now()
	r := accept(t, e, "secret")
	wantKept := func() {
		t.Helper()
		_, err := e.Wait(t.Context(), r.ID)
		if late := time.Since(submitted) >= cfg.Retention; err != nil && !late {
			t.Errorf("within its retention the job is gone: %v", err)
		}
	}
	wantKept()
	e = restart(t, e)
	wantKept()
	until(t, "the result expires", func() bool {
		_, err := e.Get(t.Context(), r.ID)
		return errors.Is(err, engine.ErrGone)
	})
	accept(t, e, "another") // a later one lets the oldest claim time end
	closeEngine(t, e)
	e = newEngine(t, e.cfg)
	if _, err := e.Get(t.Context(), r.ID); !errors.Is(err, engine.ErrGone) {
		t.Errorf("after another restart the expired job is %v", err)
	}
	closeEngine(t, e)
}

// A delay can be made longer, not shorter while jobs are pending that would then be in the way.
func TestChangedDelay(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Config{Limits: limits(time.Hour)})
	r := accept(t, e, "secret")
	closeEngine(t, e)
	cfg := e.cfg
	cfg.Delay = time.Minute
	if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), "longer delay") {
		t.Errorf("with a shorter delay: error %v", err)
	}
	cfg.Delay = 2 * time.Hour
	e = newEngine(t, cfg)
	if rec, err := e.Get(t.Context(), r.ID); err != nil || rec.Due.Sub(r.Due).Abs() > time.Second {
		t.Errorf("with a longer delay the job due %v is %+v, error %v", r.Due, rec, err)
	}
	closeEngine(t, e)
}

// Jobs beyond limits that were lowered are kept; only new ones are refused.
func TestLoweredLimits(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Config{Limits: limits(time.Hour)})
	long := strings.Repeat("x", engine.MaxSecret)
	for range 300 {
		accept(t, e, long)
	}
	cfg := e.cfg
	cfg.MaxPending, cfg.MaxResults, cfg.MaxSecretBytes = 10, 10, 1<<20
	closeEngine(t, e)
	e = newEngine(t, cfg)
	if st := e.Stats(); st.Pending != 300 {
		t.Errorf("counters are %+v", st)
	}
	_, err := e.Accept(t.Context(), engine.Job{Secret: []byte("one more")})
	if full, ok := errors.AsType[*engine.FullError](err); !ok || full.Limit != "max-pending" {
		t.Errorf("one more: %v", err)
	}
	closeEngine(t, e)
}
