package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Statuses of answers to a direct get of many messages (NATS ADR-31), and the header that says how far the server's
// copy of the stream went.
const (
	statusEnd     = "204"
	statusNothing = "404"
	statusNobody  = "503"
	statusHeader  = "Status"
	reasonHeader  = "Description"
	upToHeader    = "Nats-UpTo-Sequence"
)

// many asks a stream for messages: for the last of each subject, up to 1,024 of them, or for those from Seq on,
// at most Batch, of about MaxBytes together.
type many struct {
	LastFor  []string `json:"multi_last,omitempty"`
	Seq      uint64   `json:"seq,omitempty"`
	Batch    int      `json:"batch,omitempty"`
	MaxBytes int      `json:"max_bytes,omitempty"`
}

// errNoDirect says that no server answers for the stream but its leader.
var errNoDirect = errors.New("the stream allows no direct gets, or no server of it is there")

// askMany asks any server that has the stream for many messages in one request, and calls see for each. It returns
// the last sequence that the server had, if it was asked for subjects; 0 if it had none of the messages.
func (e *Engine) askMany(ctx context.Context, stream string, r many, see func(*message) error) (upTo uint64, err error) {
	body, err := json.Marshal(r)
	if err != nil {
		return 0, err
	}
	conn := e.link().conn
	inbox := conn.NewInbox()
	answers, err := conn.SubscribeSync(inbox)
	if err != nil {
		return 0, down(err)
	}
	defer func() { _ = answers.Unsubscribe() }()
	if err := conn.PublishRequest("$JS.API.DIRECT.GET."+stream, inbox, body); err != nil {
		return 0, down(err)
	}
	for {
		m, err := answers.NextMsgWithContext(ctx)
		if errors.Is(err, nats.ErrNoResponders) {
			err = errNoDirect
		}
		if err != nil {
			return 0, down(err)
		}
		switch status := m.Header.Get(statusHeader); status {
		case "":
			one, err := direct(m)
			if err != nil {
				return 0, down(err)
			}
			if err := see(one); err != nil {
				return 0, err
			}
		case statusEnd:
			upTo, _ = strconv.ParseUint(m.Header.Get(upToHeader), 10, 64) // 0 where it is not said
			return upTo, nil
		case statusNothing:
			return 0, nil
		case statusNobody:
			return 0, down(errNoDirect)
		default:
			return 0, down(fmt.Errorf("stream %s: %s %s", stream, status, m.Header.Get(reasonHeader)))
		}
	}
}

// direct returns the message that an answer holds.
func direct(m *nats.Msg) (*message, error) {
	sequence, err := strconv.ParseUint(m.Header.Get(jetstream.SequenceHeader), 10, 64)
	if err != nil {
		return nil, err
	}
	at, err := time.Parse(time.RFC3339Nano, m.Header.Get(jetstream.TimeStampHeaer))
	if err != nil {
		return nil, err
	}
	return &message{Subject: m.Header.Get(jetstream.SubjectHeader), Sequence: sequence, Data: m.Data, Time: at}, nil
}
