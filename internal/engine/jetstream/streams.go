package jetstream

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// names are all the names that a service has in the cluster. They begin with its prefix, so that
// several services share a cluster, each with streams of its own.
type names struct{ prefix string }

func (n names) jobs() string     { return n.prefix + "_jobs" }
func (n names) results() string  { return n.prefix + "_results" }
func (n names) life() string     { return n.prefix + "_life" }
func (n names) consumer() string { return "hash" }

func (n names) job() string            { return n.prefix + ".job" }
func (n names) key(id [16]byte) string { return n.prefix + ".key." + hex.EncodeToString(id[:]) }
func (n names) result(id int64) string { return n.prefix + ".result." + strconv.FormatInt(id, 10) }
func (n names) tenant(number uint16) string {
	return n.prefix + ".key.tenant-" + strconv.Itoa(int(number)) // a subject that streams of earlier versions have, too
}
func (n names) note() string              { return n.prefix + ".note" }
func (n names) lifeRecord() string        { return n.prefix + ".life" }
func (n names) subjectsOfJobs() []string  { return []string{n.job(), n.prefix + ".key.*"} }
func (n names) subjectsOfResults() string { return n.prefix + ".result.*" }

// Metadata of the streams.
const (
	formatLabel         = "hashd.format"
	fingerprintKeyLabel = "hashd.print" // jobs: the sealed fingerprint key, in base64
	livesLabel          = "hashd.lives" // jobs: which ids its messages have
	storeLabel          = "hashd.store" // results: the name of the store whose jobs they are of

	// format 2 binds each record to its store. Streams of format 1, which did not, go on as such: what
	// is stored in them from now on is bound.
	format      = "2"
	firstFormat = "1"
)

// linger is how much longer than its retention a result stays in its stream, though nobody can read
// it: until then no instance that was stopped can make a canceled or expired job visible again.
const linger = time.Minute

// wanted is how all that a service has in the cluster is to be set.
type wanted struct {
	jobs, results, life jetstream.StreamConfig
	consumer            jetstream.ConsumerConfig
}

// jobsStream is the log that is the schedule. A message leaves it once it is acknowledged, which is
// after its result is stored. Its sequence is the job's id.
func (e *Engine) jobsStream() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:                 e.names.jobs(),
		Description:          "hashd: jobs not yet hashed, idempotency keys, and the numbers of tenants",
		Subjects:             e.names.subjectsOfJobs(),
		Retention:            jetstream.WorkQueuePolicy,
		Storage:              jetstream.FileStorage,
		Replicas:             e.cfg.Replicas,
		Discard:              jetstream.DiscardNew,
		DiscardNewPerSubject: true,
		MaxMsgsPerSubject:    e.cfg.MaxPending,
		AllowMsgTTL:          true, // a key goes with its window
		AllowDirect:          true, // many jobs are looked at by one request
		AllowAtomicPublish:   true,
	}
}

// lifeStream holds one message: what the last instance knew of the jobs stream. It is not to be backed
// up: where it is missing or says something else, the jobs stream is a copy.
func (e *Engine) lifeStream() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:              e.names.life(),
		Description:       "hashd: how far the ids have come; never restore it from a backup",
		Subjects:          []string{e.names.lifeRecord()},
		Retention:         jetstream.LimitsPolicy,
		Storage:           jetstream.FileStorage,
		Replicas:          e.cfg.Replicas,
		MaxMsgsPerSubject: 1,
	}
}

// resultsStream holds what has become of each job, under the job's own subject.
func (e *Engine) resultsStream() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:               e.names.results(),
		Description:        "hashd: results, and tombstones of canceled jobs",
		Subjects:           []string{e.names.subjectsOfResults()},
		Retention:          jetstream.LimitsPolicy,
		Storage:            jetstream.FileStorage,
		Replicas:           e.cfg.Replicas,
		MaxMsgsPerSubject:  1,
		MaxAge:             e.cfg.Delay + e.cfg.Retention + linger, // a tombstone outlives its job
		AllowDirect:        true,
		AllowAtomicPublish: true,
	}
}

func (e *Engine) consumerConfig() jetstream.ConsumerConfig {
	return jetstream.ConsumerConfig{
		Durable:       e.names.consumer(),
		Description:   "hashd: jobs to hash",
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       e.cfg.Lease,
		MaxDeliver:    -1,
		MaxAckPending: maxAckPending,
		FilterSubject: e.names.job(),
	}
}

// maxAckPending bounds what all instances together may hold of the head of the schedule.
const maxAckPending = 50_000

// verify compares all that hashd relies on.
func verify(want, got *jetstream.StreamConfig) error {
	var wrong []string
	check := func(what string, want, got any) {
		if fmt.Sprint(want) != fmt.Sprint(got) {
			wrong = append(wrong, fmt.Sprintf("%s is %v, not %v", what, got, want))
		}
	}
	if f := got.Metadata[formatLabel]; f != firstFormat {
		check(formatLabel, format, f)
	}
	check("subjects", slices.Sorted(slices.Values(want.Subjects)), slices.Sorted(slices.Values(got.Subjects)))
	check("retention", want.Retention, got.Retention)
	check("storage", want.Storage, got.Storage)
	check("replicas", want.Replicas, got.Replicas)
	check("discard", want.Discard, got.Discard)
	check("discard per subject", want.DiscardNewPerSubject, got.DiscardNewPerSubject)
	check("max messages per subject", want.MaxMsgsPerSubject, got.MaxMsgsPerSubject)
	check("max messages", -1, got.MaxMsgs)
	check("max bytes", -1, got.MaxBytes)
	if got.MaxMsgSize > 0 && got.MaxMsgSize < leastPayload {
		check("max message size", fmt.Sprintf("-1, or %d or more", leastPayload), got.MaxMsgSize)
	}
	check("max age", want.MaxAge, got.MaxAge)
	check("allow TTL", want.AllowMsgTTL, got.AllowMsgTTL)
	check("allow direct", want.AllowDirect, got.AllowDirect)
	check("allow atomic", want.AllowAtomicPublish, got.AllowAtomicPublish)
	check("no ack", false, got.NoAck)
	check("persist mode", jetstream.DefaultPersistMode, got.PersistMode)
	check("subject transform", false, got.SubjectTransform != nil)
	check("mirror or sources", false, got.Mirror != nil || len(got.Sources) > 0)
	check("sealed", false, got.Sealed)
	check("deny delete", false, got.DenyDelete)
	if len(wrong) > 0 {
		return fmt.Errorf("stream %s does not fit these settings: %s: change the settings back, or edit the stream with the nats tool",
			want.Name, strings.Join(wrong, "; "))
	}
	return nil
}

// verifyConsumer compares all that hashd relies on.
func verifyConsumer(want *jetstream.ConsumerConfig, got *jetstream.ConsumerInfo) error {
	var wrong []string
	check := func(what string, want, got any) {
		if fmt.Sprint(want) != fmt.Sprint(got) {
			wrong = append(wrong, fmt.Sprintf("%s is %v, not %v", what, got, want))
		}
	}
	check("ack policy", want.AckPolicy, got.Config.AckPolicy)
	check("ack wait", want.AckWait, got.Config.AckWait)
	check("max deliver", want.MaxDeliver, got.Config.MaxDeliver)
	check("max ack pending", want.MaxAckPending, got.Config.MaxAckPending)
	check("filter", want.FilterSubject, strings.Join(append(got.Config.FilterSubjects, got.Config.FilterSubject), ""))
	check("deliver policy", want.DeliverPolicy, got.Config.DeliverPolicy)
	check("paused", false, got.Paused)
	if len(wrong) > 0 {
		return fmt.Errorf("consumer %s of stream %s has other settings than this hashd: %s: "+
			"delete it, and it is made anew", got.Name, got.Stream, strings.Join(wrong, "; "))
	}
	return nil
}
