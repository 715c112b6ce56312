package jetstream

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"github.com/hashd-project/hashd/v2/internal/engine"
	"github.com/hashd-project/hashd/v2/internal/wake"
)

// submission is what one request has to store: all of it or nothing, in one piece.
type submission struct {
	msgs   []*nats.Msg
	tenant uint16
	jobs   int64
	bytes  int
	origin origin    // of its jobs
	at     time.Time // when they were accepted
	answer chan answer
}

// answer is what became of a submission: the id of its first message, or why it was not
// stored.
type answer struct {
	first int64
	err   error
}

func (s *submission) add(m *nats.Msg) {
	s.msgs = append(s.msgs, m)
	s.bytes += m.Size()
}

// send hands the submission to the publisher and waits until it is answered.
func (e *Engine) send(s *submission) (first int64, err error) {
	select {
	case e.submit <- s:
	case <-e.ctx.Done():
		return 0, engine.ErrClosed
	}
	end := <-s.answer // soon: the publisher gives up with the engine
	return end.first, end.err
}

// What the publisher stores at a time.
const (
	groupMsgs  = 1_000
	groupBytes = 4 << 20
)

// publish is the goroutine that stores jobs. While one group is on its way, more wait, and are the
// next: the more there are, the larger the groups, and with nobody waiting a job goes at once.
func (e *Engine) publish() {
	var first *submission
	var usual pace
	for {
		if first == nil {
			select {
			case first = <-e.submit:
			case <-e.ctx.Done():
				return
			}
		}
		var group []*submission
		group, first = e.gather(first, usual)
		began := time.Now()
		e.storeGroup(group)
		usual = pace{len(group), time.Since(began)}
	}
}

// pace is how many submissions the last group had, and how long it took.
type pace struct {
	submissions int
	took        time.Duration
}

// gather returns what waits, from the first on, and the one that did not fit any more. Those whom
// the last group has answered are about to submit again, all at once: for as many it waits a moment, or
// the first of them would go alone and the others after it. After a group of one it waits for none.
func (e *Engine) gather(first *submission, last pace) (group []*submission, rest *submission) {
	const share = 4 // of the time that a group takes, spent on making the next one larger
	var enough <-chan time.Time
	if last.submissions > 1 {
		enough = time.After(last.took / share)
	}
	group = append(group, first)
	msgs, bytes := len(first.msgs), first.bytes
	for {
		s := e.next(enough, len(group) < last.submissions)
		if s == nil {
			return group, nil
		}
		if msgs, bytes = msgs+len(s.msgs), bytes+s.bytes; msgs > groupMsgs || bytes > groupBytes {
			return group, s
		}
		group = append(group, s)
	}
}

// next returns a submission that waits, or that comes while there is time; nil if there is none.
func (e *Engine) next(enough <-chan time.Time, patient bool) *submission {
	select {
	case s := <-e.submit:
		return s
	default:
	}
	if !patient || enough == nil {
		return nil
	}
	select {
	case s := <-e.submit:
		return s
	case <-enough:
	case <-e.ctx.Done():
	}
	return nil
}

// storeGroup stores the group and answers each submitter.
func (e *Engine) storeGroup(group []*submission) {
	bisect(group, func(part []*submission) error {
		var msgs []*nats.Msg
		for _, s := range part {
			msgs = append(msgs, s.msgs...)
		}
		before, began := e.acked.Load(), time.Now()
		last, err := e.commit(msgs)
		if definite(err) && len(part) > 1 {
			return err
		}
		at := last - uint64(len(msgs)) + 1
		if err == nil {
			e.groups.Add(time.Since(began))
			e.reach(e.known.Load(), last)
		}
		for _, s := range part {
			s.answer <- e.conclusion(s, at, before, err)
			at += uint64(len(s.msgs))
		}
		switch {
		case err == nil:
			e.tellReached(last)
		case errors.Is(err, engine.ErrDown):
			wake.Up(e.suspect)
		}
		return nil
	})
}

// conclusion returns what became of a submission that lies in the log from that place on, if err is nil, and was
// sent when the log was known to have come as far as before.
func (e *Engine) conclusion(s *submission, at, before uint64, err error) answer {
	first := e.lives().id(at)
	if err == nil && (at <= before || !s.origin.holds(at, first)) {
		wake.Up(e.suspect)
		err = errRolledBack
	}
	if err != nil {
		return answer{0, err}
	}
	e.ledger.accept(s.tenant, first, s.jobs, s.at)
	return answer{first, nil}
}

// bisect does all at once, or where that is refused each half for itself, so that those which can be
// done are, with few tries where few cannot.
func bisect[T any](all []T, do func(part []T) error) {
	if do(all) == nil || len(all) == 1 {
		return
	}
	bisect(all[:len(all)/2], do)
	bisect(all[len(all)/2:], do)
}

// The headers of an atomic publish.
const (
	atomicID       = jetstreamext.BatchIDHeader
	atomicSequence = jetstreamext.BatchSeqHeader
	atomicCommit   = jetstreamext.BatchCommitHeader
)

// commit stores the messages, all or none, and returns the sequence of the last. Once it returns, a
// quorum of the stream's servers has them. It returns errTaken, errFull, or an error that means that
// nobody knows.
func (e *Engine) commit(msgs []*nats.Msg) (last uint64, err error) {
	const tries, pause = 6, 20 * time.Millisecond
	for n := range tries {
		last, err = e.tryCommit(msgs)
		if !errors.Is(err, errBusy) {
			return last, err
		}
		select {
		case <-time.After(pause << n):
		case <-e.ctx.Done():
			return 0, engine.ErrClosed
		}
	}
	return 0, down(err)
}

func (e *Engine) tryCommit(msgs []*nats.Msg) (last uint64, err error) {
	err = e.call(e.ctx, func(ctx context.Context) error {
		if len(msgs) == 1 {
			last, err = e.commitOne(ctx, msgs[0])
			return err
		}
		// A publish larger than a group asks now and then whether the servers keep up.
		pace := jetstreamext.BatchFlowControl{AckEvery: groupMsgs, AckTimeout: e.cfg.Timeout}
		ack, err := jetstreamext.PublishMsgBatch(ctx, e.link().js, msgs, pace)
		if err == nil {
			last = ack.Sequence
		}
		return err
	})
	if errors.Is(err, engine.ErrClosed) {
		return 0, err
	}
	return last, refusal(err)
}

func (e *Engine) commitOne(ctx context.Context, m *nats.Msg) (uint64, error) {
	m.Reply = ""
	for _, name := range []string{atomicID, atomicSequence, atomicCommit} { // left from an atomic publish that was refused
		m.Header.Del(name)
	}
	ack, err := e.link().js.PublishMsg(ctx, m, jetstream.WithRetryAttempts(0))
	if err != nil {
		return 0, err
	}
	return ack.Sequence, nil
}
