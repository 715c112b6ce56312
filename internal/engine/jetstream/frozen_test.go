package jetstream

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hashd-project/hashd/v2/internal/engine"
	"github.com/hashd-project/hashd/v2/internal/engine/jetstream/natstest"
	"github.com/hashd-project/hashd/v2/internal/seal"
)

// What the frozen records hold. See testdata/frozen/README.md: nothing here is ever adapted to a change
// of the code.
var (
	frozenAccepted = time.Date(2026, 11, 26, 4, 0, 0, 123456789, time.UTC)

	frozenJobs = []struct {
		id        int64
		secret    string
		algorithm string
		tenant    uint16
	}{
		{1, "angryMonkey", "sha512", 0},
		{2, "angryMonkey", "sha256", 65535},
		{3, "angryMonkey", "sha3-512", 7},
		{4, strings.Repeat("long ", 1000)[:4096], "sha512", 0},
		{5, "canceled", "sha512", 0},
		{6, "erased", "sha512", 0},
		{7, "first of a batch", "sha256", 0},
		{8, "last of a batch", "sha256", 0},
		{10, "with a key", "sha512", 0},
	}
	frozenKeys = []struct {
		place, first    int64
		id, fingerprint byte // each repeated
	}{
		{9, 7, 0x11, 0x22},
		{11, 10, 0x33, 0x44},
	}
)

const (
	frozenPrefix         = "frozen"
	frozenDelay          = 1500 * time.Millisecond
	frozenLast           = 11
	frozenFingerprintKey = "c3a49ba8d67d0177fa5ce740036ea56d123554d53cd5d397da5f73eb32fe3e2f"
)

func repeated(b byte) [16]byte { return [16]byte(bytes.Repeat([]byte{b}, 16)) }

// hashOf is a secret's hash by no code of ours.
func hashOf(t *testing.T, algorithm, secret string) []byte {
	t.Helper()
	switch algorithm {
	case "sha512":
		sum := sha512.Sum512([]byte(secret))
		return sum[:]
	case "sha256":
		sum := sha256.Sum256([]byte(secret))
		return sum[:]
	case "sha3-512":
		sum := sha3.Sum512([]byte(secret))
		return sum[:]
	}
	t.Fatalf("algorithm %s", algorithm)
	return nil
}

func readFrozen(t *testing.T, format, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata/frozen", format, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// frozenRecords returns the records by their names.
func frozenRecords(t *testing.T, format string) map[string][]byte {
	t.Helper()
	records := make(map[string][]byte)
	for lines := bufio.NewScanner(bytes.NewReader(readFrozen(t, format, "records.txt"))); lines.Scan(); {
		if name, text, ok := strings.Cut(lines.Text(), " "); ok && name != "#" {
			b, err := hex.DecodeString(text)
			if err != nil {
				t.Fatal(name, err)
			}
			records[name] = b
		}
	}
	return records
}

func frozenSealer(t *testing.T) *seal.Sealer {
	t.Helper()
	s, err := seal.New(readFrozen(t, "1", "key.json"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Each record of format 1 opens to what it was made of.
func TestFrozenRecords(t *testing.T) {
	t.Parallel()
	records, c := frozenRecords(t, "1"), codec{sealer: frozenSealer(t), names: names{frozenPrefix}}
	for _, want := range frozenJobs {
		j, err := c.openJob(records[fmt.Sprint("job-", want.id)])
		if err != nil || string(j.secret) != want.secret || j.algorithm.String() != want.algorithm || j.tenant != want.tenant ||
			!j.accepted.Equal(frozenAccepted) || j.delay != frozenDelay {
			t.Errorf("job %d is %+v, error %v", want.id, j, err)
		}
		sealed, ok := records[fmt.Sprint("result-", want.id)]
		if !ok {
			continue
		}
		r, err := c.openResult(want.id, sealed)
		switch {
		case err != nil:
			t.Errorf("result %d: %v", want.id, err)
		case want.id == 5 && r.outcome != isCanceled, want.id == 6 && r.outcome != isErased:
			t.Errorf("tombstone %d is %+v", want.id, r)
		case want.id <= 3 && (r.outcome != isDone || r.algorithm.String() != want.algorithm || r.tenant != want.tenant ||
			!bytes.Equal(r.sum, hashOf(t, want.algorithm, want.secret))):
			t.Errorf("result %d is %+v", want.id, r)
		}
	}
	for _, want := range frozenKeys {
		k, err := c.openKey(repeated(want.id), records[fmt.Sprint("key-", want.place)])
		if err != nil || k.jobs != want.place-want.first || k.fingerprint != repeated(want.fingerprint) ||
			!k.accepted.Equal(frozenAccepted) || k.delay != frozenDelay {
			t.Errorf("key %d is %+v, error %v", want.place, k, err)
		}
	}
}

// An instance of another version understands the notes of this one, and this one its.
func TestFrozenNote(t *testing.T) {
	t.Parallel()
	e := &Engine{cfg: Config{Limits: engine.Limits{MaxPending: 10, MaxResults: 10}}}
	e.ledger = newLedger(&e.cfg)
	first, second := e.waiters.join(42), e.waiters.join(43)
	e.read(&nats.Msg{Data: frozenRecords(t, "1")["note-done"]})
	for _, w := range []*waiter{first, second} {
		select {
		case <-w.over:
		default:
			t.Error("a note was not understood")
		}
	}
	if isDone != 1 || isCanceled != 2 || isErased != 3 {
		t.Error("the outcomes have other numbers")
	}
}

// frozenStreams makes the streams of format 1 with what lay in them, as their servers would have kept
// them, and returns the settings of their service.
func frozenStreams(t *testing.T) Config {
	t.Helper()
	servers := cluster(t, natstest.Config{Nodes: 1}) // the prefix is always the same
	cfg := config(t, servers)
	cfg.Prefix, cfg.Sealer, cfg.Delay = frozenPrefix, frozenSealer(t), frozenDelay
	records := frozenRecords(t, "1")
	err := servers.With(func(js jetstream.JetStream) error {
		ctx := t.Context()
		jobs := frozenStream(t, js, "jobs.json")
		frozenStream(t, js, "results.json")
		var consumer jetstream.ConsumerConfig
		decode(t, "consumer.json", &consumer)
		if _, err := jobs.CreateConsumer(ctx, consumer); err != nil {
			return err
		}
		for id := range int64(frozenLast) {
			name, subject := fmt.Sprint("job-", id+1), "frozen.job"
			for _, k := range frozenKeys {
				if k.place == id+1 {
					name, subject = fmt.Sprint("key-", k.place), fmt.Sprintf("frozen.key.%x", repeated(k.id))
				}
			}
			if err := put(ctx, js, subject, records[name], uint64(id+1)); err != nil {
				return err
			}
		}
		for n, id := range []int64{1, 2, 3, 5, 6} { // they have ended
			if err := jobs.DeleteMsg(ctx, uint64(id)); err != nil {
				return err
			}
			if err := put(ctx, js, fmt.Sprint("frozen.result.", id), records[fmt.Sprint("result-", id)], uint64(n+1)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func decode(t *testing.T, name string, into any) {
	t.Helper()
	if err := json.Unmarshal(readFrozen(t, "1", name), into); err != nil {
		t.Fatal(name, err)
	}
}

func frozenStream(t *testing.T, js jetstream.JetStream, name string) jetstream.Stream {
	t.Helper()
	var cfg jetstream.StreamConfig
	decode(t, name, &cfg)
	s, err := js.CreateStream(t.Context(), cfg)
	if err != nil {
		t.Fatal(name, err)
	}
	return s
}

// put stores a message, which must get that sequence.
func put(ctx context.Context, js jetstream.JetStream, subject string, data []byte, sequence uint64) error {
	ack, err := js.Publish(ctx, subject, data)
	if err == nil && ack.Sequence != sequence {
		err = fmt.Errorf("%s is message %d, not %d", subject, ack.Sequence, sequence)
	}
	return err
}

// An instance of this version takes streams of format 1 over, with all that they hold.
func TestFrozenStreams(t *testing.T) {
	t.Parallel()
	e := start(t, frozenStreams(t))
	if got := hex.EncodeToString(e.FingerprintKey()); got != frozenFingerprintKey {
		t.Errorf("the fingerprint key is %s", got)
	}
	for _, want := range frozenJobs {
		if want.id == 5 || want.id == 6 {
			if rec, err := e.Get(t.Context(), want.id); err == nil {
				t.Errorf("job %d, canceled or erased, is %+v", want.id, rec)
			}
			continue
		}
		rec, err := e.Get(t.Context(), want.id)
		if err == nil && rec.State == engine.Pending && !rec.Due.Equal(frozenAccepted.Add(frozenDelay)) {
			t.Errorf("job %d is due %v", want.id, rec.Due)
		}
		if err == nil && want.id > 3 {
			rec, err = e.Wait(t.Context(), want.id)
		}
		if err != nil || rec.State != engine.Done || rec.Tenant != want.tenant || rec.Algorithm.String() != want.algorithm ||
			!bytes.Equal(rec.Digest(), hashOf(t, want.algorithm, want.secret)) {
			t.Errorf("job %d is %+v, error %v", want.id, rec, err)
		}
	}
	for _, k := range frozenKeys {
		r, err := e.Accept(t.Context(), engine.Job{Secret: []byte("any"), IdempotencyKey: engine.IdempotencyKey{ID: repeated(k.id), Fingerprint: repeated(k.fingerprint)}})
		if err != nil || r.ID != k.first || !r.Due.Equal(frozenAccepted.Add(frozenDelay)) {
			t.Errorf("the retry of key %d gets %+v, error %v", k.place, r, err)
		}
	}
	r, err := e.Accept(t.Context(), engine.Job{Secret: []byte("next")})
	if err != nil || r.ID <= frozenLast {
		t.Errorf("the next job is %+v, error %v", r, err)
	}
}

// Each record of format 2, which is bound to its store, opens to what it was made of.
func TestFrozenRecordsOfFormat2(t *testing.T) {
	t.Parallel()
	records := frozenRecords(t, "2")
	sealer, err := seal.New(readFrozen(t, "2", "ring.json"))
	if err != nil {
		t.Fatal(err)
	}
	c := codec{sealer: sealer, names: names{frozenPrefix}, store: "0123456789abcdef"}
	accepted := time.Date(2026, 11, 26, 5, 30, 0, 123456789, time.UTC)
	for name, want := range map[string]storedJob{
		"job-plain": {algorithm: 0, delay: 1500 * time.Millisecond, origin: origin{0, -1, true}, secret: []byte("angryMonkey")},
		"job-after": {algorithm: 1, tenant: 65535, delay: 24 * time.Hour, origin: origin{0x0102030405060708, 0x1112131415161718, true}, secret: []byte("пароль\x00\n")},
	} {
		j, err := c.openJob(records[name])
		if err != nil || !bytes.Equal(j.secret, want.secret) || j.algorithm != want.algorithm || j.tenant != want.tenant ||
			!j.accepted.Equal(accepted) || j.delay != want.delay || j.origin != want.origin {
			t.Errorf("%s is %+v, error %v", name, j, err)
		}
	}
	k, err := c.openKey(repeated(0x11), records["key"])
	if err != nil || k.jobs != 10_000 || k.delay != 1500*time.Millisecond || !k.accepted.Equal(accepted) ||
		k.fingerprint != [16]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16} || k.origin != (origin{0x0102030405060708, 0x1112131415161718, true}) {
		t.Errorf("the key is %+v, error %v", k, err)
	}
	for id, want := range map[int64]struct {
		name    string
		outcome outcome
		stamp   stamp
	}{
		42: {"result", 1, stamp{1, 2, 3, 4, 5, 6, 7, 8}},
		43: {"canceled", 2, stamp{8, 7, 6, 5, 4, 3, 2, 1}},
		44: {"erased", 3, stamp{}},
	} {
		r, err := c.openResult(id, records[want.name])
		if err != nil || r.outcome != want.outcome || r.stamp != want.stamp {
			t.Errorf("%s is %+v, error %v", want.name, r, err)
		}
		if id == 42 && (r.tenant != 7 || !bytes.Equal(r.sum, hashOf(t, "sha512", "angryMonkey"))) {
			t.Errorf("the result is %+v", r)
		}
	}
	e := new(Engine)
	known := oneLife(1)
	e.known.Store(&known)
	if e.read(&nats.Msg{Data: records["note-given"]}); e.acked.Load() != 42 {
		t.Errorf("of a note of id 42 it has %d", e.acked.Load())
	}
}
