//go:build linux

package main

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// A baseline that cut corners would be no measure: it must hash right, in time, and tell a
// pending job from an unknown one.
func TestBaseline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const delay = 5 * time.Second
		b, start := newTimers(delay), time.Now()
		secret := []byte("angryMonkey")
		r, err := b.Accept(t.Context(), engine.Job{Secret: secret})
		if err != nil || r.ID != 1 {
			t.Fatalf("got id %d, %v", r.ID, err)
		}
		clear(secret)
		if hash, known := b.get(1); hash != "" || !known {
			t.Errorf("pending: got %q, %v", hash, known)
		}
		if _, known := b.get(2); known {
			t.Error("an id never given is known")
		}
		if err := b.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took != delay {
			t.Errorf("hashed after %v, want %v", took, delay)
		}
		const want = "ZEHhWB65gUlzdVwtDQArEyx+KVLzp/aTaRaPlBzYRIFj6vjFdqEb0Q5B8zVKCZ0vKbZPZklJz0Fd7su2A+gf7Q=="
		if hash, _ := b.get(1); hash != want {
			t.Errorf("got %q, want %q", hash, want)
		}
	})
}
