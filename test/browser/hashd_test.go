package browser

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashd-project/hashd/v2/internal/needs"
	"github.com/hashd-project/hashd/v2/internal/transcript"
)

// The secret that every example submits, and its hash.
const (
	angryMonkey     = "angryMonkey"
	angryMonkeyHash = "ZEHhWB65gUlzdVwtDQArEyx+KVLzp/aTaRaPlBzYRIFj6vjFdqEb0Q5B8zVKCZ0vKbZPZklJz0Fd7su2A+gf7Q=="
)

// server is a hashd of the test's own. It never outlives the test.
type server struct {
	cmd     *exec.Cmd
	log     *transcript.Transcript
	ended   chan struct{} // closed once it has ended
	address string
}

// start starts a server on a free loopback port, whose first id is 1, and returns once it listens.
func start(t *testing.T, args ...string) *server {
	t.Helper()
	return startWith(t, nil, args...)
}

// startOnFailingDisk starts a server with a store on a disk that fails after a while.
func startOnFailingDisk(t *testing.T, args ...string) *server {
	t.Helper()
	trace := []string{needs.Tool(t, "strace", needs.Debian("strace")), "-D", "-f", "-o", os.DevNull, "-e", "trace=fdatasync",
		"-e", "inject=fdatasync:error=EIO:when=10+"}
	return startWith(t, trace, append([]string{"--engine=file", "--data-dir=" + t.TempDir()}, args...)...)
}

// startWith starts a server by way of another program, if there is one.
func startWith(t *testing.T, by []string, args ...string) *server {
	t.Helper()
	command := slices.Concat(by, []string{binary(), "--port=0", "--log-format=json", "--first-id=1"}, args)
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = []string{"GORACE=atexit_sleep_ms=0"}
	s := &server{cmd: cmd, log: transcript.New(), ended: make(chan struct{})}
	cmd.Stderr = s.log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(s.ended)
		_ = cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // fails if it has ended
		<-s.ended
		for _, bad := range []string{"DATA RACE", "panic:", "fatal error:"} {
			if strings.Contains(s.log.String(), bad) {
				t.Errorf("%s in:\n%s", bad, s.log)
			}
		}
	})
	s.address, _ = s.log.Await(t, s.ended, "listening", 1)["address"].(string)
	return s
}

// terminate asks the server to stop once all jobs are done.
func (s *server) terminate(t *testing.T) {
	t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
}

// crash ends the server at once.
func (s *server) crash(t *testing.T) {
	t.Helper()
	if err := s.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	s.awaitEnd(t)
}

func (s *server) awaitEnd(t *testing.T) {
	t.Helper()
	select {
	case <-s.ended:
	case <-time.After(patience):
		t.Fatalf("it does not end:\n%s", s.log)
	}
}

// do sends a request past the browser and decodes the answer into into, unless that is nil.
func (s *server) do(t *testing.T, method, path string, body, into any) (status int) {
	t.Helper()
	sent, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.address+path, bytes.NewReader(sent))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	transport := &http.Transport{DisableKeepAlives: true}
	answer, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if into != nil {
		if err := json.NewDecoder(answer.Body).Decode(into); err != nil {
			t.Fatal(err)
		}
	}
	return answer.StatusCode
}

// awaitHash returns once the hash of a job is there.
func (s *server) awaitHash(t *testing.T, id string) {
	t.Helper()
	for end := time.Now().Add(patience); s.do(t, http.MethodGet, "/hash/"+id, nil, nil) != http.StatusOK; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("job %s is never done", id)
		}
	}
}

// submit submits secrets past the browser, as somebody else would.
func (s *server) submit(t *testing.T, secrets ...string) {
	t.Helper()
	for _, secret := range secrets {
		if status := s.do(t, http.MethodPost, "/hash", map[string]string{"password": secret}, nil); status != http.StatusAccepted {
			t.Fatalf("a secret of somebody else's is answered %d", status)
		}
	}
}
