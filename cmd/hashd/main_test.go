package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// patience bounds every wait of these tests. Nothing is expected to take anywhere near it: a
// wait ends with the event it is for.
const patience = 60 * time.Second

// binaryDir is where TestMain puts the binary that the end-to-end tests start.
var binaryDir = filepath.Join(os.TempDir(), fmt.Sprintf("hashd-test-%d", os.Getpid()))

func binary() string { return filepath.Join(binaryDir, "hashd") }

// TestMain builds the binary once, for all tests. In the end it checks that the parts of the
// program which ran inside the test left no goroutine behind.
func TestMain(m *testing.M) {
	if err := buildBinary(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		removeBinary(1)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(removeBinary))
}

// buildBinary builds with the race detector if the test has it.
func buildBinary() error {
	// Any user may start the binary: one test does so as nobody.
	if err := os.Mkdir(binaryDir, 0o755); err != nil {
		return err
	}
	args := []string{"build", "-o", binary()}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "-race" || s.Key == "-tags" {
				args = append(args, s.Key+"="+s.Value)
			}
		}
	}
	if out, err := exec.Command("go", append(args, ".")...).CombinedOutput(); err != nil {
		return fmt.Errorf("go %q: %w\n%s", args, err, out)
	}
	return nil
}

func removeBinary(code int) {
	_ = os.RemoveAll(binaryDir)
	os.Exit(code)
}
