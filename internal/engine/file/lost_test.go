package file

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashd-project/hashd/v2/internal/engine"
	"github.com/hashd-project/hashd/v2/internal/engine/enginetest"
)

// must fails the test at the first error.
func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// copyFiles copies the files of a folder that are there.
func copyFiles(t *testing.T, from, to string, names ...string) {
	t.Helper()
	for _, name := range names {
		b, err := os.ReadFile(filepath.Join(from, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		must(t, err, os.WriteFile(filepath.Join(to, name), b, 0o600))
	}
}

// A store that is not there any more, or empty, is not replaced by a new one in silence: neither
// beside its lock file nor beside the ring that was made with it.
func TestLostStoreIsNotMadeAnew(t *testing.T) {
	t.Parallel()
	remove := func(names ...string) func(string) error {
		return func(dir string) error {
			var errs []error
			for _, name := range names {
				errs = append(errs, os.Remove(filepath.Join(dir, name)))
			}
			return errors.Join(errs...)
		}
	}
	empty := func(dir string) error { return os.Truncate(filepath.Join(dir, StoreName), 0) }
	for what, tc := range map[string]struct {
		given bool // whether the ring lies elsewhere
		lose  func(dir string) error
	}{
		"removed":                               {false, remove(StoreName)},
		"removed with its lock file":            {false, remove(StoreName, LockName)},
		"removed with its ring":                 {false, remove(StoreName, RingName)},
		"removed, the ring elsewhere":           {true, remove(StoreName)},
		"emptied":                               {false, empty},
		"emptied, the lock file removed":        {false, func(dir string) error { return errors.Join(empty(dir), remove(LockName)(dir)) }},
		"emptied, the ring elsewhere":           {true, empty},
		"emptied, the lock file and ring apart": {true, func(dir string) error { return errors.Join(empty(dir), remove(LockName)(dir)) }},
	} {
		cfg := Config{Limits: limits(time.Hour), Dir: t.TempDir()}
		if tc.given {
			cfg.Sealer = testSealer(t)
		}
		e, err := New(cfg)
		must(t, err)
		r := accept(t, e, "secret")
		closeEngine(t, e)
		kept := t.TempDir()
		copyFiles(t, cfg.Dir, kept, StoreName, LockName, RingName)
		must(t, tc.lose(cfg.Dir))
		for range 2 { // the first refusal must not make the second start succeed
			if _, err := New(cfg); !errors.Is(err, ErrLost) || !strings.Contains(err.Error(), "restore the folder from a backup, or start with an empty one") {
				t.Errorf("%s: error %v", what, err)
			}
		}
		if _, err := os.Stat(filepath.Join(cfg.Dir, StoreName)); what == "removed" && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: a store was made all the same", what)
		}
		copyFiles(t, kept, cfg.Dir, StoreName, LockName, RingName) // the way out
		e, err = New(cfg)
		must(t, err)
		if rec, err := e.Get(t.Context(), r.ID); err != nil || rec.State != engine.Pending {
			t.Errorf("%s, and restored: %+v, error %v", what, rec, err)
		}
		closeEngine(t, e)
	}
}

// While the engine runs, a store that is removed, replaced or cut takes it down within seconds, also
// when nobody submits, and at once when somebody does; so does a lock file that keeps nobody out.
func TestStoreLostWhileRunning(t *testing.T) {
	t.Parallel()
	for what, lose := range map[string]func(dir string) error{
		"store removed":  func(dir string) error { return os.Remove(filepath.Join(dir, StoreName)) },
		"folder removed": os.RemoveAll,
		"folder renamed": func(dir string) error { return os.Rename(dir, dir+".away") },
		"store cut":      func(dir string) error { return os.Truncate(filepath.Join(dir, StoreName), 0) },
		"store cut to a page": func(dir string) error {
			return os.Truncate(filepath.Join(dir, StoreName), 4096)
		},
		"store replaced": func(dir string) error {
			name := filepath.Join(dir, StoreName)
			b, err := os.ReadFile(name)
			return errors.Join(err, os.WriteFile(name+".copy", b, 0o600), os.Rename(name+".copy", name))
		},
		"store overwritten by an older copy": func(dir string) error {
			name := filepath.Join(dir, StoreName)
			old, err := os.ReadFile(name + ".before")
			if err != nil {
				return err
			}
			f, err := os.OpenFile(name, os.O_WRONLY, 0) // not cut first
			if err != nil {
				return err
			}
			_, err = f.WriteAt(old, 0)
			return errors.Join(err, f.Close())
		},
		"lock removed": func(dir string) error { return os.Remove(filepath.Join(dir, LockName)) },
	} {
		for _, traffic := range []bool{false, true} {
			testLostWhileRunning(t, what, lose, traffic && what != "lock removed")
		}
	}
}

func testLostWhileRunning(t *testing.T, what string, lose func(dir string) error, traffic bool) {
	t.Helper()
	told := make(chan error, 10)
	e := newEngine(t, Config{
		Limits: limits(time.Hour), Dir: filepath.Join(t.TempDir(), "data"), Failed: func(err error) { told <- err },
	})
	b, err := os.ReadFile(filepath.Join(e.cfg.Dir, StoreName))
	must(t, err, os.WriteFile(filepath.Join(e.cfg.Dir, StoreName+".before"), b, 0o600))
	before := accept(t, e, "before")
	must(t, lose(e.cfg.Dir))
	if traffic {
		_, err := e.Accept(t.Context(), engine.Job{Secret: []byte("after")})
		wantErr(t, what+", accept", err, engine.ErrDown)
	}
	select {
	case err := <-told:
		if !errors.Is(err, ErrLost) && !errors.Is(err, ErrUnreadable) && !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: the operator is told %v", what, err)
		}
	case <-time.After(patience):
		t.Fatalf("%s: nobody is told", what)
	}
	wantErr(t, what+", ready", e.Ready(t.Context()), engine.ErrDown)
	_, err = e.Accept(t.Context(), engine.Job{Secret: []byte("after")})
	wantErr(t, what+", accept", err, engine.ErrDown)
	wantErr(t, what+", cancel", e.Cancel(t.Context(), before.ID), engine.ErrDown)
	if rec, err := e.Get(t.Context(), before.ID); err != nil || rec.State != engine.Pending {
		t.Errorf("%s: the job of before is %+v, error %v", what, rec, err)
	}
	if err := e.Close(); err == nil {
		t.Errorf("%s: the stop does not tell that what was accepted is not kept", what)
	}
}

// Who has the folder is known by a file that is never replaced: not by the store's.
func TestReplacedStoreLetsNobodyElseIn(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Config{Limits: limits(time.Hour)})
	accept(t, e, "secret")
	must(t, os.Remove(filepath.Join(e.cfg.Dir, StoreName)))
	if _, err := New(e.cfg); err == nil || !strings.Contains(err.Error(), "in use by another process") {
		t.Errorf("a second engine on the folder: error %v", err)
	}
	_ = e.Close()
}

// warnings is a log's handler that keeps the messages of warnings.
type warnings struct {
	slog.Handler
	bytes.Buffer
}

func newWarnings() (*warnings, *slog.Logger) {
	w := new(warnings)
	return w, slog.New(slog.NewTextHandler(&w.Buffer, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// putBack is a store that was filled and restored, from one copy made in between.
type putBack struct {
	cfg           Config
	store         string         // what it was called
	before, after engine.Receipt // accepted before the copy and since
	ids           map[int64]bool // all that were given out
	copied        string         // the folder with the copy
}

func newPutBack(t *testing.T) *putBack {
	t.Helper()
	e := newEngine(t, Config{Limits: limits(time.Hour)})
	p := &putBack{cfg: e.cfg, store: string(e.StoreID()), copied: t.TempDir(), ids: make(map[int64]bool)}
	p.before = accept(t, e, "before")
	closeEngine(t, e)
	copyFiles(t, e.cfg.Dir, p.copied, StoreName, LockName)
	e = newEngine(t, e.cfg)
	for range 200 {
		p.after = accept(t, e, "after")
		p.ids[p.after.ID] = true
	}
	closeEngine(t, e)
	return p
}

// A store that may not be the latest of its copies gives no id twice, has another name, which clients
// see, and says so; what it has of before it has still.
func TestOlderCopyGivesNoIDTwice(t *testing.T) {
	t.Parallel()
	for what, tc := range map[string]struct {
		restore func(t *testing.T, p *putBack)
		why     string
	}{
		"older store beside its lock file": {func(t *testing.T, p *putBack) {
			copyFiles(t, p.copied, p.cfg.Dir, StoreName)
		}, "an older copy"},
		"older store without a lock file": {func(t *testing.T, p *putBack) {
			copyFiles(t, p.copied, p.cfg.Dir, StoreName)
			must(t, os.Remove(filepath.Join(p.cfg.Dir, LockName)))
		}, "is missing or new"},
		"a folder restored as a whole": {func(t *testing.T, p *putBack) {
			p.cfg.Dir = p.copied
		}, "the folder is a copy"},
		"older store beside a spoiled lock file": {func(t *testing.T, p *putBack) {
			copyFiles(t, p.copied, p.cfg.Dir, StoreName)
			must(t, os.WriteFile(filepath.Join(p.cfg.Dir, LockName), make([]byte, 8192), 0o600))
		}, "is missing or new"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			p := newPutBack(t)
			tc.restore(t, p)
			if what == "a folder restored as a whole" && newEngineBirth(t) == 0 {
				t.Skip("the file system does not say when a file was made")
			}
			log, logger := newWarnings()
			p.cfg.Log = logger
			e := newEngine(t, p.cfg)
			next := accept(t, e, "next")
			if p.ids[next.ID] || next.ID <= p.after.ID {
				t.Errorf("id %d, after %d was given out", next.ID, p.after.ID)
			}
			if string(e.StoreID()) == p.store {
				t.Error("the store has the name of before")
			}
			if !strings.Contains(log.String(), "may not be the latest of its copies") || !strings.Contains(log.String(), tc.why) {
				t.Errorf("the log is %q, want %q", log.String(), tc.why)
			}
			for id := range p.ids {
				_, err := e.Get(t.Context(), id)
				wantErr(t, "a job that came after the copy", err, engine.ErrUnknown)
			}
			name := string(e.StoreID())
			log.Reset()
			e = restart(t, e, func(cfg *Config) { cfg.Delay = 2 * time.Hour }) // once is enough
			if log.Len() > 0 || string(e.StoreID()) != name {
				t.Errorf("after another start it is called %x and not %x; log %q", e.StoreID(), name, log)
			}
			for _, r := range []engine.Receipt{p.before, next} {
				if rec, err := e.Get(t.Context(), r.ID); err != nil || rec.ID != r.ID || rec.State != engine.Pending {
					t.Errorf("job %d is %+v, error %v", r.ID, rec, err)
				}
			}
			if r := accept(t, e, "more"); r.ID != next.ID+1 {
				t.Errorf("id %d follows %d", r.ID, next.ID)
			}
			closeEngine(t, e)
		})
	}
}

// newEngineBirth returns when a new file was made, as far as the file system says.
func newEngineBirth(t *testing.T) int64 {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	must(t, err)
	defer func() { _ = f.Close() }()
	return birthOf(f)
}

// A copy that is put back again, after it had lived on once, gives out other ids than both.
func TestTwoLivesOfOneCopyDoNotMeet(t *testing.T) {
	t.Parallel()
	p := newPutBack(t)
	names := map[string]bool{p.store: true}
	for range 3 {
		copyFiles(t, p.copied, p.cfg.Dir, StoreName)
		e := newEngine(t, p.cfg)
		for range 10 {
			r := accept(t, e, "again")
			if p.ids[r.ID] {
				t.Errorf("id %d is given out twice", r.ID)
			}
			p.ids[r.ID] = true
		}
		if names[string(e.StoreID())] {
			t.Error("two lives have one name")
		}
		names[string(e.StoreID())] = true
		closeEngine(t, e)
	}
}

// Another store in the place of this one, sealed with the same ring, is not taken for it.
func TestAnotherStoreIsNotTakenForThisOne(t *testing.T) {
	t.Parallel()
	sealer := testSealer(t)
	one := newEngine(t, Config{Limits: limits(time.Hour), Sealer: sealer})
	other := newEngine(t, Config{Limits: limits(time.Hour), Sealer: sealer})
	mine := accept(t, one, "one")
	theirs := accept(t, other, "other")
	for range 20 { // more transactions than the one that it replaces
		theirs = accept(t, other, "other")
	}
	name := string(other.StoreID())
	closeEngine(t, one)
	closeEngine(t, other)
	copyFiles(t, other.cfg.Dir, one.cfg.Dir, StoreName)
	e := newEngine(t, one.cfg)
	if string(e.StoreID()) == name || string(e.StoreID()) == string(one.StoreID()) {
		t.Error("it is called as one of the two")
	}
	if next := accept(t, e, "next"); next.ID <= max(mine.ID, theirs.ID) {
		t.Errorf("id %d follows %d and %d", next.ID, mine.ID, theirs.ID)
	}
	_, err := e.Get(t.Context(), mine.ID)
	wantErr(t, "a job of the store that was replaced", err, engine.ErrUnknown)
	closeEngine(t, e)
}

// A store that goes on as ever keeps its name, whatever ended the process.
func TestStoreKeepsItsName(t *testing.T) {
	t.Parallel()
	log, logger := newWarnings()
	e := newEngine(t, Config{Limits: limits(time.Hour), Log: logger})
	name := string(e.StoreID())
	last := accept(t, e, "first").ID
	for _, again := range []func(*testing.T, *Engine, ...func(*Config)) *Engine{restart, crash, restart, crash} {
		e = again(t, e)
		if string(e.StoreID()) != name {
			t.Errorf("it is called %x and was called %x", e.StoreID(), name)
		}
		if r := accept(t, e, "next"); r.ID != last+1 {
			t.Errorf("id %d follows %d", r.ID, last)
		}
		last++
	}
	closeEngine(t, e)
	if log.Len() > 0 {
		t.Errorf("the log is %q", log)
	}
}

// The first id is that of the settings, or drawn, once: later starts go on from it.
func TestFirstIDIsDrawnOnce(t *testing.T) {
	t.Parallel()
	cfg := Config{Limits: limits(time.Hour)}
	cfg.FirstID = 1000
	e := newEngine(t, cfg)
	if r := accept(t, e, "first"); r.ID != 1000 {
		t.Errorf("the first id is %d", r.ID)
	}
	e = restart(t, e, func(cfg *Config) { cfg.FirstID = 5 })
	if r := accept(t, e, "second"); r.ID != 1001 {
		t.Errorf("after a restart the next id is %d", r.ID)
	}
	closeEngine(t, e)
	a, b := newEngine(t, Config{Limits: limits(time.Hour)}), newEngine(t, Config{Limits: limits(time.Hour)})
	mine, other := accept(t, a, "a"), accept(t, b, "b")
	_, err := b.Get(t.Context(), mine.ID)
	wantErr(t, "an id of another store", err, engine.ErrUnknown)
	if mine.ID == other.ID {
		t.Error("two stores begin with one id")
	}
	a = restart(t, a)
	if r := accept(t, a, "next"); r.ID != mine.ID+1 {
		t.Errorf("after a restart id %d follows %d", r.ID, mine.ID)
	}
	closeEngine(t, a)
	closeEngine(t, b)
}

// In another life a store does all that any engine does, with ids that are not its positions.
func TestEngineInAnotherLife(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("-short: TestEngine does the same in a first life")
	}
	suite := enginetest.Suite{Durable: true, Outlives: true, Reopen: reopen, New: func(t *testing.T, cfg engine.Limits) engine.Engine {
		first := cfg.FirstID
		cfg.FirstID, cfg.MaxSecretBytes = 1, 64<<20
		engineConfig := Config{Dir: t.TempDir(), Sealer: testSealer(t), Log: slog.New(slog.DiscardHandler), Limits: cfg}
		useUp(t, engineConfig, first)
		return newEngine(t, engineConfig)
	}}
	suite.Run(t)
}

// useUp makes the store and gives it a life in which jobs were accepted and canceled, with ids that no
// test asks for, and then another that begins with the id, or one that is drawn.
func useUp(t *testing.T, cfg Config, id int64) {
	t.Helper()
	const elsewhere = -1 << 40
	live := func(f func(*folder, *store) error) {
		folder, err := openFolder(cfg.Dir, cfg.Log)
		must(t, err)
		s, err := openStore(folder, cfg.Sealer, false, elsewhere)
		must(t, err)
		must(t, f(folder, s), s.close(), folder.close())
	}
	live(func(*folder, *store) error { return nil })
	wide := cfg
	wide.Limits = limits(time.Hour)
	e := newEngine(t, wide)
	for range 3 {
		must(t, e.Cancel(t.Context(), accept(t, e, "canceled").ID))
	}
	closeEngine(t, e)
	live(func(f *folder, s *store) error {
		next := firstLife(id)
		next.position = 4
		s.lives = append(s.lives, next)
		return errors.Join(s.adopt(s.lives), f.confirm(next.store, s.tx, next.id))
	})
}

// What a record says it says of one job of one store: in another place, store or life it does not open.
func TestRecordsAreBoundToTheirJobs(t *testing.T) {
	t.Parallel()
	sealer := testSealer(t)
	a, b := life{1, 100, newIdentity(), true}, life{1, 100, newIdentity(), true}
	of := func(l ...life) *store { return &store{sealer: sealer, lives: l} }
	key := numberBytes(1)
	sealed, err := sealer.Seal([]byte("record"), of(a).associatedData(bucketResults, key, 1))
	must(t, err)
	for what, place := range map[string][]byte{
		"another store":       of(b).associatedData(bucketResults, key, 1),
		"another bucket":      of(a).associatedData(bucketJobs, key, 1),
		"another place":       of(a).associatedData(bucketResults, numberBytes(2), 1),
		"another id":          of(life{1, 101, a.store, true}).associatedData(bucketResults, key, 1),
		"another life":        of(life{1, 1, a.store, true}, life{1, 100, b.store, true}).associatedData(bucketResults, key, 1),
		"the former format":   of(formerLife(nil)).associatedData(bucketResults, key, 1),
		"no life that counts": associatedData(bucketResults, key),
	} {
		if plain, err := sealer.Open(sealed, place); err == nil {
			t.Errorf("in %s it opens to %q", what, plain)
		}
	}
	plain, err := sealer.Open(sealed, of(a, life{500, 1 << 50, b.store, true}).associatedData(bucketResults, key, 1))
	if err != nil || string(plain) != "record" {
		t.Errorf("where it belongs it opens to %q, error %v", plain, err)
	}
}
