package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/hashd-project/hashd/v2/internal/engine"
	"github.com/hashd-project/hashd/v2/internal/seal"
)

// request asks a stream for a message, by one of these.
type request struct {
	Seq     uint64 `json:"seq,omitempty"`
	LastFor string `json:"last_by_subj,omitempty"`
	NextFor string `json:"next_by_subj,omitempty"` // the next from Seq on
}

// message is one that a stream holds.
type message struct {
	Subject  string    `json:"subject"`
	Sequence uint64    `json:"seq"`
	Data     []byte    `json:"data"`
	Time     time.Time `json:"time"` // by the clock of the stream's leader
}

// ask asks the stream's leader, whose answer is never behind what it has acknowledged. It returns
// nil if there is no such message.
func (e *Engine) ask(ctx context.Context, stream string, r request) (*message, error) {
	body, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	reply, err := e.link().conn.RequestWithContext(ctx, "$JS.API.STREAM.MSG.GET."+stream, body)
	if err != nil {
		return nil, down(err)
	}
	var answer struct {
		Error   *jetstream.APIError `json:"error"`
		Message *message            `json:"message"`
	}
	if err := json.Unmarshal(reply.Data, &answer); err != nil {
		return nil, down(err)
	}
	if answer.Error != nil && answer.Error.ErrorCode != jetstream.JSErrCodeMessageNotFound {
		return nil, down(answer.Error)
	}
	return answer.Message, nil
}

// askAny asks any server that has the results, which spares the leader. One that is a little behind
// may not know of a result yet, or still know of one that was just erased.
func (e *Engine) askAny(ctx context.Context, id int64) (*message, error) {
	raw, err := e.link().results.GetLastMsgForSubject(ctx, e.names.result(id))
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return nil, nil
	case err != nil:
		return nil, down(err)
	}
	return &message{raw.Subject, raw.Sequence, raw.Data, raw.Time}, nil
}

// sight is what was found of a job that is pending or done.
type sight struct {
	engine.Record
	stamp  stamp
	place  uint64 // its sequence in the log, while it is pending
	result uint64 // the sequence of its result; 0 while it is pending
}

// look finds the job. If any server has a result, that is the result; only the leaders can say that
// there is none.
func (e *Engine) look(ctx context.Context, id int64) (sight, error) {
	switch {
	case whoOf(ctx).one:
		return e.lookOwn(ctx, id)
	case id < 1:
		return sight{}, engine.ErrUnknown
	case e.erased.has(id):
		return sight{}, engine.ErrGone
	}
	if err := e.usable(); err != nil {
		return sight{}, err
	}
	result, err := e.askAny(ctx, id)
	if err != nil {
		return sight{}, err
	}
	if result != nil {
		s, err := e.conclude(ctx, id, result)
		if !errors.Is(err, seal.ErrDamaged) { // else it may be of a stream that was there before
			return s, err
		}
	}
	place, ok := e.lives().sequence(id)
	if !ok {
		return sight{}, engine.ErrUnknown
	}
	s, err := e.lookAtLeaders(ctx, id, place)
	if !errors.Is(err, errNothing) {
		return s, err
	}
	info, err := e.link().jobs.Info(ctx)
	switch {
	case err != nil:
		return sight{}, down(err)
	case place > info.State.LastSeq:
		return sight{}, engine.ErrUnknown
	}
	// There has been such a job by now. It may have come after it was looked for.
	if s, err = e.lookAtLeaders(ctx, id, place); !errors.Is(err, errNothing) {
		return s, err
	}
	return e.lookAgain(ctx, id)
}

// lookAgain looks for the result of a job that the leaders know nothing of: it has expired, unless
// the server that answered for them is one that was stopped, and has not yet heard that it leads no
// more. So others are asked, too.
func (e *Engine) lookAgain(ctx context.Context, id int64) (sight, error) {
	for range 2 * e.cfg.Replicas {
		if result, err := e.askAny(ctx, id); err != nil {
			return sight{}, err
		} else if result != nil {
			return e.conclude(ctx, id, result)
		}
	}
	e.vanish(id)
	return sight{}, errVanished
}

// vanish takes in that there is neither the job nor its result.
func (e *Engine) vanish(id int64) {
	e.ledger.observe(id, isErased)
	e.waiters.wake(id)
}

// errNothing says that there is neither a job nor a result.
var errNothing = errors.New("nothing there")

// errVanished says it of a job that there was.
var errVanished = fmt.Errorf("%w: neither it nor its result is there", engine.ErrGone)

// lookAtLeaders asks for the job before its result, since it leaves after that has come.
func (e *Engine) lookAtLeaders(ctx context.Context, id int64, place uint64) (sight, error) {
	job, err := e.ask(ctx, e.names.jobs(), request{Seq: place})
	if err != nil {
		return sight{}, err
	}
	result, err := e.ask(ctx, e.names.results(), request{LastFor: e.names.result(id)})
	switch {
	case err != nil:
		return sight{}, err
	case result != nil:
		return e.conclude(ctx, id, result)
	case job == nil:
		return sight{}, errNothing
	}
	return e.openSight(ctx, id, job)
}

// openSight returns what the message in a job's place says of it. It returns errNothing if that is void, and
// ErrUnknown if it is the place of a key, or of a job that is not shown.
func (e *Engine) openSight(ctx context.Context, id int64, m *message) (sight, error) {
	if m.Subject != e.names.job() {
		return sight{}, engine.ErrUnknown
	}
	j, err := e.codec.openJob(m.Data)
	if err != nil {
		return sight{}, fmt.Errorf("job %d: %w", id, err)
	}
	clear(j.secret)
	switch {
	case !j.origin.holds(m.Sequence, id):
		return sight{}, errNothing
	case !whoOf(ctx).sees(j.tenant):
		return sight{}, engine.ErrUnknown
	}
	return sight{
		Record: engine.Record{ID: id, Algorithm: j.algorithm, Tenant: j.tenant, Due: j.due()},
		stamp:  stampOf(m.Data), place: m.Sequence,
	}, nil
}

// conclude returns what a job's result says, and ErrUnknown for one that is not shown.
func (e *Engine) conclude(ctx context.Context, id int64, m *message) (sight, error) {
	r, err := e.codec.openResult(id, m.Data)
	if err != nil {
		return sight{}, fmt.Errorf("result of job %d: %w", id, err)
	}
	if r.outcome == isDone && !e.clock.now().Before(m.Time.Add(e.cfg.Retention)) {
		r.outcome = isErased
	}
	e.learn(id, r.outcome)
	who := whoOf(ctx)
	if who.one {
		e.seen.note(id, ownerOf(r.tenant))
	}
	switch {
	case !who.sees(r.tenant):
		return sight{}, engine.ErrUnknown
	case r.outcome != isDone, who.one && e.erased.has(id): // of which a server that is behind knows nothing
		return sight{}, engine.ErrGone
	}
	return sight{Record: r.record(id), stamp: r.stamp, result: m.Sequence}, nil
}

// Get implements engine.Engine.
func (e *Engine) Get(ctx context.Context, id int64) (engine.Record, error) {
	rec, err := e.get(ctx, id)
	if errors.Is(err, errVanished) {
		err = engine.ErrGone
	}
	return rec, err
}

func (e *Engine) get(ctx context.Context, id int64) (rec engine.Record, err error) {
	err = e.call(ctx, func(ctx context.Context) error {
		s, err := e.look(ctx, id)
		rec = s.Record
		return err
	})
	return rec, err
}
