package file

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// A disk that hangs shows within seconds, and so does that it answers again.
func TestDiskThatHangsIsDown(t *testing.T) {
	t.Parallel()
	d, release := new(disk), make(chan struct{})
	e := newEngine(t, Config{Limits: limits(time.Hour), spoil: d.spoil, patience: 2 * time.Second})
	before := accept(t, e, "before")
	d.mu.Lock()
	d.before = func() { <-release }
	d.mu.Unlock()
	answered := make(chan error, 1)
	go func() {
		_, err := e.Accept(context.Background(), engine.Job{Secret: []byte("waits")})
		answered <- err
	}()
	until(t, "it is not ready", func() bool { return errors.Is(e.Ready(t.Context()), engine.ErrDown) })
	_, err := e.Accept(t.Context(), engine.Job{Secret: []byte("refused")})
	wantErr(t, "accept", err, engine.ErrDown)
	wantErr(t, "cancel", e.Cancel(t.Context(), before.ID), engine.ErrDown)
	if _, err := e.Get(t.Context(), before.ID); err != nil {
		t.Errorf("the job of before: %v", err)
	}
	close(release)
	wantErr(t, "what waited", <-answered, nil)
	until(t, "it is ready again", func() bool { return e.Ready(t.Context()) == nil })
	accept(t, e, "after")
	closeEngine(t, e)
}

// A stop is bounded, whatever the disk does.
func TestCloseDoesNotWaitForADiskThatHangs(t *testing.T) {
	t.Parallel()
	d, hanging, release := new(disk), make(chan struct{}), make(chan struct{})
	e := newEngine(t, Config{Limits: limits(time.Hour), spoil: d.spoil, patience: 10 * time.Millisecond})
	accept(t, e, "before")
	d.mu.Lock()
	d.before = func() { close(hanging); <-release }
	d.mu.Unlock()
	answered := make(chan error, 1)
	go func() {
		_, err := e.Accept(context.Background(), engine.Job{Secret: []byte("hangs")})
		answered <- err
	}()
	<-hanging
	for range 2 {
		if err := e.Close(); err == nil || !strings.Contains(err.Error(), "the disk does not answer") {
			t.Errorf("close: error %v", err)
		}
	}
	d.mu.Lock()
	d.before = nil
	d.mu.Unlock()
	close(release) // now it does, and nothing is left behind
	if err := <-answered; err != nil {
		t.Errorf("what was in the store by then: error %v", err)
	}
	<-e.committer.ended
	must(t, e.committer.closed, e.jobs.Close())
}
