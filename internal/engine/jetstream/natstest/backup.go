package natstest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Backup is a copy of a stream as "nats stream backup" makes it, with its consumers.
type Backup struct {
	config, state json.RawMessage
	data          []byte
}

// Backup copies a stream.
func (c *Cluster) Backup(ctx context.Context, stream string) (b *Backup, err error) {
	err = c.With(func(js jetstream.JetStream) error {
		nc := js.Conn()
		chunks, err := nc.SubscribeSync(nats.NewInbox())
		if err != nil {
			return err
		}
		var answer struct {
			Error  *jetstream.APIError `json:"error"`
			Config json.RawMessage     `json:"config"`
			State  json.RawMessage     `json:"state"`
		}
		if err := ask(ctx, nc, "$JS.API.STREAM.SNAPSHOT."+stream, map[string]string{"deliver_subject": chunks.Subject}, &answer); err != nil {
			return err
		}
		if answer.Error != nil {
			return fmt.Errorf("backup of %s: %w", stream, answer.Error)
		}
		b = &Backup{config: answer.Config, state: answer.State}
		for {
			m, err := chunks.NextMsgWithContext(ctx)
			if err != nil {
				return fmt.Errorf("backup of %s: %w", stream, err)
			}
			if len(m.Data) == 0 {
				return nil
			}
			b.data = append(b.data, m.Data...)
			if m.Reply == "" {
				continue
			}
			if err := m.Respond(nil); err != nil { // for more
				return err
			}
		}
	})
	return b, err
}

// Delete deletes streams, and returns once the servers have removed their files. They do that after they
// have answered, and a stream that is deleted again meanwhile leaves its messages to the next of its name.
func (c *Cluster) Delete(ctx context.Context, streams ...string) error {
	for _, name := range streams {
		err := c.With(func(js jetstream.JetStream) error { return js.DeleteStream(ctx, name) })
		if err != nil {
			return fmt.Errorf("delete of %s: %w", name, err)
		}
		for _, n := range c.Nodes {
			if err := n.awaitRemoval(ctx, name); err != nil {
				return fmt.Errorf("delete of %s: %w", name, err)
			}
		}
	}
	return nil
}

// awaitRemoval returns once nothing is left of a stream that the server removes under a name with a dot.
func (n *Node) awaitRemoval(ctx context.Context, stream string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		left, err := filepath.Glob(filepath.Join(n.store, "jetstream", "*", "streams", "."+stream))
		if err != nil || len(left) == 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s is still there", left)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// Restore makes a stream that does not exist from its copy.
func (c *Cluster) Restore(ctx context.Context, stream string, b *Backup) error {
	return c.With(func(js jetstream.JetStream) error {
		nc := js.Conn()
		var answer struct {
			Error   *jetstream.APIError `json:"error"`
			Deliver string              `json:"deliver_subject"`
		}
		err := ask(ctx, nc, "$JS.API.STREAM.RESTORE."+stream, map[string]json.RawMessage{"config": b.config, "state": b.state}, &answer)
		for left := b.data; err == nil && answer.Error == nil; {
			const chunk = 64 << 10
			part := left[:min(chunk, len(left))]
			left = left[len(part):]
			var m *nats.Msg
			if m, err = nc.RequestWithContext(ctx, answer.Deliver, part); err != nil || len(part) > 0 {
				continue
			}
			if err = json.Unmarshal(m.Data, &answer); err == nil && answer.Error == nil {
				return nil
			}
		}
		if err == nil {
			err = answer.Error
		}
		return fmt.Errorf("restore of %s: %w", stream, err)
	})
}

func ask(ctx context.Context, nc *nats.Conn, subject string, request, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	body, err := json.Marshal(request)
	if err != nil {
		return err
	}
	m, err := nc.RequestWithContext(ctx, subject, body)
	if err != nil {
		return fmt.Errorf("%s: %w", subject, err)
	}
	return json.NewDecoder(bytes.NewReader(m.Data)).Decode(answer)
}
