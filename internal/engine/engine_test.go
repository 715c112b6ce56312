package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/hashd-project/hashd/v2/internal/digest"
)

func TestFullErrorNamesItsLimit(t *testing.T) {
	wrapped := fmt.Errorf("accept: %w", &FullError{Limit: "max-pending", RetryAfter: 3 * time.Second})
	full, ok := errors.AsType[*FullError](wrapped)
	if !ok || full.Limit != "max-pending" || full.RetryAfter != 3*time.Second {
		t.Fatalf("got %+v from %v", full, wrapped)
	}
	if got, want := full.Error(), "full: limit max-pending reached"; got != want {
		t.Errorf("text %q, want %q", got, want)
	}
}

func TestLeftErrorTellsCountAndCause(t *testing.T) {
	err := &LeftError{Left: 42, Cause: context.DeadlineExceeded}
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v hides its cause", err)
	}
	if errors.Is(err, ErrClosed) {
		t.Errorf("%v is taken for ErrClosed", err)
	}
	if got, want := err.Error(), "42 jobs left: context deadline exceeded"; got != want {
		t.Errorf("text %q, want %q", got, want)
	}
}

// counted is an engine with that many pending jobs.
type counted struct {
	Engine
	pending int64
}

func (c counted) Stats() Stats { return Stats{Pending: c.pending} }

func TestLeft(t *testing.T) {
	if err := Left(counted{}, context.Canceled); err != nil {
		t.Errorf("with nothing left: %v", err)
	}
	left, ok := errors.AsType[*LeftError](Left(counted{pending: 3}, context.Canceled))
	if !ok || left.Left != 3 || !errors.Is(left, context.Canceled) {
		t.Errorf("with three left: %+v", left)
	}
}

// Callers tell the reasons apart with errors.Is.
func TestReasonsAreDistinct(t *testing.T) {
	reasons := []error{ErrUnknown, ErrGone, ErrDraining, ErrClosed, ErrInvalid, ErrDown, ErrIdempotencyKeyReused}
	for i, a := range reasons {
		for j, b := range reasons {
			if errors.Is(a, b) != (i == j) {
				t.Errorf("%v against %v", a, b)
			}
		}
	}
}

func TestRecordDigestHasTheAlgorithmsSize(t *testing.T) {
	for a, size := range map[digest.Algorithm]int{digest.SHA512: 64, digest.SHA256: 32, digest.SHA3x512: 64} {
		rec := Record{State: Done, Algorithm: a}
		for i := range rec.Sum {
			rec.Sum[i] = byte(i)
		}
		if got := rec.Digest(); len(got) != size || !bytes.Equal(got, rec.Sum[:size]) {
			t.Errorf("%v: digest %x", a, got)
		}
	}
}

// A record that nobody filled in must not pass for a result.
func TestZeroStateIsPending(t *testing.T) {
	if (Record{}).State != Pending {
		t.Error("the zero record is not pending")
	}
}

// Drawn ids are spread over the whole range, and none is drawn twice.
func TestDrawFirstID(t *testing.T) {
	seen := make(map[int64]bool)
	quarters := make([]int, 4)
	for range 4000 {
		id := DrawFirstID()
		if id < 1 || id > MaxFirstID || seen[id] {
			t.Fatalf("id %d of a range from 1 to %d, drawn before: %v", id, int64(MaxFirstID), seen[id])
		}
		seen[id] = true
		quarters[4*(id-1)/MaxFirstID]++
	}
	for n, count := range quarters {
		if count < 700 {
			t.Errorf("of 4000 ids %d lie in quarter %d", count, n)
		}
	}
}
