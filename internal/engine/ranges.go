package engine

import (
	"context"
	"errors"
	"math"
)

// MaxRange is the most ids that one call asks an engine about.
const MaxRange = 10_000

// Ranges is the side of an Engine that takes many ids at once. All methods may be called by any number of
// goroutines. What they say of a job is what Get would say at some instant during the call, and they
// cost far less than a call for each job. An id that no store ever gives is Unknown like any other; first
// is 1 or more, after is 0 or more, and ids are counted up to math.MaxInt64 without overflow.
type Ranges interface {
	// Read puts into to what is known of the jobs from first on, one record each, in the order of
	// their ids; to has 1 to MaxRange elements. Nothing of them is kept from call to call, so that a
	// caller with little memory reads a long range piece by piece. The result of a Done job counts as
	// collected, unless ctx is one of Glance. It returns ErrClosed, ErrDown or ErrInvalid.
	Read(ctx context.Context, first int64, to []Record) error

	// Survey tells what of a range of 1 to MaxRange ids is pending, without collecting anything. Its
	// errors are those of Read.
	Survey(ctx context.Context, first int64, count int) (Survey, error)

	// Completed puts into to the done jobs whose ids are above after, in the order of their ids, up to
	// the oldest pending job of the store at the furthest: one that comes later cannot have a lower id
	// than what was read. It returns how many there are, and the id to go on after: every job of the
	// store up to it is in to, or was before it, or is gone. If nothing has ended since, that is
	// after. Its errors are those of Read; results count as collected as there.
	Completed(ctx context.Context, after int64, to []Record) (n int, next int64, err error)

	// AwaitCompleted returns nil once Completed would go on further than after, or once ctx has
	// ended. One that waits costs little however many jobs are pending, and an end of its ctx leaves
	// nothing behind. Its errors are those of Read.
	AwaitCompleted(ctx context.Context, after int64) error

	// CancelRange does what Cancel does to each of 1 to MaxRange ids, and counts what has become of
	// them. Jobs submitted or read meanwhile are not held up noticeably. With an error some of them
	// may have been canceled. It returns ErrClosed, ErrDown, ErrInvalid, or a *FullError if the store
	// has no room to keep that they are gone.
	CancelRange(ctx context.Context, first int64, count int) (Ended, error)
}

// Survey is what of a range is pending.
type Survey struct {
	Pending int    // how many jobs
	Last    Record // the one with the highest id; the zero value if there is none
}

// Ended counts what has become of the ids of a range.
type Ended struct {
	Canceled int // pending before, never to be hashed
	Erased   int // done before
	Gone     int // canceled, erased or expired before
	Unknown  int // never given
}

// ValidRange reports whether Ranges may be asked about so many ids from first on.
func ValidRange(first int64, count int) bool { return first >= 1 && count >= 1 && count <= MaxRange }

// IDAfter returns the id that is n higher, or the highest there is. n is not negative.
func IDAfter(id int64, n int) int64 {
	if id > math.MaxInt64-int64(n) {
		return math.MaxInt64
	}
	return id + int64(n)
}

// AwaitRange returns nil once no job of the range is pending, or once ctx has ended. Due order is
// acceptance order, so that a wait for the last job is nearly always the only one. It collects nothing.
func AwaitRange(ctx context.Context, e Engine, first int64, count int) error {
	ctx = Glance(ctx)
	for {
		s, err := e.Survey(ctx, first, count)
		if err != nil || s.Pending == 0 || ctx.Err() != nil {
			return err
		}
		_, err = e.Wait(ctx, s.Last.ID)
		if err != nil && !errors.Is(err, ErrGone) && !errors.Is(err, ErrUnknown) { // which are ends, too
			return err
		}
	}
}
