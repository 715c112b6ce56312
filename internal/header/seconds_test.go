package header_test

import (
	"testing"
	"time"

	"github.com/hashd-project/hashd/v2/internal/header"
)

func TestSeconds(t *testing.T) {
	for d, want := range map[time.Duration]int64{
		-time.Hour: 1, -1: 1, 0: 1, 1: 1, time.Second - 1: 1, time.Second: 1, time.Second + 1: 2,
		4200 * time.Millisecond: 5, 5 * time.Second: 5, 1_000_000 * time.Hour: 3_600_000_000,
	} {
		if got := header.Seconds(d); got != want {
			t.Errorf("%v: %d, want %d", d, got, want)
		}
	}
}
