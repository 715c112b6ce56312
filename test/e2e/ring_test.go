package e2e

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/hashd-project/hashd/v2/internal/needs"
	"github.com/hashd-project/hashd/v2/internal/seal"
)

// unprivileged is who runs hashd in its image.
const unprivileged = 65532

// mountedRing lays a ring out as Kubernetes mounts a secret for a pod with that fsGroup, and returns its
// path: a link through a link to a file of root's, in a folder that all may write in but for what others
// have in it. It is the test's own where the test does not run as root.
func mountedRing(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "hashd-mount-") //nolint:usetesting // t.TempDir is in a folder that only its owner can enter
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	data := filepath.Join(dir, "..2026_11_26_04_00_00.1")
	mode := fs.FileMode(0o400)
	err = errors.Join(os.Mkdir(data, 0o700), os.Symlink(filepath.Base(data), filepath.Join(dir, "..data")),
		os.Symlink("..data/ring.json", filepath.Join(dir, "ring.json")), seal.CreateFile(filepath.Join(data, "ring.json")))
	if os.Getuid() == 0 {
		mode = 0o440
		err = errors.Join(err, os.Chown(filepath.Join(data, "ring.json"), 0, unprivileged))
	}
	err = errors.Join(err, os.Chmod(filepath.Join(data, "ring.json"), mode), os.Chmod(data, 0o755), os.Chmod(dir, 0o777|fs.ModeSticky))
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "ring.json")
}

// asUnprivileged returns the command with hashd as the image's user, where the test may choose.
func asUnprivileged(args ...string) *exec.Cmd {
	cmd := exec.Command(binary(), args...)
	if os.Getuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: unprivileged, Gid: unprivileged}}
	}
	return cmd
}

// A ring that is mounted as a secret is taken, whichever user hashd runs as.
func TestMountedRing(t *testing.T) {
	t.Parallel()
	ring := mountedRing(t)
	data, err := os.MkdirTemp("", "hashd-data-") //nolint:usetesting // as above
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(data) })
	if os.Getuid() == 0 {
		if err := os.Chown(data, unprivileged, unprivileged); err != nil {
			t.Fatal(err)
		}
	}
	args := onDisk(data, "--port=0", "--log-format=json", "--delay=0s", "--ring-file="+ring)
	i := started(t, launchCommand(t, nil, asUnprivileged(args...)))
	jobs := submitMany(t, i.client(t), 3)
	wantHashes(t, i.client(t), jobs)
	i.stop(t)
}

// Whatever is open to others is refused before anything is made or read, with the ways out.
func TestExposedFilesAreRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name string, mode fs.FileMode) string {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(path, []byte("x"), 0o600), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	folder := func(name string, mode fs.FileMode) string {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.Mkdir(path, 0o700), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	ring := filepath.Join(dir, "good.json")
	if err := seal.CreateFile(ring); err != nil {
		t.Fatal(err)
	}
	open := folder("open", 0o777)
	nats := []string{"--port=0", "--engine=jetstream", "--nats-url=nats://127.0.0.1:1", "--ring-file=" + ring}
	for what, tc := range map[string]struct {
		args []string
		says []string
	}{
		"a ring that all can read": {onDisk(folder("data", 0o700), "--port=0", "--ring-file="+file("ring.json", 0o644)),
			[]string{"ring.json has mode 0644", "chmod 600", "mode 640", "HASHD_RING"}},
		"a folder that all can write in": {onDisk(open, "--port=0"), []string{open + " has mode 0777", "chmod o-w"}},
		"credentials":                    {append(nats, "--nats-creds="+file("user.creds", 0o604)), []string{"nats-creds", "user.creds has mode 0604"}},
		"a private key":                  {append(nats, "--nats-cert="+file("cert.pem", 0o644), "--nats-key="+file("key.pem", 0o620)), []string{"nats-key", "key.pem has mode 0620"}},
		"a rotation":                     {[]string{"ring", "rotate", file("rotate.json", 0o666)}, []string{"rotate.json has mode 0666", "chmod 600"}},
	} {
		got := finish(t, nil, tc.args...)
		for _, text := range tc.says {
			if got.code != 1 || !strings.Contains(got.stderr, text) {
				t.Errorf("%s: exit code %d, want 1 and %q: %s", what, got.code, text, got.stderr)
			}
		}
	}
	if left, err := os.ReadDir(open); err != nil || len(left) > 0 {
		t.Errorf("the refused folder has %v, error %v", left, err)
	}
}

// A ring of somebody else's is refused, though root could read it.
func TestForeignRingIsRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ring.json")
	if err := seal.CreateFile(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(path, unprivileged, -1); err != nil {
		t.Logf("only root gives files away: %v", err) // what is refused is held by the tests of package private
		return
	}
	got := finish(t, nil, onDisk(t.TempDir(), "--port=0", "--ring-file="+path)...)
	if got.code != 1 || !strings.Contains(got.stderr, "belongs to uid 65532") || !strings.Contains(got.stderr, "HASHD_RING") {
		t.Errorf("%+v", got)
	}
}

// A rotation follows links, and keeps whose the ring is.
func TestRotateBehindALink(t *testing.T) {
	t.Parallel()
	link := mountedRing(t)
	target, err := filepath.EvalSymlinks(link)
	if err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(target)
	if err != nil {
		t.Fatal(err)
	}
	if got := finish(t, nil, "ring", "rotate", link); got.code != 0 {
		t.Fatalf("%+v", got)
	}
	after, err := os.Lstat(target)
	if err != nil {
		t.Fatal(err)
	}
	was, is := before.Sys().(*syscall.Stat_t), after.Sys().(*syscall.Stat_t)
	if after.Mode() != before.Mode() || is.Uid != was.Uid || is.Gid != was.Gid {
		t.Errorf("it was %v of %d:%d, and is %v of %d:%d", before.Mode(), was.Uid, was.Gid, after.Mode(), is.Uid, is.Gid)
	}
	if to, err := os.Readlink(link); err != nil || to != "..data/ring.json" {
		t.Errorf("the link leads to %q, error %v", to, err)
	}
	if n := keysIn(t, target); n != 2 {
		t.Errorf("the ring has %d keys", n)
	}
}

// keysIn returns how many keys the ring has; none if it is not whole.
func keysIn(t *testing.T, path string) int {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := seal.New(b); err != nil {
		return 0
	}
	return strings.Count(string(b), `"keyData"`)
}

// killAtEach runs the command again and again, and kills it before a thread's first call on the paths, before
// the second and so on. check looks at what each leaves.
func killAtEach(t *testing.T, paths, args []string, check func(call int, killed bool)) {
	t.Helper()
	tracer := needs.Tool(t, "strace", needs.Debian("strace"))
	trace := []string{"-f", "-qq", "-o", os.DevNull}
	for _, path := range paths {
		trace = append(trace, "-P", path)
	}
	const calls, fewest, most = 36, 8, 10 * 36 // a run makes up to that many, mostly on one thread
	kills := 0
	for run := 0; run < calls || kills < fewest && run < most; run++ {
		call := run % calls
		cmd := exec.Command(tracer, append(append(trace, "-e", fmt.Sprintf("inject=all:signal=SIGKILL:when=%d", call+1), binary()), args...)...)
		out, err := cmd.CombinedOutput()
		exit, failed := errors.AsType[*exec.ExitError](err)
		killed := failed && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL
		if err != nil && !killed {
			t.Fatalf("call %d: %v\n%s", call, err, out)
		}
		if killed {
			kills++
		}
		check(call, killed)
	}
	if kills < fewest {
		t.Errorf("only %d runs were killed", kills)
	}
}

// A rotation that is killed at any point leaves the old ring or the new one, whole, and nothing that grows.
func TestRotateKilledAtAnyPoint(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "ring.json")
	if err := seal.CreateFile(path); err != nil {
		t.Fatal(err)
	}
	keys := 1
	killAtEach(t, []string{dir, path, filepath.Join(dir, ".ring.json.new")}, []string{"ring", "rotate", path}, func(call int, killed bool) {
		n := keysIn(t, path)
		if n != keys && n != keys+1 || !killed && n != keys+1 {
			t.Errorf("killed at call %d: of %d keys there are %d", call, keys, n)
		}
		keys = n
		left, err := os.ReadDir(dir)
		if err != nil || len(left) > 2 || !killed && len(left) != 1 {
			t.Errorf("killed at call %d: the folder has %v, error %v", call, left, err)
		}
	})
}

// A ring whose making is killed at any point is whole or not there.
func TestCreateKilledAtAnyPoint(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "ring.json")
	killAtEach(t, []string{dir, path, filepath.Join(dir, ".ring.json.new")}, []string{"ring", "create", path}, func(call int, killed bool) {
		_, err := os.Lstat(path)
		if made := err == nil; made && keysIn(t, path) != 1 || !made && !killed {
			t.Errorf("killed at call %d: made %t, and not whole", call, made)
		}
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	})
}

// A secret that is mounted cannot be written, and the error says what can be done.
func TestRotateOnAReadOnlyMount(t *testing.T) {
	t.Parallel()
	dir := smallDisk(t, "1m")
	path := filepath.Join(dir, "ring.json")
	if err := seal.CreateFile(path); err != nil {
		t.Fatal(err)
	}
	if err := asRoot("mount", "-o", "remount,ro", dir); err != nil {
		t.Fatal(err)
	}
	got := finish(t, nil, "ring", "rotate", path)
	if got.code != 1 || !strings.Contains(got.stderr, "read only") || !strings.Contains(got.stderr, "replace the secret") || keysIn(t, path) != 1 {
		t.Errorf("%+v", got)
	}
}
