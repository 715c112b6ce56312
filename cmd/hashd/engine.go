package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashd-project/hashd/internal/config"
	"github.com/hashd-project/hashd/internal/engine"
	"github.com/hashd-project/hashd/internal/engine/file"
	"github.com/hashd-project/hashd/internal/engine/memory"
	"github.com/hashd-project/hashd/internal/seal"
)

// newEngine starts the engine that the settings name. It also returns what keys the prints of
// idempotency keys, nil if the engine is as new as the process.
func newEngine(cfg config.Config, environ []string, log *slog.Logger) (engine.Engine, []byte, error) {
	limits := memory.Config{
		Delay: cfg.Delay, Retention: cfg.Retention, MaxPending: cfg.MaxPending, MaxResults: cfg.MaxResults,
		MaxSecretBytes: cfg.MaxSecretBytes, KeyWindow: cfg.IdempotencyWindow, MaxKeys: cfg.MaxIdempotencyKeys,
		Workers: cfg.Workers, FirstID: cfg.FirstID,
	}
	switch cfg.Engine {
	case "memory":
		e, err := memory.New(limits)
		return e, nil, err
	case "jetstream":
		return newCluster(cfg, environ, log)
	}
	sealer, err := newSealer(cfg, environ, log)
	if err != nil {
		return nil, nil, err
	}
	e, err := file.New(file.Config{
		Config: limits, Dir: cfg.DataDir, Sealer: sealer, NoSync: cfg.Sync == "never",
		Failed: func(err error) {
			log.Error("the store failed: no new jobs until a restart", "error", err)
		},
	})
	if err != nil {
		return nil, nil, err
	}
	return e, e.PrintKey(), nil
}

// newSealer reads the key ring from the environment or a file. The file in the data folder is made
// on the first start, and only then: a store without its ring must not get another.
func newSealer(cfg config.Config, environ []string, log *slog.Logger) (*seal.Sealer, error) {
	if s, err := givenSealer(cfg, environ); s != nil || err != nil {
		return s, err
	}
	path := filepath.Join(cfg.DataDir, "key.json")
	s, err := seal.ReadFile(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return s, err
	}
	if _, err := os.Stat(filepath.Join(cfg.DataDir, file.StoreName)); err == nil {
		return nil, fmt.Errorf("%s is missing, and the jobs in %s are sealed with it: restore it from a backup", path, cfg.DataDir)
	}
	if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("data-dir: %w", err)
	}
	if err := seal.CreateFile(path); err != nil {
		return nil, err
	}
	log.Info("made a new key ring: without it what is stored cannot be read, so keep a copy apart from the data", "path", path)
	return seal.ReadFile(path)
}

// givenSealer reads the key ring that was given, in the environment or by key-file; nil if none was.
func givenSealer(cfg config.Config, environ []string) (*seal.Sealer, error) {
	for _, entry := range environ {
		if ring, ok := strings.CutPrefix(entry, config.KeyRingVariable+"="); ok {
			s, err := seal.New([]byte(ring))
			if err != nil {
				return nil, fmt.Errorf("%s: %w", config.KeyRingVariable, err)
			}
			return s, nil
		}
	}
	if cfg.KeyFile != "" {
		return seal.ReadFile(cfg.KeyFile)
	}
	return nil, nil
}
