//go:build linux

package main

import (
	"bytes"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"sync"
	"time"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// timers is the baseline: the plain design, one timer and one closure a job, the results in a
// map under a lock. It stands here to be measured against and is written to be fair: what hashd
// also does that this design could go without, such as answering with the due time, is left out.
type timers struct {
	delay   time.Duration
	pending sync.WaitGroup

	mu     sync.RWMutex // guards all below
	last   int64
	hashes map[int64]string // base64; empty while pending, for an unknown id has no entry
}

func newTimers(delay time.Duration) *timers {
	return &timers{delay: delay, hashes: make(map[int64]string)}
}

// Accept takes a job as engine.Engine does; the receipt has the id only.
func (t *timers) Accept(_ context.Context, job engine.Job) (engine.Receipt, error) {
	secret := bytes.Clone(job.Secret) // the caller's is not ours to keep
	t.pending.Add(1)
	t.mu.Lock()
	t.last++
	id := t.last
	t.hashes[id] = ""
	t.mu.Unlock()
	time.AfterFunc(t.delay, func() { t.finish(id, secret) })
	return engine.Receipt{ID: id}, nil
}

// finish runs on the timer's own goroutine.
func (t *timers) finish(id int64, secret []byte) {
	defer t.pending.Done()
	sum := sha512.Sum512(secret)
	hash := base64.StdEncoding.EncodeToString(sum[:])
	t.mu.Lock()
	t.hashes[id] = hash
	t.mu.Unlock()
}

// get returns the hash, empty while the job is pending; known is false for an id never given.
func (t *timers) get(id int64) (hash string, known bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	hash, known = t.hashes[id]
	return hash, known
}

// Drain returns once every job is hashed. It cannot be interrupted: whoever measures ends the
// process instead.
func (t *timers) Drain(context.Context) error {
	t.pending.Wait()
	return nil
}

// Close does nothing: in this design nobody holds the timers to stop them.
func (t *timers) Close() error { return nil }
