package memory

import (
	"testing"
	"time"
)

// The leader goes by the clock, not by the timer: one that fails must not hang it.
func TestBrokenFineTimerReturns(t *testing.T) {
	(&fineTimer{fd: -1}).sleep(time.Hour)
}
