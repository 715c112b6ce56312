package memory

import (
	"testing"
	"time"
)

func TestFineTimerNeverReturnsEarly(t *testing.T) {
	timer, err := newFineTimer()
	if err != nil {
		t.Fatal(err)
	}
	defer timer.close()
	for _, d := range []time.Duration{1, time.Microsecond, minSleep, fineWait, 1, minSleep} {
		start := time.Now()
		timer.sleep(d)
		if slept := time.Since(start); slept < d {
			t.Errorf("a sleep of %v took %v", d, slept)
		}
	}
}
