package file

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashd-project/hashd/v2/internal/engine"
	"github.com/hashd-project/hashd/v2/internal/seal"
)

// frozen2 is what the store of format 2 holds, as its jobs.txt says.
type frozen2 struct {
	cfg            Config
	jobs           map[engine.State][]frozenJob
	gone           []int64
	keys           []frozenKey
	fingerprintKey string
	at             time.Time // when it was closed
}

func readFrozen2(t *testing.T) (f frozen2) {
	t.Helper()
	file, err := os.Open("testdata/frozen/2/jobs.txt")
	must(t, err)
	defer func() { must(t, file.Close()) }()
	f.jobs = make(map[engine.State][]frozenJob)
	for lines := bufio.NewScanner(file); lines.Scan(); {
		switch fields := strings.SplitN(lines.Text(), " ", 7); {
		case strings.HasPrefix(lines.Text(), "# fingerprint key "):
			f.fingerprintKey = fields[3]
		case strings.HasPrefix(lines.Text(), "# at "):
			f.at, err = time.Parse(time.RFC3339Nano, fields[2])
			must(t, err)
		case fields[0] != "#":
			f.add(t, fields)
		}
	}
	f.cfg = frozenConfig(t)
	f.cfg.Dir = t.TempDir()
	for _, name := range []string{"hashd.db", "ring.json"} {
		b, err := os.ReadFile(filepath.Join("testdata/frozen/2", name))
		must(t, err)
		must(t, os.WriteFile(filepath.Join(f.cfg.Dir, name), b, 0o600))
	}
	f.cfg.Sealer, err = seal.ReadFile(filepath.Join(f.cfg.Dir, "ring.json"))
	must(t, err)
	return f
}

// add takes a line: id, state, algorithm, tenant, due, key, secret.
func (f *frozen2) add(t *testing.T, fields []string) {
	t.Helper()
	id, err := strconv.ParseInt(fields[0], 10, 64)
	must(t, err)
	tenant, err := strconv.ParseUint(fields[3], 10, 16)
	must(t, err)
	due, err := time.Parse(time.RFC3339Nano, fields[4])
	must(t, err)
	key, err := hex.DecodeString(fields[5])
	must(t, err)
	secret, err := strconv.Unquote(fields[6])
	must(t, err)
	job := frozenJob{id, secret, fields[2], uint16(tenant), due}
	switch fields[1] {
	case "gone":
		f.gone = append(f.gone, id)
	case "done":
		f.jobs[engine.Done] = append(f.jobs[engine.Done], job)
	case "pending":
		f.jobs[engine.Pending] = append(f.jobs[engine.Pending], job)
	}
	if n := len(f.keys); key[0] != 0 && (n == 0 || f.keys[n-1].id != key[0]) {
		f.keys = append(f.keys, frozenKey{key[0], key[0] + 1, id, due})
	}
}

// A store of format 2, which has lived two lives, has in this version all that it had, and hashes what was pending
// when it is due.
func TestFrozenStoreOfFormat2(t *testing.T) {
	t.Parallel()
	f := readFrozen2(t)
	if len(f.jobs[engine.Done]) != 4 || len(f.jobs[engine.Pending]) != 3 || len(f.gone) != 3 || len(f.keys) != 2 {
		t.Fatalf("the list has %+v", f)
	}
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(f.at))
		e := newEngine(t, f.cfg)
		defer closeEngine(t, e)
		if got := hex.EncodeToString(e.FingerprintKey()); got != f.fingerprintKey {
			t.Errorf("the fingerprint key is %s", got)
		}
		for state, jobs := range f.jobs {
			for _, j := range jobs {
				// The receipt was made a moment before the record.
				if rec, err := e.Get(t.Context(), j.id); err == nil && state == engine.Pending && rec.Due.Sub(j.due).Abs() < time.Millisecond {
					j.due = rec.Due
				}
				j.check(t, e, state)
			}
		}
		for _, id := range f.gone {
			_, err := e.Get(t.Context(), id)
			wantErr(t, fmt.Sprint("job ", id), err, engine.ErrGone)
		}
		f.checkKeys(t, e)
		for _, j := range f.jobs[engine.Pending] {
			if rec, err := e.Wait(t.Context(), j.id); err != nil || rec.State != engine.Done || time.Now().Before(j.due) {
				t.Errorf("job %d due %v is %+v at %v, error %v", j.id, j.due, rec, time.Now(), err)
			}
			j.check(t, e, engine.Done)
		}
	})
}

func (f *frozen2) checkKeys(t *testing.T, e *Engine) {
	t.Helper()
	for _, k := range f.keys {
		b := engine.Batch{Secrets: [][]byte{[]byte("any")}, IdempotencyKey: k.key()}
		got, err := e.committer.durable.Prepare(&b, time.Now().Add(frozenDelay))
		if err != nil || got.Jobs != 0 || e.store.lives.id(got.Receipt.ID) != k.first || !got.Receipt.Due.Equal(k.due) {
			t.Errorf("the retry of %x gets %+v, error %v; want %d due %v", k.id, got, err, k.first, k.due)
		}
	}
}
