package main

import (
	"errors"
	"os/exec"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/hashd-project/hashd/v2/internal/needs"
)

// TestScripts runs testdata/script, which has two commands of its own: "hashd SETTING..." starts a
// server, which HASHD_SERVER names from then on, and "exits CODE ARG..." runs hashctl and checks
// its exit code.
func TestScripts(t *testing.T) {
	needs.Processes(t)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("GORACE", "atexit_sleep_ms=0")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"hashd": func(ts *testscript.TestScript, _ bool, args []string) {
				address, kill, err := startServer(args...)
				ts.Check(err)
				ts.Defer(kill)
				ts.Setenv("HASHD_SERVER", "http://"+address)
				ts.Setenv("ADDRESS", address)
			},
			"exits": func(ts *testscript.TestScript, _ bool, args []string) {
				code, err := 0, ts.Exec("hashctl", args[1:]...)
				if exit, ok := errors.AsType[*exec.ExitError](err); ok {
					code = exit.ExitCode()
				} else if err != nil {
					ts.Fatalf("%v", err)
				}
				if want, err := strconv.Atoi(args[0]); err != nil || code != want {
					ts.Fatalf("exit code %d, want %s", code, args[0])
				}
			},
		},
	})
}
