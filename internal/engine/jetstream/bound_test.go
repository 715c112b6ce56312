package jetstream

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hashd-project/hashd/internal/digest"
	"github.com/hashd-project/hashd/internal/engine"
	"github.com/hashd-project/hashd/internal/seal"
)

// A record opens only in its own store, service and place, and a result says which job it is of.
func TestRecordsAreBound(t *testing.T) {
	t.Parallel()
	sealer, err := ring()
	if err != nil {
		t.Fatal(err)
	}
	mine := codec{sealer: sealer, names: names{"p"}, store: "mine"}
	job, err := mine.sealJob(&storedJob{secret: []byte("secret"), accepted: time.Now(), algorithm: digest.SHA512})
	if err != nil {
		t.Fatal(err)
	}
	want := storedResult{outcome: isDone, sum: make([]byte, 64), stamp: stampOf(job), tenant: 7}
	result, one := mine.sealResult(42, &want)
	tombstone, two := mine.sealResult(43, &storedResult{outcome: isCanceled, stamp: stampOf(job)})
	key, three := mine.sealKey([16]byte{1}, &storedKey{jobs: 1})
	if err := errors.Join(one, two, three); err != nil {
		t.Fatal(err)
	}
	if got, err := mine.openResult(42, result); err != nil || got.stamp != want.stamp || got.tenant != 7 || !slices.Equal(got.sum, want.sum) {
		t.Errorf("the result is %+v, %v", got, err)
	}
	if got, err := mine.openResult(43, tombstone); err != nil || got.outcome != isCanceled || got.stamp != want.stamp {
		t.Errorf("the tombstone is %+v, %v", got, err)
	}
	for what, other := range map[string]codec{
		"another store":           {sealer: sealer, names: names{"p"}, store: "other"},
		"another service":         {sealer: sealer, names: names{"q"}, store: "mine"},
		"no store, as format 1":   {sealer: sealer, names: names{"p"}},
		"another store, format 1": {sealer: sealer, names: names{"p"}, store: "other", old: true},
	} {
		_, asJob := other.openJob(job)
		_, asResult := other.openResult(42, result)
		_, asTombstone := other.openResult(43, tombstone)
		_, asKey := other.openKey([16]byte{1}, key)
		for kind, err := range map[string]error{"job": asJob, "result": asResult, "tombstone": asTombstone, "key": asKey} {
			if !errors.Is(err, seal.ErrDamaged) {
				t.Errorf("a %s in %s: %v", kind, what, err)
			}
		}
	}
	_, asOther := mine.openResult(43, result)
	_, asJob := mine.openJob(result)
	_, asKey := mine.openKey([16]byte{2}, key)
	for what, err := range map[string]error{"another job's": asOther, "a job": asJob, "another key's": asKey} {
		if !errors.Is(err, seal.ErrDamaged) {
			t.Errorf("a record read as %s: %v", what, err)
		}
	}
}

// Records of format 1, which are bound to no store, are read where there are such, and nowhere else.
func TestOldRecordsOnlyInOldStreams(t *testing.T) {
	t.Parallel()
	sealer, err := ring()
	if err != nil {
		t.Fatal(err)
	}
	old := codec{sealer: sealer, names: names{"p"}}
	sealed, err := old.sealKey([16]byte{1}, &storedKey{jobs: 3})
	if err != nil {
		t.Fatal(err)
	}
	if k, err := (codec{sealer: sealer, names: names{"p"}, store: "mine", old: true}).openKey([16]byte{1}, sealed); err != nil || k.jobs != 3 {
		t.Errorf("in streams of format 1: %+v, %v", k, err)
	}
	if _, err := (codec{sealer: sealer, names: names{"p"}, store: "mine"}).openKey([16]byte{1}, sealed); !errors.Is(err, seal.ErrDamaged) {
		t.Errorf("in streams of format 2: %v", err)
	}
}

// A result in a job's place that is another job's gives way to the job's own.
func TestResultOfAnotherJobGivesWay(t *testing.T) {
	t.Parallel()
	cfg := config(t, single(t))
	cfg.Delay = time.Second
	e := start(t, cfg)
	r := accept(t, e, engine.Job{Secret: []byte("secret")})
	wrong, err := e.codec.sealResult(r.ID, &storedResult{outcome: isDone, sum: make([]byte, 64), stamp: stamp{1}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.commit([]*nats.Msg{e.resultMsg(r.ID, wrong, 0)}); err != nil {
		t.Fatal(err)
	}
	if err := e.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		rec, err := e.Get(t.Context(), r.ID)
		if err != nil {
			t.Fatal(err)
		}
		if rec.Sum != [digest.MaxSize]byte{} {
			break
		}
		if time.Since(began) > patience {
			t.Fatal("the result of another job stays")
		}
	}
	wantHash(t, e, r, "secret")
}
