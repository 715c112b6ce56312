package service

import (
	"testing"
	"time"
	"unsafe"
)

// setBack returns t as a clock showed it that has been set forward by d since: the monotonic
// reading is the same, the wall clock's is not. Half a second past the full one, none wraps.
func setBack(t time.Time, d time.Duration) time.Time {
	const nanoseconds, seconds = 1, 1 << 30 // the fields of the first word of a time.Time
	word := (*uint64)(unsafe.Pointer(&t))
	*word -= uint64(d/time.Second)*seconds + uint64(d%time.Second)*nanoseconds
	return t
}

// After the wall clock was set, due times are shown as it will show them then. Differences that
// come from reading two clocks one after the other are not followed. A fake clock has no
// monotonic reading, so this is on the real one; it is read once, or a pause between its two
// readings would be a difference too.
func TestDueFollowsTheClock(t *testing.T) {
	now := time.Now()
	due := now.Add(time.Hour)
	due = due.Add(time.Second/2 - time.Duration(due.Nanosecond()))
	for set, follows := range map[time.Duration]time.Duration{
		0: 0, 4 * time.Millisecond: 0, 30 * time.Millisecond: 30 * time.Millisecond, time.Hour: time.Hour,
		-4 * time.Millisecond: 0, -30 * time.Millisecond: -30 * time.Millisecond, -time.Hour: -time.Hour,
	} {
		before := setBack(due, set)
		if before.Sub(due) != 0 || !before.Round(0).Add(set).Equal(due.Round(0)) {
			t.Fatalf("set by %v: %v is not %v of a clock that was set", set, before, due)
		}
		shown, wait := until(before, now)
		if !shown.Equal(before.Round(0).Add(follows)) || wait != due.Sub(now) {
			t.Errorf("set by %v: %v is shown as %v, %v from now", set, before, shown, wait)
		}
	}
}
