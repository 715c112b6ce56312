//go:build linux

package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// machine describes what the figures were taken on, with the cost of the two things no design
// can do without, measured now: a machine that reads its clock slowly accepts jobs slowly. The
// load, this command's own included, tells whether others were busy on it.
func machine() string {
	return fmt.Sprintf("%d cores, GOMAXPROCS %d, %s %s/%s, transparent huge pages: %s, load average %s\n"+
		"here time.Since takes %.0f ns, an uncontended mutex %.0f ns",
		runtime.NumCPU(), runtime.GOMAXPROCS(0), runtime.Version(), runtime.GOOS, runtime.GOARCH,
		hugePages(), loadAverage(), clockCost(), mutexCost())
}

// hugePages returns the system's setting: the word in brackets among the choices.
func hugePages() string {
	text, err := os.ReadFile("/sys/kernel/mm/transparent_hugepage/enabled")
	if err != nil {
		return "unknown"
	}
	_, rest, _ := strings.Cut(string(text), "[")
	setting, _, ok := strings.Cut(rest, "]")
	if !ok {
		return "unknown"
	}
	return setting
}

// loadAverage returns the average over the last minute.
func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	load, _, ok := strings.Cut(string(text), " ")
	if err != nil || !ok {
		return "unknown"
	}
	return load
}

// rounds of a cheap operation make one measurement.
const rounds = 50_000

// fastest returns the nanoseconds a round of a loop over rounds takes, undisturbed.
func fastest(loop func()) float64 {
	best := time.Hour
	for range 5 {
		start := time.Now()
		loop()
		best = min(best, time.Since(start))
	}
	return float64(best.Nanoseconds()) / rounds
}

// clockCost: each job accepted needs its due time, so each reads the clock once.
func clockCost() float64 {
	epoch := time.Now()
	return fastest(func() {
		for range rounds {
			_ = time.Since(epoch)
		}
	})
}

// mutexCost is for a lock and an unlock that nobody else wants.
func mutexCost() float64 {
	var mu sync.Mutex
	held := 0
	return fastest(func() {
		for range rounds {
			mu.Lock()
			held++
			mu.Unlock()
		}
	})
}

// cpuTime returns what this process has used of all cores, which other programs change less than how
// long it took.
func cpuTime() time.Duration {
	var u unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &u) // it fails for no process's own
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
