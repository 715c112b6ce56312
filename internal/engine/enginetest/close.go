package enginetest

import (
	"errors"
	"runtime"
	"sync/atomic"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// An engine can be closed in whatever state, by many, and many times.
func closeIsIdempotent(x *trial) {
	states := map[string]func(e *subject){
		"empty":   func(*subject) {},
		"pending": func(e *subject) { e.accept("a"); e.acceptJob(engine.Job{Secret: secret(80)}) },
		"canceled": func(e *subject) {
			e.cancel(e.accept("a").ID)
			e.cancel(e.acceptJob(engine.Job{Secret: secret(80)}).ID)
		},
		"draining": func(e *subject) { e.accept("a"); e.beginDrain(1) },
		"drained":  func(e *subject) { x.wantErr("drain", e.Drain(x.Context()), nil) },
	}
	for state, reach := range states {
		e := x.engine(engine.Limits{Delay: unreached})
		reach(e)
		g := x.group()
		for range 3 {
			g.Go(func() { x.wantErr("close while "+state, e.Close(), nil) })
		}
		g.Wait()
		x.wantErr("last close", e.Close(), nil)
	}
}

func closedEngineRefuses(x *trial) {
	e := x.engine(engine.Limits{Delay: short})
	done := e.accept("done").ID
	e.result(done)
	canceled := e.accept("canceled").ID
	e.cancel(canceled)
	x.wantErr("close", e.Close(), nil)
	for _, n := range []int{8, 80} {
		r, err := e.Accept(x.Context(), engine.Job{Secret: secret(n)})
		x.wantErr("accept by a closed engine", err, engine.ErrClosed)
		if r != (engine.Receipt{}) {
			x.Errorf("a closed engine gives receipt %+v", r)
		}
	}
	for _, id := range []int64{done, canceled} {
		for what, err := range e.errorsOf(id) {
			x.wantErr(what+" a job of a closed engine", err, engine.ErrClosed)
		}
	}
	if st := e.Stats(); st.Accepted != 2 {
		x.Errorf("a closed engine counts %+v", st)
	}
	if err := e.Drain(x.context()); err != nil {
		x.wantErr("drain of a closed engine", err, engine.ErrClosed)
	}
}

// A submitter comes back from an engine that is closed meanwhile, either with a job or with
// ErrClosed, and nothing is written to what the engine has released.
func closeAmongSubmitters(x *trial) {
	e := x.engine(engine.Limits{Delay: short})
	var accepted atomic.Int64
	enough := make(chan struct{})
	g := x.group()
	for n := range 6 {
		g.Go(func() {
			job := engine.Job{Secret: secret(20 + 25*n)}
			for {
				r, err := e.Accept(x.Context(), job)
				if err != nil {
					x.wantEnd(err)
					return
				}
				if accepted.Add(1) == 200 {
					close(enough)
				}
				if n%2 == 0 {
					_ = e.Cancel(x.Context(), r.ID) // done, closed or neither
				}
				runtime.Gosched()
			}
		})
	}
	<-enough
	x.wantErr("close", e.Close(), nil)
	g.Wait()
	if st := e.Stats(); st.Accepted != accepted.Load() && !x.suite.Gaps {
		x.Errorf("%d jobs were accepted, and %d counted", accepted.Load(), st.Accepted)
	}
}

// wantEnd fails the test unless err is one that ends a submitter when the engine is closed.
func (x *trial) wantEnd(err error) {
	if _, full := errors.AsType[*engine.FullError](err); !full {
		x.wantErr("accept by an engine then closed", err, engine.ErrClosed)
	}
}
