package server

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	wire "github.com/hashd-project/hashd/v2/gen/server"
	"github.com/hashd-project/hashd/v2/internal/engine"
)

// An answer that is held on purpose comes, though every timeout is shorter.
func TestLongPollOutlivesTheTimeouts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := listen(t, on(fake{wait: after(50 * time.Second)}))
		for range 2 { // on one connection
			began := time.Now()
			a, err := r.get("/hash/42", "Prefer: wait=60")
			if err != nil || time.Since(began) != 50*time.Second {
				t.Fatalf("after %v: error %v", time.Since(began), err)
			}
			a.want(200, "Preference-Applied: wait=60")
		}
		began := time.Now()
		a, err := r.get("/hash/42", "Prefer: wait=20")
		if err != nil || time.Since(began) != 20*time.Second {
			t.Fatalf("after %v: error %v", time.Since(began), err)
		}
		a.want(202, "Preference-Applied: wait=20", "Retry-After: 5")
		// A body that nobody reads changes nothing.
		reply := r.raw("GET /hash/42 HTTP/1.1\r\nHost: hashd\r\nPrefer: wait=60\r\nContent-Length: 9\r\n\r\n{")
		if !strings.HasPrefix(reply, "HTTP/1.1 200 OK\r\n") {
			t.Errorf("with a body: reply %q", reply)
		}
	})
}

// However long an answer takes to come, it has its whole time to be written.
func TestSlowAnswerIsSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := listen(t, stub{get: func(context.Context) (wire.GetHashResponseObject, error) {
			time.Sleep(time.Hour)
			return nil, engine.ErrGone
		}})
		for range 2 { // on one connection
			if a, err := r.get("/hash/42"); err != nil || a.status != 410 {
				t.Errorf("status %d, error %v", a.status, err)
			}
		}
	})
}

// A client that does not take its answer is cut off, be the answer held on purpose or not.
func TestAnswerThatNobodyReadsIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := listen(t, on(fake{wait: after(50 * time.Second)}))
		for header, held := range map[string]time.Duration{"": 0, "Prefer: wait=60\r\n": 50 * time.Second} {
			c, err := r.dial(t.Context(), "", "")
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			if _, err := io.WriteString(c, "GET /hash/42 HTTP/1.1\r\nHost: hashd\r\n"+header+"\r\n"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(held + r.cfg.WriteTimeout + 1)
			synctest.Wait()
			if reply, err := io.ReadAll(c); len(reply) > 0 || err != nil {
				t.Errorf("%q: after %v there is still an answer: %q, error %v", header, time.Since(began), reply, err)
			}
			_ = c.Close()
		}
	})
}

// What net/http does not let through to a handler is refused in the promised form all the same.
func TestRefusedUnread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := listen(t, on(fake{}))
		const get, post = "GET /healthz HTTP/1.1\r\n", "POST /hash HTTP/1.1\r\nHost: x\r\n"
		for text, want := range map[string]struct {
			status int
			detail string
		}{
			canary + "\r\n\r\n":                         {400, "The request is not HTTP/1.1."},
			"GET /hash\x00 HTTP/1.1\r\nHost: x\r\n\r\n": {400, "The request is not HTTP/1.1."},
			"GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n":      {400, "The request is not HTTP/1.1."},
			"GET healthz HTTP/1.1\r\nHost: x\r\n\r\n":   {400, "The request is not HTTP/1.1."},
			get + "\r\n":                                                              {400, "The request is not HTTP/1.1: missing required Host header."},
			get + "Host: a\r\nHost: b\r\n\r\n":                                        {400, "The request is not HTTP/1.1."},
			get + "Host: a b\r\n\r\n":                                                 {400, "The request is not HTTP/1.1: malformed Host header."},
			get + "Host: x\r\n" + canary + "\r\n\r\n":                                 {400, "The request is not HTTP/1.1."},
			get + "Host: x\r\n" + canary + "(: x\r\n\r\n":                             {400, "The request is not HTTP/1.1."},
			get + "Host: x\r\nPrefer : wait=1\r\n\r\n":                                {400, "The request is not HTTP/1.1: invalid header name."},
			get + "Host: x\r\nPrefer: wait=1\n\x00\r\n\r\n":                           {400, "The request is not HTTP/1.1."},
			get + "Host: x\r\nPrefer: wait\x01=1\r\n\r\n":                             {400, "The request is not HTTP/1.1."},
			post + "Content-Length: 1\r\nContent-Length: 2\r\n\r\n":                   {400, "The request is not HTTP/1.1."},
			post + "Content-Length: 1, 1\r\n\r\n":                                     {400, "The request is not HTTP/1.1."},
			post + "Content-Length: +1\r\n\r\n":                                       {400, "The request is not HTTP/1.1."},
			post + "Content-Length:\r\n\r\n":                                          {400, "The request is not HTTP/1.1."},
			get + "Host: x\r\nX-Long: " + strings.Repeat("x", 64<<10) + "\r\n\r\n":    {431, "The request's header is larger than the server takes."},
			post + "Transfer-Encoding: gzip\r\n\r\n":                                  {501, "The only transfer coding that the server knows is chunked."},
			post + "Transfer-Encoding: gzip, chunked\r\n\r\n":                         {501, "The only transfer coding that the server knows is chunked."},
			post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n": {501, "The only transfer coding that the server knows is chunked."},
			"GET /healthz HTTP/3.0\r\nHost: x\r\n\r\n":                                {505, "The server speaks HTTP/1.1."},
			get + "Host: x\r\nExpect: " + canary + "\r\n\r\n":                         {417, "The only expectation that the server meets is 100-continue."},
		} {
			a, res := r.rawAnswer("GET /a-path-beside-the-contract", text)
			if p := a.wantProblem(want.status, "malformed-request"); p.Detail != want.detail || p.Title != "Malformed request" {
				t.Errorf("%.60q: %+v", text, p)
			}
			if !res.Close || res.Header.Get("Date") == "" || res.ContentLength < 1 {
				t.Errorf("%.60q: kept %t, header %v", text, !res.Close, res.Header)
			}
			if line := r.log.lines("request refused unread"); line[len(line)-1]["request"] != a.header.Get("X-Request-Id") {
				t.Errorf("%.60q: logged %v", text, line)
			}
		}
		if lines := r.log.lines("request"); len(lines) > 0 {
			t.Errorf("reached the handler: %v", lines)
		}
	})
}

// A text that only looks like one of net/http's goes out as it is.
func TestOwnTextIsNotTakenForARefusal(t *testing.T) {
	for _, text := range []string{
		"", "HTTP/1.1 ", "HTTP/1.1 400", "HTTP/1.1 200 OK" + refusalHeader, "HTTP/1.1 404 Not Found\r\nCache-Control: no-store\r\n\r\n", "x" + "HTTP/1.1 400 Bad Request" + refusalHeader,
		"HTTP/1.1 400 Bad Request\r\nX: y" + refusalHeader, "HTTP/1.1 100 Continue\r\n\r\n",
	} {
		if status, reason, ok := refusal([]byte(text)); ok {
			t.Errorf("%q is taken for %d %s", text, status, reason)
		}
	}
}

// A reader may be slow for as long as it takes piece after piece: only one that takes less than a piece within the
// timeout is cut off.
func TestSlowReadersAreBoundedByProgress(t *testing.T) {
	const pieces, piece = 30, 64 << 10
	for pause, whole := range map[time.Duration]bool{9 * time.Second: true, 11 * time.Second: false} {
		synctest.Test(t, func(t *testing.T) {
			page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				for range pieces {
					_, _ = w.Write(bytes.Repeat([]byte("x"), piece))
				}
			})
			r := listen(t, on(fake{}), func(cfg *Config) {
				cfg.Pages, cfg.WriteTimeout = map[string]http.Handler{"/docs": page}, 10*time.Second
			})
			c, err := r.dial(t.Context(), "", "")
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, err := io.WriteString(c, "GET /docs HTTP/1.1\r\nHost: hashd\r\nConnection: close\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			n := 0
			for err == nil {
				time.Sleep(pause)
				var got int64
				got, err = io.CopyN(io.Discard, c, piece)
				n += int(got)
			}
			if (n > pieces*piece) != whole {
				t.Errorf("a piece each %v: %d bytes of %d, error %v", pause, n, pieces*piece, err)
			}
		})
	}
}
