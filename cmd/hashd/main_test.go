package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// patience bounds every wait of these tests. Nothing is expected to take anywhere near it: a
// wait ends with the event it is for.
const patience = 60 * time.Second

// built builds the binary that the end-to-end tests start, once, and returns the folder it is in.
var built = sync.OnceValues(buildBinary)

func binary() string {
	dir, _ := built() // TestMain has seen to errors
	return filepath.Join(dir, "hashd")
}

// TestMain removes the binary in the end, and checks that the parts of the program which ran
// inside the tests left no goroutine behind.
func TestMain(m *testing.M) {
	dir, err := built()
	finish := func(code int) {
		_ = os.RemoveAll(dir)
		os.Exit(code)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		finish(1)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(finish))
}

// buildBinary builds with the race detector if the tests have it.
func buildBinary() (dir string, err error) {
	dir, err = os.MkdirTemp("", "hashd-test-")
	if err != nil {
		return "", err
	}
	if err := os.Chmod(dir, 0o755); err != nil { // one test starts the binary as nobody
		return dir, err
	}
	args := []string{"build", "-o", filepath.Join(dir, "hashd")}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "-race" || s.Key == "-tags" {
				args = append(args, s.Key+"="+s.Value)
			}
		}
	}
	if out, err := exec.Command("go", append(args, ".")...).CombinedOutput(); err != nil {
		return dir, fmt.Errorf("go %q: %w\n%s", args, err, out)
	}
	return dir, nil
}
