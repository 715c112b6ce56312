package jetstream

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// Ids begin where they are told to, or anywhere: two services share none.
func TestFirstID(t *testing.T) {
	t.Parallel()
	cfg := config(t, single(t))
	first := accept(t, start(t, cfg), engine.Job{Secret: []byte("s")}).ID
	cfg.Prefix = newPrefix()
	if other := accept(t, start(t, cfg), engine.Job{Secret: []byte("s")}).ID; other == first || first < 1 || first > engine.MaxFirstID {
		t.Errorf("two services begin with %d and %d", first, other)
	}
	for _, want := range []int64{1, 42, engine.MaxFirstID} {
		cfg.Prefix, cfg.FirstID = newPrefix(), want
		e := start(t, cfg)
		for n := range int64(3) {
			r := accept(t, e, engine.Job{Secret: []byte("s")})
			if r.ID != want+n {
				t.Errorf("job %d of those from %d on is %d", n, want, r.ID)
			}
			wantHash(t, e, r, "s")
		}
		_ = e.Close()
		cfg.FirstID = 7
		if r := accept(t, start(t, cfg), engine.Job{Secret: []byte("s")}); r.ID != want+3 {
			t.Errorf("after a restart with another first id, %d follows %d", r.ID, want+2)
		}
	}
}

// The jobs stream is lost between two runs, and the results live on.
func TestLostJobsStreamIsRefused(t *testing.T) {
	t.Parallel()
	h := newHistory(t, single(t))
	e := start(t, h.cfg)
	name := storeOf(e)
	h.done(e, h.submit(e, 5))
	_ = e.Close()
	h.drop(e.names.jobs())
	_, err := New(t.Context(), h.cfg)
	wantErr(t, err, "stream "+e.names.jobs()+" is gone", "restore it from a backup", "delete "+e.names.results())

	h.drop(e.names.results(), e.names.life()) // as it was told
	e = start(t, h.cfg)
	if storeOf(e) == name {
		t.Error("a new store has the old one's name")
	}
	if found := h.unmixed(e); found != [4]int{0, 0, 0, 5} {
		t.Errorf("the old jobs are %v", found)
	}
	h.fresh(e)
}

// A jobs stream that was made anew by somebody does not belong to the results there are.
func TestStreamsOfTwoStoresAreRefused(t *testing.T) {
	t.Parallel()
	h := newHistory(t, single(t))
	e := start(t, h.cfg)
	h.done(e, h.submit(e, 5))
	_ = e.Close()
	results := h.backup(e.names.results())
	h.drop(h.all()...)
	e = start(t, h.cfg)
	h.submit(e, 5)
	_ = e.Close()
	h.drop(e.names.results())
	h.restore(e.names.results(), results)
	_, err := New(t.Context(), h.cfg)
	wantErr(t, err, "stream "+e.names.results()+" holds results of other jobs than those of stream "+e.names.jobs())
	h.drop(e.names.results()) // as it was told
	e = start(t, h.cfg)
	h.unmixed(e)
	h.fresh(e)
}

// The results stream is lost: its jobs are gone, all others are there.
func TestLostResultsStreamIsMadeAnew(t *testing.T) {
	t.Parallel()
	for delay := longDelay; !lostResults(t, delay); delay *= 2 { // as long as jobs are done too early
	}
}

// lostResults reports whether the jobs that were to be pending then were so.
func lostResults(t *testing.T, delay time.Duration) bool {
	t.Helper()
	h := newHistory(t, single(t))
	e := start(t, h.cfg)
	name := storeOf(e)
	h.done(e, h.submit(e, 5))
	e.cfg.Delay = delay
	pending := h.submit(e, 5)
	_ = e.Close()
	if !time.Now().Before(pending[0].Due) {
		return false
	}
	h.drop(e.names.results())
	e = start(t, h.cfg)
	h.done(e, pending)
	if found := h.unmixed(e); found != [4]int{0, 5, 5, 0} || storeOf(e) != name {
		t.Errorf("the jobs are %v, the store's name was %x and is %x", found, name, storeOf(e))
	}
	h.fresh(e)
	return true
}

// A store's fingerprint key opens with its own ring only, and names the store without telling itself.
func TestStoreIsLearnedFromItsLabels(t *testing.T) {
	t.Parallel()
	c := newCodec(t)
	c.store = "" // not known yet
	maker := &Engine{cfg: Config{Sealer: c.sealer}, codec: c, names: c.names}
	key, err := maker.newFingerprintKey()
	if err != nil {
		t.Fatal(err)
	}
	for _, of := range []string{format, firstFormat} {
		e := &Engine{cfg: maker.cfg, names: c.names}
		if err := e.learnStore(map[string]string{fingerprintKeyLabel: key, formatLabel: of}); err != nil {
			t.Fatal(err)
		}
		if got := e.FingerprintKey(); len(got) != fingerprintKeyBytes || e.codec.store != nameOf(got) || e.codec.old != (of == firstFormat) || e.label != key {
			t.Errorf("format %s: key of %d bytes, codec of store %q, old %v", of, len(got), e.codec.store, e.codec.old)
		}
		if strings.Contains(hex.EncodeToString(e.FingerprintKey()), e.codec.store) {
			t.Error("the store's name is a part of its key")
		}
		one, two := oneLife(1), oneLife(1).next(5)
		e.known.Store(&one)
		first := e.StoreID()
		e.known.Store(&two)
		if bytes.Equal(first, e.StoreID()) {
			t.Error("a new life of the log leaves the store's id as it was")
		}
	}
	for what, label := range map[string]string{"no key": "", "no base64": "?", "damaged": base64.StdEncoding.EncodeToString(make([]byte, 80))} {
		if err := (&Engine{cfg: maker.cfg, names: c.names}).learnStore(map[string]string{fingerprintKeyLabel: label}); err == nil {
			t.Errorf("%s: no error", what)
		}
	}
	other := &Engine{cfg: Config{Sealer: newCodec(t).sealer}, names: c.names}
	wantErr(t, other.learnStore(map[string]string{fingerprintKeyLabel: key}), c.names.jobs(), "another ring")
}
