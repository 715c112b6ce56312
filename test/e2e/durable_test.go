package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	wire "github.com/hashd-project/hashd/v2/gen/server"
	"github.com/hashd-project/hashd/v2/internal/engine/file"
)

// onDisk are the arguments of a server that keeps its jobs in the folder.
func onDisk(dir string, more ...string) []string {
	return append([]string{"--engine=file", "--data-dir=" + dir}, more...)
}

// kill ends the process as a crash would.
func (p *process) kill(t *testing.T) {
	t.Helper()
	p.signal(t, syscall.SIGKILL)
	p.wantExit(t, -1)
}

// wantHashes waits for the jobs and checks each hash.
func wantHashes(t *testing.T, c *client, jobs []job) {
	t.Helper()
	collect(t, c, jobs)()
}

// What was accepted is there after a kill -9, under the ids that were told, and with it what the
// client needs to know that a retry is one.
func TestRestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	i := start(t, onDisk(dir, "--delay=2s")...)
	c := i.client(t)
	store := c.store(t)
	jobs := submitMany(t, c, 100)
	keyed := header("Idempotency-Key", "once")
	first := c.do(t, http.MethodPost, "/hash", submission("keyed"), keyed).want(t, http.StatusAccepted)
	canceled := c.submit(t, "canceled")
	c.do(t, http.MethodDelete, path(canceled.Id), "").want(t, http.StatusNoContent)
	i.kill(t)

	i = start(t, onDisk(dir, "--delay=2s")...)
	i.listening.Want(t, "engine", "file")
	c = i.client(t)
	if now := c.store(t); now != store {
		t.Errorf("after a restart the store %s is called %s", store, now)
	}
	again := c.do(t, http.MethodPost, "/hash", submission("keyed"), keyed).want(t, http.StatusAccepted)
	if a, b := decode[wire.Job](t, first), decode[wire.Job](t, again); a.Id != b.Id {
		t.Errorf("after a restart the retry of %d got %d", a.Id, b.Id)
	}
	c.do(t, http.MethodPost, "/hash", submission("other"), keyed).wantProblem(t, http.StatusUnprocessableEntity, "idempotency-key-reused")
	c.do(t, http.MethodGet, path(canceled.Id), "").wantProblem(t, http.StatusGone, "job-gone")
	wantHashes(t, c, jobs)
	if next := c.submit(t, "next"); next.Id != canceled.Id+1 {
		t.Errorf("id %d follows %d", next.Id, canceled.Id)
	}
	i.stop(t)

	i = start(t, onDisk(dir, "--delay=2s")...)
	wantHashes(t, i.client(t), jobs)
	i.stop(t)
}

// store returns what the server calls its store.
func (c *client) store(t *testing.T) string {
	t.Helper()
	return decode[wire.Status](t, c.do(t, http.MethodGet, "/v/status", "").want(t, http.StatusOK)).Store
}

// What is kept in memory is another store with each start, and each folder has a store of its own.
func TestOtherStores(t *testing.T) {
	t.Parallel()
	stores := make(map[string]bool)
	for _, args := range [][]string{nil, nil, onDisk(t.TempDir()), onDisk(t.TempDir())} {
		i := start(t, args...)
		stores[i.client(t).store(t)] = true
		i.stop(t)
	}
	if len(stores) != 4 {
		t.Errorf("four stores have the names %v", stores)
	}
}

// A stop that hands over does not wait, and the next start has what is left.
func TestHandover(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	args := onDisk(dir, "--delay=1h", "--drain=handover")
	i := start(t, args...)
	jobs := submitMany(t, i.client(t), 50)
	for range 2 {
		i.signal(t, syscall.SIGTERM)
		i.wantExit(t, 0)
		i.log(t, "handing over", 1).Want(t, "pending", 50)
		i.log(t, stopped, 1).Want(t, "completed", 0, "left", 50)
		i = start(t, args...)
		i.listening.Want(t, "pending", 50)
		wantAllPending(t, i.client(t), jobs)
	}
	i.stop(t)
}

// wantAllPending is for jobs that are due in an hour: a test that waited for them would be slow, and
// one whose jobs are due soon would depend on the machine's speed.
func wantAllPending(t *testing.T, c *client, jobs []job) {
	t.Helper()
	for _, j := range jobs {
		if got := decode[wire.Job](t, c.do(t, http.MethodGet, path(j.id), "").want(t, http.StatusAccepted)); got.Id != j.id {
			t.Errorf("job %d answers as %d", j.id, got.Id)
		}
	}
}

// Neither secrets nor hashes can be read from the folder, and its files are the owner's alone.
func TestFolderIsSealed(t *testing.T) {
	t.Parallel()
	const secret = "a secret that no file may show"
	dir := filepath.Join(t.TempDir(), "data")
	i := start(t, onDisk(dir, "--delay=0s")...)
	c := i.client(t)
	id := c.submit(t, secret).Id
	if _, err := c.await(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	i.stop(t)
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 3 {
		t.Fatalf("the folder holds %v, error %v", files, err)
	}
	for _, f := range files {
		name := filepath.Join(dir, f.Name())
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(b), secret) || strings.Contains(string(b), hashOf(secret)) {
			t.Errorf("%s shows the secret or its hash", f.Name())
		}
		if info, err := f.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, error %v", f.Name(), info.Mode(), err)
		}
	}
}

// Keys can be rotated, and a lost or wrong one is told as such.
func TestRings(t *testing.T) {
	t.Parallel()
	dir, path := t.TempDir(), filepath.Join(t.TempDir(), "ring.json")
	want := outcome{0, "created " + path + "\n", ""}
	if got := finish(t, nil, "ring", "create", path); got != want {
		t.Fatalf("ring create is %+v", got)
	}
	i := start(t, onDisk(dir, "--ring-file="+path, "--delay=0s")...)
	jobs := submitMany(t, i.client(t), 20)
	i.stop(t)
	if got := finish(t, nil, "ring", "rotate", path); got.code != 0 {
		t.Fatalf("ring rotate is %+v", got)
	}
	ring, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	i = started(t, launch(t, []string{"HASHD_RING=" + string(ring)}, onDisk(dir, "--port=0", "--log-format=json", "--delay=0s")...))
	c := i.client(t)
	wantHashes(t, c, jobs)
	jobs = append(jobs, submitMany(t, c, 5)...)
	i.stop(t)
	i = start(t, onDisk(dir, "--ring-file="+path)...)
	wantHashes(t, i.client(t), jobs)
	i.stop(t)

	other := filepath.Join(t.TempDir(), "other.json")
	finish(t, nil, "ring", "create", other)
	for want, args := range map[string][]string{
		"is missing, and the jobs":                onDisk(dir, "--port=0"),
		"which is not in the ring":                onDisk(dir, "--port=0", "--ring-file="+other),
		"no such file":                            onDisk(dir, "--port=0", "--ring-file="+other+".not"),
		"file already exists":                     {"ring", "create", path},
		"hashd ring create FILE, or hashd":        {"ring"},
		"accepts 1 arg(s), received 0":            {"ring", "rotate"},
		"data-dir names none":                     {"--engine=file"},
		"engine memory does not use this setting": {"--data-dir=" + dir},
		"so nobody could take the jobs over":      {"--drain=handover"},
	} {
		if got := finish(t, nil, args...); got.code == 0 || !strings.Contains(got.stderr, want) {
			t.Errorf("%q: %+v, want %q", args, got, want)
		}
	}
}

func TestOneServerAFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	i := start(t, onDisk(dir)...)
	got := finish(t, nil, onDisk(dir, "--port=0")...)
	if got.code != 1 || !strings.Contains(got.stderr, "in use by another process") {
		t.Errorf("a second server on the folder: %+v", got)
	}
	i.stop(t)
}

// A store that was cut or overwritten ends the start with an error that says so.
func TestDamagedStore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	i := start(t, onDisk(dir, "--delay=1h", "--drain=handover")...)
	submitMany(t, i.client(t), 500)
	i.stop(t)
	name := filepath.Join(dir, file.StoreName)
	good, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for what, bad := range map[string][]byte{
		"cut":         good[:3*4096], // the file's end may be room that is not in use, and may be missed
		"overwritten": append(make([]byte, len(good)/2), good[len(good)/2:]...),
		"no store":    []byte("this is a text"),
	} {
		if err := os.WriteFile(name, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		got := finish(t, nil, onDisk(dir, "--port=0", "--delay=1h")...)
		if got.code != 1 || !strings.Contains(got.stderr, "the store is damaged: restore") {
			t.Errorf("%s: %+v", what, got)
		}
	}
	if err := os.WriteFile(name, good, 0o600); err != nil {
		t.Fatal(err)
	}
	i = start(t, onDisk(dir, "--delay=1h", "--drain=handover")...)
	i.listening.Want(t, "pending", 500)
	i.stop(t)
}

// batchBody is the body that submits the secrets.
func batchBody(secrets []string) string {
	b, _ := json.Marshal(map[string][]string{"passwords": secrets}) // strings can always be marshaled
	return string(b)
}

// tryBatch submits a batch and returns the jobs.
func (c *client) tryBatch(ctx context.Context, secrets []string) ([]job, error) {
	a, err := c.try(ctx, http.MethodPost, "/hash/batch", batchBody(secrets))
	if err != nil {
		return nil, err
	}
	if a.status != http.StatusAccepted {
		return nil, fmt.Errorf("batch: status %d %s", a.status, a.body)
	}
	var accepted wire.AcceptedBatch
	if err := json.Unmarshal(a.body, &accepted); err != nil {
		return nil, err
	}
	var jobs []job
	for n, s := range secrets {
		jobs = append(jobs, job{accepted.First + int64(n), s})
	}
	return jobs, nil
}
