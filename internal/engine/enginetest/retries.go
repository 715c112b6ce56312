package enginetest

import (
	"time"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// request returns a job with the key of that name, from the request of that number.
func request(name, number byte) engine.Job {
	return engine.Job{
		Secret:         secret(8 + 50*int(number)), // in part short, in part long
		IdempotencyKey: engine.IdempotencyKey{ID: [16]byte{0: 'k', 15: name}, Fingerprint: [16]byte{0: number}},
	}
}

func keyOfACanceledJob(x *trial) {
	e := x.engine(engine.Limits{Delay: unreached})
	first := e.acceptJob(request(1, 1))
	e.cancel(first.ID)
	if r := e.acceptJob(request(1, 1)); r.ID != first.ID {
		x.Errorf("the retry of canceled job %d got %d", first.ID, r.ID)
	}
	e.gone(first.ID)
	e.wantCounts(engine.Stats{Accepted: 1, Canceled: 1})
}

func keysAreApart(x *trial) {
	e := x.engine(engine.Limits{Delay: unreached})
	ids := make(map[int64]bool)
	for n := range byte(10) {
		ids[e.acceptJob(request(n, 1)).ID] = true
		ids[e.accept("without a key").ID] = true // the zero key is none
	}
	if len(ids) != 20 {
		x.Errorf("20 different requests got %d ids", len(ids))
	}
	e.wantCounts(engine.Stats{Accepted: 20, Pending: 20})
}

// Rejected says how often the engine had no room or was draining, not how often a client erred.
func clientsMistakesAreNotRejected(x *trial) {
	e := x.engine(engine.Limits{Delay: unreached})
	e.acceptJob(request(1, 1))
	_, err := e.Accept(x.Context(), request(1, 2))
	x.wantErr("a key used for another request", err, engine.ErrIdempotencyKeyReused)
	_, err = e.Accept(x.Context(), engine.Job{IdempotencyKey: request(2, 1).IdempotencyKey})
	x.wantErr("a job without a secret", err, engine.ErrInvalid)
	e.wantCounts(engine.Stats{Accepted: 1, Pending: 1})
}

// Room for keys comes with the end of their windows, also after a burst, and as was told.
func maxKeysEases(x *trial) {
	const most = 50
	e := x.engine(engine.Limits{Delay: time.Second, IdempotencyWindow: 10 * time.Second, MaxIdempotencyKeys: most})
	for range 3 {
		for name := range byte(most) {
			e.acceptJob(request(name, 1))
		}
		x.sleep(4 * time.Second)
		_, err := e.Accept(x.Context(), request(most, 1))
		x.sleep(x.wantFullError(err, "max-idempotency-keys").RetryAfter)
		for name := range byte(most) {
			e.acceptJob(request(most+name, 2))
		}
		x.sleep(11 * time.Second)
	}
}

// Keys used anew after their windows, in whatever order, are remembered as new ones.
func keysUsedAnew(x *trial) {
	const keys = 20
	e := x.engine(engine.Limits{Delay: time.Second, IdempotencyWindow: 10 * time.Second, MaxIdempotencyKeys: 2 * keys})
	for name := range byte(keys) {
		e.acceptJob(request(name, 1))
	}
	x.sleep(10 * time.Second)
	ids := make(map[byte]int64)
	for n := range byte(keys) {
		name := keys - 1 - n
		ids[name] = e.acceptJob(request(name, 2)).ID
	}
	x.sleep(time.Second)
	for range 3 { // while old keys are forgotten behind them
		for name, id := range ids {
			if r := e.acceptJob(request(name, 2)); r.ID != id {
				x.Errorf("key %d: the retry of %d got %d", name, id, r.ID)
			}
		}
	}
	if st := e.Stats(); st.Accepted != 2*keys {
		x.Errorf("counters are %+v", st)
	}
}
