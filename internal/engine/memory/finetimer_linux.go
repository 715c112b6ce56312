package memory

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// fineTimer sleeps for times under a millisecond, to which the runtime's own timers round up
// while the process is idle. It is a timerfd: a goroutine that waits on it holds no thread.
type fineTimer struct {
	fd   int // file's own, whose Fd method would make reads block a thread
	file *os.File
}

func newFineTimer() (*fineTimer, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("timerfd: %w", err)
	}
	return &fineTimer{fd, os.NewFile(uintptr(fd), "timerfd")}, nil
}

// sleep returns after d, which must be positive. Should the timer fail it returns at once.
func (t *fineTimer) sleep(d time.Duration) {
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(d))}
	if unix.TimerfdSettime(t.fd, 0, &spec, nil) != nil {
		return
	}
	var expirations [8]byte
	_, _ = t.file.Read(expirations[:])
}

func (t *fineTimer) close() { _ = t.file.Close() }
