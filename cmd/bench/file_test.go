//go:build linux

package main

import (
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/hashd-project/hashd/v2/internal/needs"
)

// fileTaskIn is a small case of the file engine.
func fileTaskIn(t *testing.T, measure string) fileTask {
	t.Helper()
	return fileTask{Measure: measure, Durable: true, Dir: t.TempDir(), Jobs: 3000, Submitters: 3}
}

// wantEmpty fails the test if a case leaves anything in the folder.
func wantEmpty(t *testing.T, dir string) {
	t.Helper()
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, error %v", left, err)
	}
}

// The process really dies, and all it answered for is there.
func TestRecovery(t *testing.T) {
	needs.Processes(t)
	task := fileTaskIn(t, "recover")
	got, err := fileCase(t.Context(), task)
	r, ok := got.(recovery)
	if err != nil || !ok || r.Pending != task.Jobs || r.Skipped != 0 || r.Seconds <= 0 {
		t.Errorf("%+v, error %v", got, err)
	}
	wantEmpty(t, task.Dir)
}

// Only a process that was killed counts as one.
func TestKilled(t *testing.T) {
	needs.Processes(t)
	for _, err := range []error{nil, errors.New("another"), exec.CommandContext(t.Context(), os.Args[0], childName).Run()} {
		if killed(err) {
			t.Errorf("%v is taken for a SIGKILL", err)
		}
	}
}

func TestSpace(t *testing.T) {
	needs.Processes(t)
	task := fileTaskIn(t, "space")
	got, err := fileCase(t.Context(), task)
	r, ok := got.(spaceResult)
	if err != nil || !ok {
		t.Fatal(err)
	}
	secrets := 12 * task.Jobs
	if r.Pending.Used < secrets || r.Kept.Used < 64*task.Jobs || r.Expired.Used > r.Kept.Used/2 || r.Expired.free() < 50 || r.Reused.Used < 64*task.Jobs {
		t.Errorf("%+v", r)
	}
	wantEmpty(t, task.Dir)
}

func TestIdle(t *testing.T) {
	needs.Processes(t)
	task := fileTaskIn(t, "idle")
	task.Jobs = 20
	got, err := fileCase(t.Context(), task)
	if r, ok := got.(idleResult); err != nil || !ok || slices.Min(r.Accept) <= 0 || slices.Min(r.Bare) <= 0 || r.Bytes < 4096 {
		t.Errorf("%+v, error %v", got, err)
	}
	wantEmpty(t, task.Dir)
}

func TestFileCaseFails(t *testing.T) {
	task := fileTaskIn(t, "nonsense")
	if _, err := fileCase(t.Context(), task); err == nil || !strings.Contains(err.Error(), `no measure "nonsense"`) {
		t.Errorf("error %v", err)
	}
	for name := range fileMeasures() {
		task := fileTask{Measure: name, Durable: true, Dir: t.TempDir() + "/not/there\x00", Jobs: 10, Submitters: 1}
		if _, err := fileCase(t.Context(), task); err == nil {
			t.Errorf("%s: no error in a folder that cannot be", name)
		}
	}
	if code, _, errs := bench(t, "file", "-dir", task.Dir+"/not/there"); code != 1 || !strings.Contains(errs, "data folder") {
		t.Errorf("exit status %d: %s", code, errs)
	}
}

func TestFilesystem(t *testing.T) {
	if got := filesystem("/proc/self"); got != "proc on proc" {
		t.Errorf("/proc is %s", got)
	}
	if got := filesystem(t.TempDir()); !strings.Contains(got, " on ") {
		t.Errorf("the folder for tests is %s", got)
	}
}
