package e2e

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashd-project/hashd/v2/internal/needs"
)

// memorySecrets is how many secrets of each kind a server is given.
var memorySecrets = flag.Int("memory-secrets", 250, "how many secrets of each kind the searches of memory give a server")

// strays is how many copies for each thread are not held against the server: the runtime, when it preempts a
// goroutine by a signal, saves the processor's registers on a stack that each thread has, and the last bytes
// that were copied may be in them.
const strays = 1

// marked makes secrets that can be told from all else in a memory: each holds the mark of its kind, which
// no other process of this test ever sends.
type marked struct{ mark string }

func newMarked() marked { return marked{rand.Text()[:12]} }

func (m marked) secret(n int) string { return fmt.Sprintf("begin%04d%s%04dend", n, m.mark, n) }

// visit is a way to give a server secrets that it has no business to keep.
type visit struct {
	name string
	send func(t *testing.T, c *client, m marked, n int)
}

// visits are the ways in. Each sends its share of the secrets, the n-th one and those after it.
func visits() []visit {
	post := func(status int, path string, body func(secret string) string, edits ...func(*http.Request)) func(*testing.T, *client, marked, int) {
		return func(t *testing.T, c *client, m marked, n int) {
			t.Helper()
			a, err := c.try(t.Context(), http.MethodPost, path, body(m.secret(n)), edits...)
			if err != nil || a.status != status {
				t.Errorf("POST %s: %d %s, %v", path, a.status, a.body, err)
			}
		}
	}
	once := header("Connection", "close")
	padded := func(secret string) string { return submission(secret + strings.Repeat("p", 700)) }
	return []visit{
		{"plain", post(202, "/hash", submission)},
		{"plain, on connections of their own", post(202, "/hash", submission, once)},
		{"long", post(202, "/hash", padded)},
		{"escaped", post(202, "/hash", func(s string) string { return strings.Replace(submission(s), "begin", `\u0062egin`, 1) })},
		{"keyed", func(t *testing.T, c *client, m marked, n int) {
			post(202, "/hash", submission, header("Idempotency-Key", fmt.Sprint(m.mark[:4], n)))(t, c, m, n)
		}},
		{"batch", post(202, "/hash/batch", func(s string) string { return batchOf(s, "beside", s+"again") })},
		{"batch, keyed", func(t *testing.T, c *client, m marked, n int) {
			post(202, "/hash/batch", func(s string) string { return batchOf(s, "beside") }, header("Idempotency-Key", fmt.Sprint("b", m.mark[:4], n)))(t, c, m, n)
		}},
		{"bad JSON", post(400, "/hash", func(s string) string { return submission(s) + "x" })},
		{"unknown member", post(400, "/hash", func(s string) string { return `{"` + s + `": 1}` })},
		{"repeated member", post(400, "/hash", func(s string) string { return `{"password":"` + s + `","password":"` + s + `"}` })},
		{"wrong type", post(400, "/hash", func(s string) string { return `{"password":["` + s + `"]}` })},
		{"too large", post(413, "/hash", func(s string) string { return submission(spread(s, 17<<10)) })},
		{"wrong media type", post(415, "/hash", submission, header("Content-Type", "text/plain"))},
		{"no such path", post(404, "/hush", submission)},
		{"no such method", post(405, "/hash/1", submission)},
		{"foreign host", post(421, "/hash", submission, func(r *http.Request) { r.Host = "foreign.example" })},
		{"refused, on connections of their own", post(404, "/hush", submission, once)},
		{"wrong media type, on connections of their own", post(415, "/hash", submission, header("Content-Type", "text/plain"), once)},
		{"announced, refused", post(404, "/hush", submission, header("Expect", "100-continue"))},
		{"in much that is refused", post(404, "/hush", func(s string) string { return spread(submission(s), 300<<10) })},
		{"where no body is read", visitWithBody("GET", "/stats")},
		{"where no body is read before a long answer", visitWithBody("GET", "/docs")},
		{"where no body is read, on connections of their own", visitWithBody("GET", "/docs", once)},
		{"waited for", post(200, "/hash", submission, header("Prefer", "wait=5"))},
		{"batch, answered in lines", post(202, "/hash/batch", func(s string) string { return batchOf(s, "beside") }, header("Accept", "application/x-ndjson"))},
		{"chunked", post(202, "/hash", submission, func(r *http.Request) { r.ContentLength = -1 })},
		{"announced", post(202, "/hash", submission, header("Expect", "100-continue"))},
		{"batch, bad JSON", post(400, "/hash/batch", func(s string) string { return batchOf(s, "beside") + "x" })},
		{"batch, one of them empty", post(400, "/hash/batch", func(s string) string { return batchOf(s, "") })},
		{"key used again", func(t *testing.T, c *client, m marked, n int) {
			key := header("Idempotency-Key", fmt.Sprint("r", m.mark[:4]))
			a, err := c.try(t.Context(), http.MethodPost, "/hash", submission(m.secret(n)), key)
			if err != nil || a.status != 202 && a.status != 422 {
				t.Errorf("%d %s, %v", a.status, a.body, err)
			}
		}},
		{"canceled", func(t *testing.T, c *client, m marked, n int) {
			id, err := c.trySubmit(t.Context(), m.secret(n))
			if err != nil {
				t.Error(err)
				return
			}
			c.do(t, http.MethodDelete, path(id), "").want(t, http.StatusNoContent)
		}},
	}
}

// spread repeats a text up to a length or more, so far apart that all registers of a processor together, which may
// outlive a request as a stray, have one copy at a time.
func spread(text string, length int) string {
	const apart = 2 << 10
	return strings.Repeat(text+strings.Repeat("p", apart), 1+length/(len(text)+apart))
}

// rawVisits are more ways in over HTTP/1, which no client takes.
func rawVisits() []visit {
	return []visit{
		{"in a malformed request", raw("400", func(s string) string { return rawPost("Bad Name: x\r\n", s, 0) })},
		{"in a request without a length", raw("400", func(s string) string { return rawPost("Content-Length: x\r\n", s, 0) })},
		{"in an old request", raw("202", func(s string) string { return strings.Replace(rawPost("", s, 0), "HTTP/1.1", "HTTP/1.0", 1) })},
		{"in half a body", raw("400", func(s string) string { return rawPost("", s, 9) })},
		{"in half a body, refused", raw("404", func(s string) string { return strings.Replace(rawPost("", s, 9), "/hash", "/hush", 1) })},
		{"sent though not asked for", raw("404", func(s string) string {
			return strings.Replace(rawPost("Expect: 100-continue\r\n", s, 0), "/hash", "/hush", 1)
		})},
	}
}

// raw sends a text on a connection of its own, which is answered with that status.
func raw(status string, text func(secret string) string) func(*testing.T, *client, marked, int) {
	return func(t *testing.T, c *client, m marked, n int) {
		t.Helper()
		if answer, err := c.raw(text(m.secret(n))); err != nil || !strings.HasPrefix(answer, "HTTP/1.1 "+status) && !strings.HasPrefix(answer, "HTTP/1.0 "+status) {
			t.Errorf("answer %.100q, %v, want %s", answer, err, status)
		}
	}
}

// rawPost returns a submission as it is sent, with more in its header, and with a body that lacks so many
// bytes of its length.
func rawPost(more, secret string, lacking int) string {
	body := submission(secret)
	return fmt.Sprintf("POST /hash HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n%s\r\n%s",
		len(body)+lacking, more, body)
}

// visitWithBody sends secrets to where none belong.
func visitWithBody(method, path string, edits ...func(*http.Request)) func(*testing.T, *client, marked, int) {
	return func(t *testing.T, c *client, m marked, n int) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, c.base+path, strings.NewReader(submission(m.secret(n))))
		if err != nil {
			t.Error(err)
			return
		}
		for _, edit := range edits {
			edit(r)
		}
		answer, err := c.http.Do(r)
		if err != nil {
			t.Error(err)
			return
		}
		_, err = io.Copy(io.Discard, answer.Body)
		if err = errors.Join(err, answer.Body.Close()); err != nil || answer.StatusCode != http.StatusOK {
			t.Errorf("%s %s: %s, %v", method, path, answer.Status, err)
		}
	}
}

// No copy of a secret outlives its job in the server's memory, but for strays, in whatever way it came.
func TestSecretsLeaveMemory(t *testing.T) {
	t.Parallel()
	i := startPlain(t, "--delay=100ms", "--retention=1h")
	i.needMemory(t)
	i.visitAll(t, i.client(t), false, append(visits(), rawVisits()...)...)
	i.stop(t)
}

// startPlain is start for the server as it is shipped, which takes no pause of the machine for overload.
func startPlain(t *testing.T, args ...string) *instance {
	t.Helper()
	file, err := asShipped()
	if err != nil {
		t.Fatal(err)
	}
	return started(t, launchCommand(t, nil, exec.Command(file, serving(append([]string{"--max-in-flight=1000000"}, args...)...)...)))
}

// needMemory ends the test if the instance's memory cannot be read.
func (i *instance) needMemory(t *testing.T) {
	t.Helper()
	if _, err := memoryOf(i.cmd.Process.Pid, "none"); err != nil {
		needs.Missing(t, fmt.Sprintf("the memory of a process cannot be read (run as root, or allow ptrace of children): %v", err))
	}
}

// visitAll visits the instance in each way with many secrets at a time, and then looks for them in its memory. If the
// client is to part, it hangs up after a few requests each time.
func (i *instance) visitAll(t *testing.T, c *client, parting bool, all ...visit) {
	t.Helper()
	for _, v := range all {
		m := newMarked()
		v.sendAll(t, c, m, parting)
		for deadline := time.Now().Add(patience); c.stats(t).Pending > 0; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("jobs stay pending")
			}
		}
		i.forgets(t, v.name, m)
	}
}

// sendAll sends many secrets, some at a time.
func (v visit) sendAll(t *testing.T, c *client, m marked, parting bool) {
	t.Helper()
	var group sync.WaitGroup
	for s := range 8 {
		group.Go(func() {
			own := c.own(t)
			for n := s; n < *memorySecrets; n += 8 {
				if v.send(t, own, m, n); parting && n%5 == 0 {
					own.http.CloseIdleConnections()
				}
			}
			if parting {
				own.http.CloseIdleConnections()
			}
		})
	}
	group.Wait()
}

// forgets looks for the secrets in the instance's memory, once they have had their time to leave it. As the instance
// may have been paused all that time, it looks again before it takes copies for what stays.
func (i *instance) forgets(t *testing.T, name string, m marked) {
	t.Helper()
	var found []string
	for range 3 {
		time.Sleep(time.Second) // that long a copy may live
		var err error
		if found, err = memoryOf(i.cmd.Process.Pid, m.mark); err != nil {
			t.Fatal(err)
		}
		threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", i.cmd.Process.Pid))
		if err != nil {
			t.Fatal(err)
		}
		if t.Logf("%s: %d copies of %d", name, len(found), *memorySecrets); len(found) <= strays*len(threads) {
			return
		}
	}
	t.Errorf("%s: %d copies of secrets, such as %q", name, len(found), found[:min(3, len(found))])
}

// own returns a client like c that has connections of its own.
func (c *client) own(t *testing.T) *client {
	t.Helper()
	own, caller := *c, *c.http
	transport, ok := caller.Transport.(*http.Transport)
	if !ok {
		t.Error("the client has another transport")
		return c
	}
	transport = transport.Clone()
	if secure := transport.TLSClientConfig; secure != nil { // which net/http writes to, and Clone shares
		secure.NextProtos = slices.Clone(secure.NextProtos)
	}
	t.Cleanup(transport.CloseIdleConnections)
	caller.Transport = transport
	own.http = &caller
	return &own
}

// memoryOf looks for a mark in all that a process can write to, and returns what is around each copy.
func memoryOf(pid int, mark string) (found []string, err error) {
	table, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return nil, err
	}
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		return nil, err
	}
	defer func() { _ = mem.Close() }()
	for line := range strings.Lines(string(table)) {
		var from, to int64
		var mode string
		if _, err := fmt.Sscanf(line, "%x-%x %s", &from, &to, &mode); err != nil || !strings.HasPrefix(mode, "rw") {
			continue
		}
		more, err := search(io.NewSectionReader(mem, from, to-from), mark)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", strings.TrimSpace(line), err)
		}
		for _, f := range more {
			found = append(found, fmt.Sprintf("%x: %s", from, f))
		}
	}
	return found, nil
}

// search returns what is around each copy of the mark.
func search(r io.Reader, mark string) (found []string, err error) {
	const block, overlap = 1 << 20, 64
	from := bufio.NewReaderSize(r, block)
	for {
		p, err := from.Peek(block)
		for at := 0; ; at += len(mark) {
			k := bytes.Index(p[at:], []byte(mark))
			if k < 0 {
				break
			}
			at += k
			found = append(found, string(p[max(0, at-32):min(len(p), at+48)]))
		}
		switch {
		case errors.Is(err, io.EOF):
			return found, nil
		case err != nil:
			return nil, err
		}
		if _, err := from.Discard(block - overlap); err != nil {
			return nil, err
		}
	}
}
