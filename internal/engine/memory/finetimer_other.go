//go:build !linux

package memory

import "time"

// fineTimer sleeps for times under a millisecond as well as the runtime's own timers can.
type fineTimer struct{}

func newFineTimer() (*fineTimer, error) { return &fineTimer{}, nil }

func (*fineTimer) sleep(d time.Duration) { time.Sleep(d) }

func (*fineTimer) close() {}
