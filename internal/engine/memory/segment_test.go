package memory

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashd-project/hashd/v2/internal/digest"
	"github.com/hashd-project/hashd/v2/internal/engine"
)

// The fields of a job's word do not run into each other.
func TestMetaFields(t *testing.T) {
	for _, length := range []int{0, 1, inlineBytes, inArena} {
		for _, a := range []digest.Algorithm{0, 1, 2, algorithmMask} {
			for _, tenant := range []uint16{0, 1, math.MaxUint16} {
				m := newHeader(length, a, tenant)
				for _, s := range []state{pending, done, gone, pending} {
					m = m.with(s)
					for _, bit := range []meta{0, awaitedBit} {
						m := m | bit
						if m.length() != length || m.algorithm() != a || m.tenant() != tenant || m.state() != s || m.awaited() != (bit != 0) {
							t.Errorf("%b: length %d, algorithm %d, tenant %d, state %d, awaited %v",
								m, m.length(), m.algorithm(), m.tenant(), m.state(), m.awaited())
						}
					}
				}
			}
		}
	}
}

func TestLayout(t *testing.T) {
	if inlineBytes >= inArena {
		t.Errorf("a length of %d in the slot is taken for that of a secret in the arena", inlineBytes)
	}
	if end := metaAt + segmentJobs*metaBytes; end > segmentBytes {
		t.Errorf("a segment's jobs end at %d of its %d bytes", end, segmentBytes)
	}
	if n := len((ref{}).encode()); n > inlineBytes {
		t.Errorf("a place in the arena takes %d bytes of %d", n, inlineBytes)
	}
}

func TestRefRoundTrip(t *testing.T) {
	for _, r := range []ref{{}, {1, 2, 3}, {math.MaxInt64, math.MaxUint32, math.MaxUint32}} {
		var slot [slotBytes]byte
		copy(slot[secretAt:], r.encode())
		if got := refIn(&slot); got != r {
			t.Errorf("%+v reads back as %+v", r, got)
		}
	}
}

// numbered returns a secret that is different for each n.
func numbered(n int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }

// wantMapped fails the test unless so many segments hold memory.
func wantMapped(t *testing.T, e *Engine, want int64) {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	live := int64(0)
	for s := range e.segments.all() {
		if s != nil {
			live++
		}
	}
	if e.mapped != want || live != want {
		t.Errorf("%d segments hold memory, %d are counted; want %d", live, e.mapped, want)
	}
}

// submit submits n numbered jobs. Their tenant sets the highest bit of their metas, which lie
// behind the last slot: whoever reads on there for a due time finds one long past.
func submit(t *testing.T, e *Engine, n int64) {
	t.Helper()
	for range n {
		if _, err := e.Accept(t.Context(), engine.Job{Secret: numbered(e.end()), Tenant: math.MaxUint16}); err != nil {
			t.Fatal(err)
		}
	}
}

// cancelAll cancels the jobs from first to last.
func cancelAll(t *testing.T, e *Engine, first, last int64) {
	t.Helper()
	for id := first; id <= last; id++ {
		if err := e.Cancel(t.Context(), id); err != nil {
			t.Fatalf("cancel %d: %v", id, err)
		}
	}
}

// Jobs find their results across segments, and a segment's memory goes back with the last of them.
func TestSegmentsOfResults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t, engine.Limits{Delay: time.Second})
		const jobs = 2*segmentJobs + 10
		submit(t, e, jobs)
		wantMapped(t, e, 3)
		time.Sleep(time.Second)
		synctest.Wait()
		wantResults(t, e, jobs)

		cancelAll(t, e, segmentJobs+1, 2*segmentJobs-1)
		wantMapped(t, e, 3)
		cancelAll(t, e, 2*segmentJobs, 2*segmentJobs) // the middle one
		wantMapped(t, e, 2)
		cancelAll(t, e, 1, segmentJobs)
		wantMapped(t, e, 1)
		cancelAll(t, e, 2*segmentJobs+1, jobs)
		wantMapped(t, e, 1) // the newest takes the next jobs
		for _, id := range []int64{1, segmentJobs, segmentJobs + 1, 2 * segmentJobs} {
			_, err := e.Get(t.Context(), id)
			wantErr(t, "get a job of a segment given back", err, engine.ErrGone)
			wantErr(t, "cancel a job of a segment given back", e.Cancel(t.Context(), id), engine.ErrGone)
		}
		submit(t, e, segmentJobs)
		wantMapped(t, e, 2)
	})
}

// wantResults fails the test unless all numbered jobs are done.
func wantResults(t *testing.T, e *Engine, jobs int64) {
	t.Helper()
	if st := e.Stats(); st.Completed != jobs || st.Kept != jobs {
		t.Fatalf("counters are %+v", st)
	}
	for id := int64(1); id <= jobs; id++ {
		var want [digest.MaxSize]byte
		digest.SHA512.Sum(&want, numbered(id))
		if rec, err := e.Get(t.Context(), id); err != nil || rec.State != engine.Done || rec.Sum != want {
			t.Fatalf("job %d: %+v, error %v", id, rec, err)
		}
	}
}

// Canceled jobs stay in line, without their secrets, until their turn; then they are gone.
func TestCanceledSegmentIsGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t, engine.Limits{Delay: time.Second})
		submit(t, e, 2*segmentJobs+10)
		cancelAll(t, e, 1, 2*segmentJobs)
		wantMapped(t, e, 3)
		time.Sleep(time.Second)
		synctest.Wait()
		wantMapped(t, e, 1)
		if st := e.Stats(); st.Completed != 10 || st.Canceled != 2*segmentJobs {
			t.Errorf("counters are %+v", st)
		}
	})
}

func TestExpiredSegmentsAreGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t, engine.Limits{Delay: time.Second, Retention: time.Minute})
		submit(t, e, segmentJobs)
		time.Sleep(10 * time.Second)
		submit(t, e, segmentJobs+1)
		time.Sleep(53 * time.Second)
		synctest.Wait()
		wantMapped(t, e, 2) // the first has expired
		time.Sleep(10 * time.Second)
		synctest.Wait()
		wantMapped(t, e, 1)
		if st := e.Stats(); st.Kept != 0 || st.Completed != 2*segmentJobs+1 {
			t.Errorf("counters are %+v", st)
		}
		if e.claimTimes.start() != e.claimTimes.end() {
			t.Error("claim times outlive their results")
		}
	})
}

// Results here and there hold whole segments. That too has a limit, and it eases.
func TestMemoryIsBoundedWhereFewRemain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const few = 10
		e := newEngine(t, engine.Limits{Delay: time.Minute, Retention: time.Minute, MaxPending: segmentJobs, MaxResults: few})
		var err error
		jobs := int64(0)
		for ; err == nil; jobs++ {
			if e.mapped > 2 {
				t.Fatalf("%d segments hold the memory of %d jobs", e.mapped, few)
			}
			r, refused := e.Accept(t.Context(), engine.Job{Secret: inline})
			if err = refused; err == nil && (r.ID-1)%segmentJobs != 0 {
				wantErr(t, "cancel", e.Cancel(t.Context(), r.ID), nil)
			}
		}
		wantFull(t, err, "max-results")
		if jobs-1 != 2*segmentJobs {
			t.Errorf("refused after %d jobs, want two segments of %d", jobs-1, segmentJobs)
		}
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		wantMapped(t, e, 0)
		submit(t, e, few)
	})
}

// Submitters, each with an id drawn from one segment or the next, all find their slots while
// the segments change under them.
func TestManySubmittersAcrossSegments(t *testing.T) {
	e := newEngine(t, engine.Limits{Delay: 0})
	const submitters = 4
	errs := make(chan error, submitters)
	for range submitters {
		go func() {
			var err error
			for range segmentJobs * 3 / submitters {
				_, refused := e.Accept(context.Background(), engine.Job{Secret: inline})
				err = errors.Join(err, refused)
			}
			errs <- err
		}()
	}
	for range submitters {
		wantErr(t, "accept", <-errs, nil)
	}
	wantErr(t, "drain", e.Drain(t.Context()), nil)
	var want [digest.MaxSize]byte
	digest.SHA512.Sum(&want, inline)
	for id := int64(1); id <= segmentJobs*3/submitters*submitters; id++ {
		if rec, err := e.Get(t.Context(), id); err != nil || rec.Sum != want {
			t.Fatalf("job %d: %x, error %v", id, rec.Sum, err)
		}
	}
}
