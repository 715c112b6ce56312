package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/hashd-project/hashd/internal/config"
	"github.com/hashd-project/hashd/internal/engine"
	"github.com/hashd-project/hashd/internal/engine/file"
	"github.com/hashd-project/hashd/internal/engine/memory"
	"github.com/hashd-project/hashd/internal/private"
	"github.com/hashd-project/hashd/internal/seal"
)

// newEngine starts the engine that the settings name. It also returns the engine's fingerprint
// key, nil if the engine is as new as the process.
func newEngine(ctx context.Context, cfg config.Config, environ []string, log *slog.Logger) (engine.Engine, []byte, error) {
	switch cfg.Engine {
	case "memory":
		e, err := memory.New(limitsOf(cfg))
		return e, nil, err
	case "jetstream":
		return newCluster(ctx, cfg, environ, log)
	}
	sealer, err := givenSealer(cfg, environ) // nil for the ring in the folder
	if err != nil {
		return nil, nil, err
	}
	e, err := file.New(file.Config{
		Limits: limitsOf(cfg), Dir: cfg.DataDir, Sealer: sealer, NoSync: cfg.Sync == "never", Log: log,
		Failed: func(err error) {
			log.Error("the store failed: no new jobs until a restart", "error", err)
		},
	})
	if err != nil {
		return nil, nil, withWayOut(err)
	}
	return e, e.FingerprintKey(), nil
}

// limitsOf returns the settings that every engine has.
func limitsOf(cfg config.Config) engine.Limits {
	return engine.Limits{
		Delay: cfg.Delay, Retention: cfg.Retention, MaxPending: cfg.MaxPending, MaxResults: cfg.MaxResults,
		MaxSecretBytes: cfg.MaxSecretBytes, KeyWindow: cfg.IdempotencyWindow, MaxKeys: cfg.MaxIdempotencyKeys,
		Workers: cfg.Workers, FirstID: cfg.FirstID,
	}
}

// storeID returns what tells the name of the engine's store, nil if the fingerprint key does.
func storeID(e engine.Engine) func() []byte {
	if named, ok := e.(interface{ StoreID() []byte }); ok {
		return named.StoreID
	}
	return nil
}

// givenSealer reads the ring that was given, in the environment or by ring-file; nil if none was.
func givenSealer(cfg config.Config, environ []string) (*seal.Sealer, error) {
	for _, entry := range environ {
		if ring, ok := strings.CutPrefix(entry, config.RingVariable+"="); ok {
			s, err := seal.New([]byte(ring))
			if err != nil {
				return nil, fmt.Errorf("%s: %w", config.RingVariable, err)
			}
			return s, nil
		}
	}
	if cfg.RingFile != "" {
		s, err := seal.ReadFile(cfg.RingFile)
		return s, withWayOut(err)
	}
	return nil, nil
}

// withWayOut adds to a refusal of the ring's file how to do without one.
func withWayOut(err error) error {
	if _, exposed := errors.AsType[*private.ExposedError](err); exposed || errors.Is(err, private.ErrUnreadable) {
		return fmt.Errorf("%w; or give the ring itself as %s", err, config.RingVariable)
	}
	return err
}
