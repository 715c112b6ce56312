//go:build linux

package main

import (
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
)

const mebibyte = 1 << 20

// resident returns the bytes of memory this process holds. Garbage is given back first, so that
// only what must stay is counted: that favors the baseline, for hashd leaves none.
func resident() (int64, error) {
	debug.FreeOSMemory()
	return procField("/proc/self/status", "VmRSS")
}

// peakResident returns the most bytes of memory this process ever held.
func peakResident() (int64, error) { return procField("/proc/self/status", "VmHWM") }

// available returns the bytes of memory the machine has to spare.
func available() (int64, error) { return procField("/proc/meminfo", "MemAvailable") }

// beFirstToGo has the system end this process before any other if memory runs out. A system
// that has no such setting does without.
func beFirstToGo() { _ = os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0) }

// needMemory returns an error if the machine has less than that many bytes to spare.
func needMemory(bytes int64) error {
	free, err := available()
	if err != nil {
		return err
	}
	if free < bytes {
		return fmt.Errorf("needs about %d MiB of memory, %d MiB are available: lower -jobs", bytes/mebibyte, free/mebibyte)
	}
	return nil
}

// procField returns, in bytes, a field that Linux gives in kB.
func procField(file, field string) (int64, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, fmt.Errorf("memory is measured on Linux only: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		if name != field {
			continue
		}
		kb, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%s %s: %w", file, field, err)
		}
		return kb << 10, nil
	}
	return 0, fmt.Errorf("%s has no field %s", file, field)
}
