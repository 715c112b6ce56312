package main

import (
	"testing"
	"time"

	"go.uber.org/goleak"
)

// patience bounds every wait of these tests. Nothing is expected to take anywhere near it: a
// wait ends with the event it is for.
const patience = 60 * time.Second

// The messages of the log that these tests follow.
const (
	draining    = "draining"
	ignored     = "already draining: signal ignored"
	stopped     = "stopped"
	stoppedSoon = "stopped early"
)

// TestMain checks that the parts of the program which ran inside the tests left no goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
