package file

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// A high-water mark that was cut off or spoiled at any point leaves the one before it.
func TestMarkIsNeverLost(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f, err := openFolder(dir, slog.New(slog.DiscardHandler))
	must(t, err)
	must(t, f.begin(), f.confirm(newIdentity(), 1, 100), f.advance(2, 200))
	before := f.highWater
	path := filepath.Join(dir, LockName)
	old, err := os.ReadFile(path)
	must(t, err, f.advance(3, 300))
	after := f.highWater
	whole, err := os.ReadFile(path)
	must(t, err)
	for end := range highWaterBytes {
		torn := bytes.Clone(old)
		at := int(after.number%2) * highWaterEvery
		copy(torn[at:], whole[at:at+end])
		if got, err := readHighWater(bytes.NewReader(torn)); err != nil || got != before && got != after || got == after && end < highWaterBytes-8 {
			t.Errorf("cut off after %d bytes: %+v, error %v", end, got, err)
		}
		bad := bytes.Clone(whole)
		bad[at+end] ^= 0x10
		if got, err := readHighWater(bytes.NewReader(bad)); err != nil || got != before {
			t.Errorf("byte %d spoiled: %+v, error %v", end, got, err)
		}
	}
	must(t, f.close())
	f, err = openFolder(dir, slog.New(slog.DiscardHandler))
	must(t, err)
	if f.highWater != after {
		t.Errorf("after another start the mark is %+v, want %+v", f.highWater, after)
	}
	must(t, f.close())
}

// Ids and positions are each other's inverse in every life, ids rise, and those of another life are
// never given.
func TestLives(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		l := lives{firstLife(rapid.SampledFrom([]int64{0, 1, engine.MaxFirstID}).Draw(rt, "first"))}
		next := int64(1)
		for range rapid.IntRange(0, 20).Draw(rt, "lives") {
			next += rapid.Int64Range(0, 1000).Draw(rt, "jobs")
			above := rapid.SampledFrom([]int64{0, l.id(next), l.id(next) + 1_000_000}).Draw(rt, "above")
			before := l.last()
			l = l.another(next, above)
			if one := l.last(); one.id <= above || one.id <= before.id || one.id > maxID || one.store == before.store {
				rt.Fatalf("life %+v follows %+v, where ids up to %d may have been given out", one, before, above)
			}
		}
		for position := range next + 5 {
			if id := l.id(position + 1); l.position(id) != position+1 || id < 1 {
				rt.Fatalf("position %d has id %d, which has position %d", position+1, id, l.position(id))
			}
		}
		for n, one := range l {
			if n > 0 && l.position(one.id-1) != 0 {
				rt.Errorf("the id before life %d has position %d", n, l.position(one.id-1))
			}
		}
		again, err := decodeLives(l.encode())
		if err != nil || len(again) != len(l) || again.last() != l.last() {
			rt.Errorf("%+v is read as %+v, error %v", l, again, err)
		}
	})
	if _, err := decodeLives([]byte("no life")); !errors.Is(err, ErrDamaged) {
		t.Errorf("no life: error %v", err)
	}
}

// However often a store is restored, its ids stay exact in JavaScript.
func TestLivesNeverRunOutOfIDs(t *testing.T) {
	t.Parallel()
	l := lives{firstLife(engine.MaxFirstID)}
	for n := range 10_000 {
		before := l.last().id
		l = lives{l.last()}.another(1, before)
		if id := l.last().id; id <= before || id >= maxID-1_000_000 {
			t.Fatalf("life %d begins at %d, after %d", n, id, before)
		}
	}
}

// A start that was cut off anywhere while it made the store is followed by one that makes it.
func TestCreationCutOff(t *testing.T) {
	t.Parallel()
	leftover := func(name string, content []byte) func(string) error {
		return func(dir string) error { return os.WriteFile(filepath.Join(dir, name), content, 0o600) }
	}
	begun := func(dir string) error {
		f, err := openFolder(dir, slog.New(slog.DiscardHandler))
		if err != nil {
			return err
		}
		return errors.Join(f.begin(), f.close())
	}
	ringed := func(dir string) error {
		f, err := openFolder(dir, slog.New(slog.DiscardHandler))
		if err != nil {
			return err
		}
		_, err = f.ring(false)
		return errors.Join(err, f.close())
	}
	created := func(dir string) error {
		f, err := openFolder(dir, slog.New(slog.DiscardHandler))
		if err != nil {
			return err
		}
		s := &store{folder: f, path: f.path(StoreName)}
		s.sealer, err = f.ring(false)
		return errors.Join(err, s.create(7), f.close())
	}
	for what, steps := range map[string][]func(string) error{
		"the folder alone":             {},
		"an empty lock file":           {leftover(LockName, nil)},
		"a lock file of zeros":         {leftover(LockName, make([]byte, highWaterBytes))},
		"a high-water mark":            {begun},
		"a ring":                       {ringed},
		"an empty store aside":         {ringed, leftover(StoreName+".new", nil)},
		"half a store aside":           {ringed, leftover(StoreName+".new", make([]byte, 10_000))},
		"a whole store, not confirmed": {created},
	} {
		log, logger := newWarnings()
		cfg := Config{Limits: limits(time.Hour), Dir: t.TempDir(), Log: logger}
		cfg.FirstID, cfg.MaxSecretBytes = 7, 1<<20
		for _, step := range steps {
			must(t, step(cfg.Dir))
		}
		for n := range int64(2) {
			e, err := New(cfg)
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			if r := accept(t, e, "secret"); r.ID != 7+n {
				t.Errorf("%s: id %d", what, r.ID)
			}
			closeEngine(t, e)
		}
		if left, err := os.ReadDir(cfg.Dir); err != nil || len(left) != 3 || log.Len() > 0 {
			t.Errorf("%s: the folder holds %v, error %v, log %q", what, left, err, log)
		}
	}
}

// A ring that was put in the folder, and is not the leftover of a start, has lost its store.
func TestRingWithoutItsStore(t *testing.T) {
	t.Parallel()
	e, err := New(Config{Limits: limits(time.Hour), Dir: t.TempDir()})
	must(t, err)
	closeEngine(t, e)
	dir := t.TempDir()
	copyFiles(t, e.cfg.Dir, dir, RingName)
	cfg := e.cfg
	cfg.Dir = dir
	if _, err := New(cfg); !errors.Is(err, ErrLost) || !strings.Contains(err.Error(), "ring-file") {
		t.Errorf("error %v", err)
	}
}

// A folder in which any user can replace files is refused; one whose group can is told of; files that
// others can read are closed to them, and that is told.
func TestModes(t *testing.T) {
	t.Parallel()
	log, logger := newWarnings()
	e := newEngine(t, Config{Limits: limits(time.Hour), Dir: filepath.Join(t.TempDir(), "a", "b"), Log: logger})
	cfg := e.cfg
	closeEngine(t, e)
	for dir := range map[string]bool{cfg.Dir: true, filepath.Dir(cfg.Dir): true} {
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s was made with mode %v, error %v", dir, info.Mode(), err)
		}
	}
	for mode, want := range map[fs.FileMode]string{0o777: "refused", 0o707: "refused", 0o770: "warned", 0o755: ""} {
		log.Reset()
		must(t, os.Chmod(cfg.Dir, mode))
		e, err := New(cfg)
		if want == "refused" {
			if err == nil || !strings.Contains(err.Error(), "chmod o-w") {
				t.Errorf("folder %v: error %v", mode, err)
			}
			continue
		}
		must(t, err)
		if warned := strings.Contains(log.String(), "writable by its group"); warned != (want == "warned") {
			t.Errorf("folder %v: log %q", mode, log)
		}
		closeEngine(t, e)
	}
	must(t, os.Chmod(cfg.Dir, 0o700))
	for _, name := range []string{StoreName, LockName} {
		log.Reset()
		path := filepath.Join(cfg.Dir, name)
		must(t, os.Chmod(path, 0o666))
		closeEngine(t, newEngine(t, cfg))
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 || !strings.Contains(log.String(), name) {
			t.Errorf("%s open to all has mode %v then, error %v, log %q", name, info.Mode(), err, log)
		}
	}
	cfg.Dir = filepath.Join(cfg.Dir, LockName)
	if _, err := New(cfg); err == nil {
		t.Error("a file is taken for a folder")
	}
}

// badDisk fails to read from the n-th reading on.
type badDisk struct {
	*bytes.Reader
	good int
	err  error
}

func (d *badDisk) ReadAt(b []byte, at int64) (int, error) {
	if d.good--; d.good < 0 {
		return 0, &fs.PathError{Op: "read", Path: StoreName, Err: d.err}
	}
	return d.Reader.ReadAt(b, at)
}

// A store that cannot be read, at whatever point, is not called damaged: nobody is advised to give it up.
func TestUnreadableIsNotDamaged(t *testing.T) {
	t.Parallel()
	cfg, _ := filled(t)
	b, err := os.ReadFile(filepath.Join(cfg.Dir, StoreName))
	must(t, err)
	for good := range 1000 {
		err := verifyFile(&badDisk{bytes.NewReader(b), good, syscall.EIO}, int64(len(b)))
		if err == nil && good > 10 {
			return // it was read to the end
		}
		if !errors.Is(err, ErrUnreadable) || errors.Is(err, ErrDamaged) || !errors.Is(err, syscall.EIO) || strings.Contains(err.Error(), "empty one") {
			t.Fatalf("after %d readings: error %v", good, err)
		}
	}
	t.Error("it is never read to the end")
}

// A fault of memory that the file no longer backs is not called damage either, any other panic is, and
// after both the store is only closed.
func TestPanicsAreContained(t *testing.T) {
	t.Parallel()
	for what, tc := range map[string]struct {
		cause any
		want  error
	}{
		"a panic": {"page 7 is not a leaf", ErrDamaged},
		"a fault": {fault{errors.New("unexpected fault address")}, ErrUnreadable},
	} {
		e := newEngine(t, Config{Limits: limits(time.Hour)})
		accept(t, e, "before")
		must(t, e.Close())
		f, err := openFolder(e.cfg.Dir, e.cfg.Log)
		must(t, err)
		s, err := openStore(f, e.cfg.Sealer, false, 0)
		must(t, err)
		err = s.guard(func() error {
			tx, err := s.db.Begin(true) // locks that nobody lets go of
			must(t, err)
			_ = tx
			panic(tc.cause)
		})
		wantErr(t, what, err, tc.want)
		wantErr(t, what+", then", s.guard(func() error { return s.carryOut(nil) }), tc.want)
		must(t, s.close(), f.close())
		closeEngine(t, newEngine(t, e.cfg)) // the file is free
	}
}

type fault struct{ error }

func (fault) Addr() uintptr { return 1 }
