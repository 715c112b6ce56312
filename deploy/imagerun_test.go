package deploy

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashd-project/hashd/v2/internal/needs"
)

// enter runs as root, in namespaces of its own for mounts and processes. It lays out the layers as the root, which is
// read-only from then on, mounts a new volume that gets the owner of its place, and starts the program as the user. What
// emulates another machine is put there too, by a name at which pid finds it.
const enter = `
root=$1 user=$2 volume=$3 emulator=$4; shift 4
mount -t tmpfs -o mode=755 hashd-image "$root"
while [ "$1" != -- ]; do tar -C "$root" -xpzf "$1" --numeric-owner; shift; done
shift
[ -z "$emulator" ] || install -D -m 755 "$emulator" "$root/emulator/hashd"
mkdir "$root/proc"
mount -t proc hashd-proc "$root/proc"
mount -t tmpfs -o "$(stat -c uid=%u,gid=%g,mode=%a "$root$volume")" hashd-volume "$root$volume"
mount -o remount,ro "$root"
exec chroot --userspec="$user" --groups= "$root" "$@"
`

// asRoot returns what goes before a command that needs root, or ends the test where nobody may be it.
func asRoot(t *testing.T) []string {
	t.Helper()
	if runtime.GOOS != "linux" {
		needs.Missing(t, "to run an image takes Linux")
	}
	if os.Getuid() == 0 {
		return nil
	}
	if err := exec.CommandContext(t.Context(), "sudo", "-n", "true").Run(); err != nil {
		needs.Missing(t, fmt.Sprintf("to unpack an image takes root: run as root, or allow sudo without a password, for this test: %v", err))
	}
	return []string{"sudo", "-n"}
}

// contained is hashd as an engine runs it from the image.
type contained struct {
	*testing.T
	become  []string
	root    string
	config  imageConfig
	by      []string // what runs the binary, if it is for another machine
	environ []string
	url     string
	cmd     *exec.Cmd
	exited  chan error
	log     log
}

// log is what the program has said so far.
type log struct {
	mu   sync.Mutex
	text []byte
}

// Write implements io.Writer.
func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, p...)
	return len(p), nil
}

// String implements fmt.Stringer.
func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.text)
}

// emulators run the binaries of an architecture on machines of others.
var emulators = map[string]string{"amd64": "qemu-x86_64-static", "arm64": "qemu-aarch64-static"}

// contain starts the image of an architecture, with a loopback address of its own and the store on a volume.
func (r *releaseImage) contain(t *testing.T, arch string) *contained {
	t.Helper()
	one := r.images[arch]
	address := fmt.Sprintf("127.%d.%d.%d:8443", 1+rand.IntN(254), rand.IntN(256), 1+rand.IntN(254))
	c := &contained{
		T: t, become: asRoot(t), root: t.TempDir(), config: one.config, url: "http://" + address, exited: make(chan error, 1),
		environ: []string{"HASHD_LISTEN=" + address, "HASHD_ENGINE=file", "HASHD_DATA_DIR=/var/lib/hashd", "HASHD_DELAY=3s"},
	}
	emulator := ""
	if arch != runtime.GOARCH {
		emulator, c.by = needs.Tool(t, emulators[arch], needs.Debian("qemu-user-static")), []string{"/emulator/hashd"}
	}
	args := append(c.become, "unshare", "--mount", "--pid", "--fork", "--kill-child", "env", "-i", "PATH="+os.Getenv("PATH"))
	args = append(append(args, c.environ...), "sh", "-ec", enter, "enter", c.root, c.config.Config.User, "/var/lib/hashd", emulator)
	for _, digest := range one.layers {
		path := filepath.Join(t.TempDir(), "layer")
		if err := os.WriteFile(path, r.blobs[digest], 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, path)
	}
	args = append(append(append(args, "--"), c.by...), c.config.Config.Entrypoint...)
	c.cmd = exec.CommandContext(t.Context(), args[0], args[1:]...)
	c.cmd.Stdout, c.cmd.Stderr = &c.log, &c.log
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { c.exited <- c.cmd.Wait() }()
	c.await("listening")
	return c
}

// await returns once the log says so, and fails the test if hashd ends before it does.
func (c *contained) await(says string) {
	c.Helper()
	for deadline := time.Now().Add(time.Minute); !strings.Contains(c.log.String(), says); time.Sleep(10 * time.Millisecond) {
		select {
		case err := <-c.exited:
			c.exited <- err
			c.Fatalf("it ended, error %v, and never said %s:\n%s", err, says, &c.log)
		default:
		}
		if time.Now().After(deadline) {
			c.Fatalf("it does not say %s:\n%s", says, &c.log)
		}
	}
}

// pid returns the number of the hashd below what was started.
func (c *contained) pid() int {
	c.Helper()
	for pid := c.cmd.Process.Pid; ; {
		name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
		if err != nil {
			c.Fatal(err)
		}
		if strings.TrimSpace(string(name)) == "hashd" {
			return pid
		}
		children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
		if err != nil {
			c.Fatal(err)
		}
		if pid, err = strconv.Atoi(strings.TrimSpace(string(children))); err != nil {
			c.Fatal(err)
		}
	}
}

// inside runs a program where hashd runs.
func (c *contained) inside(args ...string) (string, error) {
	args = append(append(c.become, "nsenter", "--target", strconv.Itoa(c.pid()), "--mount", "--pid", "env", "-i", "PATH="+os.Getenv("PATH")), append(c.environ, args...)...)
	out, err := exec.CommandContext(c.Context(), args[0], args[1:]...).CombinedOutput()
	return string(out), err
}

// ask returns the status and the body of an answer.
func (c *contained) ask(method, path, body string) (int, string) {
	c.Helper()
	req, err := http.NewRequestWithContext(c.Context(), method, c.url+path, strings.NewReader(body))
	if err != nil {
		c.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Prefer", "wait=30")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		c.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		c.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// The image runs with a read-only root, as its user, who may do nothing else, and with a volume for its store. It is
// healthy by its own check, and SIGTERM lets it finish what it accepted.
func (r *releaseImage) runs(t *testing.T, arch string) {
	c := r.contain(t, arch)
	if out, err := c.inside("touch", filepath.Join(c.root, "x")); err == nil || !strings.Contains(out, "Read-only file system") {
		t.Errorf("its root can be written: %s, error %v", out, err)
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.pid()))
	if err != nil || !regexp.MustCompile(`(?m)^Uid:(\s+65532){4}$`).Match(status) || !regexp.MustCompile(`(?m)^CapEff:\s+0+$`).Match(status) {
		t.Errorf("error %v, and it runs as:\n%s", err, status)
	}
	check := c.config.Config.Healthcheck.Test
	healthy := append(append([]string{"chroot", "--userspec=" + c.config.Config.User, "--groups=", c.root}, c.by...), check[1:]...)
	if out, err := c.inside(healthy...); err != nil {
		t.Errorf("%q: %v\n%s", check, err, out)
	}
	if code, text := c.ask(http.MethodPost, "/hash", `{"password":"angryMonkey"}`); code != http.StatusOK || !strings.Contains(text, "ZEHhWB65gUlzdVwtDQArEyx") {
		t.Errorf("%d: %s", code, text)
	}
	c.drains(healthy)
}

// drains fails the test unless SIGTERM ends hashd once a job that was accepted is done and collected.
func (c *contained) drains(healthy []string) {
	c.Helper()
	accepted := make(chan string, 1)
	go func() {
		_, text := c.ask(http.MethodPost, "/hash", `{"password":"another"}`)
		accepted <- text
	}()
	for both := regexp.MustCompile(`"total":\s*2\b`); ; time.Sleep(10 * time.Millisecond) {
		if _, text := c.ask(http.MethodGet, "/stats", ""); both.MatchString(text) {
			break
		}
	}
	term := append(c.become, "kill", "-TERM", strconv.Itoa(c.pid()))
	ctx, cancel := context.WithTimeout(c.Context(), time.Minute)
	defer cancel()
	if out, err := exec.CommandContext(ctx, term[0], term[1:]...).CombinedOutput(); err != nil {
		c.Fatalf("%v: %s", err, out)
	}
	if text := <-accepted; !strings.Contains(text, `"done"`) {
		c.Errorf("the job that was pending ends in %s", text)
	}
	select {
	case err := <-c.exited:
		if err != nil {
			c.Errorf("it ends with %v", err)
		}
	case <-ctx.Done():
		c.Fatal("it does not end")
	}
	if !strings.Contains(c.log.String(), "stopped") {
		c.Errorf("it says:\n%s", &c.log)
	}
}
