package server

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"testing"
	"time"
)

// overHTTP2 has a handler serve a request of HTTP/2 with that body, on net/http alone.
func overHTTP2(t *testing.T, body []byte, handle func(b *streamBody)) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	s := &http.Server{Protocols: &protocols, ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b := newStreamBody(r.Body)
		if b == nil {
			t.Error("net/http makes its bodies in another way than newStreamBody knows")
			return
		}
		handle(b)
	})}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	transport := &http.Transport{Protocols: &protocols}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+l.Addr().String(), bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	res, err := transport.RoundTrip(req)
	if err != nil {
		t.Error(err)
	} else {
		_ = res.Body.Close()
	}
	transport.CloseIdleConnections()
	if err := errors.Join(s.Close(), <-served); !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}
}

// arrived waits until net/http has gathered so much of the body, and returns all of its chunks.
func (b *streamBody) arrived(t *testing.T, size int) (chunks [][]byte) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		b.mu.Lock()
		g := gatheredIn(b.buffer())
		chunks := slices.Clone(g.chunks)
		b.mu.Unlock()
		if g.size >= size {
			return chunks
		}
		if time.Now().After(deadline) {
			t.Errorf("%d of %d bytes have arrived", g.size, size)
			return chunks
		}
	}
}

// net/http's chunks of a body of HTTP/2 are clear, whether it was read or not.
func TestBodyOverHTTP2IsCleared(t *testing.T) {
	for _, size := range []int{1, 2, 1023, 1024, 1025, 2048, 16 << 10, 50000} {
		sent := bytes.Repeat([]byte("secret"), size/6+1)[:size]
		for name, use := range map[string]func(t *testing.T, b *streamBody){
			"read": func(t *testing.T, b *streamBody) {
				t.Helper()
				if got, err := io.ReadAll(b); err != nil || !bytes.Equal(got, sent) {
					t.Errorf("%d bytes, error %v, which are not those sent", len(got), err)
				}
			},
			"read in pieces": func(t *testing.T, b *streamBody) {
				t.Helper()
				got := make([]byte, 0, size)
				for piece := make([]byte, 777); ; {
					n, err := b.Read(piece)
					if got = append(got, piece[:n]...); err != nil {
						break
					}
				}
				if !bytes.Equal(got, sent) {
					t.Errorf("%d bytes, which are not those sent", len(got))
				}
			},
			"closed": func(t *testing.T, b *streamBody) {
				t.Helper()
				if err := b.Close(); err != nil {
					t.Error(err)
				}
				if n, err := b.Read(make([]byte, 10)); n != 0 || err == nil {
					t.Errorf("%d bytes are read after the end, error %v", n, err)
				}
			},
			"half read, closed": func(t *testing.T, b *streamBody) {
				t.Helper()
				_, _ = b.Read(make([]byte, size/2))
				_ = b.Close()
			},
		} {
			overHTTP2(t, sent, func(b *streamBody) {
				chunks := b.arrived(t, size)
				use(t, b)
				for _, chunk := range chunks {
					if bytes.Contains(chunk, []byte("se")) || bytes.Contains(chunk, []byte("et")) {
						t.Errorf("%d bytes, %s: net/http still has %.30q", size, name, chunk)
					}
				}
			})
		}
	}
}

// A body that comes bit by bit is waited for, and its first bytes alone stay.
func TestBodyOverHTTP2IsWaitedFor(t *testing.T) {
	sent := bytes.Repeat([]byte("secret"), 10000)
	overHTTP2(t, sent, func(b *streamBody) {
		if got, err := io.ReadAll(b); err != nil || !bytes.Equal(got, sent) {
			t.Errorf("%d bytes, error %v", len(got), err)
		}
	})
}
