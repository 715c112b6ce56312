package server

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/hashd-project/hashd/v2/internal/engine"
	"github.com/hashd-project/hashd/v2/internal/strict"
)

// Tokens of keys, but for their checksums.
const (
	tokenA = "hashd_aaaaaaaaaa_0123456789ABCDEFGHIJKLMNOPQRSTUV"
	tokenB = "hashd_bbbbbbbbbb_abcdefghijklmnopqrstuvwxyz012345"
	tokenC = "hashd_cccccccccc_ZYXWVUTSRQPONMLKJIHGFEDCBA543210"

	maskedA = "hashd_aaaaaaaaaa_0*******************************"
	maskedB = "hashd_bbbbbbbbbb_1*******************************"
	maskedC = "hashd_cccccccccc_********************************"
)

// net/http never sees the secret part of a token in a header, and all else as it was sent.
func TestTokensAreTakenOutOfHeaders(t *testing.T) {
	for text, want := range map[string]string{
		"GET / HTTP/1.1\r\nAuthorization: Bearer " + tokenA + "\r\n\r\n": "GET / HTTP/1.1\r\nAuthorization: Bearer " + maskedA + "\r\n\r\n",
		"GET /?k=" + tokenA + "&x=" + tokenB + " HTTP/1.1\n\n" + tokenC:  "GET /?k=" + maskedA + "&x=" + maskedB + " HTTP/1.1\n\n" + tokenC,
		tokenA + "," + tokenB + " " + tokenC + "\r\n":                    maskedA + "," + maskedB + " " + maskedC + "\r\n",
		tokenA + "_" + tokenA + "\r\n\r\n":                               maskedA + "_" + strings.Replace(maskedA, "_0", "_1", 1) + "\r\n\r\n",
		"GET / HTTP/1.1\r\n\r\n" + tokenA:                                "GET / HTTP/1.1\r\n\r\n" + tokenA,
		"GET / HTTP/1.1\n\r\n" + tokenA:                                  "GET / HTTP/1.1\n\r\n" + tokenA,
		// These are no tokens.
		"GET / HTTP/1.1\r\nHost: hashd_hashd:8080\r\n":                            "GET / HTTP/1.1\r\nHost: hashd_hashd:8080\r\n",
		"GET / HTTP/1.1\r\nIdempotency-Key: hashd_" + strings.Repeat("x", 60):     "GET / HTTP/1.1\r\nIdempotency-Key: hashd_" + strings.Repeat("x", 60),
		"GET / HTTP/1.1\r\nIdempotency-Key: hashd_0123456789_0123456789abcde\r\n": "GET / HTTP/1.1\r\nIdempotency-Key: hashd_0123456789_0123456789abcde\r\n",
		preface + tokenA: preface + tokenA,
		"G":              "G",
	} {
		var taken tokens
		p := []byte(text)
		taken.take(p)
		if string(p) != want {
			t.Errorf("%q became %q, want %q", text, p, want)
		}
	}
}

// A token whose first part came before the rest is taken too, as over TLS: there net/http reads 14 bytes
// first, to see whether they are of HTTP/2.
func TestTokenInTwoPiecesIsTaken(t *testing.T) {
	for at := 1; at <= len("GET /hashd_aaaaaaaaaa_"); at++ {
		var taken tokens
		p := []byte("GET /hash/ok /" + tokenA + " HTTP/1.1\r\nHost: hashd_b\r\n\r\n" + tokenB)
		from := len("GET /hash/ok /") - len("GET /")
		for _, piece := range [][]byte{p[:from+at-1], p[from+at-1 : from+at], p[from+at:]} {
			taken.take(piece)
		}
		if want := "GET /hash/ok /" + maskedA + " HTTP/1.1\r\nHost: hashd_b\r\n\r\n" + tokenB; string(p) != want {
			t.Errorf("cut at %d it became %q", at, p)
		}
	}
}

// The handler sees Authorization as it was sent, and it is cleared afterwards.
func TestAuthorizationIsGivenBack(t *testing.T) {
	for _, value := range []string{
		"Bearer " + tokenA, "bearer   " + tokenA, "Bearer " + tokenA[:35], "Bearer " + tokenA + "_more", "Bearer " + tokenA + " " + tokenB, "Basic abc", "",
		"Bearer hashd_", "Bearer " + maskedB,
	} {
		var taken tokens
		p := []byte("GET / HTTP/1.1\r\nHost: x\r\nX-Api-Key: " + tokenC + "\r\nAuthorization: " + value + "\r\n\r\n")
		taken.take(p)
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(string(p))))
		if err != nil {
			t.Fatal(err)
		}
		taken.restore(r.Header)
		got := r.Header.Get("Authorization")
		want := strings.Replace(value, tokenB, maskedB[:len(maskedB)-len("1*******************************")]+strings.Repeat("*", 32), 1)
		if got != want && got != value {
			t.Errorf("%q came back as %q", value, got)
		}
		if taken.clear(); strings.Contains(got, tokenA[20:]) {
			t.Errorf("%q is still there after its request", value)
		}
	}
	// One that nobody took out is cleared in place.
	h := http.Header{"Authorization": {strings.Clone("Bearer " + tokenA), "x"}}
	kept := h["Authorization"][0]
	forget(h)
	if strings.Trim(kept, "\x00") != "" {
		t.Errorf("%q is left", kept)
	}
}

// witness is a guard that lets everyone in, and notes what they show.
type witness struct {
	mu    sync.Mutex
	shown []string
}

// Admit implements strict.Guard.
func (w *witness) Admit(r *http.Request, _ ...strict.Requirement) (context.Context, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.shown = append(w.shown, strings.Clone(r.Header.Get("Authorization")))
	return r.Context(), nil
}

// Requests that are answered without a handler, as under overload, take no places from those after them.
func TestTokensOfRequestsRefusedEarlyAreForgotten(t *testing.T) {
	near, far := net.Pipe()
	defer func() { _ = far.Close() }()
	c := newConnections(8, slog.New(slog.DiscardHandler)).add(near)
	defer func() { _ = c.Close() }()
	go func() {
		for _, token := range []string{tokenC, tokenC, tokenC, tokenA} {
			_, _ = io.WriteString(far, "GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+token+"\r\n\r\n")
		}
	}()
	p := make([]byte, 4096)
	for n := range 4 {
		length, err := c.Read(p)
		if err != nil {
			t.Fatal(err)
		}
		if n < 3 {
			c.state.Store(stateWorking)
			c.owner.changed(c, http.StateIdle)
			continue
		}
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(p[:length])))
		if err != nil {
			t.Fatal(err)
		}
		if c.tokens.restore(r.Header); r.Header.Get("Authorization") != "Bearer "+tokenA {
			t.Errorf("the request shows %q", r.Header.Get("Authorization"))
		}
	}
}

// However requests arrive, in whatever pieces and one behind the other, each has its own token, and no body
// is touched, though it looks like a header.
func TestTokensInPieces(t *testing.T) {
	post := func(token, secret string) string {
		body := "{\"password\": \"" + secret + "\"\r\n\r\n\n}\r\n"
		return fmt.Sprintf("POST /hash HTTP/1.1\r\nHost: hashd\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", token, len(body), body)
	}
	const last = "GET /v1/nothing HTTP/1.1\r\nHost: hashd\r\nConnection: close\r\n\r\n"
	text := post(tokenA, "Authorization: "+tokenB) + post(tokenB, tokenA+" "+tokenC) + post(tokenC, "x") + last
	wantShown := []string{"Bearer " + tokenA, "Bearer " + tokenB, "Bearer " + tokenC}
	wantSecrets := []string{"Authorization: " + tokenB, tokenA + " " + tokenC, "x"}
	synctest.Test(t, func(t *testing.T) {
		w := &witness{}
		var secrets []string
		r := listen(t, on(fake{accept: func(job engine.Job) { secrets = append(secrets, string(job.Secret)) }}), func(cfg *Config) { cfg.Guard = w })
		try := func(cuts ...int) {
			t.Helper()
			w.shown, secrets = nil, nil
			c := r.call()
			go func() {
				from := 0
				for _, to := range append(cuts, len(text)) {
					if _, err := io.WriteString(c.Conn, text[from:to]); err != nil {
						return
					}
					from = to
				}
			}()
			_, _ = io.ReadAll(c.Conn)
			_ = c.Close()
			synctest.Wait()
			if !slices.Equal(w.shown, wantShown) || !slices.Equal(secrets, wantSecrets) {
				t.Fatalf("cut at %v: shown %q, secrets %q", cuts, w.shown, secrets)
			}
		}
		for at := 1; at < len(text); at++ {
			try(at)
		}
		for range 200 {
			cuts := make([]int, 1+rand.IntN(6))
			for i := range cuts {
				cuts[i] = 1 + rand.IntN(len(text)-1)
			}
			slices.Sort(cuts)
			try(cuts...)
		}
		each := make([]int, len(text)-1)
		for i := range each {
			each[i] = i + 1
		}
		try(each...)
	})
}
