package e2e

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashd-project/hashd/v2/internal/transcript"
)

// process is a running binary. It never outlives its test.
type process struct {
	cmd            *exec.Cmd
	stdout, stderr *transcript.Transcript
	ended          chan struct{} // closed once it has ended and all it wrote is there
	code           int           // then its exit code; -1 if a signal killed it
}

// launch starts the binary with these arguments and this environment alone, and sees to its end.
func launch(t *testing.T, environ []string, args ...string) *process {
	t.Helper()
	return launchCommand(t, environ, exec.Command(binary(), args...))
}

func launchCommand(t *testing.T, environ []string, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{cmd: cmd, stdout: transcript.New(), stderr: transcript.New(), ended: make(chan struct{})}
	// A binary with the race detector otherwise sleeps a second before it exits.
	cmd.Env = append([]string{"GORACE=atexit_sleep_ms=0"}, environ...)
	cmd.Stdout = p.stdout
	if cmd.Stderr == nil {
		cmd.Stderr = p.stderr
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		_ = cmd.Wait()
		p.code = cmd.ProcessState.ExitCode()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // fails if it has ended, as it mostly has
		<-p.ended
		for _, bad := range []string{"DATA RACE", "panic:", "fatal error:"} {
			if strings.Contains(p.stderr.String(), bad) {
				t.Errorf("%s in:\n%s", bad, p.stderr)
			}
		}
	})
	return p
}

// start starts a server on a free loopback port, logging JSON, and returns once it listens.
func start(t *testing.T, args ...string) *instance {
	t.Helper()
	return started(t, launch(t, nil, serving(args...)...))
}

// serving returns the arguments of a server with a free port, known ids, and a log in JSON. It does not cut a client that a busy
// machine holds up for a while once it has connected.
func serving(args ...string) []string {
	return append([]string{"--port=0", "--log-format=json", "--first-id=1", "--read-header-timeout=1m", "--read-timeout=1m"}, args...)
}

// instance is a process that serves.
type instance struct {
	*process
	address   string            // where it says it listens
	listening transcript.Record // how it says so
}

func started(t *testing.T, p *process) *instance {
	t.Helper()
	i := &instance{process: p, listening: p.log(t, "listening", 1)}
	i.address, _ = i.listening["address"].(string)
	return i
}

// log returns the n-th line of the log with that message once it is there.
func (p *process) log(t *testing.T, message string, n int) transcript.Record {
	t.Helper()
	return p.stderr.Await(t, p.ended, message, n)
}

func (p *process) signal(t *testing.T, sig os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		t.Fatalf("%v: %v", sig, err)
	}
}

// wantExit waits for the end of the process and checks its exit code.
func (p *process) wantExit(t *testing.T, code int) {
	t.Helper()
	select {
	case <-p.ended:
	case <-time.After(patience):
		t.Fatalf("it does not end:\n%s", p.stderr)
	}
	if p.code != code {
		t.Errorf("exit code %d, want %d:\n%s", p.code, code, p.stderr)
	}
}

// stop ends a server whose jobs the test does not care for.
func (p *process) stop(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatal(err)
	}
	p.wantExit(t, 0)
}

// outcome is what a finished command left.
type outcome struct {
	code           int
	stdout, stderr string
}

// finish runs the binary to its end.
func finish(t *testing.T, environ []string, args ...string) outcome {
	t.Helper()
	p := launch(t, environ, args...)
	select {
	case <-p.ended:
	case <-time.After(patience):
		t.Fatalf("%q does not end:\n%s", args, p.stderr)
	}
	return outcome{p.code, p.stdout.String(), p.stderr.String()}
}

// eventually waits for what no event tells of.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}
