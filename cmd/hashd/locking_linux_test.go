package main

import (
	"log/slog"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/hashd-project/hashd/v2/internal/transcript"
)

// A server that may not lock its pending secrets in memory says so at the start, once.
func TestTooLittleLockableMemoryIsTold(t *testing.T) {
	runtime.LockOSThread() // and never unlocked: the thread ends with the test, and its capabilities are its own
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	if err := unix.Capget(&head, &sets[0]); err != nil {
		t.Fatal(err)
	}
	sets[0].Effective &^= 1 << unix.CAP_IPC_LOCK
	if err := unix.Capset(&head, &sets[0]); err != nil {
		t.Fatal(err)
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit); err != nil {
		t.Fatal(err)
	}
	for engine, args := range map[string][]string{"memory": nil, "file": {"--engine=file", "--data-dir=" + t.TempDir()}} {
		if err := unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unix.Rlimit{Cur: 0, Max: limit.Max}); err != nil {
			t.Fatal(err)
		}
		log := transcript.New()
		m := &maker{loaded: loaded{cfg: loadConfig(t, args...)}, log: slog.New(slog.NewJSONHandler(log, nil))}
		made, err := m.make(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := made.engine.Close(); err != nil {
			t.Error(err)
		}
		if err := unix.Setrlimit(unix.RLIMIT_MEMLOCK, &limit); err != nil {
			t.Fatal(err)
		}
		const message = "secrets of pending jobs may reach swap space: this process may lock too little memory (LimitMEMLOCK of systemd, ulimit -l)"
		told := log.Find(message)
		if len(told) != 1 {
			t.Fatalf("%s: told %d times:\n%s", engine, len(told), log)
		}
		told[0].Want(t, "level", "INFO", "may_lock", 0)
	}
}
