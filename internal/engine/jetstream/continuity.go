package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hashd-project/hashd/v2/internal/engine"
	"github.com/hashd-project/hashd/v2/internal/wake"
)

// lifeRecord is what the life stream holds: the lives of the log, and how far it had come. It is not
// sealed, as an instance with an older ring needs it too, and no secret is in it.
type lifeRecord struct {
	Lives string `json:"lives"`
	High  uint64 `json:"high"` // a sequence that was given out

	sequence uint64 // of the record itself; 0 if there is none
}

// lives returns the lives of the log as this instance knows them.
func (e *Engine) lives() lives { return *e.known.Load() }

// checkLives finds out whether the log is the one that gave out the ids up to its last. It is not if
// the life stream says something else, or does not exist, or if there is an id or a result beyond the log's end:
// then the log is a copy made earlier, and begins a new life.
func (e *Engine) checkLives(ctx context.Context, jobs, results *jetstream.StreamInfo, acked uint64) error {
	rec, err := e.readLife(ctx)
	if err != nil {
		return err
	}
	last := jobs.State.LastSeq
	label, labeled := jobs.Config.Metadata[livesLabel]
	if !labeled { // format 1
		label = oneLife(1).String()
	}
	mine, err := parseLives(label)
	if err != nil {
		return fmt.Errorf("stream %s: %w", jobs.Config.Name, err)
	}
	ahead, err := e.resultsAhead(ctx, mine, last, results)
	if err != nil {
		return err
	}
	reached := last
	told, begun := rec.Lives == label, strings.HasPrefix(rec.Lives, label+",")
	fresh := len(mine) == 1 && last < mine[0].from || rec.sequence == 0 && !labeled
	switch {
	case fresh && !told && !begun && !ahead: // made just now, or of format 1 and never looked at
		rec.Lives, rec.High = label, last
		err = e.writeLife(ctx, &rec)
	case ahead || last < rec.High || told && e.knows(label) && last < acked || !told && !begun:
		mine, err = e.beginLife(ctx, mine, last, &rec)
		reached = rec.High
	case begun: // a life, by somebody who has not had the stream say so yet
		mine, err = parseLives(rec.Lives)
	case last > rec.High:
		rec.High = last
		if err = e.writeLife(ctx, &rec); errors.Is(err, errTaken) {
			err = nil // by an instance that writes the same
		}
	}
	if err != nil {
		return fmt.Errorf("stream %s: %w", e.names.life(), err)
	}
	return e.adopt(ctx, jobs, mine, reached)
}

// knows reports whether these are the lives of the log as this instance knows them.
func (e *Engine) knows(label string) bool {
	l := e.known.Load()
	return l != nil && l.String() == label
}

// adopt takes the lives for those of the log, which has come that far, and has the stream itself say so, so that
// a copy of it does.
func (e *Engine) adopt(ctx context.Context, jobs *jetstream.StreamInfo, l lives, reached uint64) error {
	if label := l.String(); jobs.Config.Metadata[livesLabel] != label {
		cfg := jobs.Config
		cfg.Metadata = maps.Clone(cfg.Metadata)
		cfg.Metadata[livesLabel] = label
		if _, err := e.link().js.UpdateStream(ctx, cfg); err != nil {
			return fmt.Errorf("stream %s: %w", cfg.Name, err)
		}
	}
	old := e.known.Load()
	if e.knows(l.String()) {
		e.reach(old, reached)
		return nil
	}
	e.adopting.Lock()
	e.known.Store(&l)
	e.acked.Store(reached)
	e.adopting.Unlock()
	if old != nil {
		e.tellReached(reached) // who has not noticed yet takes no more jobs in until it has
		wake.Up(e.back)        // to count what is lost
	}
	return nil
}

// origin returns that of what is sent now.
func (e *Engine) origin() origin {
	l := e.lives()
	last := l[len(l)-1]
	return origin{e.acked.Load(), last.first - int64(last.from), true}
}

// reach notes a sequence that was given out in these lives of the log, unless they are over.
func (e *Engine) reach(l *lives, sequence uint64) {
	e.adopting.Lock()
	defer e.adopting.Unlock()
	if e.known.Load() == l && sequence > e.acked.Load() {
		e.acked.Store(sequence)
	}
}

// recordEnd writes down how far the log has come, for the next start, if that is known.
func (e *Engine) recordEnd() {
	ctx, cancel := context.WithTimeout(context.Background(), e.cfg.Timeout)
	defer cancel()
	if e.known.Load() == nil || e.fault.Load() != nil || !e.link().conn.IsConnected() {
		return
	}
	rec, err := e.readLife(ctx)
	if acked := e.acked.Load(); err == nil && rec.Lives == e.lives().String() && rec.High < acked {
		rec.High = acked
		_ = e.writeLife(ctx, &rec) // or another instance does
	}
}

// beginLife begins a new life behind a marker. The marker is stored only if the log still ends where it
// seemed to, and not by a server that has lost the lead without knowing it.
func (e *Engine) beginLife(ctx context.Context, l lives, last uint64, rec *lifeRecord) (lives, error) {
	marker := nats.NewMsg(e.names.key([16]byte{}))
	marker.Header.Set(jetstream.ExpectedLastSeqHeader, strconv.FormatUint(last, 10))
	marker.Header.Set(jetstream.MsgTTLHeader, "1s")
	at, err := e.commitOne(ctx, marker)
	if err != nil {
		return nil, refusal(err)
	}
	next := l.next(at) // so that the copy's own life ends where the copy does
	rec.Lives, rec.High = next.String(), at
	if err := e.writeLife(ctx, rec); err != nil {
		return nil, err
	}
	e.cfg.Log.Error("the jobs stream is a copy made earlier, or its end is lost: jobs accepted since then are gone, and ids go on far above theirs",
		"stream", e.names.jobs(), "next_id", next.id(at+1))
	return next, nil
}

// resultsAhead reports whether the last result stored is one of a job beyond the log's end.
func (e *Engine) resultsAhead(ctx context.Context, l lives, last uint64, results *jetstream.StreamInfo) (bool, error) {
	if e.known.Load() != nil || results.State.LastSeq == 0 {
		return false, nil // looked at once
	}
	m, err := e.ask(ctx, e.names.results(), request{Seq: results.State.LastSeq})
	if err != nil || m == nil {
		return false, err
	}
	id, _ := strconv.ParseInt(strings.TrimPrefix(m.Subject, e.names.prefix+".result."), 10, 64) // 0 for what is none of ours
	sequence, ok := l.sequence(id)
	return ok && sequence > last, nil
}

// readLife returns what the life stream says, and makes the stream if there is none.
func (e *Engine) readLife(ctx context.Context) (rec lifeRecord, err error) {
	m, err := e.ask(ctx, e.names.life(), request{LastFor: e.names.lifeRecord()})
	if api, ok := errors.AsType[*jetstream.APIError](err); ok && api.ErrorCode == jetstream.JSErrCodeStreamNotFound {
		_, err = e.create(ctx, e.want.life)
	}
	if err != nil || m == nil {
		return rec, err
	}
	if json.Unmarshal(m.Data, &rec) != nil {
		rec = lifeRecord{} // says nothing
	}
	rec.sequence = m.Sequence
	return rec, nil
}

// writeLife puts the record in the place of the one that was read. It returns errTaken if another
// instance was faster.
func (e *Engine) writeLife(ctx context.Context, rec *lifeRecord) error {
	b, err := json.Marshal(rec)
	if err != nil {
		return err
	}
	_, err = e.commitOne(ctx, &nats.Msg{Subject: e.names.lifeRecord(), Data: b, Header: nats.Header{
		jetstream.ExpectedLastSubjSeqHeader: {strconv.FormatUint(rec.sequence, 10)},
	}})
	return refusal(err)
}

// errRolledBack is why a job was refused that was stored where another had been.
var errRolledBack = fmt.Errorf("%w: the jobs stream has lost its end", engine.ErrDown)
