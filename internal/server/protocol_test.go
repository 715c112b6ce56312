package server

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// rawAnswer sends the text as raw does and reads what comes back as one answer, which must be all of it.
func (r *running) rawAnswer(what, text string) (answer, *http.Response) {
	r.Helper()
	reply := r.raw(text)
	method, target, _ := strings.Cut(what, " ")
	req := httptest.NewRequest(method, target, http.NoBody)
	in := bufio.NewReader(strings.NewReader(reply))
	res, err := http.ReadResponse(in, req)
	if err != nil {
		r.Fatalf("%.80q: reply %q: %v", text, reply, err)
	}
	a := r.examine(req, res)
	if rest, _ := io.ReadAll(in); len(rest) > 0 {
		r.Errorf("%.80q: behind the answer comes %q", text, rest)
	}
	return a, res
}

// A list field in several lines is the same list in one: the wait is honoured in full, whichever line it
// stands in (RFC 9110, section 5.3).
func TestPreferInSeveralLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := listen(t, on(fake{wait: after(12 * time.Second)}))
		for _, lines := range []string{
			"Prefer:\r\nprefer: wait=20\r\n", "Prefer: wait=20\r\nPrefer:\r\n", "Prefer: respond-async\r\nPrefer: foo\r\nprefer: wait=20\r\n",
			"Prefer: foo=\"a\\\", wait=1\"\r\nPrefer: wait=20\r\n",
		} {
			a, _ := r.rawAnswer("GET /hash/42", "GET /hash/42 HTTP/1.1\r\nHost: hashd\r\n"+lines+"Connection: close\r\n\r\n")
			a.want(200, "Preference-Applied: wait=20")
		}
	})
}

// A field that is no list means nothing if it is repeated, even with one value twice.
func TestRepeatedSingleton(t *testing.T) {
	s := newSite(t, on(fake{}))
	for _, what := range []string{"POST /hash", "POST /hash/batch"} {
		body := map[string]string{"POST /hash": password, "POST /hash/batch": passwords}[what]
		for _, lines := range [][]string{
			{"Content-Type: application/json", "Content-Type: text/plain"}, {"Content-Type: application/json", "Content-Type: application/json"},
			{"Content-Type: text/plain", "Content-Type: application/json"}, {"Content-Type: application/json", "Content-Type: "},
		} {
			s.ask(what, body, lines...).wantProblem(400, "invalid-request", `header parameter "Content-Type" must not be repeated`)
		}
		s.ask(what, body, "Content-Encoding: ", "Content-Encoding: gzip").wantProblem(400, "invalid-request", `header parameter "Content-Encoding" must not be repeated`)
		s.ask(what, body, "Idempotency-Key: a", "Idempotency-Key: b").wantProblem(400, "invalid-request", `header parameter "Idempotency-Key" must not be repeated`)
		s.ask(what, body, "Idempotency-Key: a", "Idempotency-Key: a").wantProblem(400, "invalid-request", `header parameter "Idempotency-Key" must not be repeated`)
		a := s.ask(what, body, "X-Request-Id: mine", "X-Request-Id: mine").want(202)
		if a.header.Get("X-Request-Id") == "mine" {
			t.Error("one of two request ids is taken")
		}
	}
	// Who does not read a field does not mind it.
	s.ask("GET /hash/42", "", "Content-Type: a/b", "Content-Type: c/d", "Idempotency-Key: a", "Idempotency-Key: b").want(202)
}

// The media type is read by its grammar.
func TestContentTypeGrammar(t *testing.T) {
	s := newSite(t, on(fake{}))
	for _, contentType := range []string{
		"application/json", "Application/JSON", `application/json; charset="utf-8"`, `application/json;CHARSET="\UTF-8"`, "application/json ; charset=UTF-8", `application/json; x="; charset=latin1"`,
	} {
		s.ask("POST /hash", password, "Content-Type:"+contentType).want(202)
	}
	for _, contentType := range []string{
		"application/json, text/plain", "application/json; charset=latin1", "application/json; charset=utf-8; charset=utf-8", `application/json; charset="utf-8`, "application/jsonx", "json", "application/json+x",
	} {
		s.ask("POST /hash", password, "Content-Type:"+contentType).wantProblem(415, "unsupported-media-type")
	}
}

// Quotes around a key make no other key, for a job and for a batch.
func TestKeyWithAndWithoutQuotes(t *testing.T) {
	for what, body := range map[string]string{"POST /hash": password, "POST /hash/batch": passwords} {
		var keys []engine.IdempotencyKey
		s := newSite(t, on(fake{
			accept: func(job engine.Job) { keys = append(keys, job.IdempotencyKey) },
			batch:  func(batch engine.Batch) { keys = append(keys, batch.IdempotencyKey) },
		}))
		for _, key := range []string{`abc`, `"abc"`, `"\"abc\""`, `'abc'`} {
			s.ask(what, body, "Idempotency-Key: "+key).want(202)
		}
		if len(keys) != 4 || keys[0] != keys[1] || keys[2].ID == keys[0].ID || keys[3].ID == keys[0].ID {
			t.Errorf("%s: keys %x", what, keys)
		}
		const wrong = `header parameter "Idempotency-Key" must not begin with a quote, or be a string in quotes (RFC 9651)`
		for _, key := range []string{`"abc`, `"`, `""`, `"a"b"`, `"a\b"`, `"abc";a=b`, `"é"`} {
			s.ask(what, body, "Idempotency-Key: "+key).wantProblem(400, "invalid-request", wrong)
		}
	}
}

// An id has one spelling. Another one is no id, and erases nothing.
func TestIDHasOneSpelling(t *testing.T) {
	s := newSite(t, on(fake{record: done}))
	const wrong = `path parameter "id" must be an integer from 1 to 9223372036854775807`
	for _, id := range []string{
		"+1", "01", "001", "-1", "+0", "%31", "%2B1", "1%20", "%201", "1.0", "1e0", "0x1", "１", "%EF%BC%91", "١", "1_0", "9223372036854775808", strings.Repeat("9", 100),
	} {
		for _, method := range []string{"GET", "HEAD", "DELETE"} {
			s.ask(method+" /hash/"+id, "").wantProblem(400, "invalid-request", wrong)
		}
	}
	s.ask("GET /hash/1", "").want(200)
	s.ask("DELETE /hash/10", "").want(204)
}

// HEAD answers as GET does, to the letter of its header, without a body.
func TestHeadIsGetWithoutBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(bytes.Repeat([]byte("x"), 100_000)) })
		r := listen(t, on(fake{wait: after(12 * time.Second)}), func(cfg *Config) { cfg.Pages = map[string]http.Handler{"/docs": page} })
		for _, target := range []string{"/hash/42", "/hash/0", "/hash/42/", "/nowhere", "/hash", "/hash/batch", "/hash/batch?first=7&count=2", "/stats", "/v/status", "/healthz", "/readyz", "/docs"} {
			began := time.Now()
			ask := func(method string) (header http.Header, body string) {
				text := method + " " + target + " HTTP/1.1\r\nHost: hashd\r\nPrefer: wait=30\r\nX-Request-Id: same\r\nConnection: close\r\n\r\n"
				head, body, _ := strings.Cut(r.raw(text), "\r\n\r\n")
				res, err := http.ReadResponse(bufio.NewReader(strings.NewReader(head+"\r\n\r\n")), httptest.NewRequest(http.MethodHead, "/", http.NoBody))
				if err != nil {
					t.Fatalf("%s %s: %v", method, target, err)
				}
				res.Header.Set("Status", res.Status)
				res.Header.Del("Date")
				return res.Header, body
			}
			head, none := ask("HEAD")
			took := time.Since(began)
			get, body := ask("GET")
			if target == "/docs" {
				get.Del("Transfer-Encoding") // of a body whose length nobody knew
			}
			a, _ := json.Marshal(head)
			if b, _ := json.Marshal(get); string(a) != string(b) || none != "" || body == "" {
				t.Errorf("%s: HEAD %s with body %q\nGET  %s", target, a, none, b)
			}
			if want := map[string]time.Duration{"/hash/42": 12 * time.Second, "/hash": 12 * time.Second, "/hash/batch?first=7&count=2": 30 * time.Second}[target]; took != want {
				t.Errorf("%s: HEAD took %v, want %v", target, took, want)
			}
		}
	})
}

// What is asked of the server as a whole is answered by hashd too.
func TestOptionsOfTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := listen(t, on(fake{}))
		reply := r.raw("OPTIONS * HTTP/1.1\r\nHost: hashd\r\nConnection: close\r\n\r\n")
		if !strings.HasPrefix(reply, "HTTP/1.1 204 No Content\r\n") || !strings.Contains(reply, "\r\nAllow: OPTIONS, DELETE, GET, HEAD, POST\r\n") ||
			!strings.Contains(reply, "\r\nX-Request-Id: ") || !strings.Contains(reply, "\r\nCache-Control: no-store\r\n") {
			t.Errorf("reply %q", reply)
		}
		a, _ := r.rawAnswer("GET /*", "GET * HTTP/1.1\r\nHost: hashd\r\nConnection: close\r\n\r\n")
		a.wantProblem(404, "unknown-path")
	})
}

// Nothing follows on a connection on which the end of a body may have been told in two ways.
func TestDoubtfulFramingEndsTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := listen(t, on(fake{}))
		const next = "GET /healthz HTTP/1.1\r\nHost: hashd\r\n\r\n"
		chunks := "1c\r\n" + `{"password":"angryMonkey", ` + " \r\n1\r\n}\r\n0\r\n\r\n"
		for text, ends := range map[string]bool{
			"POST /hash HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n" + chunks: true,
			"POST /hash HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks: true,
			"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n":                                 true,
			"POST /hash HTTP/1.0\r\nConnection: keep-alive\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks:       true,
			"GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n":                                                                              true,
			"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx":                                                  false, // no two ways
			"GET /healthz HTTP/1.1\nHost: x\n\n":                            false, // RFC 9112, section 2.2
			"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Folded: a\r\n b\r\n\r\n": false, // section 5.2
		} {
			reply := r.raw(text + next)
			if answers := strings.Count("\n"+reply, "\nHTTP/1."); answers != map[bool]int{true: 1, false: 2}[ends] || strings.Contains(reply, "Connection: close") != ends {
				t.Errorf("%.150q: %d answers: %q", text, answers, reply)
			}
		}
	})
}

// Each request is answered, however its body comes: late, in pieces, in chunks, or never whole. The answer's
// time begins when it does.
func TestSlowBodyIsAnswered(t *testing.T) {
	const header = "POST /hash HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
	batch := strings.Replace(header, "/hash", "/hash/batch", 1)
	for name, tt := range map[string]struct {
		pieces []string // with 1.5 s in between
		status string
	}{
		"late":              {[]string{header + "Content-Length: 16\r\n\r\n", `{"password":"x"}`}, "202 Accepted"},
		"in pieces":         {[]string{header + "Content-Length: 16\r\n\r\n", `{"pass`, `word":`, `"x"}`}, "202 Accepted"},
		"in chunks":         {[]string{header + "Transfer-Encoding: chunked\r\n\r\n", "10\r\n", `{"password":"x"}` + "\r\n0\r\n\r\n"}, "202 Accepted"},
		"batch":             {[]string{batch + "Content-Length: 19\r\n\r\n", `{"passwords":`, `["x"]}`}, "202 Accepted"},
		"expected":          {[]string{header + "Expect: 100-continue\r\nContent-Length: 16\r\n\r\n", `{"password":"x"}`}, "202 Accepted"},
		"never":             {[]string{header + "Content-Length: 16\r\n\r\n"}, "400 Bad Request"},
		"never, expected":   {[]string{header + "Expect: 100-continue\r\nContent-Length: 16\r\n\r\n"}, "400 Bad Request"},
		"never whole":       {[]string{header + "Content-Length: 16\r\n\r\n", `{"pass`}, "400 Bad Request"},
		"chunk never whole": {[]string{header + "Transfer-Encoding: chunked\r\n\r\n", "10\r\n", `{"pass`}, "400 Bad Request"},
		"batch never whole": {[]string{batch + "Content-Length: 19\r\n\r\n", `{"passwords":`}, "400 Bad Request"},
		"never, not read":   {[]string{"PUT /hash HTTP/1.1\r\nHost: x\r\nContent-Length: 16\r\n\r\n"}, "405 Method Not Allowed"},
		"never, wrong type": {[]string{strings.Replace(header, "json", "xml", 1) + "Content-Length: 16\r\n\r\n"}, "415 Unsupported Media Type"},
	} {
		inBubble(t, name, func(t *testing.T) {
			r := listen(t, on(fake{}), func(cfg *Config) { cfg.ReadTimeout, cfg.WriteTimeout = 10*time.Second, time.Second })
			c, err := r.dial(t.Context(), "", "")
			if err != nil {
				t.Fatal(err)
			}
			var group sync.WaitGroup
			defer group.Wait()
			defer c.Close()
			group.Go(func() {
				for _, piece := range tt.pieces {
					_, _ = io.WriteString(c, piece)
					time.Sleep(1500 * time.Millisecond)
				}
			})
			reply, err := io.ReadAll(c)
			text := strings.TrimPrefix(string(reply), "HTTP/1.1 100 Continue\r\n\r\n")
			if !strings.HasPrefix(text, "HTTP/1.1 "+tt.status+"\r\n") || !strings.HasSuffix(text, "}\n") {
				t.Errorf("reply %q, error %v", reply, err)
			}
		})
	}
}

// The same over a real network, where both deadlines are the system's: many stalled bodies, all answered.
func TestStalledBodiesAreAnsweredOverTCP(t *testing.T) {
	t.Parallel()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", l.Addr().String())
	}
	const clients = 50
	s := newSite(t, on(fake{}), func(cfg *Config) {
		cfg.ReadTimeout, cfg.WriteTimeout, cfg.MaxInFlight = time.Second, time.Second, 2*clients
	})
	serve(s, l, dial)
	const header = "POST /hash HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
	var group sync.WaitGroup
	for n := range clients {
		text := []string{"Content-Length: 100\r\n\r\n{", "Content-Length: 100\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n10\r\n{"}[n%3]
		group.Go(func() {
			c, err := dial(t.Context(), "", "")
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			_ = c.SetDeadline(time.Now().Add(time.Minute))
			_, _ = io.WriteString(c, header+text)
			if reply, err := io.ReadAll(c); !strings.HasPrefix(string(reply), "HTTP/1.1 400 Bad Request\r\n") || !strings.HasSuffix(string(reply), "}\n") {
				t.Errorf("%q: reply %q, error %v", text, reply, err)
			}
		})
	}
	group.Wait()
}

// No answer but a page's own may be kept, and Vary names what an operation reads in the header.
func TestNoAnswerIsKept(t *testing.T) {
	s := newSite(t, on(fake{}))
	paths, methods, target := s.oracle.paths()
	for _, path := range paths {
		for _, method := range methods[path] {
			if method == http.MethodHead {
				continue // as GET
			}
			a := s.ask(method+" "+target[path], "") // examines Cache-Control
			var want []string
			for _, line := range s.varies(method + " " + target[path]) {
				want = append(want, strings.TrimPrefix(line, "Vary: "))
			}
			if got := a.header["Vary"]; !slices.Equal(got, want) {
				t.Errorf("%s %s: Vary %q, want %q", method, path, got, want)
			}
		}
	}
}
