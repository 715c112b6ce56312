package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// tellManager tells the service manager how the server is (sd_notify(3)). Without one it does nothing; and what it
// cannot be told is left, for nothing here depends on it.
func tellManager(states ...string) { _, _ = daemon.SdNotify(false, strings.Join(states, "\n")) }

// statusOf is a line of status for the service manager.
func statusOf(format string, args ...any) string { return "STATUS=" + fmt.Sprintf(format, args...) }

// attended tells the service manager that the server is ready, and from then on that it is alive, as often as the
// manager wants. It returns what ends that.
func (p *program) attended(url string) (end func()) {
	tellManager(daemon.SdNotifyReady, statusOf("serving %s", url))
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil || interval == 0 {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() {
		ticker := time.NewTicker(interval / 2)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				p.engine.Stats() // does not return if the engine's lock is held for ever: then the manager starts us anew
				tellManager(daemon.SdNotifyWatchdog)
			}
		}
	})
	return func() {
		cancel()
		group.Wait()
	}
}

// leaving tells the service manager that the server drains, and how long that may take.
func (p *program) leaving() {
	most := p.cfg.DrainTimeout + closeLimit
	tellManager(daemon.SdNotifyStopping, fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", most.Microseconds()), statusOf("draining, %d jobs left", p.engine.Stats().Pending))
}
