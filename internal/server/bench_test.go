package server

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hashd-project/hashd/internal/engine"
	"github.com/hashd-project/hashd/internal/engine/memory"
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
