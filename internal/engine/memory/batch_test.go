package memory

import (
	"bytes"
	"crypto/sha512"
	"errors"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// acceptBatch submits a batch that must be taken.
func acceptBatch(t *testing.T, e *Engine, secrets ...[]byte) int64 {
	t.Helper()
	r, err := e.AcceptBatch(t.Context(), engine.Batch{Secrets: secrets, Tenant: math.MaxUint16})
	if err != nil {
		t.Fatalf("accept of a batch of %d: %v", len(secrets), err)
	}
	return r.ID
}

// submitBatch submits n numbered jobs at once, as submit does one by one.
func submitBatch(t *testing.T, e *Engine, n int64) {
	t.Helper()
	first := e.end()
	secrets := make([][]byte, n)
	for i := range secrets {
		secrets[i] = numbered(first + int64(i))
	}
	if id := acceptBatch(t, e, secrets...); id != first {
		t.Fatalf("a batch begins with %d, want %d", id, first)
	}
}

// copies returns n times the same secret.
func copies(n int, secret []byte) [][]byte {
	secrets := make([][]byte, n)
	for i := range secrets {
		secrets[i] = secret
	}
	return secrets
}

// A batch that lies in two segments, up to one job from either end, is as good as any.
func TestBatchesAcrossSegments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t, engine.Limits{Delay: time.Second})
		const size = 50
		for n, before := range []int64{1, size - 1, size / 2} { // of the batch's jobs, in the older segment
			border := int64(n+1) * segmentJobs
			for e.end()+size <= border-before {
				submitBatch(t, e, size)
			}
			submit(t, e, border-before-e.end()+1)
			wantMapped(t, e, int64(n+1))
			submitBatch(t, e, size)
			wantMapped(t, e, int64(n+2))
			submit(t, e, 3)
			submitBatch(t, e, size)
			wantMapped(t, e, int64(n+2))
		}
		time.Sleep(time.Second)
		synctest.Wait()
		wantResults(t, e, e.end()-1)
	})
}

// A batch that ends where its segment does maps no other: the next job does, alone or in a batch.
func TestBatchThatFillsItsSegment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t, engine.Limits{Delay: time.Second})
		for n, next := range []func(*testing.T, *Engine, int64){submit, submitBatch, submit} {
			border := int64(n+1) * segmentJobs
			for left := border - e.end() + 1; left > 0; left = border - e.end() + 1 {
				submitBatch(t, e, min(left, engine.MaxBatch))
			}
			wantMapped(t, e, int64(n+1))
			next(t, e, 1)
			wantMapped(t, e, int64(n+2))
		}
		time.Sleep(time.Second)
		synctest.Wait()
		wantResults(t, e, e.end()-1)
	})
}

// A segment that was mapped for a batch then refused takes the jobs that come after the older one's.
func TestSegmentMappedAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t, engine.Limits{Delay: time.Second})
		ahead := func() {
			e.mu.Lock()
			defer e.mu.Unlock()
			wantErr(t, "grow", e.grow(), nil)
		}
		ahead() // while there is none
		submit(t, e, 5)
		ahead()
		wantMapped(t, e, 2)
		submit(t, e, segmentJobs-5)
		submit(t, e, 1)
		submitBatch(t, e, 10)
		wantMapped(t, e, 2)
		submit(t, e, segmentJobs-11)
		wantMapped(t, e, 2)
		submit(t, e, 1)
		wantMapped(t, e, 3)
		time.Sleep(time.Second)
		synctest.Wait()
		wantResults(t, e, e.end()-1)
	})
}

// Where the room ends just behind a segment's end, single jobs take it from under batches that are
// about to map the next segment, or do not. Either way all of it is used, and a refused batch
// leaves nothing in the arena.
func TestBatchesAndJobsAtTheLastRoom(t *testing.T) {
	const room, size = 40, 8
	batch := engine.Batch{Secrets: copies(size, long4096)}
	for range 20 {
		e := newEngine(t, engine.Limits{Delay: time.Hour, MaxPending: segmentJobs + room/2, Workers: 1})
		for left := int64(segmentJobs - room/2); left > 0; left -= min(left, engine.MaxBatch) {
			submitBatch(t, e, min(left, engine.MaxBatch))
		}
		var g sync.WaitGroup
		batches := make([]int64, 3)
		for n := range batches {
			g.Go(func() {
				for _, err := e.Accept(t.Context(), engine.Job{Secret: inline}); err == nil; _, err = e.Accept(t.Context(), engine.Job{Secret: inline}) {
				}
			})
			g.Go(func() {
				for _, err := e.AcceptBatch(t.Context(), batch); err == nil; _, err = e.AcceptBatch(t.Context(), batch) {
					batches[n]++
				}
			})
		}
		g.Wait()
		if st := e.Stats(); st.Pending != segmentJobs+room/2 {
			t.Errorf("counters are %+v", st)
		}
		if want := (batches[0] + batches[1] + batches[2]) * size * engine.MaxSecret; e.secrets.used != want {
			t.Errorf("%d bytes of secrets are held, want %d", e.secrets.used, want)
		}
		wantErr(t, "close", e.Close(), nil)
	}
}

// A job that is drawn just when a batch is makes the batch draw again.
func TestBatchesAmongManyJobs(t *testing.T) {
	const jobs = 200_000
	e := newEngine(t, engine.Limits{Delay: time.Hour, Workers: 1})
	batches := int64(0)
	over := make(chan struct{})
	go func() {
		defer close(over)
		for range jobs {
			if _, err := e.Accept(t.Context(), engine.Job{Secret: inline}); err != nil {
				t.Error(err)
			}
		}
	}()
	for going := true; going && batches < jobs; batches++ { // there is room for no more
		acceptBatch(t, e, inline, inline)
		select {
		case <-over:
			going = false
		default:
		}
	}
	<-over
	if st := e.Stats(); st.Accepted != jobs+2*batches {
		t.Errorf("of %d jobs and %d batches of two the counters are %+v", jobs, batches, st)
	}
}

// The first jobs of all find no segment, and a batch maps it under the eyes of the others.
func TestFirstBatchAndFirstJobs(t *testing.T) {
	for range 50 {
		e := newEngine(t, engine.Limits{Delay: time.Hour, Workers: 1})
		var g sync.WaitGroup
		errs := make([]error, 4)
		for n := range errs {
			g.Go(func() {
				if n%2 == 0 {
					_, errs[n] = e.Accept(t.Context(), engine.Job{Secret: inline})
				} else {
					_, errs[n] = e.AcceptBatch(t.Context(), engine.Batch{Secrets: copies(5, inline)})
				}
			})
		}
		g.Wait()
		if st := e.Stats(); errors.Join(errs...) != nil || st.Accepted != 12 || st.Pending != 12 {
			t.Fatalf("error %v, counters are %+v", errors.Join(errs...), st)
		}
		_ = e.Close()
	}
}

// A batch behind a job that is drawn and not yet committed waits for it, and no longer.
func TestBatchBehindADrawnJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t, engine.Limits{Delay: time.Second})
		accept(t, e, inline)
		id, commit := drawByHand(t, e)
		first := acceptBatch(t, e, inline, long4096, inline)
		if first != id+1 {
			t.Errorf("the batch begins with %d, want %d", first, id+1)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if st := e.Stats(); st.Completed != 1 || st.Pending != 4 {
			t.Errorf("counters are %+v", st)
		}
		commit()
		wantErr(t, "drain", e.Drain(t.Context()), nil)
		if st := e.Stats(); st.Completed != 5 {
			t.Errorf("counters are %+v", st)
		}
	})
}

// A batch that comes before the alarm wakes the leader.
func TestBatchWakesTheLeader(t *testing.T) {
	onHand(t, engine.Limits{}, func(t *testing.T, h *byHand) {
		h.accept(inline)
		alarm := h.alarm.Load()
		h.alarm.Store(never)
		acceptBatch(t, h.Engine, inline, inline)
		synctest.Wait()
		if h.alarm.Load() != alarm {
			t.Errorf("the alarm is at %d, and the head due at %d", h.alarm.Load(), alarm)
		}
	})
}

// What a batch allocates does not grow with it: nothing for short secrets, and for long ones
// their list of places.
func TestBatchDoesNotAllocateByTheJob(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	e := newEngine(t, engine.Limits{Delay: time.Hour, MaxSecretBytes: 1 << 40})
	accept(t, e, inline)
	for _, n := range []int{1, 10, 100, engine.MaxBatch / 10} {
		for what, most := range map[string]float64{"short": 0, "long": 1} {
			b := engine.Batch{Secrets: copies(n, map[string][]byte{"short": inline, "long": long4096[:53]}[what])}
			allocs := testing.AllocsPerRun(5, func() {
				if _, err := e.AcceptBatch(t.Context(), b); err != nil {
					t.Error(err)
				}
			})
			if allocs > most {
				t.Errorf("%v allocations for a batch of %d %s secrets, want %v", allocs, n, what, most)
			}
		}
	}
}

// The secrets of a batch are wiped as those of single jobs are: each with its own job.
func TestSecretsOfABatchAreWiped(t *testing.T) {
	for what, secret := range map[string][]byte{"inline": inline, "long": long4096} {
		t.Run(what, func(t *testing.T) {
			onHand(t, engine.Limits{}, func(t *testing.T, h *byHand) {
				hashed, canceled, other := mine(secret, "hashed"), mine(secret, "canceled"), mine(secret, "other")
				first := acceptBatch(t, h.Engine, hashed, canceled, other)
				synctest.Wait()
				wantErr(t, "cancel", h.Cancel(t.Context(), first+1), nil)
				if h.holds(canceled) || !h.holds(other) || !h.holds(hashed) {
					t.Error("a canceled job's secret, and no other, is to be wiped")
				}
				h.age(0, first)
				h.claim()
				h.finish()
				if h.holds(hashed) || !h.holds(other) {
					t.Error("a hashed job's secret, and no other, is to be wiped")
				}
				if h.slotOf(first) != sha512.Sum512(hashed) {
					t.Error("the digest is not in the secret's place")
				}
			})
		})
	}
}

// A batch for whose long secrets there is no room leaves the arena as it was: nothing in it, and
// its open chunk open.
func TestBatchAtMaxSecretBytes(t *testing.T) {
	onHand(t, engine.Limits{MaxSecretBytes: 2 * chunkBytes}, func(t *testing.T, h *byHand) {
		refused := mine(long4096, "refused")
		refuse := func(n int) {
			t.Helper()
			_, err := h.AcceptBatch(t.Context(), engine.Batch{Secrets: append(copies(n, refused), inline)})
			wantFull(t, err, "max-secret-bytes")
			if h.holds(refused) {
				t.Error("a refused secret stays")
			}
		}
		want := func(chunks int64, used int) {
			t.Helper()
			if h.secrets.mapped != chunks || h.liveChunks() != chunks || h.secrets.used != int64(used) {
				t.Errorf("%d chunks hold %d bytes, %d are counted; want %d and %d", h.liveChunks(), h.secrets.used, h.secrets.mapped, chunks, used)
			}
		}
		refuse(2*perChunk + 1)
		want(0, 0)
		ids := h.accept(long4096)
		refuse(2 * perChunk)
		want(1, engine.MaxSecret)
		ids = append(ids, h.accept(copies(perChunk-1, long4096)...)...) // into the same chunk
		want(1, perChunk*engine.MaxSecret)
		refuse(perChunk + 1)
		first := acceptBatch(t, h.Engine, copies(perChunk, long4096)...)
		want(2, 2*perChunk*engine.MaxSecret)
		refuse(1)
		if first != perChunk+1 {
			t.Errorf("the batch begins with %d: a refused one drew ids", first)
		}
		for _, id := range ids {
			wantErr(t, "cancel", h.Cancel(t.Context(), id), nil)
		}
		want(1, perChunk*engine.MaxSecret)
		cancelAll(t, h.Engine, first, first+perChunk-1)
		want(0, 0)
		if st := h.Stats(); st.Rejected != 2*perChunk+2+2*perChunk+1+perChunk+2+2 {
			t.Errorf("counters are %+v", st)
		}
	})
}

// Secrets of any lengths take the chunks that were foretold, from whatever an older one leaves.
func TestArenaGrowsAsForetold(t *testing.T) {
	var a arena
	defer a.close()
	for n := range 40 {
		var secrets [][]byte
		for i := range 400 {
			secrets = append(secrets, long4096[:1+(n*997+i*1013)%engine.MaxSecret])
		}
		before, foretold := a.mapped, a.grows(secrets...)
		for _, s := range secrets {
			if len(s) > inlineBytes {
				if _, err := a.put(s); err != nil {
					t.Fatal(err)
				}
			}
		}
		if grown := a.mapped - before; grown != foretold {
			t.Errorf("round %d: %d chunks more, foretold %d", n, grown, foretold)
		}
	}
}

// What was stored before the engine found that it cannot take the batch is wiped.
func TestStoredSecretsAreGivenBack(t *testing.T) {
	onHand(t, engine.Limits{}, func(t *testing.T, h *byHand) {
		ids := h.accept(long4096)
		secret := mine(long4096, "given back")
		refs, err := h.storeLongs([][]byte{secret, inline, secret[:53], secret})
		if err != nil || len(refs) != 3 || !h.holds(secret) || !bytes.Equal(h.secrets.get(refs[1]), secret[:53]) {
			t.Fatalf("stored at %v, error %v", refs, err)
		}
		h.freeAll(refs)
		if h.holds(secret) || h.secrets.used != engine.MaxSecret || h.liveChunks() != 1 {
			t.Errorf("%d bytes in %d chunks are left", h.secrets.used, h.liveChunks())
		}
		cancelAll(t, h.Engine, ids[0], ids[0])
		if h.liveChunks() != 0 {
			t.Errorf("%d chunks outlive their secrets", h.liveChunks())
		}
	})
}
