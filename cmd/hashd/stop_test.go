package main

import (
	"errors"
	"os"
	"syscall"
	"testing"

	"github.com/hashd-project/hashd/v2/internal/engine"
	"github.com/hashd-project/hashd/v2/internal/transcript"
)

// hanging is an engine whose Close does not return before release is closed.
type hanging struct {
	engine.Engine
	closing, release chan struct{}
}

func (h hanging) Close() error {
	close(h.closing)
	<-h.release
	return h.Engine.Close()
}

// runHanging runs a program whose engine does not close. finish lets it, when the test has seen enough.
func runHanging(t *testing.T) (r *running, h hanging) {
	t.Helper()
	cfg := loadConfig(t)
	h = hanging{closing: make(chan struct{}), release: make(chan struct{})}
	closed := make(chan struct{})
	r = run(t, func(log *transcript.Transcript, signals <-chan os.Signal) error {
		out := newOutbox(log)
		defer out.closeWhole()
		p, err := assembleOn(t, cfg, out)
		if err != nil {
			return err
		}
		p.engine = closer{hanging{p.engine, h.closing, h.release}, closed}
		return p.run(signals)
	})
	t.Cleanup(func() {
		close(h.release)
		<-closed
	})
	return r, h
}

// closer tells when Close has returned.
type closer struct {
	hanging
	closed chan struct{}
}

func (c closer) Close() error {
	defer close(c.closed)
	return c.hanging.Close()
}

// A store that does not close keeps a stop for a while and not for ever, and it fails.
func TestStopOutlivesEngineThatHangs(t *testing.T) {
	t.Parallel()
	r, _ := runHanging(t)
	r.signals <- syscall.SIGTERM
	if err := r.end(t); !errors.Is(err, errHangs) {
		t.Errorf("run returns %v, want %v", err, errHangs)
	}
	r.log.Await(t, r.ended, stoppedSoon, 1).Want(t, "level", "ERROR", "error", errHangs)
}

// A second SIGINT ends the program also while its engine closes.
func TestInterruptWhileEngineHangs(t *testing.T) {
	t.Parallel()
	r, h := runHanging(t)
	r.signals <- syscall.SIGINT
	<-h.closing
	r.signals <- syscall.SIGTERM
	r.log.Await(t, r.ended, ignored, 1)
	r.signals <- syscall.SIGINT
	if err := r.end(t); !errors.Is(err, errInterrupted) {
		t.Errorf("run returns %v, want %v", err, errInterrupted)
	}
}
