//go:build linux && !race

package memory

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hashd-project/hashd/v2/internal/engine"
	"github.com/hashd-project/hashd/v2/internal/needs"
)

// lockedBytes returns how much memory the process has locked.
func lockedBytes(t *testing.T) int64 {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	var kilobytes int64
	_, after, _ := strings.Cut(string(status), "VmLck:")
	if _, err := fmt.Sscan(after, &kilobytes); err != nil {
		t.Fatal(err)
	}
	return kilobytes << 10
}

// limitLocking has the system let this goroutine lock so many bytes, whoever runs the test.
func limitLocking(t *testing.T, limit uint64) {
	t.Helper()
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
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &before); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unix.Rlimit{Cur: limit, Max: before.Max}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Setrlimit(unix.RLIMIT_MEMLOCK, &before) })
}

// Memory is locked as long as it holds secrets. Then it is unlocked, though results still lie in it, so
// that secrets to come can be locked.
func TestSecretsAreLocked(t *testing.T) {
	before := lockedBytes(t)
	if lockable(4*segmentBytes) < 4*segmentBytes {
		needs.Missing(t, "memory cannot be locked (ulimit -l 8192)")
	}
	locked := func(t *testing.T, want int64, when string) {
		t.Helper()
		if got := lockedBytes(t) - before; got != want {
			t.Errorf("%d bytes are locked %s, want %d", got, when, want)
		}
	}
	onHand(t, engine.Limits{}, func(t *testing.T, h *byHand) {
		h.accept(long4096)
		locked(t, segmentBytes+chunkBytes, "with a long secret")
		h.acceptTo(segmentJobs + 1)
		locked(t, 2*segmentBytes+chunkBytes, "with a segment full of secrets and one begun")
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		locked(t, segmentBytes, "with a segment full of results and one begun")
		if err := h.Close(); err != nil {
			t.Error(err)
		}
		locked(t, 0, "after the end")
	})
}

// acceptTo submits jobs up to the id.
func (h *byHand) acceptTo(last int64) {
	h.t.Helper()
	for h.end() <= last {
		acceptBatch(h.t, h.Engine, many(int(min(1000, last+1-h.end())))...)
	}
	synctest.Wait()
}

// A restored segment that holds results alone is not locked.
func TestRestoredResultsAreNotLocked(t *testing.T) {
	before := lockedBytes(t)
	if lockable(4*segmentBytes) < 4*segmentBytes {
		needs.Missing(t, "memory cannot be locked (ulimit -l 8192)")
	}
	limits := engine.Limits{Delay: time.Hour, Retention: time.Hour, MaxPending: 1 << 20, MaxResults: 1 << 20, MaxSecretBytes: 64 << 20, FirstID: 1}
	d, err := Restore(limits, func(r *Restorer) error {
		r.Begin(1, segmentJobs+1, segmentJobs+2)
		if err := r.Result(Result{ID: 1, Sum: new([slotBytes]byte), Done: time.Now()}); err != nil {
			return err
		}
		return r.Pending(segmentJobs+1, engine.Job{Secret: inline}, time.Now().Add(time.Hour))
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.e.Close() })
	if got := lockedBytes(t) - before; got != segmentBytes {
		t.Errorf("%d bytes are locked, want %d", got, segmentBytes)
	}
}

// An engine that may lock little or no memory goes on without.
func TestUnlockedWhereNotAllowed(t *testing.T) {
	for limit, want := range map[uint64]int64{0: 0, 3 << 20: 3 << 20} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			limitLocking(t, limit)
			need, allowed := Lockable(engine.Limits{MaxPending: 10 * segmentJobs, MaxSecretBytes: 1 << 20})
			if need != 12*segmentBytes+1<<20 || allowed != want {
				t.Errorf("need %d bytes, allowed %d, want %d", need, allowed, want)
			}
			e := newEngine(t, engine.Limits{Delay: time.Hour})
			accept(t, e, inline)
			accept(t, e, long4096)
		})
	}
}

func TestLockableOfHugeLimits(t *testing.T) {
	need, allowed := Lockable(engine.Limits{MaxPending: engine.MaxJobs, MaxSecretBytes: math.MaxInt64})
	if need != math.MaxInt64 || allowed < 0 || allowed > need {
		t.Errorf("need %d bytes, allowed %d", need, allowed)
	}
}
