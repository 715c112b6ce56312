//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package main

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// A pipe that nobody reads any more ends a bulk with an error that says how it is, not by a signal, silently.
func TestClosedPipeIsTold(t *testing.T) {
	t.Parallel()
	w, address := newWork(t, 45), server(t, "--delay=0s")
	for _, args := range [][]string{{"bulk", w.in, "--batch=10"}, {"stats"}, {"status", "--json"}} {
		c := command(address, args...)
		r, pipe, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		_ = r.Close()
		c.cmd.Stdout = pipe
		c.start(t).end(t, exitFailed)
		_ = pipe.Close()
		if text := c.stderr.String(); !strings.Contains(text, "broken pipe") || !strings.Contains(text, "the reader of the output has ended") {
			t.Errorf("%q: it says %q", args, text)
		}
	}
}

// Progress that nobody reads any more is no reason to end.
func TestClosedStderrEndsNothing(t *testing.T) {
	t.Parallel()
	w, p := newWork(t, 45), newProxy(t, server(t, "--delay=0s"))
	c := w.bulk(p)
	r, pipe, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Close()
	c.cmd.Stderr = pipe
	c.start(t).end(t, exitOK)
	_ = pipe.Close()
	w.wantRecords(t, nil)
}

// A signal that is ignored when hashctl begins, as nohup and a script's background jobs have it, stays ignored; one
// that is not ends it as Ctrl-C does.
func TestIgnoredSignalsStayIgnored(t *testing.T) {
	t.Parallel()
	for trap, signals := range map[string][]syscall.Signal{"trap '' HUP INT": {syscall.SIGHUP, syscall.SIGINT}, ":": nil} {
		w, p := newWork(t, 25), newProxy(t, server(t, "--delay=300ms"))
		c := w.bulk(p)
		path, err := exec.LookPath("hashctl")
		if err != nil {
			t.Fatal(err)
		}
		args := append([]string{"-c", trap + `; exec "$0" "$@"`, path}, c.cmd.Args[1:]...)
		shell := exec.Command("sh", args...)
		shell.Env, shell.Stdout, shell.Stderr = c.cmd.Env, &c.stdout, &c.stderr
		c.cmd = shell
		p.on(func(n int, _ string) {
			if n == 5 {
				<-c.started
				for _, s := range signals {
					_ = c.cmd.Process.Signal(s)
				}
				if signals == nil {
					_ = c.cmd.Process.Signal(syscall.SIGHUP)
				}
			}
		})
		c.start(t)
		if signals == nil {
			c.end(t, exitInterrupted)
			continue
		}
		c.end(t, exitOK)
		w.wantRecords(t, nil)
	}
}
