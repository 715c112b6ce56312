package memory

import (
	"bytes"
	"context"
	"crypto/sha512"
	"testing"
	"time"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// holds reports whether the secret, or a good part of it, lies anywhere in the engine's memory.
func (h *byHand) holds(secret []byte) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	part := secret[len(secret)-min(len(secret), 16):]
	for s := range h.segments.all() {
		if s != nil && bytes.Contains(s.mem, part) {
			return true
		}
	}
	for c := range h.secrets.chunks.all() {
		if c != nil && bytes.Contains(c.mem, part) {
			return true
		}
	}
	return false
}

// mine returns a secret like the given one that ends in bytes of its own.
func mine(secret []byte, end string) []byte {
	return append(bytes.Clone(secret[:len(secret)-16]), (end + "----------------")[:16]...)
}

// Each way for a job to end wipes its secret from memory at once. Others, which share the
// segment and the chunk, keep theirs.
func TestSecretsAreWiped(t *testing.T) {
	for what, secret := range map[string][]byte{"inline": inline, "long": long4096, "53 bytes": long4096[:53]} {
		t.Run(what, func(t *testing.T) {
			onHand(t, engine.Limits{}, func(t *testing.T, h *byHand) {
				hashed, canceled, other := mine(secret, "hashed"), mine(secret, "canceled"), mine(secret, "other")
				ids := h.accept(hashed, canceled, other)
				if !h.holds(hashed) || !h.holds(canceled) || !h.holds(other) {
					t.Fatal("the secrets are not where this test looks for them")
				}
				wantErr(t, "cancel", h.Cancel(t.Context(), ids[1]), nil)
				if h.holds(canceled) || !h.holds(other) || !h.holds(hashed) {
					t.Error("a canceled job's secret, and no other, is to be wiped")
				}
				h.age(0, ids[0])
				h.claim()
				h.finish()
				if h.holds(hashed) || !h.holds(other) {
					t.Error("a hashed job's secret, and no other, is to be wiped")
				}
				if h.slotOf(ids[0]) != sha512.Sum512(hashed) {
					t.Error("the digest is not in the secret's place")
				}
			})
		})
	}
}

// A secret canceled after its worker took it goes when the worker is done with it.
func TestSecretCanceledWhileClaimedIsWiped(t *testing.T) {
	onHand(t, engine.Limits{}, func(t *testing.T, h *byHand) {
		secrets := [][]byte{mine(inline, "short"), mine(long4096, "long"), mine(long4096, "other")}
		ids := h.accept(secrets...)
		h.age(0, ids[:2]...)
		h.claim()
		for _, id := range ids[:2] {
			wantErr(t, "cancel", h.Cancel(t.Context(), id), nil)
		}
		h.finish()
		if h.holds(secrets[0]) || h.holds(secrets[1]) {
			t.Error("a secret outlives its job")
		}
		if !h.holds(secrets[2]) {
			t.Error("a pending job's secret is wiped")
		}
	})
}

// Neither an erased nor an expired result stays in memory.
func TestResultsAreCleared(t *testing.T) {
	onHand(t, engine.Limits{}, func(t *testing.T, h *byHand) {
		ids := h.accept(inline, inline, inline)
		h.age(0, ids[:2]...)
		h.claim()
		h.finish()
		wantErr(t, "erase", h.Cancel(t.Context(), ids[0]), nil)
		h.ageMarks()
		h.expireNow()
		for _, id := range ids[:2] {
			if h.slotOf(id) != ([slotBytes]byte{}) {
				t.Errorf("job %d leaves %x", id, h.slotOf(id))
			}
		}
		if st := h.Stats(); st.Completed != 2 || st.Kept != 0 {
			t.Errorf("one result erased and one expired, and counters are %+v", st)
		}
	})
}

// liveChunks returns how many chunks hold memory.
func (h *byHand) liveChunks() (n int64) {
	for c := range h.secrets.chunks.all() {
		if c != nil {
			n++
		}
	}
	return n
}

const perChunk = chunkBytes / engine.MaxSecret

// fill submits as many long secrets as fill so many chunks.
func (h *byHand) fill(chunks int) []int64 {
	h.t.Helper()
	secrets := make([][]byte, chunks*perChunk)
	for i := range secrets {
		secrets[i] = long4096
	}
	return h.accept(secrets...)
}

func TestChunksAreGivenBack(t *testing.T) {
	onHand(t, engine.Limits{}, func(t *testing.T, h *byHand) {
		ids := h.fill(3)
		ids = append(ids, accept(t, h.Engine, long4096))
		want := func(live, start, used int64) {
			t.Helper()
			if got := h.liveChunks(); got != live || h.secrets.chunks.start() != start || h.secrets.used != used*engine.MaxSecret {
				t.Errorf("%d chunks from number %d hold %d bytes; want %d from %d, %d secrets",
					got, h.secrets.chunks.start(), h.secrets.used, live, start, used)
			}
		}
		cancel := func(ids []int64) {
			for _, id := range ids {
				wantErr(t, "cancel", h.Cancel(t.Context(), id), nil)
			}
		}
		want(4, 0, 3*perChunk+1)
		cancel(ids[perChunk : 2*perChunk]) // one in the middle
		want(3, 0, 2*perChunk+1)
		cancel(ids[:perChunk-1])
		want(3, 0, perChunk+2)
		cancel(ids[perChunk-1 : perChunk])
		want(2, 2, perChunk+1)
		cancel(ids[2*perChunk:])
		want(0, 4, 0)
		h.accept(long4096) // an empty arena starts over
		want(1, 4, 1)
	})
}

// The same memory serves secrets one after the other, though none is canceled.
func TestArenaOfHashedSecrets(t *testing.T) {
	onHand(t, engine.Limits{MaxSecretBytes: chunkBytes}, func(t *testing.T, h *byHand) {
		for range 3 {
			ids := h.fill(1)
			_, err := h.Accept(t.Context(), engine.Job{Secret: long4096[:53]})
			wantFull(t, err, "max-secret-bytes")
			h.age(0, ids...)
			for n, _ := h.claim(); n > 0; n, _ = h.claim() {
				h.finish()
			}
			if h.secrets.used != 0 || h.liveChunks() != 0 {
				t.Fatalf("%d bytes in %d chunks are left", h.secrets.used, h.liveChunks())
			}
		}
	})
}

func TestMaxSecretBytes(t *testing.T) {
	onHand(t, engine.Limits{MaxSecretBytes: chunkBytes}, func(t *testing.T, h *byHand) {
		ids := h.fill(1)
		long := engine.Job{Secret: long4096}
		_, err := h.Accept(t.Context(), long)
		if full := wantFull(t, err, "max-secret-bytes"); full.RetryAfter != time.Hour {
			t.Errorf("room in %v, though the first of the secrets is hashed in an hour", full.RetryAfter)
		}
		if id := accept(t, h.Engine, inline); id != perChunk+1 {
			t.Errorf("id %d follows %d: a refused job drew one", id, perChunk)
		}
		for _, id := range ids[1:] {
			wantErr(t, "cancel", h.Cancel(t.Context(), id), nil)
		}
		_, err = h.Accept(t.Context(), long) // the one that is left holds the chunk
		wantFull(t, err, "max-secret-bytes")
		wantErr(t, "cancel", h.Cancel(t.Context(), ids[0]), nil)
		h.fill(1)
		if st := h.Stats(); st.Rejected != 2 || st.Accepted != 2*perChunk+1 {
			t.Errorf("counters are %+v", st)
		}
	})
}

// A long secret that is refused after all leaves nothing in the arena.
func TestRefusedLongSecretIsWiped(t *testing.T) {
	onHand(t, engine.Limits{MaxPending: 2}, func(t *testing.T, h *byHand) {
		h.accept(inline, long4096)
		refused := mine(long4096, "refused")
		_, err := h.Accept(t.Context(), engine.Job{Secret: refused})
		wantFull(t, err, "max-pending")
		if h.holds(refused) || h.secrets.used != engine.MaxSecret {
			t.Errorf("a refused secret stays, %d bytes are in use", h.secrets.used)
		}
	})
}

// A client told of a limit comes again; one told of the drain goes elsewhere.
func TestDrainingIsSaidBeforeAnyLimit(t *testing.T) {
	cfg := engine.Limits{MaxSecretBytes: chunkBytes, MaxPending: perChunk, IdempotencyWindow: time.Hour, MaxIdempotencyKeys: 0}
	onHand(t, cfg, func(t *testing.T, h *byHand) {
		h.fill(1)
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		_ = h.Drain(ended)
		for _, job := range []engine.Job{
			{Secret: inline},
			{Secret: long4096},
			{Secret: inline, IdempotencyKey: engine.IdempotencyKey{ID: [16]byte{1}}},
		} {
			_, err := h.Accept(t.Context(), job)
			wantErr(t, "accept while draining and full", err, engine.ErrDraining)
		}
	})
}

// The limit on secrets bounds the memory they take, also when a few hold on to whole chunks.
func TestArenaIsBoundedWhereFewRemain(t *testing.T) {
	const limit = 3
	onHand(t, engine.Limits{MaxSecretBytes: limit * chunkBytes}, func(t *testing.T, h *byHand) {
		for range limit {
			for _, id := range h.fill(1)[1:] {
				wantErr(t, "cancel", h.Cancel(t.Context(), id), nil)
			}
		}
		_, err := h.Accept(t.Context(), engine.Job{Secret: long4096})
		wantFull(t, err, "max-secret-bytes")
		if got := h.liveChunks(); got != limit || h.secrets.mapped != limit {
			t.Errorf("%d chunks hold %d bytes, %d are counted, and %d allowed", got, h.secrets.used, h.secrets.mapped, limit)
		}
	})
}
