package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// connect opens n connections and says nothing on them.
func connect(t *testing.T, i *instance, n int) (conns []net.Conn) {
	t.Helper()
	for range n {
		c, err := new(net.Dialer).DialContext(t.Context(), "tcp", i.address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		conns = append(conns, c)
	}
	return conns
}

// Many more idle clients than max-connections keep nobody out: jobs, health checks of either kind, and
// the end go on, and the log says what happens.
func TestIdleClientsKeepNobodyOut(t *testing.T) {
	t.Parallel()
	i := start(t, "--max-connections=20", "--delay=0s")
	connect(t, i, 200)
	c := i.client(t)
	c.do(t, http.MethodGet, "/healthz", "").want(t, http.StatusOK)
	c.submit(t, "in time")
	if got := finish(t, nil, "healthcheck", "--listen="+i.address); got != (outcome{}) {
		t.Errorf("health check: %+v", got)
	}
	i.log(t, "max-connections is reached: closing idle connections", 1).Want(t, "limit", 20)
	i.stop(t)
}

// Where every connection has a request under way, others are refused with the limit's name, but for the
// health check.
func TestBusyClientsAreNotSilence(t *testing.T) {
	t.Parallel()
	i := start(t, "--max-connections=5", "--delay=1h")
	c := i.client(t)
	id := c.submit(t, "pending").Id
	c.http.CloseIdleConnections()
	longPoll(t, i, id, 5)
	var refused answer
	for deadline := time.Now().Add(patience); ; longPoll(t, i, id, 1) { // an earlier one may have been closed for another before it spoke
		var err error // so may this one
		refused, err = c.try(t.Context(), http.MethodPost, "/hash", submission("refused"), header("Connection", "close"))
		if err == nil && refused.status != http.StatusAccepted || time.Now().After(deadline) {
			break
		}
	}
	if refused.wantProblem(t, http.StatusServiceUnavailable, "full"); !strings.Contains(string(refused.body), "max-connections") {
		t.Errorf("the refusal does not name the limit: %s", refused.body)
	}
	if got := finish(t, nil, "healthcheck", "--listen="+i.address); got != (outcome{}) {
		t.Errorf("health check: %+v", got)
	}
	i.signal(t, syscall.SIGKILL)
}

// longPoll waits for the job on n connections. When it returns, the server has all the requests. The
// statuses of the answers are sent to the channel, 0 for none.
func longPoll(t *testing.T, i *instance, id int64, n int) (statuses chan int) {
	t.Helper()
	statuses = make(chan int, n)
	var sent, ended sync.WaitGroup
	for range n {
		sent.Add(1)
		once := sync.OnceFunc(sent.Done)
		ended.Go(func() {
			defer once()
			a, _ := i.client(t).try(t.Context(), http.MethodGet, path(id), "", header("Prefer", "wait=600"), whenWritten(once))
			statuses <- a.status
		})
	}
	t.Cleanup(ended.Wait)
	sent.Wait()
	for c := range 20 { // what was sent before is read before
		conn := connect(t, i, 1)[0]
		if _, err := fmt.Fprintf(conn, "GET /healthz HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", i.address); err != nil {
			t.Fatal(err)
		}
		if answer, err := io.ReadAll(conn); err != nil || !strings.Contains(string(answer), " 200 ") {
			t.Fatalf("%d: %q, %v", c, answer, err)
		}
	}
	return statuses
}

// A handover is at once, whoever is connected: long-polls hear that their job is pending, and who says
// nothing, or stalls within a request, is cut.
func TestHandoverIsAtOnce(t *testing.T) {
	t.Parallel()
	i := start(t, onDisk(t.TempDir(), "--drain=handover", "--delay=1h", "--drain-timeout=2h", "--max-wait=10m",
		"--read-timeout=1h", "--read-header-timeout=1h", "--write-timeout=1h", "--idle-timeout=1h")...)
	c := i.client(t)
	id := c.submit(t, "pending").Id
	polls := longPoll(t, i, id, 10)
	silent := connect(t, i, 2)
	if _, err := silent[1].Write([]byte("GET /healthz HTTP/1.1\r\nHost:")); err != nil {
		t.Fatal(err)
	}
	stalled := openSubmission(t, i)
	began := time.Now()
	i.signal(t, syscall.SIGTERM)
	for range 10 {
		if status := <-polls; status != http.StatusAccepted {
			t.Errorf("a long-poll is answered with %d", status)
		}
	}
	if res, err := http.ReadResponse(stalled.from, nil); err != nil || res.StatusCode != http.StatusBadRequest {
		t.Errorf("the stalled body is answered with %v, %v", res, err)
	}
	i.wantExit(t, 0)
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("it takes %v", took)
	}
	i.log(t, stopped, 1).Want(t, "left", 1)
}
