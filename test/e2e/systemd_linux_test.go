package e2e

import (
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// manager is the socket of a service manager.
type manager struct{ *net.UnixConn }

func newManager(t *testing.T) (m manager, environ string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return manager{conn}, "NOTIFY_SOCKET=" + path
}

// await returns the next message that says so, and fails the test if none comes.
func (m manager) await(t *testing.T, says string) string {
	t.Helper()
	_ = m.SetReadDeadline(time.Now().Add(patience))
	for {
		var b [4096]byte
		n, err := m.Read(b[:])
		if err != nil {
			t.Fatalf("the manager is not told %s: %v", says, err)
		}
		if text := string(b[:n]); strings.Contains("\n"+text+"\n", "\n"+says) {
			return text
		}
	}
}

// systemd is told when the server is ready, that it is alive, and how long a stop may take.
func TestSystemd(t *testing.T) {
	t.Parallel()
	m, socket := newManager(t)
	// The socket takes a few messages that nobody reads: for a watchdog like this, those of some seconds.
	p := launch(t, []string{socket, "WATCHDOG_USEC=1000000"}, "--port=0", "--log-format=json", "--delay=1h", "--linger=0s", "--first-id=1")
	ready := m.await(t, "READY=1")
	i := started(t, p)
	if url, _ := i.listening["url"].(string); !strings.Contains(ready, "STATUS=serving "+url) {
		t.Errorf("the status is %q", ready)
	}
	m.await(t, "WATCHDOG=1")
	m.await(t, "WATCHDOG=1")
	c := i.client(t)
	job := c.submit(t, "angryMonkey")
	i.signal(t, syscall.SIGTERM)
	if stopping := m.await(t, "STOPPING=1"); !strings.Contains(stopping, "EXTEND_TIMEOUT_USEC=3640000000") || !strings.Contains(stopping, "STATUS=draining, 1 jobs left") {
		t.Errorf("at the stop it is told %q", stopping)
	}
	m.await(t, "WATCHDOG=1")                                                   // a drain is alive too
	c.do(t, http.MethodDelete, path(job.Id), "").want(t, http.StatusNoContent) // which ends the drain
	i.wantExit(t, 0)
}
