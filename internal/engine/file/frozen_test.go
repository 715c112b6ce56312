package file

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashd-project/hashd/v2/internal/digest"
	"github.com/hashd-project/hashd/v2/internal/engine"
	"github.com/hashd-project/hashd/v2/internal/engine/memory"
	"github.com/hashd-project/hashd/v2/internal/seal"
)

// The frozen store was written at these times, with these settings. See testdata/frozen/README.md:
// nothing here is ever adapted to a change of the code.
var (
	frozenBegin = time.Date(2026, 11, 26, 4, 0, 0, 123456789, time.UTC)
	frozenAgain = frozenBegin.Add(25*time.Hour + 3*time.Second) // after a restart with a rotated ring
	frozenEnd   = frozenAgain.Add(9 * time.Second)
)

const (
	frozenDelay             = 24 * time.Hour
	frozenRetention         = 1000 * time.Hour
	frozenIdempotencyWindow = 500 * time.Hour
	frozenNext              = 166 // the id that the next job gets
	frozenFingerprintKey    = "7ede597772575af3400c9e025599c5793075f710e8c1ad10071ec1e9cd62ce5f"
)

// frozenJob is a job of the frozen store that is done or pending.
type frozenJob struct {
	id        int64
	secret    string
	algorithm string
	tenant    uint16
	due       time.Time
}

// frozenGone are the jobs that are canceled or erased: before the restart, before it but done, and
// after it, so that the store still holds the secret and a tombstone.
var frozenGone = []int64{149, 150, 164}

func frozenDone() (jobs []frozenJob) {
	long := strings.Repeat("long ", 1000)[:4096]
	due := func(second int) time.Time { return frozenBegin.Add(frozenDelay + time.Duration(second)*time.Second) }
	jobs = []frozenJob{
		{1, "angryMonkey", "sha512", 0, due(1)},
		{2, "angryMonkey", "sha256", 0, due(2)},
		{3, "angryMonkey", "sha3-512", 0, due(3)},
		{4, "tenant seven", "sha256", 7, due(4)},
		{5, long, "sha512", 0, due(5)},
		{6, "x", "sha512", 0, due(6)},
		{7, "пароль\x00\n\"", "sha3-512", 0, due(7)},
		{8, "with a key", "sha512", 0, due(8)},
	}
	for n := range 140 {
		jobs = append(jobs, frozenJob{int64(9 + n), fmt.Sprintf("batch %d", n), "sha256", 65535, due(9)})
	}
	return jobs
}

func frozenPending() (jobs []frozenJob) {
	long := strings.Repeat("long ", 1000)[1:4096]
	due := func(second int) time.Time { return frozenAgain.Add(frozenDelay + time.Duration(second)*time.Second) }
	jobs = []frozenJob{
		{151, "pending", "sha512", 0, due(1)},
		{152, long, "sha256", 0, due(2)},
		{153, "pending", "sha3-512", 9, due(3)},
		{165, "pending with a key", "sha256", 0, due(6)},
	}
	for n := range 10 {
		jobs = append(jobs, frozenJob{int64(154 + n), fmt.Sprintf("pending batch %d", n), "sha3-512", 0, due(4)})
	}
	return jobs
}

// frozenKey is an idempotency key of the frozen store.
type frozenKey struct {
	id, fingerprint byte // each repeated
	first           int64
	due             time.Time
}

var frozenKeys = []frozenKey{
	{0x11, 0x22, 8, frozenBegin.Add(frozenDelay + 8*time.Second)},
	{0x33, 0x44, 9, frozenBegin.Add(frozenDelay + 9*time.Second)},
	{0x55, 0x66, 154, frozenAgain.Add(frozenDelay + 4*time.Second)},
	{0x77, 0x88, 165, frozenAgain.Add(frozenDelay + 6*time.Second)},
}

func (k frozenKey) key() engine.IdempotencyKey {
	return engine.IdempotencyKey{ID: [16]byte(bytes.Repeat([]byte{k.id}, 16)), Fingerprint: [16]byte(bytes.Repeat([]byte{k.fingerprint}, 16))}
}

// sum is what the job's hash must be, by no code of ours.
func (j frozenJob) sum(t *testing.T) []byte {
	t.Helper()
	switch j.algorithm {
	case "sha512":
		sum := sha512.Sum512([]byte(j.secret))
		return sum[:]
	case "sha256":
		sum := sha256.Sum256([]byte(j.secret))
		return sum[:]
	case "sha3-512":
		sum := sha3.Sum512([]byte(j.secret))
		return sum[:]
	}
	t.Fatalf("algorithm %s", j.algorithm)
	return nil
}

func (j frozenJob) check(t *testing.T, e *Engine, want engine.State) {
	t.Helper()
	rec, err := e.Get(t.Context(), j.id)
	if err != nil || rec.State != want || rec.Algorithm.String() != j.algorithm || rec.Tenant != j.tenant {
		t.Errorf("at %v job %d is %+v, error %v; want state %d, %s of tenant %d", time.Now(), j.id, rec, err, want, j.algorithm, j.tenant)
		return
	}
	if want == engine.Pending && !rec.Due.Equal(j.due) {
		t.Errorf("job %d is due %v, want %v", j.id, rec.Due, j.due)
	}
	if want == engine.Done && !bytes.Equal(rec.Digest(), j.sum(t)) {
		t.Errorf("job %d has hash %x, want that of %.20q", j.id, rec.Digest(), j.secret)
	}
}

// frozenConfig returns the settings of a copy of the frozen store.
func frozenConfig(t *testing.T) Config {
	t.Helper()
	dir := t.TempDir()
	for frozen, name := range map[string]string{"hashd.db": StoreName, "key.json": RingName} {
		b, err := os.ReadFile(filepath.Join("testdata/frozen/1", frozen))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	sealer, err := seal.ReadFile(filepath.Join(dir, RingName))
	if err != nil {
		t.Fatal(err)
	}
	return Config{Dir: dir, Sealer: sealer, Limits: engine.Limits{
		Delay: frozenDelay, Retention: frozenRetention, IdempotencyWindow: frozenIdempotencyWindow,
		MaxPending: 1 << 20, MaxResults: 1 << 20, MaxSecretBytes: 64 << 20, MaxIdempotencyKeys: 1000,
	}}
}

// openFrozen has see look at the frozen store as it is opened at that time. In see nothing may be
// accepted: what waits for that is shared with other tests, whose clock is the real one.
func openFrozen(t *testing.T, at time.Time, see func(t *testing.T, e *Engine)) {
	t.Helper()
	cfg := frozenConfig(t)
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(at))
		e := newEngine(t, cfg)
		defer closeEngine(t, e)
		see(t, e)
	})
}

// A store of format 1 has in this version all that it had, at the times when it had it.
func TestFrozenStore(t *testing.T) {
	t.Parallel()
	openFrozen(t, frozenEnd, func(t *testing.T, e *Engine) {
		if got := hex.EncodeToString(e.FingerprintKey()); got != frozenFingerprintKey {
			t.Errorf("the fingerprint key is %s", got)
		}
		for _, j := range frozenDone() {
			j.check(t, e, engine.Done)
		}
		for _, j := range frozenPending() {
			j.check(t, e, engine.Pending)
		}
		for _, id := range frozenGone {
			_, err := e.Get(t.Context(), id)
			wantErr(t, fmt.Sprint("job ", id), err, engine.ErrGone)
		}
		_, err := e.Get(t.Context(), frozenNext)
		wantErr(t, "an id never given", err, engine.ErrUnknown)
		if st := e.Stats(); st.Pending != int64(len(frozenPending())) || st.Kept != int64(len(frozenDone())) {
			t.Errorf("counters are %+v", st)
		}
	})
}

// Its pending jobs are hashed when they are due and not a nanosecond earlier, whether the process runs
// then or starts later.
func TestFrozenJobsAreHashedWhenDue(t *testing.T) {
	t.Parallel()
	for _, started := range []time.Time{frozenAgain.Add(frozenDelay - time.Minute), frozenAgain.Add(frozenDelay + time.Minute)} {
		openFrozen(t, started, func(t *testing.T, e *Engine) {
			for _, j := range frozenPending() {
				if early := time.Until(j.due) - 1; early > 0 {
					time.Sleep(early)
					synctest.Wait()
					j.check(t, e, engine.Pending)
				}
				if _, err := e.Wait(t.Context(), j.id); err != nil || time.Now().Before(j.due) {
					t.Errorf("job %d due %v is done at %v, error %v", j.id, j.due, time.Now(), err)
				}
				j.check(t, e, engine.Done)
			}
			_, err := e.Get(t.Context(), 164)
			wantErr(t, "a job canceled before the start", err, engine.ErrGone)
		})
	}
}

// Its results end with their retention, which counts from when they were done.
func TestFrozenResultsExpire(t *testing.T) {
	t.Parallel()
	job := frozenDone()[0]
	openFrozen(t, job.due.Add(frozenRetention-time.Minute), func(t *testing.T, e *Engine) { job.check(t, e, engine.Done) })
	openFrozen(t, job.due.Add(frozenRetention+time.Minute), func(t *testing.T, e *Engine) {
		_, err := e.Get(t.Context(), job.id)
		wantErr(t, "a result past its retention", err, engine.ErrGone)
	})
}

// A retry of a request from before gets the receipt of the first, until the window is over.
func TestFrozenKeysAreKnown(t *testing.T) {
	t.Parallel()
	for _, k := range frozenKeys {
		b := engine.Batch{Secrets: [][]byte{[]byte("any")}, IdempotencyKey: k.key()}
		until := k.due.Add(frozenIdempotencyWindow - frozenDelay)
		for _, at := range []time.Time{frozenEnd, until.Add(-time.Second)} {
			openFrozen(t, at, func(t *testing.T, e *Engine) {
				got, err := e.committer.durable.Prepare(&b, time.Now().Add(frozenDelay))
				if err != nil || got.Jobs != 0 || got.Receipt.ID != k.first || !got.Receipt.Due.Equal(k.due) {
					t.Errorf("the retry of %x gets %+v, error %v; want %d due %v", k.id, got, err, k.first, k.due)
				}
				other := b
				other.IdempotencyKey.Fingerprint[0]++
				_, err = e.committer.durable.Prepare(&other, time.Now().Add(frozenDelay))
				wantErr(t, "the key for another request", err, engine.ErrIdempotencyKeyReused)
			})
		}
		openFrozen(t, until.Add(time.Second), func(t *testing.T, e *Engine) {
			got, err := e.committer.durable.Prepare(&b, time.Now().Add(frozenDelay))
			if err != nil || got.Jobs != 1 {
				t.Errorf("after its window the key %x gets %+v, error %v", k.id, got, err)
			}
			e.committer.durable.Abort([]memory.Prepared{got})
		})
	}
}

// Ids go on where they ended, by the real clock, by which all is over or at least due.
func TestFrozenStoreGoesOn(t *testing.T) {
	t.Parallel()
	cfg := frozenConfig(t)
	e := newEngine(t, cfg)
	if r := accept(t, e, "next"); r.ID != frozenNext {
		t.Errorf("the next id is %d", r.ID)
	}
	e = restart(t, e)
	if r := accept(t, e, "after that"); r.ID != frozenNext+1 {
		t.Errorf("after a restart the next id is %d", r.ID)
	}
	closeEngine(t, e)
}

// frozenRecords returns the records of format 1 by their names.
func frozenRecords(t *testing.T) map[string][]byte {
	t.Helper()
	f, err := os.Open("testdata/frozen/1/records.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	records := make(map[string][]byte)
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		fields := strings.Fields(lines.Text())
		if records[fields[0]], err = hex.DecodeString(fields[1]); err != nil || len(fields) != 2 {
			t.Fatal(lines.Text(), err)
		}
	}
	return records
}

func TestFrozenGroups(t *testing.T) {
	t.Parallel()
	records := frozenRecords(t)
	accepted := frozenAgain.Add(3 * time.Second)
	boot := time.Duration(0x659fd7c3ee)
	for what, tc := range map[string]struct {
		now  moment
		wait time.Duration
	}{
		"in the same boot": {moment{0, boot + time.Hour, 0x0123456789abcdef}, frozenDelay - time.Hour},
		"in another":       {moment{time.Duration(accepted.Add(time.Minute).UnixNano()), boot + time.Hour, 2}, frozenDelay - time.Minute},
		"much later":       {moment{time.Duration(accepted.Add(time.Hour * 25).UnixNano()), 0, 0}, 0},
	} {
		n, err := readGroup(records["chunk-of-one"], tc.now, func(n int64, wait time.Duration, job engine.Job) error {
			if n != 0 || wait != tc.wait || string(job.Secret) != "pending" || job.Algorithm != digest.SHA3x512 || job.Tenant != 9 {
				t.Errorf("%s: job %d is %+v, due in %v", what, n, job, wait)
			}
			return nil
		})
		if n != 1 || err != nil {
			t.Errorf("%s: %d jobs, error %v", what, n, err)
		}
	}
	n, err := readGroup(records["chunk-of-ten"], moment{}, func(n int64, _ time.Duration, job engine.Job) error {
		if want := fmt.Sprintf("pending batch %d", n); string(job.Secret) != want || job.Algorithm != digest.SHA3x512 || job.Tenant != 0 {
			t.Errorf("job %d is %+v", n, job)
		}
		return nil
	})
	if n != 10 || err != nil {
		t.Errorf("%d jobs, error %v", n, err)
	}
}

func TestFrozenBlocks(t *testing.T) {
	t.Parallel()
	records := frozenRecords(t)
	for name, job := range map[string]frozenJob{
		"result-sha512": frozenDone()[0], "result-sha256": frozenDone()[1], "result-sha3-512": frozenDone()[2], "result-tenant": frozenDone()[3],
	} {
		seen := 0
		err := readBlock(records[name], 0, func(r memory.Result) error {
			seen++
			want := job.due.Truncate(time.Second)
			if r.ID != job.id || r.Gone || r.Algorithm.String() != job.algorithm || r.Tenant != job.tenant || !r.Done.Equal(want) ||
				!bytes.Equal(r.Sum[:r.Algorithm.Size()], job.sum(t)) {
				t.Errorf("%s is %+v, want %+v", name, r, job)
			}
			return nil
		})
		if err != nil || seen != 1 {
			t.Errorf("%s: %d results, error %v", name, seen, err)
		}
	}
	err := readBlock(records["tombstone"], 1, func(r memory.Result) error {
		if r.ID != 164 || !r.Gone {
			t.Errorf("the tombstone is %+v", r)
		}
		return nil
	})
	wantErr(t, "tombstone", err, nil)
}

func TestFrozenKeyRecord(t *testing.T) {
	t.Parallel()
	records, want := frozenRecords(t), frozenKeys[0]
	k, first, until, err := readKeyRecord(records["key"], records["key-value"])
	if err != nil || k != want.key() || first.ID != want.first || !first.Due.Equal(want.due) ||
		!until.Equal(want.due.Add(frozenIdempotencyWindow-frozenDelay)) {
		t.Errorf("key %+v of %+v until %v, error %v", k, first, until, errors.Join(err))
	}
}
