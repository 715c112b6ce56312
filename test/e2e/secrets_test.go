package e2e

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// canary stands in for a secret. It is looked for by its shortest part, so that a quotation cut
// short is found too.
const (
	canaryPart = "c4n4ry"
	canary     = canaryPart + canaryPart + canaryPart
)

// wantNoCanary fails if the text gives away a part of a secret, as it is or encoded.
func wantNoCanary(t *testing.T, where, text string) {
	t.Helper()
	text = strings.ToLower(text)
	for _, form := range []string{
		canaryPart,
		hex.EncodeToString([]byte(canaryPart)),
		strings.ToLower(base64.StdEncoding.EncodeToString([]byte(canaryPart))), // canary starts at a multiple of three
		strings.Trim(fmt.Sprintf("%d", []byte(canaryPart)), "[]"),
	} {
		if at := strings.Index(text, form); at >= 0 {
			t.Errorf("%s gives the secret away: …%q…", where, text[max(0, at-100):min(len(text), at+100)])
		}
	}
}

// leaks are requests that hold a secret in a place where it may come to light.
var leaks = []struct {
	name, method, path, body string
	edit                     func(*http.Request)
	status                   int
}{
	{"good", "POST", "/hash", submission(canary), nil, 202},
	{"good and long", "POST", "/hash", submission(strings.Repeat(canaryPart, 170)), nil, 202},
	{"with a key", "POST", "/hash", submission(canary), header("Idempotency-Key", canary), 202},
	{"with the key again", "POST", "/hash", submission(canary + "2"), header("Idempotency-Key", canary), 422},
	{"too long", "POST", "/hash", submission(strings.Repeat(canaryPart, 171)), nil, 400},
	{"far too long", "POST", "/hash", submission(strings.Repeat(canaryPart, 17<<10/6)), nil, 413},
	{"unquoted", "POST", "/hash", `{"password":` + canary + `}`, nil, 400},
	{"cut short", "POST", "/hash", `{"password":"` + canary, nil, 400},
	{"bad escape", "POST", "/hash", `{"password":"` + canary + `\x"}`, nil, 400},
	{"bad UTF-8", "POST", "/hash", `{"password":"` + canary + "\xff" + `"}`, nil, 400},
	{"bare", "POST", "/hash", canary, nil, 400},
	{"a string", "POST", "/hash", `"` + canary + `"`, nil, 400},
	{"in a list", "POST", "/hash", `{"password":["` + canary + `"]}`, nil, 400},
	{"twice", "POST", "/hash", `{"password":"` + canary + `","password":"` + canary + `"}`, nil, 400},
	{"before junk", "POST", "/hash", submission(canary) + canary, nil, 400},
	{"wrong case", "POST", "/hash", `{"Password":"` + canary + `"}`, nil, 400},
	{"as a name", "POST", "/hash", `{"` + canary + `":"x"}`, nil, 400},
	{"as a name twice", "POST", "/hash", `{"` + canary + `":1,"` + canary + `":1}`, nil, 400},
	{"as a nested name", "POST", "/hash", `{"password":{"` + canary + `":{"` + canary + `":1}}}`, nil, 400},
	{"as an algorithm", "POST", "/hash", `{"password":"x","algorithm":"` + canary + `"}`, nil, 400},
	{"with a bad algorithm", "POST", "/hash", `{"algorithm":"md5","password":"` + canary + `"}`, nil, 400},
	{"as text", "POST", "/hash", canary, header("Content-Type", "text/plain"), 415},
	{"as a form", "POST", "/hash", "password=" + canary, header("Content-Type", "application/x-www-form-urlencoded"), 415},
	{"as a media type", "POST", "/hash", submission(canary), header("Content-Type", "application/"+canary), 415},
	{"as a parameter of it", "POST", "/hash", submission(canary), header("Content-Type", "application/json; charset="+canary), 415},
	{"as an encoding", "POST", "/hash", submission(canary), header("Content-Encoding", canary), 415},
	{"in a batch", "POST", "/hash/batch", batchOf("x", canary, strings.Repeat(canaryPart, 170)), nil, 202},
	{"in a batch with a key", "POST", "/hash/batch", batchOf(canary), header("Idempotency-Key", canary+"b"), 202},
	{"in a batch with the key again", "POST", "/hash/batch", batchOf(canary, canary), header("Idempotency-Key", canary+"b"), 422},
	{"in a batch with a bad item", "POST", "/hash/batch", `{"passwords":["` + canary + `",1]}`, nil, 400},
	{"in a batch as a name", "POST", "/hash/batch", `{"passwords":[{"` + canary + `":1}]}`, nil, 400},
	{"in a batch cut short", "POST", "/hash/batch", `{"passwords":["` + canary + `","` + canary, nil, 400},
	{"in a batch, bare", "POST", "/hash/batch", `{"passwords":[` + canary + `]}`, nil, 400},
	{"in a batch, too long", "POST", "/hash/batch", batchOf(canary, strings.Repeat(canaryPart, 171)), nil, 400},
	{"in a batch too large", "POST", "/hash/batch", batchOf(strings.Repeat(canaryPart, 9<<20/6)), nil, 413},
	{"in a batch with a bad algorithm", "POST", "/hash/batch", `{"passwords":["` + canary + `"],"algorithm":"` + canary + `"}`, nil, 400},
	{"in a batch that is put", "PUT", "/hash/batch", batchOf(canary), nil, 405},
	{"in the query", "POST", "/hash?password=" + canary, submission(canary), nil, 400},
	{"posted to a path", "POST", "/hash/" + canary, submission(canary), nil, 405},
	{"posted with a slash", "POST", "/hash/", submission(canary), nil, 404},
	{"put", "PUT", "/hash", submission(canary), nil, 405},
	{"as an id", "GET", "/hash/" + canary, "", nil, 400},
	{"as an id, encoded", "GET", "/hash/%22" + canary + "%0a", "", nil, 400},
	{"as an id to delete", "DELETE", "/hash/" + canary, "", nil, 400},
	{"as a path", "GET", "/" + canary, "", nil, 404},
	{"as a path, encoded", "GET", "/%0a" + canary + "/", "", nil, 404},
	{"as a preference", "GET", "/hash/1", "", header("Prefer", "wait="+canary), 202},
	{"as another preference", "GET", "/hash/1", "", header("Prefer", canary+"=1, wait=0; "+canary), 202},
	{"as a long preference", "GET", "/hash/1", "", header("Prefer", strings.Repeat(canary, 64)), 400},
	{"as a key", "POST", "/hash", "{}", header("Idempotency-Key", canary), 400},
	{"as credentials", "GET", "/stats", "", header("Authorization", "Bearer "+canary), 200},
	{"as a cookie", "GET", "/stats", "", header("Cookie", "password="+canary), 200},
	{"as an agent", "GET", "/stats", "", header("User-Agent", canary), 200},
	{"as an origin", "GET", "/stats", "", header("Origin", "https://"+canary+".example"), 200},
	{"as a host", "GET", "/stats", "", func(req *http.Request) { req.Host = canary + ".example" }, 421},
	{"as a request id", "GET", "/stats", "", header("X-Request-Id", canary+"!"), 200},
	{"as the address of a proxy", "GET", "/stats", "", header("X-Forwarded-For", canary), 200},
}

// No secret, nor anything else a client sent, comes back in an answer or gets into the log, even
// at the level that says most.
func TestSecretsStaySecret(t *testing.T) {
	t.Parallel()
	i := start(t, "--log-level=debug", "--delay=1h")
	c := i.client(t)
	for _, leak := range leaks {
		edit := leak.edit
		if edit == nil {
			edit = func(*http.Request) {}
		}
		a, err := c.try(t.Context(), leak.method, leak.path, leak.body, edit)
		if err != nil {
			t.Errorf("%s: %v", leak.name, err)
			continue
		}
		if a.status != leak.status {
			t.Errorf("%s: status %d, want %d: %s", leak.name, a.status, leak.status, a.body)
		}
		wantNoCanary(t, "the answer to one "+leak.name, fmt.Sprint(a.header)+string(a.body))
	}
	for name, text := range brokenRequests {
		wantNoCanary(t, "the answer to one with "+name, exchange(t, i, text))
	}
	c.do(t, http.MethodDelete, "/hash/1", "").want(t, http.StatusNoContent)
	i.log(t, "request", len(leaks)) // each at least is logged
	// The stacks that SIGQUIT has the runtime print hold none either, with secrets pending.
	i.signal(t, syscall.SIGQUIT)
	i.wantExit(t, -1) // by SIGABRT, as every crash
	if !strings.Contains(i.stderr.String(), "goroutine ") {
		t.Errorf("no stacks on SIGQUIT:\n%s", i.stderr)
	}
	wantNoCanary(t, "stderr", i.stderr.String())
	wantNoCanary(t, "stdout", i.stdout.String())
}

// brokenRequests are no HTTP, or end before their time.
var brokenRequests = map[string]string{
	"no version":       "POST /" + canary + "\r\n\r\n",
	"a bad version":    "POST /hash HTTP/" + canary + "\r\n\r\n",
	"no host":          "GET /" + canary + " HTTP/1.1\r\n\r\n",
	"a bad host":       "GET / HTTP/1.1\r\nHost: " + canary + " " + canary + "\r\n\r\n",
	"a bad field":      "GET / HTTP/1.1\r\nHost: localhost\r\n" + canary + "\r\n\r\n",
	"a bad length":     "POST /hash HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + canary + "\r\n\r\n",
	"a bad encoding":   "POST /hash HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: " + canary + "\r\n\r\n",
	"a bad chunk":      "POST /hash HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n" + canary + "\r\n",
	"a cut body":       "POST /hash HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"password\":\"" + canary,
	"a long header":    "GET / HTTP/1.1\r\nHost: localhost\r\nX: " + strings.Repeat(canaryPart, 6<<10) + "\r\n\r\n",
	"a bad escape":     "GET /hash/%zz" + canary + " HTTP/1.1\r\nHost: localhost\r\n\r\n",
	"a bad upgrade":    "GET /hash/1 HTTP/1.1\r\nHost: localhost\r\nConnection: close, upgrade\r\nUpgrade: " + canary + "\r\n\r\n",
	"another protocol": "\x16\x03\x01" + canary + "\r\n\r\n",
}

// exchange sends text on a connection of its own, ends its side, and returns what comes back:
// maybe nothing, for the server may cut the connection.
func exchange(t *testing.T, i *instance, text string) string {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", i.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	_, _ = io.WriteString(conn, text)
	_ = conn.(*net.TCPConn).CloseWrite()
	answer, err := io.ReadAll(conn)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the server neither answers nor cuts the connection")
	}
	return string(answer)
}
