package jetstream

import (
	"bytes"
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/hashd-project/hashd/v2/internal/digest"
	"github.com/hashd-project/hashd/v2/internal/engine"
	"github.com/hashd-project/hashd/v2/internal/seal"
)

// newCodec returns a codec with a ring of its own.
func newCodec(t *testing.T) codec {
	t.Helper()
	ring, err := seal.Generate()
	if err != nil {
		t.Fatal(err)
	}
	s, err := seal.New(ring)
	if err != nil {
		t.Fatal(err)
	}
	return codec{sealer: s, names: names{"p"}, store: "s"}
}

// sample is one record of each kind, and what reads it.
type sample struct {
	write func(codec) ([]byte, error)
	read  func(codec, []byte) (any, error)
	want  any
}

func samples() map[string]sample {
	at := time.Unix(1_700_000_000, 123_456_789)
	from := origin{after: 1 << 63, shift: -5, known: true}
	job := storedJob{algorithm: digest.SHA3x512, tenant: 65_535, accepted: at, delay: 24 * time.Hour, origin: from, secret: []byte("\x00secret")}
	key := storedKey{jobs: 10_000, accepted: at, delay: time.Nanosecond, fingerprint: [16]byte{1, 2, 15: 3}, origin: from}
	done := storedResult{outcome: isDone, algorithm: digest.SHA256, tenant: 7, stamp: stamp{1, 7: 2}, sum: bytes.Repeat([]byte{9}, 32)}
	erased := storedResult{outcome: isErased, algorithm: digest.SHA512, tenant: 7, stamp: stamp{1}, sum: []byte{}}
	result := func(r storedResult) sample {
		return sample{
			func(c codec) ([]byte, error) { return c.sealResult(42, &r) },
			func(c codec, b []byte) (any, error) { return c.openResult(42, b) }, r,
		}
	}
	return map[string]sample{
		"job": {
			func(c codec) ([]byte, error) { return c.sealJob(&job) },
			func(c codec, b []byte) (any, error) { return c.openJob(b) }, job,
		},
		"key": {
			func(c codec) ([]byte, error) { return c.sealKey([16]byte{4}, &key) },
			func(c codec, b []byte) (any, error) { return c.openKey([16]byte{4}, b) }, key,
		},
		"done": result(done), "erased": result(erased),
	}
}

// What is sealed is read as it was, and by nobody of another service, store, kind or ring.
func TestRecordsAreReadWhereTheyBelong(t *testing.T) {
	t.Parallel()
	mine, all := newCodec(t), samples()
	for name, s := range all {
		sealed, err := s.write(mine)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := s.read(mine, sealed); err != nil || !reflect.DeepEqual(got, s.want) {
			t.Errorf("%s: %+v, %v, want %+v", name, got, err, s.want)
		}
		elsewhere := map[string]codec{}
		for _, c := range []struct{ what, prefix, store string }{{"service", "q", "s"}, {"store", "p", "t"}, {"store without a name", "p", ""}} {
			elsewhere[c.what] = codec{sealer: mine.sealer, names: names{c.prefix}, store: c.store}
		}
		for what, c := range elsewhere {
			if _, err := s.read(c, sealed); !errors.Is(err, seal.ErrDamaged) {
				t.Errorf("%s is read in another %s: %v", name, what, err)
			}
		}
		if _, err := s.read(newCodec(t), sealed); !errors.Is(err, engine.ErrDown) {
			t.Errorf("%s without its key: %v, want that the engine is down", name, err)
		}
		for other, o := range all {
			if _, err := o.read(mine, sealed); err == nil && reflect.TypeOf(o.want) != reflect.TypeOf(s.want) {
				t.Errorf("%s is read as %s", name, other)
			}
		}
		for i := range sealed {
			changed := bytes.Clone(sealed)
			changed[i] ^= 1
			if _, err := s.read(mine, changed); err == nil {
				t.Errorf("%s with byte %d changed is read", name, i)
			}
		}
	}
}

// A result is its job's alone, and a key that of its name.
func TestRecordsAreTheirNames(t *testing.T) {
	t.Parallel()
	c := newCodec(t)
	r := storedResult{outcome: isCanceled, algorithm: digest.SHA512}
	sealed, err := c.sealResult(7, &r)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := c.openResult(70, sealed); !errors.Is(err, seal.ErrDamaged) {
		t.Errorf("the result of 7 is read as that of 70: %+v, %v", got, err)
	}
	if sealed, err = c.sealKey([16]byte{1}, &storedKey{}); err != nil {
		t.Fatal(err)
	}
	if got, err := c.openKey([16]byte{2}, sealed); !errors.Is(err, seal.ErrDamaged) {
		t.Errorf("a key is read under another name: %+v, %v", got, err)
	}
}

// A record of format 1, bound to no store, is read where such are.
func TestRecordsOfTheFirstFormat(t *testing.T) {
	t.Parallel()
	now := newCodec(t)
	before := now
	before.store = ""
	for name, s := range samples() {
		sealed, err := s.write(before)
		if err != nil {
			t.Fatal(err)
		}
		now.old = false
		if _, err := s.read(now, sealed); !errors.Is(err, seal.ErrDamaged) {
			t.Errorf("%s is read where there are none: %v", name, err)
		}
		now.old = true
		if got, err := s.read(now, sealed); err != nil || !reflect.DeepEqual(got, s.want) {
			t.Errorf("%s: %+v, %v, want %+v", name, got, err, s.want)
		}
	}
}

// What is cut short, or of a version to come, is refused and never guessed at.
func TestRecordsOfAWrongForm(t *testing.T) {
	t.Parallel()
	c := newCodec(t)
	for _, plain := range [][]byte{
		{}, {version}, {firstVersion}, {3: 0}, append([]byte{version + 1}, make([]byte, 200)...), append([]byte{0}, make([]byte, 200)...),
		append([]byte{version, 99}, make([]byte, 200)...),                 // no such algorithm or outcome
		append([]byte{version}, make([]byte, jobHeader+originBytes-1)...), // a job without a secret
		append([]byte{version, byte(isDone)}, make([]byte, resultHeader)...),
	} {
		for _, kind := range []string{"job", "result"} {
			id := ""
			if kind == "result" {
				id = "7"
			}
			sealed, err := c.sealer.Seal(plain, c.associatedData(kind, id))
			if err != nil {
				t.Fatal(err)
			}
			var got any
			if kind == "job" {
				got, err = c.openJob(sealed)
			} else {
				got, err = c.openResult(7, sealed)
			}
			if err == nil {
				t.Errorf("%x is read as the %s %+v", plain, kind, got)
			}
		}
	}
}

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
