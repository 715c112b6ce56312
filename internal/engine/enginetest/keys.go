package enginetest

import (
	"sync"
	"time"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// A job submitted again is the same job, whatever became of it.
func retryAddsNothing(x *trial) {
	e := x.engine(engine.Limits{Delay: short})
	for n := range byte(3) {
		first := e.acceptJob(request(n, n))
		again := func(when string) {
			if r := e.acceptJob(request(n, n)); r.ID != first.ID || !r.Due.Equal(first.Due) {
				x.Errorf("%s the retry of %+v got %+v", when, first, r)
			}
		}
		again("at once")
		e.result(first.ID)
		again("done")
		e.cancel(first.ID)
		again("erased")
	}
	e.wantCounts(engine.Stats{Accepted: 3, Completed: 3})
}

// The same key for something else is a client's mistake. It adds nothing and takes no id.
func reusedKeyIsRefused(x *trial) {
	e := x.engine(engine.Limits{Delay: unreached})
	first := e.acceptJob(request(1, 1))
	r, err := e.Accept(x.Context(), request(1, 2))
	x.wantErr("a key used for another request", err, engine.ErrIdempotencyKeyReused)
	if r != (engine.Receipt{}) {
		x.Errorf("refused with receipt %+v", r)
	}
	if r := e.acceptJob(request(1, 1)); r.ID != first.ID {
		x.Errorf("after that the retry of %d got %d", first.ID, r.ID)
	}
	if next := e.acceptJob(request(2, 1)); next.ID != first.ID+1 && !x.suite.Gaps {
		x.Errorf("id %d follows %d: a refused job drew one", next.ID, first.ID)
	}
	if st := e.Stats(); st.Accepted != 2 || st.Pending != 2 {
		x.Errorf("counters are %+v", st)
	}
}

func retryWhileDraining(x *trial) {
	e := x.engine(engine.Limits{Delay: unreached})
	first := e.acceptJob(request(1, 1))
	e.beginDrain(1)
	if r := e.acceptJob(request(1, 1)); r.ID != first.ID {
		x.Errorf("while draining the retry of %d got %d", first.ID, r.ID)
	}
	_, err := e.Accept(x.Context(), request(2, 1))
	x.wantErr("accept of a new key while draining", err, engine.ErrDraining)
	e.wantCounts(engine.Stats{Accepted: 1, Pending: 1, Rejected: 1})
	x.wantErr("close", e.Close(), nil)
	for name := range byte(3) {
		_, err := e.Accept(x.Context(), request(name, 1))
		x.wantErr("accept of a key by a closed engine", err, engine.ErrClosed)
	}
}

// A job that was refused can be submitted again, with the same key or a better request.
func refusedJobLeavesItsKeyFree(x *trial) {
	e := x.engine(engine.Limits{Delay: unreached, MaxPending: 1})
	first := e.accept("takes the room")
	for number := range byte(3) {
		_, err := e.Accept(x.Context(), request(1, number))
		x.wantFullError(err, "max-pending")
	}
	invalid := request(1, 1)
	invalid.Secret = nil
	_, err := e.Accept(x.Context(), invalid)
	x.wantErr("a job without a secret", err, engine.ErrInvalid)
	e.cancel(first.ID)
	if r := e.acceptJob(request(1, 2)); r.ID == first.ID {
		x.Errorf("a new job got the old id %d", r.ID)
	}
	e.wantCounts(engine.Stats{Accepted: 2, Pending: 1, Canceled: 1, Rejected: 3})
}

func keysAreBounded(x *trial) {
	const limit = "max-idempotency-keys"
	e := x.engine(engine.Limits{Delay: unreached, MaxIdempotencyKeys: 2, IdempotencyWindow: unreached})
	first := e.acceptJob(request(1, 1))
	e.acceptJob(request(2, 1))
	for number := range byte(3) {
		_, err := e.Accept(x.Context(), request(3, number))
		x.wantFullError(err, limit)
	}
	if r := e.acceptJob(request(1, 1)); r.ID != first.ID {
		x.Errorf("with no room for keys the retry of %d got %d", first.ID, r.ID)
	}
	if free := e.free(limit); free != 0 {
		x.Errorf("with no room for keys there is room for %d", free)
	}
	e.accept("without a key there is room")
	e.wantCounts(engine.Stats{Accepted: 3, Pending: 3, Rejected: 3})

	none := x.engine(engine.Limits{Delay: unreached, MaxIdempotencyKeys: 0, IdempotencyWindow: unreached})
	_, err := none.Accept(x.Context(), request(1, 1))
	x.wantFullError(err, limit)
	none.accept("without a key")
}

// Of retries that overlap with the first try, all get one and the same job.
func oneKeyAmongSubmitters(x *trial) {
	const keys = 20
	e := x.engine(engine.Limits{Delay: unreached})
	x.wantOneEach(keys, func(name byte) (engine.Receipt, error) {
		return e.Accept(x.Context(), request(name, name%2))
	})
	e.wantCounts(engine.Stats{Accepted: keys, Pending: keys})
}

// wantOneEach has several submitters use each key, and fails the test unless all get the same
// receipt for one.
func (x *trial) wantOneEach(keys byte, submit func(name byte) (engine.Receipt, error)) {
	x.Helper()
	const submitters = 6
	var mu sync.Mutex
	ids := make(map[byte]map[int64]bool)
	g := x.group()
	for range submitters {
		g.Go(func() {
			for name := range keys {
				r, err := submit(name)
				x.wantErr("accept", err, nil)
				mu.Lock()
				if ids[name] == nil {
					ids[name] = make(map[int64]bool)
				}
				ids[name][r.ID] = true
				mu.Unlock()
			}
		})
	}
	g.Wait()
	for name, got := range ids {
		if len(got) != 1 {
			x.Errorf("key %d has ids %v", name, got)
		}
	}
}

// A key is remembered for the window and no longer. Then it is as good as new.
func keyIsForgottenAfterItsWindow(x *trial) {
	const window = 10 * time.Second
	e := x.engine(engine.Limits{Delay: time.Second, IdempotencyWindow: window, MaxIdempotencyKeys: 2})
	var last int64
	for round := range byte(5) {
		first := e.acceptJob(request(1, round))
		if first.ID == last {
			x.Errorf("round %d: after the window the key still finds job %d", round, last)
		}
		last = first.ID
		x.sleep(window - 1)
		if free := e.free("max-idempotency-keys"); free != 1 {
			x.Errorf("round %d: with one key of two in use there is room for %d", round, free)
		}
		if r := e.acceptJob(request(1, round)); r.ID != first.ID {
			x.Errorf("round %d: at the end of the window the retry of %d got %d", round, first.ID, r.ID)
		}
		x.sleep(2 * time.Second) // from the first try on, not from the last
		if free := e.free("max-idempotency-keys"); free != 2 {
			x.Errorf("round %d: with no key of two in use there is room for %d", round, free)
		}
	}
	if st := e.Stats(); st.Accepted != 5 {
		x.Errorf("counters are %+v", st)
	}
}
