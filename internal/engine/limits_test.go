package engine

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestInRange(t *testing.T) {
	for value, want := range map[int64]string{
		-1: "", 0: "", 2: "", -2: "size -2 is not from -1 to 2", 3: "size 3 is not from -1 to 2",
	} {
		got := ""
		if err := inRange("size", value, -1, 2); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%d: %q, want %q", value, got, want)
		}
	}
}

// Each limit has its range, ends included, and all that are outside are named at once.
func TestLimitsAreValidated(t *testing.T) {
	least := Limits{Retention: time.Second, MaxPending: 1, MaxResults: 1, MaxSecretBytes: 1 << 20}
	most := Limits{
		Delay: MaxTime, Retention: MaxTime, MaxPending: MaxJobs, MaxResults: MaxJobs, MaxSecretBytes: math.MaxInt64,
		IdempotencyWindow: MaxTime, MaxIdempotencyKeys: MaxJobs, Workers: maxWorkers, FirstID: MaxFirstID,
	}
	for _, l := range []Limits{least, most} {
		if err := l.Validate(); err != nil {
			t.Errorf("%+v: %v", l, err)
		}
	}
	for name, beyond := range map[string][2]func(*Limits){
		"delay":                {func(l *Limits) { l.Delay-- }, func(l *Limits) { l.Delay++ }},
		"retention":            {func(l *Limits) { l.Retention-- }, func(l *Limits) { l.Retention++ }},
		"max pending":          {func(l *Limits) { l.MaxPending-- }, func(l *Limits) { l.MaxPending++ }},
		"max results":          {func(l *Limits) { l.MaxResults-- }, func(l *Limits) { l.MaxResults++ }},
		"max secret bytes":     {func(l *Limits) { l.MaxSecretBytes-- }, func(l *Limits) { l.MaxSecretBytes = -1 }},
		"idempotency window":   {func(l *Limits) { l.IdempotencyWindow-- }, func(l *Limits) { l.IdempotencyWindow++ }},
		"max idempotency keys": {func(l *Limits) { l.MaxIdempotencyKeys-- }, func(l *Limits) { l.MaxIdempotencyKeys++ }},
		"workers":              {func(l *Limits) { l.Workers-- }, func(l *Limits) { l.Workers++ }},
		"first id":             {func(l *Limits) { l.FirstID-- }, func(l *Limits) { l.FirstID++ }},
	} {
		for n, l := range []Limits{least, most} {
			beyond[n](&l)
			if err := l.Validate(); err == nil || strings.Count(err.Error(), "is not from") != 1 || !strings.HasPrefix(err.Error(), name+" ") {
				t.Errorf("%s: error %v for %+v", name, err, l)
			}
		}
	}
	if err := new(Limits).Validate(); err == nil || strings.Count(err.Error(), "is not from") != 4 {
		t.Errorf("not all that is wrong is told at once: %v", err)
	}
}
