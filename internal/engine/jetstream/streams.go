package jetstream

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
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
func (n names) consumer() string { return "hash" }

func (n names) job() string               { return n.prefix + ".job" }
func (n names) key(id [16]byte) string    { return n.prefix + ".key." + hex.EncodeToString(id[:]) }
func (n names) result(id int64) string    { return n.prefix + ".result." + strconv.FormatInt(id, 10) }
func (n names) note() string              { return n.prefix + ".note" }
func (n names) subjectsOfJobs() []string  { return []string{n.job(), n.prefix + ".key.*"} }
func (n names) subjectsOfResults() string { return n.prefix + ".result.*" }

// Metadata of the jobs stream.
const (
	formatLabel = "hashd.format"
	printLabel  = "hashd.print" // the sealed key of prints, in base64
	format      = "1"
)

// linger is how much longer than its retention a result stays in its stream, though nobody can read
// it: until then no instance that was stopped can make a canceled or expired job visible again.
const linger = time.Minute

// jobsStream is the log that is the schedule. A message leaves it once it is acknowledged, which is
// after its result is stored. Its sequence is the job's id.
func (e *Engine) jobsStream() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:                 e.names.jobs(),
		Description:          "hashd: jobs not yet hashed, and idempotency keys",
		Subjects:             e.names.subjectsOfJobs(),
		Retention:            jetstream.WorkQueuePolicy,
		Storage:              jetstream.FileStorage,
		Replicas:             e.cfg.Replicas,
		Discard:              jetstream.DiscardNew,
		DiscardNewPerSubject: true,
		MaxMsgsPerSubject:    e.cfg.MaxPending,
		AllowMsgTTL:          true, // a key goes with its window
		AllowAtomicPublish:   true,
	}
}

// resultsStream holds what has become of each job, under the job's own subject.
func (e *Engine) resultsStream() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:               e.names.results(),
		Description:        "hashd: results, and marks of canceled jobs",
		Subjects:           []string{e.names.subjectsOfResults()},
		Retention:          jetstream.LimitsPolicy,
		Storage:            jetstream.FileStorage,
		Replicas:           e.cfg.Replicas,
		MaxMsgsPerSubject:  1,
		MaxAge:             e.cfg.Delay + e.cfg.Retention + linger, // a mark outlives the job it is of
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

// setUp creates what is not there yet, and verifies what is. It changes nothing that exists.
func (e *Engine) setUp(ctx context.Context) error {
	jobs, err := e.stream(ctx, e.jobsStream(), true)
	if err != nil {
		return err
	}
	if err := e.learnPrint(jobs.CachedInfo().Config.Metadata); err != nil {
		return err
	}
	if e.results, err = e.stream(ctx, e.resultsStream(), false); err != nil {
		return err
	}
	e.jobs = jobs
	e.consumer, err = jobs.CreateConsumer(ctx, e.consumerConfig())
	if errors.Is(err, jetstream.ErrConsumerExists) {
		return fmt.Errorf("consumer %s of stream %s has other settings than this hashd: "+
			"delete it while no hashd runs, and it is made anew: %w", e.names.consumer(), e.names.jobs(), err)
	}
	if err != nil {
		return fmt.Errorf("consumer %s of stream %s: %w", e.names.consumer(), e.names.jobs(), err)
	}
	return nil
}

// stream creates the stream, or verifies the one of that name.
func (e *Engine) stream(ctx context.Context, want jetstream.StreamConfig, first bool) (jetstream.Stream, error) {
	s, err := e.js.Stream(ctx, want.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		want.Metadata = map[string]string{formatLabel: format}
		if first {
			if want.Metadata[printLabel], err = e.newPrint(); err != nil {
				return nil, err
			}
		}
		s, err = e.js.CreateStream(ctx, want)
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // another instance was faster
			s, err = e.js.Stream(ctx, want.Name)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", want.Name, err)
	}
	return s, verify(&want, &s.CachedInfo().Config)
}

// verify compares all that hashd relies on.
func verify(want, got *jetstream.StreamConfig) error {
	var wrong []string
	check := func(what string, want, got any) {
		if fmt.Sprint(want) != fmt.Sprint(got) {
			wrong = append(wrong, fmt.Sprintf("%s is %v, not %v", what, got, want))
		}
	}
	check(formatLabel, format, got.Metadata[formatLabel])
	check("subjects", slices.Sorted(slices.Values(want.Subjects)), slices.Sorted(slices.Values(got.Subjects)))
	check("retention", want.Retention, got.Retention)
	check("storage", want.Storage, got.Storage)
	check("replicas", want.Replicas, got.Replicas)
	check("discard", want.Discard, got.Discard)
	check("discard per subject", want.DiscardNewPerSubject, got.DiscardNewPerSubject)
	check("max messages per subject", want.MaxMsgsPerSubject, got.MaxMsgsPerSubject)
	check("max messages", -1, got.MaxMsgs)
	check("max age", want.MaxAge, got.MaxAge)
	check("allow TTL", want.AllowMsgTTL, got.AllowMsgTTL)
	check("allow direct", want.AllowDirect, got.AllowDirect)
	check("allow atomic", want.AllowAtomicPublish, got.AllowAtomicPublish)
	check("no ack", false, got.NoAck)
	check("sealed", false, got.Sealed)
	check("deny delete", false, got.DenyDelete)
	if len(wrong) > 0 {
		return fmt.Errorf("stream %s does not fit these settings: %s: change the settings back, or edit the stream with the nats tool",
			want.Name, strings.Join(wrong, "; "))
	}
	return nil
}

// newPrint returns a new key of prints, sealed.
func (e *Engine) newPrint() (string, error) {
	key := make([]byte, printBytes)
	_, _ = rand.Read(key) // never fails
	sealed, err := e.codec.sealer.Seal(key, e.codec.context("print", ""))
	return base64.StdEncoding.EncodeToString(sealed), err
}

const printBytes = 32

// learnPrint opens the key that all instances print requests with, which also shows whether this
// one has the right key ring.
func (e *Engine) learnPrint(labels map[string]string) error {
	sealed, err := base64.StdEncoding.DecodeString(labels[printLabel])
	if err == nil {
		e.print, err = e.codec.sealer.Open(sealed, e.codec.context("print", ""))
	}
	if err != nil {
		return fmt.Errorf("stream %s was made with another key ring: %w", e.names.jobs(), err)
	}
	return nil
}
