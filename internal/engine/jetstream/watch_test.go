package jetstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/hashd-project/hashd/v2/internal/engine"
	"github.com/hashd-project/hashd/v2/internal/engine/jetstream/natstest"
)

// logged is a log that a test reads.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// lines returns those that say something.
func (l *logged) lines(say string) (found []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.b.String()) {
		if strings.Contains(line, say) {
			found = append(found, line)
		}
	}
	return found
}

// want fails the test unless one line says it, and no more come while the engine looks again.
func (l *logged) want(t *testing.T, say string) {
	t.Helper()
	for began := time.Now(); len(l.lines(say)) == 0; time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > patience {
			t.Fatalf("no line says %q: %s", say, l.lines(""))
		}
	}
	if lines := l.lines(say); len(lines) > 1 {
		t.Errorf("%d lines say %q: %s", len(lines), say, lines)
	}
}

// watched starts an engine on servers, whose log can be read.
func watched(t *testing.T, servers *natstest.Cluster) (*Engine, *logged) {
	t.Helper()
	return watchedFor(t, servers, timeout)
}

// watchedFor is watched with another timeout: 0 is what hashd has, for tests in which nothing else tells that something is
// wrong.
func watchedFor(t *testing.T, servers *natstest.Cluster, timeout time.Duration) (*Engine, *logged) {
	t.Helper()
	cfg := config(t, servers)
	l := new(logged)
	cfg.Log, cfg.Lease, cfg.Timeout = slog.New(slog.NewTextHandler(l, nil)), time.Second, timeout
	return start(t, cfg), l
}

// tamper does something with the engine's streams by another connection.
func tamper(t *testing.T, servers *natstest.Cluster, do func(context.Context, jetstream.JetStream) error) {
	t.Helper()
	if err := servers.With(func(js jetstream.JetStream) error { return do(t.Context(), js) }); err != nil {
		t.Fatal(err)
	}
}

const (
	isDown  = "NATS: down"
	isAgain = "NATS: everything works again"
)

// awaitDown waits until the engine says why it is down.
func awaitDown(t *testing.T, e *Engine, why string) {
	t.Helper()
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		err := e.Ready(t.Context())
		if errors.Is(err, engine.ErrDown) && strings.Contains(err.Error(), why) {
			return
		}
		if time.Since(began) > patience {
			t.Fatalf("not down because of %q within %v: %v", why, patience, err)
		}
	}
}

// awaitWork waits until jobs are taken and done.
func awaitWork(t *testing.T, e *Engine) {
	t.Helper()
	for began := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		r, err := e.Accept(t.Context(), engine.Job{Secret: []byte("works")})
		var rec engine.Record
		if err == nil {
			rec, err = e.Wait(t.Context(), r.ID)
		}
		if err == nil && rec.State == engine.Done {
			return
		}
		if time.Since(began) > patience {
			t.Fatalf("no work is done within %v: %v", patience, err)
		}
	}
}

// wantWork fails the test unless jobs are taken and done.
func wantWork(t *testing.T, e *Engine) {
	t.Helper()
	wantHash(t, e, accept(t, e, engine.Job{Secret: []byte("works")}), "works")
}

// A consumer that somebody removes is made anew, with and without jobs there, and it is said once.
func TestConsumerRemovedWhileRunning(t *testing.T) {
	t.Parallel()
	servers := single(t)
	for _, jobs := range []int{0, 20} {
		e, log := watched(t, servers)
		e.cfg.Delay = longDelay
		var all []engine.Receipt
		for range jobs {
			all = append(all, accept(t, e, engine.Job{Secret: []byte("secret")}))
		}
		tamper(t, servers, func(ctx context.Context, js jetstream.JetStream) error {
			return js.DeleteConsumer(ctx, e.names.jobs(), e.names.consumer())
		})
		log.want(t, "the consumer is gone and made anew")
		for _, r := range all {
			wantHash(t, e, r, "secret")
		}
		awaitReady(t, e, true)
		if lines := log.lines("ERROR"); len(lines) > 0 {
			t.Errorf("%s", lines)
		}
	}
}

// A jobs stream that somebody deletes is not made anew: the engine is down, says why, once, and goes
// on when the stream is restored.
func TestJobsStreamRemovedWhileRunning(t *testing.T) {
	t.Parallel()
	servers := single(t)
	e, log := watched(t, servers)
	wantWork(t, e)
	b, err := servers.Backup(t.Context(), e.names.jobs())
	if err != nil {
		t.Fatal(err)
	}
	id := accept(t, e, engine.Job{Secret: []byte("secret")}).ID
	tamper(t, servers, func(ctx context.Context, js jetstream.JetStream) error { return js.DeleteStream(ctx, e.names.jobs()) })
	awaitDown(t, e, e.names.jobs()+" is gone: restore it")
	_, accepting := e.Accept(t.Context(), engine.Job{Secret: []byte("secret")})
	_, getting := e.Get(t.Context(), id)
	for what, err := range map[string]error{"accept": accepting, "get": getting, "cancel": e.Cancel(t.Context(), id)} {
		if !errors.Is(err, engine.ErrDown) {
			t.Errorf("%s without a jobs stream: %v", what, err)
		}
	}
	log.want(t, isDown)
	if err := servers.Restore(t.Context(), e.names.jobs(), b); err != nil {
		t.Fatal(err)
	}
	awaitReady(t, e, true)
	log.want(t, isDown)
	log.want(t, isAgain)
	wantWork(t, e)
}

// A results stream that somebody deletes is made anew.
func TestResultsStreamRemovedWhileRunning(t *testing.T) {
	t.Parallel()
	servers := single(t)
	e, log := watched(t, servers)
	r := accept(t, e, engine.Job{Secret: []byte("secret")})
	wantHash(t, e, r, "secret")
	tamper(t, servers, func(ctx context.Context, js jetstream.JetStream) error {
		return js.DeleteStream(ctx, e.names.results())
	})
	log.want(t, "the results stream is gone and made anew")
	awaitWork(t, e)
	if rec, err := e.Get(t.Context(), r.ID); !errors.Is(err, engine.ErrGone) {
		t.Errorf("a job whose result is lost: %+v, %v", rec, err)
	}
}

// Streams that somebody makes in the place of ours hold nothing of ours.
func TestStreamsReplacedWhileRunning(t *testing.T) {
	t.Parallel()
	servers := single(t)
	e, log := watched(t, servers)
	old := accept(t, e, engine.Job{Secret: []byte("secret")})
	wantHash(t, e, old, "secret")
	tamper(t, servers, func(ctx context.Context, js jetstream.JetStream) error {
		return errors.Join(js.DeleteStream(ctx, e.names.jobs()), js.DeleteStream(ctx, e.names.results()))
	})
	cfg := e.cfg
	cfg.Log = nil
	other := start(t, cfg)
	wantWork(t, other)
	awaitDown(t, e, "is another one than at the start of this hashd: restart")
	log.want(t, isDown)
	if rec, err := other.Get(t.Context(), old.ID); !errors.Is(err, engine.ErrUnknown) {
		t.Errorf("a job of the old streams on an instance of the new ones: %+v, %v", rec, err)
	}
	if bytes.Equal(e.StoreID(), other.StoreID()) {
		t.Error("two stores have one name")
	}
}

// Jobs that somebody purges are gone, and it is said how many; the engine goes on.
func TestJobsPurgedWhileRunning(t *testing.T) {
	t.Parallel()
	servers := single(t)
	e, log := watched(t, servers)
	wantWork(t, e)
	e.cfg.Delay = time.Hour
	var all []engine.Receipt
	for range 20 {
		all = append(all, accept(t, e, engine.Job{Secret: []byte("secret")}))
	}
	waited := make(chan error, 1)
	go func() {
		_, err := e.Wait(context.WithoutCancel(t.Context()), all[0].ID)
		waited <- err
	}()
	tamper(t, servers, func(ctx context.Context, js jetstream.JetStream) error {
		s, err := js.Stream(ctx, e.names.jobs())
		return errors.Join(err, s.Purge(ctx))
	})
	log.want(t, "jobs that were accepted are in neither stream")
	if err := <-waited; !errors.Is(err, engine.ErrGone) {
		t.Errorf("a wait for a job that is purged: %v", err)
	}
	for _, r := range all {
		if rec, err := e.Get(t.Context(), r.ID); !errors.Is(err, engine.ErrGone) {
			t.Errorf("a job that is purged: %+v, %v", rec, err)
		}
	}
	e.cfg.Delay = 0
	wantWork(t, e)
	if err := e.Drain(t.Context()); err != nil {
		t.Errorf("drain: %v", err)
	}
}

// What somebody changes in the streams or the consumer is noticed, said once, and all is well when it is
// changed back.
func TestSettingsChangedWhileRunning(t *testing.T) {
	t.Parallel()
	servers := single(t)
	for want, change := range map[string]func(jobs, results *jetstream.StreamConfig, hash *jetstream.ConsumerConfig){
		"max messages per subject": func(jobs, _ *jetstream.StreamConfig, _ *jetstream.ConsumerConfig) { jobs.MaxMsgsPerSubject = 7 },
		"discard is": func(jobs, _ *jetstream.StreamConfig, _ *jetstream.ConsumerConfig) {
			jobs.Discard, jobs.DiscardNewPerSubject = jetstream.DiscardOld, false
		},
		"max bytes":        func(jobs, _ *jetstream.StreamConfig, _ *jetstream.ConsumerConfig) { jobs.MaxBytes = 1 << 20 },
		"max message size": func(jobs, _ *jetstream.StreamConfig, _ *jetstream.ConsumerConfig) { jobs.MaxMsgSize = 1_000 },
		"subjects":         func(jobs, _ *jetstream.StreamConfig, _ *jetstream.ConsumerConfig) { jobs.Subjects = jobs.Subjects[:1] },
		"max age": func(_, results *jetstream.StreamConfig, _ *jetstream.ConsumerConfig) {
			results.MaxAge, results.Duplicates = time.Minute, time.Minute
		},
		"max messages is": func(_, results *jetstream.StreamConfig, _ *jetstream.ConsumerConfig) { results.MaxMsgs = 10 },
		"max ack pending": func(_, _ *jetstream.StreamConfig, hash *jetstream.ConsumerConfig) { hash.MaxAckPending = 1 },
		"max deliver":     func(_, _ *jetstream.StreamConfig, hash *jetstream.ConsumerConfig) { hash.MaxDeliver = 1 },
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			e, log := watched(t, servers)
			wantWork(t, e)
			jobs, results, hash := e.want.jobs, e.want.results, e.want.consumer
			for _, s := range []jetstream.Stream{e.link().jobs, e.link().results} {
				info, err := s.Info(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if info.Config.Name == jobs.Name {
					jobs = info.Config
				} else {
					results = info.Config
				}
			}
			set := func(jobs, results jetstream.StreamConfig, hash jetstream.ConsumerConfig) {
				tamper(t, servers, func(ctx context.Context, js jetstream.JetStream) error {
					_, one := js.UpdateStream(ctx, jobs)
					_, two := js.UpdateStream(ctx, results)
					_, three := js.UpdateConsumer(ctx, jobs.Name, hash)
					return errors.Join(one, two, three)
				})
			}
			otherJobs, otherResults, otherHash := jobs, results, hash
			change(&otherJobs, &otherResults, &otherHash)
			set(otherJobs, otherResults, otherHash)
			awaitDown(t, e, want)
			if _, err := e.Accept(t.Context(), engine.Job{Secret: []byte("secret")}); !errors.Is(err, engine.ErrDown) {
				t.Errorf("accept: %v", err)
			}
			log.want(t, isDown)
			set(jobs, results, hash)
			awaitReady(t, e, true)
			log.want(t, isDown)
			log.want(t, isAgain)
			wantWork(t, e)
		})
	}
}

// Servers that take no message of the size that hashd sends are refused at the start, and noticed when
// they become so.
func TestMaxPayload(t *testing.T) {
	t.Parallel()
	servers := cluster(t, natstest.Config{Nodes: 1, Extra: "max_payload: 4096"})
	_, err := New(t.Context(), config(t, servers))
	wantErr(t, err, "max_payload of the NATS servers is too small: it is 4096")
	reload(t, servers, "max_payload: 4096", "max_payload: 1048576")
	var e *Engine
	var log *logged
	for began := time.Now(); e == nil; time.Sleep(50 * time.Millisecond) { // until the server has read that
		cfg := config(t, servers)
		cfg.Timeout = timeout
		log = new(logged)
		cfg.Log = slog.New(slog.NewTextHandler(log, nil))
		if e, err = New(t.Context(), cfg); err != nil && time.Since(began) > patience {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { _ = e.Close() })
	wantWork(t, e)
	reload(t, servers, "max_payload: 1048576", "max_payload: 4096")
	awaitDown(t, e, "max_payload of the NATS servers is too small: it is 4096")
	log.want(t, isDown)
	reload(t, servers, "max_payload: 4096", "max_payload: 1048576")
	awaitReady(t, e, true)
	wantWork(t, e)
}

// reload has the only server read settings that are changed.
func reload(t *testing.T, servers *natstest.Cluster, old, now string) {
	t.Helper()
	path := servers.Nodes[0].Store() + ".conf"
	settings, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(settings), old) {
		t.Fatalf("no %q in the settings, %v", old, err)
	}
	err = os.WriteFile(path, []byte(strings.Replace(string(settings), old, now, 1)), 0o600)
	if err := errors.Join(err, servers.Nodes[0].Signal(syscall.SIGHUP)); err != nil {
		t.Fatal(err)
	}
}

// What the servers no longer let hashd do is noticed, without traffic too, and said; when they let it again
// all is well.
func TestPermissionsWithdrawn(t *testing.T) {
	t.Parallel()
	const all = `publish: ">"`
	for what, left := range map[string]string{
		"jobs":    `publish: { deny: "*.job" }`,
		"results": `publish: { deny: "*.result.>" }`,
		"all":     `publish: { deny: "$JS.API.>" }`,
		"answers": `publish: ">", subscribe: { deny: "_INBOX.>" }`,
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			servers := cluster(t, natstest.Config{Nodes: 1, Extra: "authorization { users: [ { user: a, password: b, permissions: { " + all + " } } ] }", User: "a:b"})
			e, log := watchedFor(t, servers, 0)
			wantWork(t, e)
			reload(t, servers, all, left)
			awaitReady(t, e, false)
			log.want(t, isDown)
			reload(t, servers, left, all)
			awaitReady(t, e, true)
			log.want(t, isDown)
			log.want(t, isAgain)
			wantWork(t, e)
		})
	}
}

// An account that may no longer use JetStream, and may again.
func TestJetStreamWithdrawn(t *testing.T) {
	t.Parallel()
	const with, without = "jetstream: enabled", "jetstream: disabled"
	servers := cluster(t, natstest.Config{
		Nodes: 1, User: "a:b",
		Extra: "accounts { A { " + with + ", users: [ { user: a, password: b } ] } }",
	})
	e, log := watchedFor(t, servers, 0)
	wantWork(t, e)
	reload(t, servers, with, without)
	awaitReady(t, e, false)
	log.want(t, isDown)
	if _, err := e.Accept(t.Context(), engine.Job{Secret: []byte("secret")}); !errors.Is(err, engine.ErrDown) {
		t.Errorf("accept: %v", err)
	}
	reload(t, servers, without, with)
	awaitReady(t, e, true)
	log.want(t, isAgain)
	awaitWork(t, e)
}

// A stop is no loss of the connection.
func TestStopLogsNoLoss(t *testing.T) {
	t.Parallel()
	e, log := watched(t, single(t))
	wantWork(t, e)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if lines := slices.Concat(log.lines("WARN"), log.lines("ERROR")); len(lines) > 0 {
		t.Errorf("%s", lines)
	}
}

// The same trouble is told once a minute.
func TestRepeats(t *testing.T) {
	var r repeats
	now := time.Now()
	for n, want := range []bool{false, true, true, false} {
		if got := r.again("trouble", now.Add(time.Duration(n)*25*time.Second)); got != want {
			t.Errorf("%d: %v", n, got)
		}
	}
	for n := range 100 {
		r.again(fmt.Sprint(n), now.Add(time.Duration(n)*time.Minute))
	}
	if len(r.said) > 2 {
		t.Errorf("%d are kept", len(r.said))
	}
}
