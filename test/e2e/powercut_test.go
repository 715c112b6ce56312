package e2e

import (
	"context"
	"crypto/sha512"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashd-project/hashd/v2/internal/engine"
	"github.com/hashd-project/hashd/v2/internal/engine/file"
)

var powerCuts = flag.Int("power-cuts", 200, "how many power cuts TestPowerCuts tries")

// sector is what a disk writes whole or not at all.
const sector = 512

// inode is a file on the disk, under whatever names.
type inode struct {
	durable []byte
	pending []event // since it was synced
}

// disk is what a machine would have of the folder, if its power were cut now: of what was not synced, any
// part in any order.
type disk struct {
	names map[string]*inode
	past  []map[string]*inode // what the folder was since it was synced, that too
}

func newDisk() *disk {
	none := make(map[string]*inode)
	return &disk{names: none, past: []map[string]*inode{none}}
}

// change makes a new state of the folder.
func (d *disk) change(f func(names map[string]*inode)) {
	d.names = maps.Clone(d.names)
	f(d.names)
	d.past = append(d.past, d.names)
}

// apply does what the server did.
func (d *disk) apply(e event) {
	switch e.kind {
	case writes:
		f := d.names[e.name]
		if e.at < 0 { // after what was there
			e.at = int64(len(f.image(keepAll{})))
		}
		f.pending = append(f.pending, e)
	case resizes:
		f := d.names[e.name]
		f.pending = append(f.pending, e)
	case syncs:
		f := d.names[e.name]
		f.durable, f.pending = f.image(keepAll{}), nil
	case syncsFolder:
		d.past = []map[string]*inode{d.names}
	case creates:
		if d.names[e.name] == nil {
			d.change(func(names map[string]*inode) { names[e.name] = new(inode) })
		}
	case renames:
		d.change(func(names map[string]*inode) { names[e.name] = names[e.from]; delete(names, e.from) })
	case links:
		d.change(func(names map[string]*inode) { names[e.name] = names[e.from] })
	case removes:
		d.change(func(names map[string]*inode) { delete(names, e.name) })
	case answers, fails:
	}
}

// keeper says what of the writes that were not synced is there after all.
type keeper interface{ keeps(write, of int) bool } // asked for each sector

type keepAll struct{}

func (keepAll) keeps(int, int) bool { return true }

type keepNone struct{}

func (keepNone) keeps(int, int) bool { return false }

// keepSome keeps any sectors.
type keepSome struct{ *rand.Rand }

func (k keepSome) keeps(int, int) bool { return k.IntN(2) == 0 }

// keepOrdered keeps what was written first, and of the write amid any sectors.
type keepOrdered struct {
	*rand.Rand
	share float64
}

func (k keepOrdered) keeps(write, of int) bool {
	amid := int(k.share * float64(of))
	return write < amid || write == amid && k.IntN(2) == 0
}

// keepLast keeps what was written last, and loses what was before it.
type keepLast struct{}

func (keepLast) keeps(write, of int) bool { return write == of-1 }

// image returns the file's content with what is kept of the writes that were not synced.
func (f *inode) image(k keeper) []byte {
	b := append([]byte(nil), f.durable...)
	for n, e := range f.pending {
		if e.kind == resizes {
			if k.keeps(n, len(f.pending)) {
				b = append(b, make([]byte, max(0, int(e.at)-len(b)))...)[:e.at]
			}
			continue
		}
		for data, at := e.data, e.at; len(data) > 0; {
			part := min(len(data), sector-int(at%sector))
			if k.keeps(n, len(f.pending)) {
				end := int(at) + part
				b = append(b, make([]byte, max(0, end-len(b)))...)
				copy(b[at:], data[:part])
			}
			data, at = data[part:], at+int64(part)
		}
	}
	return b
}

// keeper returns one of the ways in which a power cut can go.
func drawKeeper(r *rand.Rand) keeper {
	switch r.IntN(6) {
	case 0:
		return keepNone{}
	case 1:
		return keepAll{}
	case 2:
		return keepLast{}
	case 3:
		return keepOrdered{r, r.Float64()}
	}
	return keepSome{r}
}

// step is one request of the recorded life, and what was answered.
type step struct {
	secrets map[int64]string // that were accepted
	cancels int64            // or the job that was canceled
}

// life is the record of a server, from the making of its store on.
type life struct {
	dir    string
	events []event
	steps  []step // each answered by one of the events, in this order
}

const lifeDelay = 100 * time.Millisecond

// recordLife runs a server under a tracer, has one client submit and cancel, and stops it amid.
func recordLife(t *testing.T, requests int, args ...string) *life {
	t.Helper()
	output := filepath.Join(t.TempDir(), "trace")
	l := &life{dir: filepath.Join(t.TempDir(), "data")}
	i := traced(t, output, []string{"-xx", "-s", "4194304", "-e", "trace=" + recorded},
		onDisk(l.dir, append(args, "--delay="+lifeDelay.String(), "--drain=handover")...)...)
	c := i.client(t)
	for n := range requests {
		secret := fmt.Sprint("secret ", n, strings.Repeat(" long", n%4*60))
		var one step
		if n%5 == 3 {
			one.secrets = submitNamed(t, c, secret, 3+n%2*150)
		} else {
			id, err := c.trySubmit(t.Context(), secret)
			if err != nil {
				t.Fatal(err)
			}
			one.secrets = map[int64]string{id: secret}
		}
		l.steps = append(l.steps, one)
		if n%6 == 4 {
			for id := range one.secrets {
				c.do(t, http.MethodDelete, path(id), "").want(t, http.StatusNoContent)
				l.steps = append(l.steps, step{cancels: id})
				break
			}
		}
		if n%10 == 9 {
			time.Sleep(lifeDelay) // so that results are stored between
		}
	}
	i.stopTraced(t, 0)
	l.events = readRecord(t, output, l.dir)
	answered := 0
	for _, e := range l.events {
		if e.kind == answers {
			answered++
		}
	}
	if answered != len(l.steps) {
		t.Fatalf("the record has %d answers to %d requests", answered, len(l.steps))
	}
	return l
}

// submitNamed submits a batch and returns its jobs.
func submitNamed(t *testing.T, c *client, name string, jobs int) map[int64]string {
	t.Helper()
	var secrets []string
	for n := range jobs {
		secrets = append(secrets, fmt.Sprint(name, " of a batch ", n))
	}
	accepted, err := c.tryBatch(t.Context(), secrets)
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[int64]string)
	for _, j := range accepted {
		all[j.id] = j.secret
	}
	return all
}

// cut returns what is wrong with the store after a power cut now, "" if nothing is.
func (l *life) cut(t *testing.T, d *disk, answered int, random *rand.Rand) string {
	t.Helper()
	files := d.past[random.IntN(len(d.past))]
	keeper := drawKeeper(random)
	images := make(map[string][]byte)
	for name, f := range files {
		images[name] = f.image(keeper)
	}
	return l.check(t, l.lay(t, images), answered)
}

// lay puts the files into a folder. The lock file is the very one that was recorded, where it was there:
// another would be told to be a copy.
func (l *life) lay(t *testing.T, images map[string][]byte) (dir string) {
	t.Helper()
	dir = l.dir
	if images[file.LockName] == nil {
		dir = t.TempDir()
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if entry.Name() != file.LockName {
			if err := os.Remove(filepath.Join(dir, entry.Name())); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, b := range images {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// check starts an engine on the folder and compares it with what was answered.
func (l *life) check(t *testing.T, dir string, answered int) string {
	t.Helper()
	e, err := file.New(file.Config{Dir: dir, NoSync: true, Limits: engine.Limits{
		Delay: lifeDelay, Retention: time.Hour, MaxPending: 1 << 20, MaxResults: 1 << 20, MaxSecretBytes: 64 << 20, IdempotencyWindow: time.Hour, MaxIdempotencyKeys: 1000,
	}})
	if err != nil {
		return fmt.Sprintf("it does not start: %v", err)
	}
	defer func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}()
	canceled, given := make(map[int64]bool), make(map[int64]bool)
	for n, s := range l.steps[:min(len(l.steps), answered+1)] {
		canceled[s.cancels] = true
		for id := range s.secrets {
			given[id] = n < answered
		}
	}
	for n, s := range l.steps[:min(len(l.steps), answered+1)] {
		if wrong := checkStep(t, e, s, n < answered, canceled); wrong != "" {
			return wrong
		}
	}
	r, err := e.Accept(t.Context(), engine.Job{Secret: []byte("after the cut")})
	if err != nil || given[r.ID] {
		return fmt.Sprintf("a job after it gets id %d, error %v", r.ID, err)
	}
	return ""
}

// checkStep finds out what has become of a request's jobs. Those of one that was not answered may be
// there or not.
func checkStep(t *testing.T, e *file.Engine, s step, answered bool, canceled map[int64]bool) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if s.cancels > 0 && answered {
		if rec, err := e.Get(ctx, s.cancels); !errors.Is(err, engine.ErrGone) {
			return fmt.Sprintf("the canceled job %d is back: %+v, error %v", s.cancels, rec, err)
		}
	}
	for id, secret := range s.secrets {
		rec, err := e.Wait(ctx, id)
		switch {
		case errors.Is(err, engine.ErrGone) && canceled[id]:
		case err != nil && !answered:
		case err != nil:
			return fmt.Sprintf("job %d is lost: %v", id, err)
		case rec.State != engine.Done || rec.Sum != sha512.Sum512([]byte(secret)):
			return fmt.Sprintf("job %d has not its own hash: %+v", id, rec)
		}
	}
	return ""
}

// try cuts the power n times, at events spread over the whole record, and returns what went wrong.
func (l *life) try(t *testing.T, n int, seed uint64) (wrong []string) {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 1))
	d, done, answered := newDisk(), 0, 0
	for k := range n {
		at := k * (len(l.events) + 1) / n
		for ; done < at; done++ {
			d.apply(l.events[done])
			if l.events[done].kind == answers {
				answered++
			}
		}
		if text := l.cut(t, d, answered, random); text != "" {
			wrong = append(wrong, fmt.Sprintf("cut %d, before event %d of %d: %s", k, at, len(l.events), text))
		}
	}
	return wrong
}

// TestPowerCuts replays the record of a server up to a power cut at any point. Whatever of the writes that
// were not synced the disk has, in sectors and in any order: the next start finds all that was answered
// for. That a check finds what is lost is shown by records in which syncs are left out.
func TestPowerCuts(t *testing.T) {
	l := recordLife(t, 60)
	for _, wrong := range l.try(t, *powerCuts, 1) {
		t.Error(wrong)
	}
	t.Logf("%d cuts of a record of %d events with %d answers", *powerCuts, len(l.events), len(l.steps))
	for what, left := range map[string]func(n int, e event) bool{
		"no sync":                    func(_ int, e event) bool { return e.kind != syncs },
		"no sync of what metas show": func(n int, e event) bool { return e.kind != syncs || e.name != file.StoreName || n%2 == 1 },
		"no sync of the folder":      func(_ int, e event) bool { return e.kind != syncsFolder },
	} {
		mutant := &life{dir: l.dir, steps: l.steps}
		syncsSoFar := 0
		for _, e := range l.events {
			if left(syncsSoFar, e) {
				mutant.events = append(mutant.events, e)
			}
			if e.kind == syncs && e.name == file.StoreName {
				syncsSoFar++
			}
		}
		const cuts, rounds = 60, 10
		var found []string
		for round := uint64(0); round < rounds && len(found) == 0; round++ {
			found = mutant.try(t, cuts, 2+round)
		}
		if len(found) == 0 {
			t.Errorf("with %s nothing is found wrong", what)
			continue
		}
		t.Logf("with %s, cuts are found such as %s", what, found[len(found)/2])
	}
}

// A server that leaves syncing to the system is found out.
func TestPowerCutsFindANeverSyncedStore(t *testing.T) {
	if found := recordLife(t, 15, "--sync=never").try(t, 40, 3); len(found) == 0 {
		t.Error("nothing is found wrong with a store that is never synced")
	}
}
