package enginetest

import (
	"bytes"
	"context"
	"math"
	"time"

	"github.com/hashd-project/hashd/v2/internal/digest"
	"github.com/hashd-project/hashd/v2/internal/engine"
)

func idsCountUpFromTheFirst(x *trial) {
	for _, first := range []int64{1, 2, 1 << 31, engine.MaxFirstID - 1, engine.MaxFirstID, engine.DrawFirstID()} {
		e := x.engine(engine.Limits{Delay: unreached, FirstID: first})
		last := first - 1
		for n := range 20 {
			id := e.accept("secret").ID
			if n == 0 && id != first || id <= last || !x.suite.Gaps && id != last+1 {
				x.Errorf("job %d of those from %d on got id %d after %d", n, first, id, last)
			}
			last = id
		}
	}
}

// Where nobody says where ids begin, each store begins elsewhere, and does not know the ids of the
// others: an old id never shows another job's hash.
func storesShareNoIDs(x *trial) {
	wide := engine.Limits{Delay: short, Retention: unreached, MaxPending: 10, MaxResults: 10}
	a, b := &subject{Engine: x.start(wide), x: x}, &subject{Engine: x.start(wide), x: x}
	mine, other := a.accept("mine").ID, b.accept("other").ID
	for _, id := range []int64{mine, other} {
		if id < 1 || id > engine.MaxFirstID {
			x.Errorf("the first id is %d, want one from 1 to %d", id, int64(engine.MaxFirstID))
		}
	}
	x.wantResult(a.result(mine), mine, engine.Job{Secret: []byte("mine")})
	x.wantResult(b.result(other), other, engine.Job{Secret: []byte("other")})
	for what, err := range b.errorsOf(mine) {
		x.wantErr(what+" an id of another store", err, engine.ErrUnknown)
	}
}

// The one answer that the contract itself gives.
func knownAnswer(x *trial) {
	e := x.engine(engine.Limits{Delay: short})
	rec := e.result(e.accept("angryMonkey").ID)
	const want = "ZEHhWB65gUlzdVwtDQArEyx+KVLzp/aTaRaPlBzYRIFj6vjFdqEb0Q5B8zVKCZ0vKbZPZklJz0Fd7su2A+gf7Q=="
	if got := digest.Encode(rec.Digest()); got != want {
		x.Errorf("hash is %s, want %s", got, want)
	}
}

func algorithmAndTenantAreKept(x *trial) {
	e := x.engine(engine.Limits{Delay: short})
	jobs := make(map[int64]engine.Job)
	for _, a := range digest.All() {
		for _, tenant := range []uint16{0, 1, 0x5AA5, math.MaxUint16} {
			for _, n := range []int{8, 80} {
				job := engine.Job{Secret: secret(n), Algorithm: a, Tenant: tenant}
				jobs[e.acceptJob(job).ID] = job
			}
		}
	}
	e.wantResults(jobs)
}

func pendingJobShowsWhatItIs(x *trial) {
	e := x.engine(engine.Limits{Delay: unreached})
	for _, n := range []int{1, 52, 53, engine.MaxSecret} {
		job := engine.Job{Secret: secret(n), Algorithm: digest.SHA3x512, Tenant: uint16(n)}
		r := e.acceptJob(job)
		x.wantPending(e.state(r.ID), r, job)
	}
}

// Whatever sizes an engine treats alike, the borders between them are among these.
func secretsOfAllLengths(x *trial) {
	e := x.engine(engine.Limits{Delay: short})
	lengths := []int{255, 256, 1023, 1024, 1025, engine.MaxSecret - 1, engine.MaxSecret}
	for n := range 130 {
		lengths = append(lengths, n+1)
	}
	jobs := make(map[int64]engine.Job)
	for _, n := range lengths {
		job := engine.Job{Secret: secret(n)}
		jobs[e.acceptJob(job).ID] = job
	}
	e.wantResults(jobs)
}

func secretsOfAnyBytes(x *trial) {
	e := x.engine(engine.Limits{Delay: short})
	jobs := make(map[int64]engine.Job)
	for _, s := range []string{"\x00", "\x00\x00\x00", "\xff\xfe", "päss\x00wörd", "\"\\\r\n", "\U0010FFFF"} {
		jobs[e.accept(s).ID] = engine.Job{Secret: []byte(s)}
	}
	e.wantResults(jobs)
}

func secretIsCopied(x *trial) {
	e := x.engine(engine.Limits{Delay: short})
	jobs := make(map[int64]engine.Job)
	for _, n := range []int{8, 52, 53, engine.MaxSecret} {
		mine := secret(n)
		id := e.acceptJob(engine.Job{Secret: mine}).ID
		if !bytes.Equal(mine, secret(n)) {
			x.Errorf("the engine changed the caller's %d bytes", n)
		}
		clear(mine)
		jobs[id] = engine.Job{Secret: secret(n)}
	}
	e.wantResults(jobs)
}

func invalidJobsDrawNoID(x *trial) {
	e := x.engine(engine.Limits{Delay: unreached})
	before := e.accept("first").ID
	for what, job := range map[string]engine.Job{
		"no secret":              {},
		"empty secret":           {Secret: []byte{}},
		"secret too long":        {Secret: make([]byte, engine.MaxSecret+1)},
		"first free algorithm":   {Secret: secret(1), Algorithm: digest.Algorithm(len(digest.All()))},
		"last algorithm":         {Secret: secret(1), Algorithm: math.MaxUint8},
		"long and bad algorithm": {Secret: secret(100), Algorithm: math.MaxUint8},
	} {
		r, err := e.Accept(x.Context(), job)
		x.wantErr(what, err, engine.ErrInvalid)
		if r != (engine.Receipt{}) {
			x.Errorf("%s: refused with receipt %+v", what, r)
		}
	}
	if after := e.accept("second").ID; after != before+1 && !x.suite.Gaps {
		x.Errorf("id %d follows %d: a refused job drew an id", after, before)
	}
	e.wantCounts(engine.Stats{Accepted: 2, Pending: 2})
}

func dueIsOneDelayAfterAcceptance(x *trial) {
	for _, delay := range []time.Duration{0, 1, short, 5 * time.Second, 24 * time.Hour} {
		e := x.engine(engine.Limits{Delay: delay})
		before := time.Now()
		due := e.accept("secret").Due
		if due.Before(before.Add(delay)) || due.After(time.Now().Add(delay)) {
			x.Errorf("delay %v: due %v after the call began", delay, due.Sub(before))
		}
	}
}

func neverEarly(x *trial) {
	e := x.engine(engine.Limits{Delay: short})
	var receipts []engine.Receipt
	for range 200 {
		receipts = append(receipts, e.accept("secret"))
	}
	for _, r := range receipts {
		e.result(r.ID)
		if now := time.Now(); now.Before(r.Due) {
			x.Errorf("job %d is done %v before it is due", r.ID, r.Due.Sub(now))
		}
	}
}

// A submitter whose context ends, before or meanwhile, gets its receipt all the same: it has the id of
// each job that is stored.
func endedContextCancelsNoAccept(x *trial) {
	const submitters, jobs = 4, 10
	e := x.engine(engine.Limits{Delay: unreached})
	ctx, cancel := context.WithCancel(x.Context())
	defer cancel()
	g := x.group()
	for n := range submitters {
		g.Go(func() {
			for range jobs {
				r, err := e.Accept(ctx, engine.Job{Secret: secret(45 + 2*n)})
				x.wantErr("accept", err, nil)
				cancel()
				b, err := e.AcceptBatch(ctx, batchOf(8, 80))
				x.wantErr("accept of a batch", err, nil)
				_, err = e.Get(ctx, r.ID)
				x.wantErr("get", err, nil)
				x.wantErr("cancel", e.Cancel(ctx, b.ID), nil)
			}
		})
	}
	g.Wait()
	e.wantCounts(engine.Stats{Accepted: 3 * submitters * jobs, Pending: 2 * submitters * jobs, Canceled: submitters * jobs})
}
