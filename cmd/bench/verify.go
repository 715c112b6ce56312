//go:build linux

package main

import (
	"context"
	"crypto/sha512"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// ledger knows which job got which id, and so which hash each id must have.
// It is filled while jobs are submitted and read once they are hashed.
type ledger struct {
	owners []uint32 // by id - 1: the job's number plus one, or 0 for an id not given
	astray atomic.Int64
}

// ledgerJobBytes is what the ledger itself takes for a job.
const ledgerJobBytes = 4

func newLedger(jobs int64) *ledger { return &ledger{owners: make([]uint32, jobs)} }

// note enters a job. Any number of goroutines may call it. A job whose id lies outside 1 to the
// number of jobs, or was given before, goes astray: nobody could fetch its hash by that id.
func (l *ledger) note(i, id int64) {
	if id < 1 || id > int64(len(l.owners)) || !atomic.CompareAndSwapUint32(&l.owners[id-1], 0, uint32(i+1)) {
		l.astray.Add(1)
	}
}

// findings count what is not as it must be.
type findings struct {
	Lost  int64 // accepted, but there is no result
	Wrong int64 // the result is not the hash of the job's secret
}

func (f *findings) add(more findings) {
	f.Lost += more.Lost
	f.Wrong += more.Wrong
}

// faults is the error that fails a run, whatever its speed: no machine is too slow to be right.
func faults(s sightings, f findings) error {
	if s.Early+f.Lost+f.Wrong == 0 {
		return nil
	}
	return fmt.Errorf("results: %d early, %d lost, %d wrong", s.Early, f.Lost, f.Wrong)
}

// verify fetches every result and computes its hash anew, on all cores.
func (l *ledger) verify(ctx context.Context, e engine.Engine) findings {
	cores := int64(runtime.GOMAXPROCS(0))
	parts := make([]findings, cores)
	var active sync.WaitGroup
	for n := range cores {
		jobs := int64(len(l.owners))
		active.Go(func() { parts[n] = l.verifyRange(ctx, e, 1+jobs*n/cores, 1+jobs*(n+1)/cores) })
	}
	active.Wait()
	total := findings{Lost: l.astray.Load()}
	for _, f := range parts {
		total.add(f)
	}
	return total
}

// verifyRange verifies the ids from first up to end, without end.
func (l *ledger) verifyRange(ctx context.Context, e engine.Engine, first, end int64) findings {
	var f findings
	var s secret
	for id := first; id < end; id++ {
		owner := l.owners[id-1]
		if owner == 0 {
			continue // its job went astray, which is counted
		}
		rec, err := e.Get(ctx, id)
		if err != nil || rec.State != engine.Done {
			f.Lost++
			continue
		}
		s.set(int64(owner) - 1)
		if want := sha512.Sum512(s[:]); string(rec.Digest()) != string(want[:]) {
			f.Wrong++
		}
	}
	return f
}
