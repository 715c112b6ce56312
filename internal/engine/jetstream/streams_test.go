package jetstream

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// Streams that exist are used if they fit, and otherwise refused and left as they are.
func TestStreamsAreVerified(t *testing.T) {
	t.Parallel()
	servers := single(t)
	cfg := config(t, servers)
	_ = start(t, cfg).Close()
	_ = start(t, cfg).Close() // fits
	for want, change := range map[string]func(*Config){
		"max age":                  func(c *Config) { c.Retention = 2 * time.Hour },
		"max messages per subject": func(c *Config) { c.MaxPending = 7 },
	} {
		other := cfg
		change(&other)
		_, err := New(t.Context(), other)
		wantErr(t, err, "does not fit these settings", want)
	}
	_ = start(t, cfg).Close() // and still does
}

// Each property that hashd relies on is checked.
func TestVerify(t *testing.T) {
	t.Parallel()
	e := &Engine{cfg: Config{Replicas: 1, Limits: engine.Limits{MaxPending: 5, Delay: time.Second, Retention: time.Hour}}, names: names{"p"}}
	for want, spoil := range map[string]func(*jetstream.StreamConfig){
		"subjects":                 func(c *jetstream.StreamConfig) { c.Subjects = []string{"p.>"} },
		"retention":                func(c *jetstream.StreamConfig) { c.Retention = jetstream.InterestPolicy },
		"storage":                  func(c *jetstream.StreamConfig) { c.Storage = jetstream.MemoryStorage },
		"replicas":                 func(c *jetstream.StreamConfig) { c.Replicas = 3 },
		"discard is":               func(c *jetstream.StreamConfig) { c.Discard = 1 - c.Discard },
		"discard per subject":      func(c *jetstream.StreamConfig) { c.DiscardNewPerSubject = !c.DiscardNewPerSubject },
		"max messages per subject": func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject++ },
		"max messages is":          func(c *jetstream.StreamConfig) { c.MaxMsgs = 10 },
		"max age":                  func(c *jetstream.StreamConfig) { c.MaxAge++ },
		"allow TTL":                func(c *jetstream.StreamConfig) { c.AllowMsgTTL = !c.AllowMsgTTL },
		"allow direct":             func(c *jetstream.StreamConfig) { c.AllowDirect = !c.AllowDirect },
		"allow atomic":             func(c *jetstream.StreamConfig) { c.AllowAtomicPublish = false },
		"max bytes":                func(c *jetstream.StreamConfig) { c.MaxBytes = 1 << 30 },
		"max message size":         func(c *jetstream.StreamConfig) { c.MaxMsgSize = 4096 },
		"persist mode":             func(c *jetstream.StreamConfig) { c.PersistMode = jetstream.AsyncPersistMode },
		"subject transform":        func(c *jetstream.StreamConfig) { c.SubjectTransform = &jetstream.SubjectTransformConfig{} },
		"mirror or sources":        func(c *jetstream.StreamConfig) { c.Sources = []*jetstream.StreamSource{{Name: "other"}} },
		"no ack":                   func(c *jetstream.StreamConfig) { c.NoAck = true },
		"sealed":                   func(c *jetstream.StreamConfig) { c.Sealed = true },
		"deny delete":              func(c *jetstream.StreamConfig) { c.DenyDelete = true },
		"hashd.format":             func(c *jetstream.StreamConfig) { c.Metadata[formatLabel] = "3" },
	} {
		for _, stream := range []jetstream.StreamConfig{e.jobsStream(), e.resultsStream()} {
			got := stream
			got.Metadata = map[string]string{formatLabel: format}
			got.MaxMsgs, got.MaxBytes, got.MaxMsgSize = -1, -1, -1 // as a server answers
			if err := verify(&stream, &got); err != nil {
				t.Fatalf("a stream as it is made is refused: %v", err)
			}
			spoil(&got)
			wantErr(t, verify(&stream, &got), "stream "+stream.Name+" does not fit", want)
		}
	}
}

// A consumer with other settings is refused too.
func TestConsumerIsVerified(t *testing.T) {
	t.Parallel()
	cfg := config(t, single(t))
	_ = start(t, cfg).Close()
	cfg.Lease = 20 * time.Second
	_, err := New(t.Context(), cfg)
	wantErr(t, err, "consumer hash of stream "+cfg.Prefix+"_jobs has other settings")
}

// More replicas than servers can't be had, and the error says so.
func TestTooFewServers(t *testing.T) {
	t.Parallel()
	cfg := config(t, single(t))
	cfg.Replicas, cfg.Patience = 3, time.Second
	_, err := New(t.Context(), cfg)
	wantErr(t, err, "stream "+cfg.Prefix+"_jobs", "replicas")
}
