//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// thawName is the hidden sub-command that lets a frozen process go on: its arguments are how long it
// waits, and that process's id.
const thawName = "thaw"

// freeze stops this process with all its timers until then. It returns when it did and when it went on.
func freeze(ctx context.Context, until time.Time) (frozen, thawed time.Time, err error) {
	self, err := os.Executable()
	if err != nil {
		return frozen, thawed, fmt.Errorf("find this program: %w", err)
	}
	const margin = 10 * time.Millisecond
	thawer := exec.CommandContext(ctx, self, thawName, (time.Until(until) + margin).String(), strconv.Itoa(os.Getpid()))
	if err := thawer.Start(); err != nil {
		return frozen, thawed, fmt.Errorf("freeze: %w", err)
	}
	// The signal is for this thread, so that it takes effect before the call returns.
	runtime.LockOSThread()
	frozen = time.Now()
	err = unix.Tgkill(os.Getpid(), unix.Gettid(), unix.SIGSTOP)
	thawed = time.Now()
	runtime.UnlockOSThread()
	_, _ = thawer.Process.Kill(), thawer.Wait() // its work is done
	if err == nil && thawed.Before(until) {
		err = errors.New("the process went on before its time")
	}
	if err != nil {
		return frozen, thawed, fmt.Errorf("freeze: %w", err)
	}
	return frozen, thawed, nil
}

// thaw is the other process's side. It goes on until it is killed or there is nothing to thaw: the
// first signal may come before the process has stopped.
func thaw(args []string) error {
	if len(args) != 2 {
		return errors.New("thaw: want a time and a process")
	}
	wait, err := time.ParseDuration(args[0])
	pid, pidErr := strconv.Atoi(args[1])
	if err := errors.Join(err, pidErr); err != nil {
		return fmt.Errorf("thaw: %w", err)
	}
	for time.Sleep(wait); unix.Kill(pid, unix.SIGCONT) == nil; time.Sleep(100 * time.Millisecond) {
	}
	return nil
}
