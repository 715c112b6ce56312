package server

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hashd-project/hashd/v2/internal/engine"
	"github.com/hashd-project/hashd/v2/internal/engine/memory"
)

// BenchmarkChain takes a submission through all of the server but the connection.
func BenchmarkChain(b *testing.B) {
	b.ReportAllocs()
	e, err := memory.New(engine.Limits{
		Delay: time.Millisecond, Retention: time.Second, MaxPending: 1 << 22, MaxResults: 1 << 22, MaxSecretBytes: 64 << 20, FirstID: 1,
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = e.Close() })
	h := Handler(Config{
		MaxBodyBytes: 16384, MaxBatchBytes: 1 << 20, MaxBatchMemory: 4 << 20, MaxConnections: 100, Log: slog.New(slog.DiscardHandler),
	}, on(e))
	const body = `{"password":"angryMonkey"}`
	for b.Loop() {
		req := httptest.NewRequest(http.MethodPost, "/hash", io.NopCloser(strings.NewReader(body)))
		req.Host, req.ContentLength = "localhost", int64(len(body))
		req.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		if w.Code != http.StatusAccepted {
			b.Fatal(w.Code, w.Body)
		}
	}
}

// BenchmarkRefusal makes the answer to a submission that is not let in, all but the system's calls.
func BenchmarkRefusal(b *testing.B) {
	b.ReportAllocs()
	cfg := Config{MaxBodyBytes: 16384, MaxBatchBytes: 1 << 20, MaxBatchMemory: 4 << 20, MaxConnections: 100, Log: slog.New(slog.DiscardHandler)}
	counted := newParts(&cfg)
	b.Cleanup(counted.refused.close)
	r := newRefuser(cfg, on(fake{}), counted)
	request := []byte("POST /hash HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bench\r\nContent-Type: application/json\r\nContent-Length: 26\r\n\r\n" +
		`{"password":"angryMonkey"}`)
	var buffer [1024]byte
	for b.Loop() {
		if r.answer(buffer[:0], request) == nil {
			b.Fatal("the handler is left to refuse it")
		}
	}
}

// BenchmarkCount counts a submission: what metrics add to each request.
func BenchmarkCount(b *testing.B) {
	b.ReportAllocs()
	r := newRequests()
	for b.Loop() {
		operation := r.of(http.MethodPost, "/hash")
		operation.add(http.StatusAccepted)
		operation.took.Add(84 * time.Microsecond)
	}
}
