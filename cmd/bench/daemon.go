//go:build linux

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// buildDaemon builds hashd into the folder and returns its path.
func buildDaemon(ctx context.Context, dir string) (string, error) {
	if err := needModule(ctx, "hashd"); err != nil {
		return "", err
	}
	path := filepath.Join(dir, "hashd")
	out, err := exec.CommandContext(ctx, "go", "build", "-o", path, "github.com/hashd-project/hashd/v2/cmd/hashd").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build hashd: %w: %s", err, out)
	}
	return path, nil
}

// daemon is a hashd in a process of its own.
type daemon struct {
	url   string
	pid   int
	cmd   *exec.Cmd
	drain chan struct{} // closed once its log has ended
}

// startDaemon runs hashd on a free port of loopback until stop; an end of ctx kills it.
func startDaemon(ctx context.Context, path string, flags ...string) (*daemon, error) {
	cmd := exec.CommandContext(ctx, path, append([]string{"--listen", "127.0.0.1:0", "--log-format", "json"}, flags...)...)
	log, err := cmd.StderrPipe()
	if err != nil {
		return nil, fmt.Errorf("log of hashd: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start hashd: %w", err)
	}
	d := &daemon{pid: cmd.Process.Pid, cmd: cmd, drain: make(chan struct{})}
	lines := bufio.NewReader(log)
	if err := d.listen(lines); err != nil {
		_ = cmd.Process.Kill()
		return nil, errors.Join(err, cmd.Wait())
	}
	go func() {
		defer close(d.drain)
		_, _ = io.Copy(io.Discard, lines)
	}()
	return d, nil
}

// listen reads the log until it tells the address.
func (d *daemon) listen(log *bufio.Reader) error {
	var told strings.Builder
	for {
		line, err := log.ReadString('\n')
		if err != nil {
			return fmt.Errorf("hashd did not start: %s", told.String())
		}
		told.WriteString(line)
		var entry struct{ Msg, URL string }
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == "listening" {
			d.url = entry.URL
			return nil
		}
	}
}

// stop kills the process and waits for its end: nothing in it is needed any more.
func (d *daemon) stop() {
	_ = d.cmd.Process.Kill()
	<-d.drain
	_ = d.cmd.Wait()
}

// resident returns the bytes of memory that the process holds, and the most it ever held.
func (d *daemon) resident() (now, peak int64, err error) {
	file := fmt.Sprintf("/proc/%d/status", d.pid)
	now, err = procField(file, "VmRSS")
	if err != nil {
		return 0, 0, err
	}
	peak, err = procField(file, "VmHWM")
	return now, peak, err
}

// cpuTick is the unit of times in /proc/PID/stat, on every architecture of Linux that Go runs on.
const cpuTick = 10 * time.Millisecond

// cpuTime returns what the process has used of all cores, by /proc/PID/stat.
func (d *daemon) cpuTime() (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", d.pid))
	if err != nil {
		return 0, fmt.Errorf("CPU time is measured on Linux only: %w", err)
	}
	_, after, _ := strings.Cut(string(text), ") ") // the name may have spaces
	fields := strings.Fields(after)
	const user, system = 11, 12 // counted from the state
	if len(fields) <= system {
		return 0, fmt.Errorf("/proc/%d/stat is short", d.pid)
	}
	u, err := strconv.ParseInt(fields[user], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("user time: %w", err)
	}
	s, err := strconv.ParseInt(fields[system], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("system time: %w", err)
	}
	return time.Duration(u+s) * cpuTick, nil
}
