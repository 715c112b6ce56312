package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashd-project/hashd/v2/internal/engine/file"
	"github.com/hashd-project/hashd/v2/internal/needs"
)

var killRounds = flag.Int("kill-rounds", 5, "how many times TestKills kills the server")

// acknowledged is what a server has answered for. It is safe for concurrent use.
type acknowledged struct {
	mu       sync.Mutex
	secrets  map[int64]string
	earliest map[int64]time.Time // when the job can be due at the earliest
	canceled map[int64]bool
	doubted  map[int64]bool // canceled, but the answer did not come

	lost, twice, early int // what went wrong
}

func newAcknowledged() *acknowledged {
	return &acknowledged{
		secrets: make(map[int64]string), earliest: make(map[int64]time.Time),
		canceled: make(map[int64]bool), doubted: make(map[int64]bool),
	}
}

// add fails the test if an id is given twice.
func (a *acknowledged) add(t *testing.T, jobs []job, earliest time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, j := range jobs {
		if was, twice := a.secrets[j.id]; twice {
			a.twice++
			t.Errorf("id %d is that of %q and of %q", j.id, was, j.secret)
		}
		a.secrets[j.id], a.earliest[j.id] = j.secret, earliest
	}
}

func (a *acknowledged) last() (id int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for n := range a.secrets {
		id = max(id, n)
	}
	return id
}

func (a *acknowledged) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.secrets)
}

// load submits jobs, batches and cancellations from several goroutines until the server is gone.
func (a *acknowledged) load(t *testing.T, c *client, name string, delay time.Duration) (finish func()) {
	var g sync.WaitGroup
	for n := range 8 {
		g.Go(func() {
			for m := 0; ; m++ {
				before := time.Now()
				jobs, err := a.submitSome(t.Context(), c, fmt.Sprint(name, " submitter ", n, " job ", m), m)
				if err != nil {
					return
				}
				a.add(t, jobs, before.Add(delay))
				if m%10 == 9 && !a.cancel(t.Context(), c, jobs[0].id) {
					return
				}
			}
		})
	}
	return g.Wait
}

func (a *acknowledged) submitSome(ctx context.Context, c *client, secret string, m int) ([]job, error) {
	if m%5 == 0 {
		return c.tryBatch(ctx, []string{secret + " a", secret + " b", secret + strings.Repeat(" long", 40)})
	}
	id, err := c.trySubmit(ctx, secret)
	return []job{{id, secret}}, err
}

func (a *acknowledged) cancel(ctx context.Context, c *client, id int64) bool {
	answer, err := c.try(ctx, http.MethodDelete, path(id), "")
	a.mu.Lock()
	defer a.mu.Unlock()
	if err != nil {
		a.doubted[id] = true
		return false
	}
	a.canceled[id] = answer.status == http.StatusNoContent
	return true
}

// check waits for the jobs from the given id on and finds out whether each is as it was answered for.
func (a *acknowledged) check(t *testing.T, c *client, from int64) {
	t.Helper()
	ids := make(chan int64)
	var g sync.WaitGroup
	for range 8 {
		g.Go(func() {
			for id := range ids {
				a.checkJob(t, c, id)
			}
		})
	}
	for _, id := range slices.Sorted(maps.Keys(a.secrets)) {
		if id >= from {
			ids <- id
		}
	}
	close(ids)
	g.Wait()
}

func (a *acknowledged) checkJob(t *testing.T, c *client, id int64) {
	answer, err := c.try(t.Context(), http.MethodGet, path(id), "", header("Prefer", "wait=30"))
	now := time.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case err != nil:
		t.Errorf("job %d: %v", id, err)
	case answer.status == http.StatusGone && (a.canceled[id] || a.doubted[id]):
	case answer.status != http.StatusOK || a.canceled[id]:
		a.lost++
		t.Errorf("job %d is lost, or back: %d %s", id, answer.status, answer.body)
	case !strings.Contains(string(answer.body), hashOf(a.secrets[id])):
		a.lost++
		t.Errorf("job %d has the wrong hash", id)
	case now.Before(a.earliest[id]):
		a.early++
		t.Errorf("job %d is done %v early", id, a.earliest[id].Sub(now))
	}
}

// TestKills kills the server under load, again and again. Nothing that it answered for may be lost,
// early, or there twice.
func TestKills(t *testing.T) {
	const delay = 700 * time.Millisecond
	dir, acked := t.TempDir(), newAcknowledged()
	var slowest time.Duration
	for round := range *killRounds {
		last := acked.last()
		before := time.Now()
		i := start(t, onDisk(dir, "--delay="+delay.String())...)
		slowest = max(slowest, time.Since(before))
		c := i.client(t)
		acked.check(t, c, last-100) // those that were pending or just done
		finish := acked.load(t, c, fmt.Sprint("round ", round), delay)
		enough := acked.count() + 20 + rand.IntN(400)
		eventually(t, "enough is acknowledged", func() bool { return acked.count() >= enough })
		i.kill(t)
		finish()
		if first := acked.firstAfter(last); first <= last {
			t.Errorf("after a restart id %d follows %d", first, last)
		}
	}
	i := start(t, onDisk(dir, "--delay="+delay.String())...)
	acked.check(t, i.client(t), 0)
	i.stop(t)
	t.Logf("rounds %d, jobs acknowledged %d, of them canceled %d; lost %d, duplicated %d, early %d; slowest start %v",
		*killRounds, acked.count(), len(acked.canceled), acked.lost, acked.twice, acked.early, slowest.Round(time.Millisecond))
}

// firstAfter returns the lowest id above the last of before, or that if there is none.
func (a *acknowledged) firstAfter(last int64) int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	first := last
	for id := range a.secrets {
		if id > last && (first == last || id < first) {
			first = id
		}
	}
	return first
}

// asRoot runs a command as root, if the test is or can become it.
func asRoot(args ...string) error {
	if err := exec.Command(args[0], args[1:]...).Run(); err == nil {
		return nil
	}
	return exec.Command("sudo", append([]string{"-n"}, args...)...).Run()
}

// smallDisk mounts a disk in memory, or skips the test where nobody may.
func smallDisk(t *testing.T, size string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	owner := fmt.Sprintf("size=%s,uid=%d,mode=700", size, os.Getuid())
	if err := asRoot("mount", "-t", "tmpfs", "-o", owner, "hashd-test", dir); err != nil {
		needs.Missing(t, fmt.Sprintf("a small disk needs the right to mount: run as root, or allow sudo without a password, for this test: %v", err))
	}
	t.Cleanup(func() {
		if err := asRoot("umount", dir); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}

// A full disk refuses jobs and loses none. With room again, all goes on.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	dir := smallDisk(t, "2m")
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	args := onDisk(dir, "--delay=1h", "--drain=handover") // jobs that are done would make room
	i := start(t, args...)
	c := i.client(t)
	jobs := fillDisk(t, c)
	c.do(t, http.MethodGet, "/readyz", "").want(t, http.StatusOK)
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	jobs = append(jobs, submitMany(t, c, 20)...)
	i.kill(t)
	i = start(t, args...)
	i.listening.Want(t, "pending", len(jobs))
	wantAllPending(t, i.client(t), jobs)
	i.stop(t)
}

// fillDisk submits until the disk is full, and checks how that is answered.
func fillDisk(t *testing.T, c *client) (jobs []job) {
	t.Helper()
	for n := range 10_000 {
		secret := fmt.Sprint(n, strings.Repeat(" long", 200))
		a := c.do(t, http.MethodPost, "/hash", submission(secret))
		if a.status != http.StatusAccepted {
			a.wantProblem(t, http.StatusServiceUnavailable, "full")
			if !strings.Contains(string(a.body), "limit disk") || a.header.Get("Retry-After") == "" {
				t.Errorf("the refusal is %s", a.body)
			}
			return jobs
		}
		var accepted struct{ ID int64 }
		if err := json.Unmarshal(a.body, &accepted); err != nil {
			t.Fatal(err)
		}
		jobs = append(jobs, job{accepted.ID, secret})
	}
	t.Fatal("the disk does not fill")
	return nil
}

// traced starts a server under strace, which writes what it is told to trace to the file.
func traced(t *testing.T, output string, trace []string, args ...string) *instance {
	t.Helper()
	tracer := needs.Tool(t, "strace", needs.Debian("strace"))
	all := slices.Concat([]string{"-f", "-y", "-s", "32", "-o", output}, trace, []string{binary()}, serving(args...))
	p := launchCommand(t, nil, exec.Command(tracer, all...))
	t.Cleanup(func() { // before strace itself is killed, which would leave the server behind
		if pid, err := child(p.cmd.Process.Pid); err == nil {
			_ = syscall.Kill(pid, syscall.SIGKILL)
			<-p.ended
		}
	})
	return started(t, p)
}

// child returns the one child of the process.
func child(pid int) (int, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(b)))
}

// syncsBefore counts the syncs of the store's file in a trace, up to a line with that text.
func syncsBefore(t *testing.T, output, text string) (n int) {
	t.Helper()
	trace, err := os.ReadFile(output)
	if err != nil {
		t.Fatal(err)
	}
	before, _, found := strings.Cut(string(trace), text)
	if !found {
		t.Fatalf("the trace has no %s", text)
	}
	return len(regexp.MustCompile(`f(data)?sync\(\d+<[^>]*/hashd\.db>`).FindAllString(before, -1))
}

// stopTraced stops the server behind strace.
func (i *instance) stopTraced(t *testing.T, code int) {
	t.Helper()
	pid, err := child(i.cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
		t.Fatal(err)
	}
	i.wantExit(t, code)
}

// A job is answered only after what holds it was written and the disk has confirmed that, unless it
// was told otherwise. A kill -9 could not tell, for the system's cache survives it.
func TestSyncedBeforeAnswered(t *testing.T) {
	t.Parallel()
	const jobs = 20
	for sync, want := range map[string]int{"always": 0, "never": jobs} {
		output := filepath.Join(t.TempDir(), "trace")
		i := traced(t, output, []string{"-e", "trace=fdatasync,fsync,pwrite64,write"},
			onDisk(t.TempDir(), "--sync="+sync, "--delay=1h", "--drain=handover")...)
		c := i.client(t)
		for n := range jobs {
			c.submit(t, fmt.Sprint("secret ", n))
		}
		told := scrape(t, "http://"+i.address)
		i.stopTraced(t, 0)
		if groups, fsyncs := told["hashd_store_group_duration_seconds_count"], told["hashd_store_fsyncs_total"]; groups != jobs || int(fsyncs) != syncsBefore(t, output, `"HTTP/1.1 200 OK`) {
			t.Errorf("sync %s: the metrics have %v groups and %v fsyncs, want %d and %d", sync, groups, fsyncs, jobs, syncsBefore(t, output, `"HTTP/1.1 200 OK`))
		}
		if answers, unsynced := readTrace(t, output); answers != jobs || unsynced != want {
			t.Errorf("sync %s: %d answers, of them %d before the disk had the job; want %d and %d", sync, answers, unsynced, jobs, want)
		}
	}
}

// readTrace counts the answers that accept a job, and those that came before the store was synced.
func readTrace(t *testing.T, name string) (answers, unsynced int) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	synced, dirty := 0, false
	for lines := bufio.NewScanner(f); lines.Scan(); {
		switch line := lines.Text(); {
		case strings.Contains(line, "pwrite64(") && strings.Contains(line, file.StoreName):
			dirty = true
		case strings.Contains(line, "fdatasync") && strings.HasSuffix(line, "= 0"):
			synced, dirty = synced+1, false
		case strings.Contains(line, "write(") && strings.Contains(line, "HTTP/1.1 202"):
			answers++
			if dirty || synced == 0 {
				unsynced++
			}
			synced = 0
		}
	}
	return answers, unsynced
}

// A disk that fails takes the server down in all but what it answered for.
func TestFailingDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	i := traced(t, os.DevNull, []string{"-e", "trace=fdatasync", "-e", "inject=fdatasync:error=EIO:when=40+"}, onDisk(dir, "--delay=1s")...)
	c := i.client(t)
	var jobs []job
	for n := 0; ; n++ {
		secret := fmt.Sprint("secret ", n)
		a := c.do(t, http.MethodPost, "/hash", submission(secret))
		if a.status != http.StatusAccepted {
			a.wantProblem(t, http.StatusServiceUnavailable, "down")
			break
		}
		jobs = append(jobs, job{int64(n + 1), secret})
	}
	if len(jobs) == 0 {
		t.Fatal("no job was accepted before the disk failed")
	}
	i.log(t, storeFailed, 1).Want(t, "level", "ERROR")
	c.do(t, http.MethodGet, "/readyz", "").wantProblem(t, http.StatusServiceUnavailable, "down")
	c.do(t, http.MethodGet, "/healthz", "").want(t, http.StatusOK)
	c.do(t, http.MethodDelete, path(jobs[0].id), "").wantProblem(t, http.StatusServiceUnavailable, "down")
	wantHashes(t, c, jobs)
	i.stopTraced(t, 0)
	i = start(t, onDisk(dir, "--delay=1s")...)
	wantHashes(t, i.client(t), jobs)
	i.stop(t)
}
