package memory

import (
	"testing"
	"time"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// perEngine is how many jobs of a benchmark one engine takes: fresh memory is part of what an accept costs.
const perEngine = 1 << 17

// benchEngine returns an engine with room for perEngine jobs, none of which comes due.
func benchEngine(b *testing.B) *Engine {
	b.Helper()
	e, err := New(engine.Limits{
		Delay: time.Hour, Retention: time.Hour, MaxPending: perEngine, MaxResults: perEngine, MaxSecretBytes: 64 << 20, FirstID: 1,
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = e.Close() })
	return e
}

func BenchmarkAccept(b *testing.B) {
	b.ReportAllocs()
	var e *Engine
	n := 0
	for b.Loop() {
		if n%perEngine == 0 {
			b.StopTimer()
			if e != nil {
				_ = e.Close()
			}
			e = benchEngine(b)
			b.StartTimer()
		}
		n++
		if _, err := e.Accept(b.Context(), engine.Job{Secret: inline}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAcceptBatch(b *testing.B) {
	const size = 1024
	b.ReportAllocs()
	batch := engine.Batch{Secrets: make([][]byte, size)}
	for i := range batch.Secrets {
		batch.Secrets[i] = inline
	}
	var e *Engine
	n := 0
	for b.Loop() {
		if n%perEngine == 0 {
			b.StopTimer()
			if e != nil {
				_ = e.Close()
			}
			e = benchEngine(b)
			b.StartTimer()
		}
		n += size
		if _, err := e.AcceptBatch(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
	}
	perJob(b, size)
}

func BenchmarkGet(b *testing.B) {
	b.ReportAllocs()
	e := benchEngine(b)
	r, err := e.Accept(b.Context(), engine.Job{Secret: inline})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := e.Get(b.Context(), r.ID); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkHashClaim hashes what a worker takes at once.
func BenchmarkHashClaim(b *testing.B) {
	b.ReportAllocs()
	e := benchEngine(b)
	for range claimJobs {
		if _, err := e.Accept(b.Context(), engine.Job{Secret: inline}); err != nil {
			b.Fatal(err)
		}
	}
	c := newClaim()
	e.mu.Lock()
	c.segment, _ = e.segments.at(0)
	for range claimJobs {
		e.take(c, 1)
	}
	e.mu.Unlock()
	for b.Loop() {
		for j := range c.n {
			c.hash(j)
		}
	}
	perJob(b, claimJobs)
}

// perJob reports what one of the jobs of an operation takes.
func perJob(b *testing.B, jobs int) {
	b.Helper()
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(jobs), "ns/job")
}

// benchRange returns an engine with as many done jobs as one call reads, and room for them.
func benchRange(b *testing.B) (*Engine, []engine.Record) {
	b.Helper()
	e, err := New(engine.Limits{Retention: time.Hour, MaxPending: perEngine, MaxResults: perEngine, MaxSecretBytes: 64 << 20, FirstID: 1})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = e.Close() })
	if _, err := e.AcceptBatch(b.Context(), engine.Batch{Secrets: many(engine.MaxRange)}); err != nil {
		b.Fatal(err)
	}
	if err := e.Drain(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	return e, make([]engine.Record, engine.MaxRange)
}

func BenchmarkRead(b *testing.B) {
	e, to := benchRange(b)
	for b.Loop() {
		if err := e.Read(b.Context(), 1, to); err != nil {
			b.Fatal(err)
		}
	}
	perJob(b, len(to))
}

func BenchmarkCompleted(b *testing.B) {
	e, to := benchRange(b)
	for b.Loop() {
		if n, _, err := e.Completed(b.Context(), 0, to); n != len(to) || err != nil {
			b.Fatal(n, err)
		}
	}
	perJob(b, len(to))
}
