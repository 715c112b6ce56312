package e2e

import (
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashd-project/hashd/v2/internal/engine/file"
	"github.com/hashd-project/hashd/v2/internal/needs"
)

// storeFailed is what the log says when the store cannot be used any more.
const storeFailed = "the store failed: no new jobs until a restart"

// A store that is missing or was cut to nothing ends the start with an error that tells the way out; it
// is never made anew in silence.
func TestLostStoreEndsTheStart(t *testing.T) {
	t.Parallel()
	for what, lose := range map[string]func(name string) error{
		"missing":        os.Remove,
		"cut to nothing": func(name string) error { return os.Truncate(name, 0) },
	} {
		dir := t.TempDir()
		i := start(t, onDisk(dir, "--delay=1h", "--drain=handover")...)
		jobs := submitMany(t, i.client(t), 5)
		i.stop(t)
		name := filepath.Join(dir, file.StoreName)
		kept, err := os.ReadFile(name)
		if err := errors.Join(err, lose(name)); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			got := finish(t, nil, onDisk(dir, "--port=0")...)
			if got.code != 1 || !strings.Contains(got.stderr, "restore the folder from a backup, or start with an empty one") {
				t.Errorf("%s: %+v", what, got)
			}
		}
		if err := os.WriteFile(name, kept, 0o600); err != nil {
			t.Fatal(err)
		}
		i = start(t, onDisk(dir, "--delay=1h", "--drain=handover")...)
		wantAllPending(t, i.client(t), jobs)
		i.stop(t)
	}
}

// While the server runs, a store that is not there any more shows within seconds and without traffic:
// in the log, in readiness, and in that nothing is accepted. Nobody else gets the folder meanwhile, and a
// stop ends.
func TestStoreLostUnderARunningServer(t *testing.T) {
	t.Parallel()
	for what, lose := range map[string]func(dir string) error{
		"folder removed": os.RemoveAll,
		"store removed":  func(dir string) error { return os.Remove(filepath.Join(dir, file.StoreName)) },
		"store replaced": func(dir string) error {
			name := filepath.Join(dir, file.StoreName)
			b, err := os.ReadFile(name)
			return errors.Join(err, os.Remove(name), os.WriteFile(name, b, 0o600))
		},
	} {
		dir := filepath.Join(t.TempDir(), "data")
		i := start(t, onDisk(dir, "--delay=2s")...)
		c := i.client(t)
		jobs := submitMany(t, c, 5)
		if err := lose(dir); err != nil {
			t.Fatal(err)
		}
		i.log(t, storeFailed, 1).Want(t, "level", "ERROR")
		c.do(t, http.MethodGet, "/readyz", "").wantProblem(t, http.StatusServiceUnavailable, "down")
		c.do(t, http.MethodPost, "/hash", submission("after")).wantProblem(t, http.StatusServiceUnavailable, "down")
		if what != "folder removed" {
			got := finish(t, nil, onDisk(dir, "--port=0")...)
			if got.code != 1 || !strings.Contains(got.stderr, "in use by another process") {
				t.Errorf("%s: a second server is %+v", what, got)
			}
		}
		wantHashes(t, c, jobs) // which it still has
		i.signal(t, syscall.SIGTERM)
		i.wantExit(t, 1)
	}
}

// A server whose store was cut or overwritten under it goes down and ends when it is told to, whatever
// the library that reads the store makes of that. No end of it looks like a bad flag.
func TestStopWithASpoiledStore(t *testing.T) {
	t.Parallel()
	overwrite := func(from int) func(name string) error {
		return func(name string) error {
			b, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			f, err := os.OpenFile(name, os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			_, err = f.WriteAt(slices.Repeat([]byte{0xa5}, len(b)-from), int64(from))
			return errors.Join(err, f.Close())
		}
	}
	for what, spoil := range map[string]func(name string) error{
		"cut to nothing":      func(name string) error { return os.Truncate(name, 0) },
		"cut to two pages":    func(name string) error { return os.Truncate(name, 8192) },
		"overwritten":         overwrite(0),
		"overwritten pages":   overwrite(2 * os.Getpagesize()),
		"overwritten at idle": overwrite(3 * os.Getpagesize()),
	} {
		dir := t.TempDir()
		i := start(t, onDisk(dir, "--delay=1h", "--drain=handover")...)
		c := i.client(t)
		submitMany(t, c, 50)
		if err := spoil(filepath.Join(dir, file.StoreName)); err != nil {
			t.Fatal(err)
		}
		if what == "cut to nothing" || what == "overwritten" {
			c.do(t, http.MethodPost, "/hash", submission("after")).wantProblem(t, http.StatusServiceUnavailable, "down")
			i.log(t, storeFailed, 1)
		} else if what != "overwritten at idle" {
			_, _ = c.try(t.Context(), http.MethodPost, "/hash", submission("after"))
		}
		c.do(t, http.MethodGet, "/healthz", "").want(t, http.StatusOK)
		i.signal(t, syscall.SIGTERM)
		select {
		case <-i.ended:
		case <-time.After(patience):
			t.Fatalf("%s: it does not end:\n%s", what, i.stderr)
		}
		if i.code != 0 && i.code != 1 {
			t.Errorf("%s: exit code %d:\n%s", what, i.code, i.stderr)
		}
	}
}

// An older copy of the store, put back, gives out no id a second time, and clients see that it is
// another store.
func TestOlderStorePutBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name := filepath.Join(dir, file.StoreName)
	args := onDisk(dir, "--delay=0s")
	i := start(t, args...)
	before := submitMany(t, i.client(t), 3)
	i.stop(t)
	copied, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	i = start(t, args...)
	store, since := i.client(t).store(t), submitMany(t, i.client(t), 10)
	i.stop(t)
	if err := os.WriteFile(name, copied, 0o600); err != nil {
		t.Fatal(err)
	}
	i = start(t, args...)
	c := i.client(t)
	if c.store(t) == store {
		t.Error("the store has the name of before")
	}
	if got := i.log(t, "the store may not be the latest of its copies: from now on it has another name and ids far above", 1); got["level"] != "WARN" {
		t.Errorf("the log says %v", got)
	}
	given := make(map[int64]bool)
	for _, j := range since {
		given[j.id] = true
		c.do(t, http.MethodGet, path(j.id), "").wantProblem(t, http.StatusNotFound, "unknown-job")
	}
	next := submitMany(t, c, 20)
	for _, j := range next {
		if given[j.id] {
			t.Errorf("id %d was given out before", j.id)
		}
	}
	wantHashes(t, c, append(before, next...))
	i.stop(t)
}

// A store that an earlier version made keeps its name, and its ids go on. Put back later it has another.
func TestAdoptedStoreKeepsItsName(t *testing.T) {
	t.Parallel()
	const name, next = "eef77f3598772a8c", 166
	dir := t.TempDir()
	frozen := "../../internal/engine/file/testdata/frozen/1"
	copyInto(t, frozen, dir, file.StoreName, "key.json")
	if err := os.Rename(filepath.Join(dir, "key.json"), filepath.Join(dir, file.RingName)); err != nil {
		t.Fatal(err)
	}
	args := onDisk(dir, "--delay=24h", "--drain=handover")
	for n := range int64(2) {
		i := start(t, args...)
		c := i.client(t)
		if got := c.store(t); got != name {
			t.Errorf("start %d: the store is called %s, and was called %s", n, got, name)
		}
		if got := c.submit(t, "next"); got.Id != next+n {
			t.Errorf("start %d: the next id is %d", n, got.Id)
		}
		i.stop(t)
	}
	copyInto(t, frozen, dir, file.StoreName) // older than what its lock file saw
	i := start(t, args...)
	if c := i.client(t); c.store(t) == name || c.submit(t, "next").Id <= next+1 {
		t.Error("the store of before, put back, is taken for the latest")
	}
	i.stop(t)
}

func copyInto(t *testing.T, from, to string, names ...string) {
	t.Helper()
	for _, name := range names {
		b, err := os.ReadFile(filepath.Join(from, name))
		if err := errors.Join(err, os.WriteFile(filepath.Join(to, name), b, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
}

// inTimeNamespace is a command in a time namespace of its own, or skips the test where none can be made.
func inTimeNamespace(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	for _, how := range [][]string{{"-T"}, {"-U", "-r", "-T"}} {
		if exec.Command("unshare", append(how, "true")...).Run() == nil {
			return exec.Command("unshare", append(how, args...)...)
		}
	}
	needs.Missing(t, "a time namespace needs the right to make one: run as root, with unshare of util-linux 2.36 or later, for this test")
	return nil
}

// A job is not early when the next start is in another time namespace, whose clock is ahead.
func TestTimeNamespaceMakesNoJobEarly(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	serve := append([]string{binary(), "--port=0", "--log-format=json"}, onDisk(dir, "--delay=1h", "--drain=handover")...)
	i := started(t, launchCommand(t, nil, inTimeNamespace(t, serve...)))
	jobs := submitMany(t, i.client(t), 5)
	i.stop(t)
	for _, ahead := range []string{"7200", "0", "36000"} {
		i = started(t, launchCommand(t, nil, inTimeNamespace(t, append([]string{"--boottime", ahead, "--monotonic", ahead}, serve...)...)))
		i.listening.Want(t, "pending", len(jobs))
		wantAllPending(t, i.client(t), jobs)
		i.stop(t)
	}
}

// A crash of the program cannot be taken for a bad flag: it ends by a signal, not with the runtime's exit
// code, which is the same.
func TestCrashIsNotABadFlag(t *testing.T) {
	t.Parallel()
	i := start(t)
	i.signal(t, syscall.SIGQUIT) // has the runtime end the program as a panic does
	i.wantExit(t, -1)
	if status, ok := i.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGABRT {
		t.Errorf("it ended with %v", i.cmd.ProcessState)
	}
}

// A store that cannot be read is told as that: nobody is advised to give it up.
func TestUnreadableStoreIsNotCalledDamaged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	i := start(t, onDisk(dir, "--delay=1h", "--drain=handover")...)
	jobs := submitMany(t, i.client(t), 20)
	i.stop(t)
	for _, name := range []string{file.StoreName, file.LockName} {
		for _, fault := range []string{"pread64:error=EIO", "pread64:error=EIO:when=2+", "flock:error=EIO", "fstat:error=EIO", "newfstatat:error=EIO", "openat:error=EIO"} {
			tracer := needs.Tool(t, "strace", needs.Debian("strace"))
			call, _, _ := strings.Cut(fault, ":")
			trace := []string{"-f", "-o", os.DevNull, "-P", filepath.Join(dir, name), "-e", "trace=" + call, "-e", "inject=" + fault, binary(), "--port=0"}
			p := launchCommand(t, nil, exec.Command(tracer, append(trace, onDisk(dir)...)...))
			select {
			case <-p.ended:
			case <-time.After(patience):
				t.Fatalf("%s of %s: it goes on:\n%s", fault, name, p.stderr)
			}
			if p.code != 1 || !strings.Contains(p.stderr.String(), "input/output error") || strings.Contains(p.stderr.String(), "empty one") {
				t.Errorf("%s of %s: exit code %d: %s", fault, name, p.code, p.stderr)
			}
		}
	}
	i = start(t, onDisk(dir, "--delay=1h", "--drain=handover")...)
	wantAllPending(t, i.client(t), jobs)
	i.stop(t)
}
