package jetstream

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashd-project/hashd/v2/internal/engine"
	"github.com/hashd-project/hashd/v2/internal/engine/jetstream/natstest"
)

// history is all the jobs that a service has ever accepted, in all lives of its streams. No id of it
// may ever answer with another job's hash.
type history struct {
	t       *testing.T
	servers *natstest.Cluster
	cfg     Config
	given   map[int64]submitted
}

// longDelay is one that a test need not fear to reach before it has looked.
const longDelay = 3 * time.Second

func newHistory(t *testing.T, servers *natstest.Cluster) *history {
	cfg := config(t, servers)
	cfg.Lease, cfg.Timeout = time.Second, timeout
	return &history{t, servers, cfg, make(map[int64]submitted)}
}

// submit has n jobs accepted, whose ids must be new.
func (h *history) submit(e *Engine, n int) (all []submitted) {
	h.t.Helper()
	for range n {
		secret := fmt.Sprintf("secret %d", len(h.given))
		s := submitted{accept(h.t, e, engine.Job{Secret: []byte(secret)}), secret}
		if old, known := h.given[s.ID]; known {
			h.t.Errorf("id %d is given to %q and %q", s.ID, old.secret, secret)
		}
		h.given[s.ID] = s
		all = append(all, s)
	}
	return all
}

// done waits for the jobs' hashes.
func (h *history) done(e *Engine, jobs []submitted) {
	h.t.Helper()
	for _, s := range jobs {
		wantHash(h.t, e, s.Receipt, s.secret)
	}
}

// unmixed checks that no id shows the hash of another job, nor one that is early. It returns how many
// are pending, done, gone and unknown.
func (h *history) unmixed(e *Engine) (found [4]int) {
	h.t.Helper()
	for id, s := range h.given {
		rec, err := e.Get(h.t.Context(), id)
		h.sameInRange(e, id, rec, err)
		switch {
		case errors.Is(err, engine.ErrGone):
			found[2]++
		case errors.Is(err, engine.ErrUnknown):
			found[3]++
		case err != nil:
			h.t.Errorf("job %d: %v", id, err)
		case rec.State == engine.Pending:
			found[0]++
		default:
			found[1]++
			wantHash(h.t, e, s.Receipt, s.secret)
		}
	}
	return found
}

// sameInRange checks that a range shows the job as Get did, or as what has become of it since.
func (h *history) sameInRange(e *Engine, id int64, rec engine.Record, err error) {
	h.t.Helper()
	first := max(1, id-1)
	to := make([]engine.Record, 4)
	if err := e.Read(h.t.Context(), first, to); err != nil {
		h.t.Errorf("range of job %d: %v", id, err)
		return
	}
	got := to[id-first]
	switch {
	case errors.Is(err, engine.ErrGone):
		rec.State = engine.Gone
	case errors.Is(err, engine.ErrUnknown):
		rec.State = engine.Unknown
	case err != nil, rec.State == engine.Pending && got.State != engine.Unknown:
		return
	}
	if got.State != rec.State || got.Sum != rec.Sum {
		h.t.Errorf("job %d is in state %d, and in a range in state %d", id, rec.State, got.State)
	}
}

// fresh submits a job and checks that it is pending until it is due, and then has its own hash.
func (h *history) fresh(e *Engine) {
	h.t.Helper()
	delay := e.cfg.Delay
	e.cfg.Delay = longDelay
	for _, s := range h.submit(e, 5) {
		if rec, err := e.Get(h.t.Context(), s.ID); err != nil || rec.State != engine.Pending && time.Now().Before(s.Due) {
			h.t.Errorf("job %d, just accepted: %+v, %v", s.ID, rec, err)
		}
		if err := e.Cancel(h.t.Context(), s.ID); err != nil {
			h.t.Error(err)
		}
	}
	e.cfg.Delay = delay
	h.done(e, h.submit(e, 5))
}

func storeOf(e *Engine) string { return string(e.StoreID()) }

func (h *history) backup(stream string) *natstest.Backup {
	h.t.Helper()
	b, err := h.servers.Backup(h.t.Context(), stream)
	if err != nil {
		h.t.Fatal(err)
	}
	return b
}

func (h *history) restore(stream string, b *natstest.Backup) {
	h.t.Helper()
	if err := h.servers.Restore(h.t.Context(), stream, b); err != nil {
		h.t.Fatal(err)
	}
}

// drop deletes streams.
func (h *history) drop(streams ...string) {
	h.t.Helper()
	if err := h.servers.Delete(h.t.Context(), streams...); err != nil {
		h.t.Fatal(err)
	}
}

func (h *history) all() []string {
	n := names{h.cfg.Prefix}
	return []string{n.jobs(), n.results(), n.life()}
}

// Backups taken a moment apart are restored into an empty cluster, in the order that the guide says
// and in the other: what they hold keeps its ids and hashes, ids given since are not given again, and the
// store has another name.
func TestRestoredBackups(t *testing.T) {
	t.Parallel()
	for _, order := range [][]int{{0, 1}, {1, 0}} {
		h := newHistory(t, single(t))
		e := start(t, h.cfg)
		name := storeOf(e)
		before := h.submit(e, 5)
		h.done(e, before)
		e.cfg.Delay = longDelay
		pending := h.submit(e, 5)
		e.cfg.Delay = h.cfg.Delay
		backups := make([]*natstest.Backup, 2)
		for _, n := range order {
			backups[n] = h.backup(h.all()[n])
			h.done(e, h.submit(e, 5)) // done before the next is taken
		}
		h.done(e, h.submit(e, 5))
		_ = e.Close()
		for range 2 { // the same copy again: yet other ids
			h.drop(h.all()...)
			for _, n := range order {
				h.restore(h.all()[n], backups[n])
			}
			e, other := start(t, h.cfg), start(t, h.cfg)
			if storeOf(e) == name || storeOf(other) != storeOf(e) {
				t.Errorf("the store was %x, and restored it is %x on one instance and %x on another", name, storeOf(e), storeOf(other))
			}
			name = storeOf(e)
			h.fresh(e)
			h.fresh(other)
			h.done(e, before)
			if order[0] == 0 { // what was done between the copies is gone in the other order
				h.done(e, pending)
			}
			h.unmixed(other)
			_, _ = e.Close(), other.Close()
			e = start(t, h.cfg)
			if storeOf(e) != name {
				t.Errorf("the store was restored once, and has another name at each start: %x, %x", name, storeOf(e))
			}
			h.fresh(e)
			_ = e.Close()
		}
	}
}

// Either stream is put back to an older copy while the rest lives, between two runs and under a
// running instance.
func TestOlderCopyOfOneStream(t *testing.T) {
	t.Parallel()
	for _, running := range []bool{false, true} {
		for n := range 2 {
			olderCopy(t, single(t), n, running)
		}
	}
}

// A stop does not wait for jobs that the log has lost, and neither does who waits for them.
func TestDrainAfterOlderCopy(t *testing.T) {
	t.Parallel()
	h := newHistory(t, single(t))
	e := start(t, h.cfg)
	h.done(e, h.submit(e, 5))
	b := h.backup(e.names.jobs())
	e.cfg.Delay = time.Hour
	lost := h.submit(e, 5)
	waited := make(chan error, 1)
	go func() {
		_, err := e.Wait(context.WithoutCancel(t.Context()), lost[0].ID)
		waited <- err
	}()
	h.drop(e.names.jobs())
	h.restore(e.names.jobs(), b)
	awaitLives(t, 2, e)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := e.Drain(ctx); err != nil {
		t.Fatal(err)
	}
	if err := <-waited; !errors.Is(err, engine.ErrUnknown) && !errors.Is(err, engine.ErrDown) { // down while there is no stream
		t.Errorf("a wait for a job that is lost: %v", err)
	}
	if found := h.unmixed(e); found != [4]int{0, 5, 0, 5} {
		t.Errorf("the jobs are %v", found)
	}
}

// The same where servers tell each other of streams and their leaders.
func TestOlderCopyOnThreeServers(t *testing.T) {
	t.Parallel()
	servers := three(t)
	olderCopy(t, servers, 0, false)
	olderCopy(t, servers, 0, true)
}

func olderCopy(t *testing.T, servers *natstest.Cluster, n int, running bool) {
	t.Helper()
	h := newHistory(t, servers)
	stream := h.all()[n]
	e, idle := start(t, h.cfg), start(t, h.cfg)
	h.done(e, h.submit(e, 5))
	b := h.backup(stream)
	h.done(e, h.submit(e, 5))
	if !running {
		_, _ = e.Close(), idle.Close()
	}
	h.drop(stream)
	h.restore(stream, b)
	if !running {
		e, idle = start(t, h.cfg), start(t, h.cfg)
	}
	if n == 0 {
		awaitLives(t, 2, e, idle)
	}
	for _, one := range []*Engine{e, idle} {
		awaitReady(t, one, true)
		h.unmixed(one)
		h.fresh(one)
	}
	if storeOf(e) != storeOf(idle) {
		t.Errorf("running %v: the store is %x on one instance and %x on another", running, storeOf(e), storeOf(idle))
	}
	_, _ = e.Close(), idle.Close()
}

// Folders put back to an older state as a whole show nothing of it: the guide has the life stream deleted.
// It may also be lost by mistake, before a start or under a running instance.
func TestLifeStreamRemoved(t *testing.T) {
	t.Parallel()
	for _, running := range []bool{false, true} {
		h := newHistory(t, single(t))
		e := start(t, h.cfg)
		name := storeOf(e)
		h.done(e, h.submit(e, 5))
		if !running {
			_ = e.Close()
		}
		h.drop(e.names.life())
		if !running {
			e = start(t, h.cfg)
		}
		awaitLives(t, 2, e)
		if storeOf(e) == name {
			t.Errorf("running %v: the store has the same name", running)
		}
		if found := h.unmixed(e); found[1] != 5 {
			t.Errorf("running %v: the jobs are %v", running, found)
		}
		h.fresh(e)
		_ = e.Close()
	}
}

// awaitLives waits until the instances know that the log has had so many lives.
func awaitLives(t *testing.T, n int, all ...*Engine) {
	t.Helper()
	for began := time.Now(); slices.ContainsFunc(all, func(e *Engine) bool { return len(e.lives()) < n }); time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > patience {
			t.Fatalf("the log has %d lives: not noticed", n)
		}
	}
}

// The folder of the jobs stream is replaced by an older copy while the server is stopped.
func TestOlderCopyOfTheJobsFolder(t *testing.T) {
	t.Parallel()
	servers := cluster(t, natstest.Config{Nodes: 1})
	h := newHistory(t, servers)
	e := start(t, h.cfg)
	h.done(e, h.submit(e, 5))
	awaitRecord(t, e)
	_ = e.Close()
	folder := streamFolder(t, servers, e.names.jobs())
	copied := t.TempDir()
	swap := func(do func()) {
		servers.Stop()
		do()
		if err := errors.Join(servers.Nodes[0].Start(), servers.Await(t.Context())); err != nil {
			t.Fatal(err)
		}
	}
	swap(func() { copyFolder(t, copied, folder) })
	e = start(t, h.cfg)
	h.done(e, h.submit(e, 20))
	awaitRecord(t, e)
	_ = e.Close()
	swap(func() {
		if err := os.RemoveAll(folder); err != nil {
			t.Fatal(err)
		}
		copyFolder(t, folder, copied)
	})
	e = start(t, h.cfg)
	h.unmixed(e)
	h.fresh(e)
	if len(e.lives()) != 2 {
		t.Errorf("the lives are %v", e.lives())
	}
}

// awaitRecord waits until the life stream says how far the log has come.
func awaitRecord(t *testing.T, e *Engine) {
	t.Helper()
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		rec, err := e.readLife(t.Context())
		if err == nil && rec.High == e.acked.Load() {
			return
		}
		if time.Since(began) > patience {
			t.Fatalf("the log has come to %d, and its record says %+v, %v", e.acked.Load(), rec, err)
		}
	}
}

func streamFolder(t *testing.T, servers *natstest.Cluster, stream string) (found string) {
	t.Helper()
	err := filepath.WalkDir(servers.Nodes[0].Store(), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && strings.HasSuffix(path, "/streams/"+stream) {
			found = path
		}
		return ignoreGone(err)
	})
	if err != nil || found == "" {
		t.Fatalf("folder of %s: %q, %v", stream, found, err)
	}
	return found
}

func copyFolder(t *testing.T, to, from string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

// awaitReady waits until the engine is ready, or is not.
func awaitReady(t *testing.T, e *Engine, want bool) error {
	t.Helper()
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		err := e.Ready(context.WithoutCancel(t.Context()))
		if (err == nil) == want {
			return err
		}
		if time.Since(began) > patience {
			t.Fatalf("ready is not %v within %v: %v", want, patience, err)
		}
	}
}
