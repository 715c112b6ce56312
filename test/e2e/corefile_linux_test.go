package e2e

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// ofProcess reads a file that the kernel keeps on the process.
func ofProcess(t *testing.T, p *process, name string) string {
	t.Helper()
	text, err := os.ReadFile(procPath(p, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func procPath(p *process, name string) string {
	return filepath.Join("/proc", strconv.Itoa(p.cmd.Process.Pid), name)
}

// coreLimits returns the soft and hard limit on the size of the core files of the process.
func coreLimits(t *testing.T, p *process) string {
	t.Helper()
	for line := range strings.Lines(ofProcess(t, p, "limits")) {
		if rest, ok := strings.CutPrefix(line, "Max core file size"); ok {
			return strings.Join(strings.Fields(rest)[:2], " ")
		}
	}
	t.Fatal("no limit on core files")
	return ""
}

// startCat starts a process that merely waits, to see what holds without hashd's doing. The
// way in is a shell that runs the script before it becomes the command.
func startCat(t *testing.T, script string, attr *syscall.SysProcAttr) *process {
	t.Helper()
	cmd := viaShell(script, "cat")
	cmd.SysProcAttr = attr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	p := launchCommand(t, []string{"PATH=" + os.Getenv("PATH")}, cmd)
	if _, err := io.WriteString(in, `{"msg":"ready"}`+"\n"); err != nil {
		t.Fatal(err)
	}
	p.stdout.Await(t, p.ended, "ready", 1) // now the shell has become cat
	return p
}

func viaShell(script string, args ...string) *exec.Cmd {
	return exec.Command("/bin/sh", append([]string{"-c", script + `exec "$@"`, "sh"}, args...)...)
}

// The process may not write core files, however generous the limit it was started with.
func TestCoreFileLimit(t *testing.T) {
	t.Parallel()
	const generous = `ulimit -S -c "$(ulimit -H -c)"; `
	if limits := coreLimits(t, startCat(t, generous, nil)); strings.HasPrefix(limits, "0 ") {
		t.Skipf("core files are forbidden to all processes here: limits %s", limits)
	}
	cmd := viaShell(generous, binary(), "--port=0", "--log-format=json")
	i := started(t, launchCommand(t, nil, cmd))
	if limits := coreLimits(t, i.process); limits != "0 0" {
		t.Errorf("limits on core files are %s", limits)
	}
	i.stop(t)
}

// nobody is a user id without rights.
const nobody = 65534

// The process may not be dumped by other means either. The kernel shows it by giving root the
// files that describe such a process, whoever started it.
func TestNotDumpable(t *testing.T) {
	t.Parallel()
	uid, attr := os.Getuid(), &syscall.SysProcAttr{}
	if uid == 0 { // whose processes' files are root's in any case
		uid, attr.Credential = nobody, &syscall.Credential{Uid: nobody, Gid: nobody}
	}
	probe := exec.Command("/bin/sh", "-c", ":")
	probe.SysProcAttr = attr
	if err := probe.Run(); err != nil {
		t.Skipf("no process can be started as user %d: %v", uid, err)
	}
	if owner := ownerOf(t, startCat(t, "", attr)); owner != uid {
		t.Skipf("the files of any process of user %d belong to user %d here", uid, owner)
	}
	cmd := exec.Command(binary(), "--port=0", "--log-format=json")
	cmd.SysProcAttr = attr
	i := started(t, launchCommand(t, nil, cmd))
	if owner := ownerOf(t, i.process); owner != 0 {
		t.Errorf("the process can be dumped: its memory belongs to user %d", owner)
	}
	if uid == os.Getuid() {
		if _, err := os.ReadFile(procPath(i.process, "environ")); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("its own user can read its memory: %v", err)
		}
	}
	i.stop(t)
}

// ownerOf returns the user who may look into the process.
func ownerOf(t *testing.T, p *process) int {
	t.Helper()
	info, err := os.Stat(procPath(p, "mem"))
	if err != nil {
		t.Fatal(err)
	}
	return int(info.Sys().(*syscall.Stat_t).Uid)
}
