package e2e

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	wire "github.com/hashd-project/hashd/v2/gen/server"

	"github.com/hashd-project/hashd/v2/internal/transcript"
)

// The messages of the log that these tests follow.
const (
	draining    = "draining"
	ignored     = "already draining: signal ignored"
	stopped     = "stopped"
	stoppedSoon = "stopped early"
)

// job is an accepted job of a test.
type job struct {
	id     int64
	secret string
}

// submitMany submits n secrets from several goroutines and returns the jobs in order of id.
func submitMany(t *testing.T, c *client, n int) []job {
	t.Helper()
	const submitters = 10
	var jobs []job
	var mu sync.Mutex
	var wg sync.WaitGroup
	for s := range submitters {
		wg.Go(func() {
			for k := s; k < n; k += submitters {
				secret := fmt.Sprintf("secret %d äöü 🐒", k)
				id, err := c.trySubmit(t.Context(), secret)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				jobs = append(jobs, job{id, secret})
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	slices.SortFunc(jobs, func(a, b job) int { return int(a.id - b.id) })
	return jobs
}

// submitBatch submits n secrets at once and returns the jobs.
func submitBatch(t *testing.T, c *client, n int) (jobs []job) {
	t.Helper()
	var secrets []string
	for k := range n {
		secrets = append(secrets, fmt.Sprintf("secret %d of a batch %s", k, strings.Repeat("🐒", k)))
	}
	batch := decode[wire.AcceptedBatch](t, c.do(t, http.MethodPost, "/hash/batch", batchOf(secrets...)).want(t, http.StatusAccepted))
	if int(batch.Count) != n {
		t.Errorf("%d of %d jobs are accepted", batch.Count, n)
	}
	for k, secret := range secrets {
		jobs = append(jobs, job{batch.First + int64(k), secret})
	}
	return jobs
}

// collect long-polls for the jobs, all at once. It returns when every request has gone out; the
// function it returns waits for the answers.
func collect(t *testing.T, c *client, jobs []job) (finish func()) {
	t.Helper()
	var sent, done sync.WaitGroup
	for _, j := range jobs {
		sent.Add(1)
		once := sync.OnceFunc(sent.Done)
		done.Go(func() {
			defer once() // also if it never goes out
			if hash, err := c.await(t.Context(), j.id, whenWritten(once)); err != nil {
				t.Errorf("job %d is lost: %v", j.id, err)
			} else if want := hashOf(j.secret); hash != want {
				t.Errorf("job %d: hash %s, want %s", j.id, hash, want)
			}
		})
	}
	t.Cleanup(done.Wait) // after t.Context has ended
	sent.Wait()
	return done.Wait
}

// Either signal alone finishes every job, and whoever asks gets the hashes, whether they asked
// before the signal or after it.
func TestDrain(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			const n = 100
			i := start(t, "--delay=15s")
			c := i.client(t)
			jobs := append(submitMany(t, c, n/2), submitBatch(t, c, n/2)...)
			finishFirst := collect(t, c, jobs[:n/2])

			i.signal(t, sig)
			i.log(t, draining, 1).Want(t, "cause", sig, "timeout", 45*time.Second)
			jobs = append(jobs, submitUntilRefused(t, c)...)
			finishSecond := collect(t, c, jobs[n/2:])
			finishFirst()
			finishSecond()
			i.wantExit(t, 0)
			i.log(t, stopped, 1).Want(t, "completed", len(jobs), "canceled", 0, "left", 0)
		})
	}
}

// While jobs are left each operation answers as it should, also after further requests to stop. The jobs are due in an
// hour, so that none is done meanwhile.
func TestDrainingServer(t *testing.T) {
	t.Parallel()
	i := start(t, "--delay=1h")
	c := i.client(t)
	jobs := submitBatch(t, c, 5)
	i.signal(t, syscall.SIGTERM)
	i.log(t, draining, 1).Want(t, "pending", len(jobs))
	jobs = append(jobs, submitUntilRefused(t, c)...)
	wantDraining(t, c, len(jobs))
	for k := range 3 { // a second request to stop changes nothing
		i.signal(t, syscall.SIGTERM)
		i.log(t, ignored, k+1).Want(t, "signal", syscall.SIGTERM)
	}
	wantDraining(t, c, len(jobs))
	for _, j := range jobs {
		c.do(t, http.MethodDelete, path(j.id), "").want(t, http.StatusNoContent)
	}
	i.wantExit(t, 0)
	i.log(t, stopped, 1).Want(t, "completed", 0, "canceled", len(jobs), "left", 0)
}

// submitUntilRefused returns when the server refuses new jobs, with those accepted until then:
// it logs that it drains a moment before it does.
func submitUntilRefused(t *testing.T, c *client) (jobs []job) {
	t.Helper()
	for {
		const secret = "just in time"
		a := c.do(t, http.MethodPost, "/hash", submission(secret))
		if a.status != http.StatusAccepted {
			return jobs
		}
		jobs = append(jobs, job{decode[wire.Job](t, a).Id, secret})
	}
}

// wantDraining checks how each operation answers while n jobs are finished.
func wantDraining(t *testing.T, c *client, n int) {
	t.Helper()
	for body, to := range map[string]string{
		submission("late"): "/hash", submission(strings.Repeat("long", 256)): "/hash", batchOf("late", "too"): "/hash/batch",
	} {
		a := c.do(t, http.MethodPost, to, body).wantProblem(t, http.StatusServiceUnavailable, "draining")
		if a.header.Get("Retry-After") == "" {
			t.Errorf("POST %s: no Retry-After", to)
		}
	}
	c.do(t, http.MethodPost, "/hash", "{}").wantProblem(t, http.StatusBadRequest, "invalid-request")
	c.do(t, http.MethodGet, "/readyz", "").wantProblem(t, http.StatusServiceUnavailable, "draining")
	c.do(t, http.MethodGet, "/healthz", "").want(t, http.StatusOK)
	c.do(t, http.MethodGet, "/hash/1", "", header("Prefer", "wait=0")).want(t, http.StatusAccepted)
	c.do(t, http.MethodGet, path(int64(n+1)), "").wantProblem(t, http.StatusNotFound, "unknown-job") // no id was drawn
	if s := decode[wire.Status](t, c.do(t, http.MethodGet, "/v/status", "")); s.Status != wire.ServerStatusDraining {
		t.Errorf("status %s", s.Status)
	}
	if st := c.stats(t); st.Total != int64(n) || st.Pending != int64(n) || st.Rejected < 2 {
		t.Errorf("stats %+v", st)
	}
}

// A server with nothing to do ends on the signal, and does not wait a delay: this one is a day.
// Nor do clients that merely stay connected hold it.
func TestDrainIdle(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			i := start(t, "--delay=24h")
			i.client(t).do(t, http.MethodGet, "/healthz", "")
			i.signal(t, sig)
			i.wantExit(t, 0)
			i.log(t, stopped, 1).Want(t, "completed", 0, "canceled", 0, "left", 0)
		})
	}
}

// With a job that is due in an hour, a drain ends only as the signals say, or when the job is
// canceled.
func TestDrainSignals(t *testing.T) {
	t.Parallel()
	const term, intr = syscall.SIGTERM, syscall.SIGINT
	for _, tt := range []struct {
		signals []syscall.Signal
		code    int
	}{
		{[]syscall.Signal{intr, intr}, 130},
		{[]syscall.Signal{term, intr, intr}, 130},
		{[]syscall.Signal{intr, term, term, intr}, 130},
		{[]syscall.Signal{term, term, term, intr}, 0},
		{[]syscall.Signal{intr, term, term, term}, 0},
	} {
		t.Run(fmt.Sprint(tt.signals), func(t *testing.T) {
			t.Parallel()
			i := start(t, "--delay=1h")
			c := i.client(t)
			id := c.submit(t, "pending").Id
			i.signal(t, tt.signals[0])
			i.log(t, draining, 1).Want(t, "cause", tt.signals[0], "pending", 1)
			for k, sig := range tt.signals[1:] {
				i.signal(t, sig)
				if last := k == len(tt.signals)-2; !last || tt.code == 0 {
					i.log(t, ignored, k+1).Want(t, "signal", sig)
				}
			}
			if tt.code == 0 {
				c.do(t, http.MethodDelete, path(id), "").want(t, http.StatusNoContent)
				i.wantExit(t, 0)
				i.log(t, stopped, 1).Want(t, "completed", 0, "canceled", 1, "left", 0)
				return
			}
			i.wantExit(t, tt.code)
			i.log(t, stoppedSoon, 1).Want(t, "completed", 0, "canceled", 0, "left", 1)
		})
	}
}

// A drain says how many jobs are left, until when it waits, and how to end it at once. A stop that goes
// well warns of nothing.
func TestDrainTells(t *testing.T) {
	t.Parallel()
	i := start(t, "--delay=1h", "--drain-timeout=2h")
	c := i.client(t)
	id := c.submit(t, "pending").Id
	before := time.Now()
	i.signal(t, syscall.SIGINT)
	began := i.log(t, draining, 1)
	if hint := fmt.Sprint(began["hint"]); !strings.Contains(hint, "Ctrl-C") || !strings.Contains(hint, "again") {
		t.Errorf("hint %q", hint)
	}
	progress := i.log(t, "still draining", 1)
	progress.Want(t, "level", "INFO", "left", 1)
	for _, r := range []transcript.Record{began, progress} {
		until, err := time.Parse(time.RFC3339Nano, fmt.Sprint(r["until"]))
		if err != nil || until.Before(before.Add(2*time.Hour)) || until.After(time.Now().Add(2*time.Hour)) {
			t.Errorf("until %v, %v", r["until"], err)
		}
	}
	c.do(t, http.MethodDelete, path(id), "").want(t, http.StatusNoContent)
	i.wantExit(t, 0)
	for _, level := range []string{"WARN", "ERROR"} {
		if strings.Contains(i.stderr.String(), `"level":"`+level) {
			t.Errorf("a stop that went well logs at %s:\n%s", level, i.stderr)
		}
	}
}

// An interrupt that ends the drain also ends the long-polls.
func TestInterruptCutsLongPolls(t *testing.T) {
	t.Parallel()
	i := start(t, "--delay=1h")
	c := i.client(t)
	id := c.submit(t, "pending").Id
	sent, cut := make(chan struct{}), make(chan error, 1)
	go func() {
		_, err := c.await(t.Context(), id, whenWritten(sync.OnceFunc(func() { close(sent) })))
		cut <- err
	}()
	select {
	case <-sent:
	case err := <-cut:
		t.Fatalf("the long-poll ended by itself: %v", err)
	}
	i.signal(t, syscall.SIGINT)
	i.log(t, draining, 1)
	i.signal(t, syscall.SIGINT)
	i.wantExit(t, 130)
	if err := <-cut; err == nil {
		t.Error("a job due in an hour has a hash")
	}
}

// A request under way when the signal comes is answered, here with a refusal: its job was not
// accepted yet.
func TestDrainAnswersRequestUnderWay(t *testing.T) {
	t.Parallel()
	i := start(t, "--read-timeout=1h")
	conn := openSubmission(t, i)
	i.signal(t, syscall.SIGTERM)
	awaitClosed(t, i)
	if status, err := conn.finish(submission("late")[1:]); err != nil || status != http.StatusServiceUnavailable {
		t.Errorf("status %d, %v, want 503", status, err)
	}
	i.wantExit(t, 0)
	i.log(t, stopped, 1).Want(t, "left", 0)
}

// awaitClosed returns when nobody can connect any more.
func awaitClosed(t *testing.T, i *instance) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", i.address)
		if err != nil {
			return
		}
		_ = conn.Close()
		if time.Now().After(deadline) {
			t.Fatalf("it still accepts connections:\n%s", i.stderr)
		}
	}
}

// A client that never ends its request holds the stop for the drain-timeout and no longer.
func TestDrainTimeout(t *testing.T) {
	t.Parallel()
	i := start(t, "--delay=0s", "--drain-timeout=200ms", "--read-timeout=1h")
	c := i.client(t)
	collect(t, c, submitMany(t, c, 3))()
	openSubmission(t, i)
	i.signal(t, syscall.SIGTERM)
	i.wantExit(t, 1)
	i.log(t, stoppedSoon, 1).Want(t, "completed", 3, "left", 0)
	if want := "hashd: shutdown: context deadline exceeded"; !strings.Contains(i.stderr.String(), want) {
		t.Errorf("stderr does not say %q:\n%s", want, i.stderr)
	}
}

// A second interrupt ends that too.
func TestInterruptOpenRequest(t *testing.T) {
	t.Parallel()
	i := start(t, "--read-timeout=1h")
	openSubmission(t, i)
	i.signal(t, syscall.SIGINT)
	awaitClosed(t, i)
	i.signal(t, syscall.SIGINT)
	i.wantExit(t, 130)
	i.log(t, stoppedSoon, 1).Want(t, "left", 0)
}

// The end of those who read the log is not the server's. So it goes with "hashd 2>&1 | tee" on
// Ctrl-C, which ends tee at once.
func TestDrainWithoutLog(t *testing.T) {
	t.Parallel()
	log, stderr, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = log.Close(), stderr.Close() })
	cmd := exec.Command(binary(), "--port=0", "--log-format=json", "--log-level=debug", "--delay=1s")
	cmd.Stderr = stderr
	p := launchCommand(t, nil, cmd)
	var listening struct{ Address string }
	for lines := json.NewDecoder(log); listening.Address == ""; { // after what else is said at the start
		if err := lines.Decode(&listening); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(log.Close(), stderr.Close()); err != nil {
		t.Fatal(err)
	}
	c := newClient(t, listening.Address)
	finish := collect(t, c, submitMany(t, c, 5))
	p.signal(t, syscall.SIGTERM)
	finish()
	p.wantExit(t, 0)
}

// submitting is a connection with a request whose body has begun.
type submitting struct {
	net.Conn
	from *bufio.Reader
}

// openSubmission submits the first byte of a body. When it returns, the server is waiting for
// the rest: it said so with 100 Continue.
func openSubmission(t *testing.T, i *instance) *submitting {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", i.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	s := &submitting{conn, bufio.NewReader(conn)}
	if _, err := fmt.Fprintf(conn, "POST /hash HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"+
		"Content-Length: %d\r\nExpect: 100-continue\r\n\r\n", len(submission("late"))); err != nil {
		t.Fatal(err)
	}
	if line, err := s.from.ReadString('\n'); err != nil || !strings.Contains(line, " 100 ") {
		t.Fatalf("the server answers %q, %v, want 100 Continue", line, err)
	}
	if _, err := io.WriteString(conn, submission("late")[:1]); err != nil {
		t.Fatal(err)
	}
	_, _ = s.from.ReadString('\n') // the empty line after the status
	return s
}

// finish sends the rest of the body and returns the answer's status.
func (s *submitting) finish(rest string) (int, error) {
	if _, err := io.WriteString(s, rest); err != nil {
		return 0, err
	}
	resp, err := http.ReadResponse(s.from, nil)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}
