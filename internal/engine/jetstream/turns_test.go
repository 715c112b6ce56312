package jetstream

import (
	"sync"
	"testing"
	"time"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// A twin on another instance gets the answer of the first, too, though that has filled the last room.
func TestTwinsOnTwoInstancesWithRoomForOne(t *testing.T) {
	t.Parallel()
	cfg := config(t, single(t))
	cfg.Delay, cfg.MaxPending = time.Hour, 1
	all := instances(t, 2, cfg)
	for n := range byte(10) {
		job := engine.Job{Secret: []byte("secret"), IdempotencyKey: engine.IdempotencyKey{ID: [16]byte{n + 1}, Fingerprint: [16]byte{n}}}
		var receipts [2]engine.Receipt
		var g sync.WaitGroup
		for i, e := range all {
			g.Go(func() {
				r, err := e.Accept(t.Context(), job)
				if err != nil {
					t.Errorf("twin %d on instance %d: %v", n, i, err)
				}
				receipts[i] = r
			})
		}
		g.Wait()
		if receipts[0].ID != receipts[1].ID || !receipts[0].Due.Equal(receipts[1].Due) {
			t.Errorf("twins %d have %+v and %+v", n, receipts[0], receipts[1])
		}
		if err := all[0].Cancel(t.Context(), receipts[0].ID); err != nil {
			t.Fatal(err)
		}
	}
}

// Turns end with the engine: nobody waits for a request that is not answered any more.
func TestTurnsEnd(t *testing.T) {
	t.Parallel()
	var turns turns
	key, over := [16]byte{1}, make(chan struct{})
	leave, ok := turns.take(key, over)
	if !ok {
		t.Fatal("the first has to wait")
	}
	if leaveOther, ok := turns.take([16]byte{2}, over); !ok {
		t.Error("another key has to wait")
	} else {
		leaveOther()
	}
	entered := make(chan bool)
	go func() {
		leave, ok := turns.take(key, over)
		if ok {
			leave()
		}
		entered <- ok
	}()
	leave()
	if !<-entered {
		t.Error("the second does not get its turn")
	}
	leave, _ = turns.take(key, over)
	close(over)
	if _, ok := turns.take(key, over); ok {
		t.Error("two have their turn at a time")
	}
	leave()
	if len(turns.busy) != 0 {
		t.Errorf("%d keys are left", len(turns.busy))
	}
}
