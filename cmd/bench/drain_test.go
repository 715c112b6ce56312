//go:build linux

package main

import (
	"errors"
	"math"
	"testing"
	"time"
)

func TestHashingOf(t *testing.T) {
	if got, want := hashingOf(2_000, time.Second/2, time.Millisecond), (hashing{Speed: 4_000, CPU: 500}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// Cores that begin only once the time is over have measured something all the same.
func TestRawSpeedIsNeverNone(t *testing.T) {
	if got := rawSpeed(0); got.Speed <= 0 || got.CPU <= 0 || math.IsInf(got.CPU, 0) {
		t.Errorf("%+v", got)
	}
}

// A job that was due while others were accepted may be hashed by then: such a run measures nothing.
func TestDrainIsOfOverdueJobsOnly(t *testing.T) {
	task := drainTask{Design: hashd, Jobs: 1000}
	if _, err := drainOverdue(t.Context(), task, 0); !errors.Is(err, errHashedBefore) {
		t.Errorf("due at once: error %v", err)
	}
	h, err := drainOverdue(t.Context(), task, 5*time.Second)
	if err != nil || h.Speed <= 0 || h.CPU <= 0 {
		t.Errorf("%+v, error %v", h, err)
	}
}

func TestFreezeLastsUntilThen(t *testing.T) {
	until := time.Now().Add(100 * time.Millisecond)
	frozen, thawed, err := freeze(t.Context(), until)
	if err != nil || thawed.Before(until) || thawed.Before(frozen) {
		t.Errorf("frozen %v, thawed %v, error %v, want until %v", frozen, thawed, err, until)
	}
}

func TestThawWantsATimeAndAProcess(t *testing.T) {
	for _, args := range [][]string{nil, {"1s"}, {"soon", "1"}, {"1s", "it"}, {"1s", "1", "2"}} {
		if thaw(args) == nil {
			t.Errorf("%q is taken", args)
		}
	}
}

func TestTouch(t *testing.T) {
	if got, err := touch(5 * mebibyte); err != nil || got.First <= 0 || got.Again <= 0 {
		t.Errorf("%+v, error %v", got, err)
	}
}
