// Package binariestest runs the tests of a package that starts binaries, and sees to what is left of them.
package binariestest

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// Main has the binaries built, runs the tests, and ends the process. In the end it removes the folder that the binaries
// are in, and fails if a test left a goroutine behind. Under -short there are no tests to run: all start a program.
func Main(m goleak.TestingM, built func() (dir string, err error)) {
	if flag.Parse(); testing.Short() {
		fmt.Fprintln(os.Stderr, "-short: no other programs")
		return
	}
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
