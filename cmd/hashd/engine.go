package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/hashd-project/hashd/v2/internal/config"
	"github.com/hashd-project/hashd/v2/internal/engine"
	"github.com/hashd-project/hashd/v2/internal/engine/file"
	"github.com/hashd-project/hashd/v2/internal/engine/jetstream"
	"github.com/hashd-project/hashd/v2/internal/engine/memory"
	"github.com/hashd-project/hashd/v2/internal/observe"
	"github.com/hashd-project/hashd/v2/internal/private"
	"github.com/hashd-project/hashd/v2/internal/seal"
)

// maker makes the engine that the settings name.
type maker struct {
	loaded
	log     *slog.Logger
	tracing *observe.Tracing // nil for none
}

// made is an engine, with what the service needs to know of its store.
type made struct {
	engine         engine.Engine
	fingerprintKey []byte        // nil if the store is as new as the process
	storeID        func() []byte // returns the store's id; nil if fingerprintKey, which is as old, is the id
	maxBatch       int           // the most jobs that it takes in a batch; 0 for engine.MaxBatch
}

// make starts the engine.
func (m *maker) make(ctx context.Context) (made, error) {
	if err := context.Cause(ctx); err != nil { // nobody may wait for an engine any more, nor close it
		return made{}, err
	}
	switch m.cfg.Engine {
	case config.EngineMemory:
		return m.memory()
	case config.EngineFile:
		return m.file()
	case config.EngineJetStream:
		return m.jetstream(ctx)
	}
	return made{}, fmt.Errorf("there is no engine %q", m.cfg.Engine)
}

func (m *maker) memory() (made, error) {
	m.tellLocking()
	e, err := memory.New(m.limits())
	return made{engine: e}, err
}

// tellLocking says so if the system may write secrets of pending jobs to swap space.
func (m *maker) tellLocking() {
	if need, allowed := memory.Lockable(m.limits()); allowed < need {
		m.log.Info("secrets of pending jobs may reach swap space: this process may lock too little memory (LimitMEMLOCK of systemd, ulimit -l)",
			"may_lock", allowed, "needs", need)
	}
}

func (m *maker) file() (made, error) {
	m.tellLocking()
	noSync, err := noSync(m.cfg.Sync)
	if err != nil {
		return made{}, err
	}
	sealer, err := m.sealer() // nil for the ring in the folder
	if err != nil {
		return made{}, err
	}
	e, err := file.New(file.Config{
		Limits: m.limits(), Dir: m.cfg.DataDir, Sealer: sealer, NoSync: noSync, Log: m.log,
		Failed: func(err error) {
			m.log.Error("the store failed: no new jobs until a restart", "error", err)
		},
	})
	if err != nil {
		return made{}, withWayOut(err)
	}
	return made{engine: e, fingerprintKey: e.FingerprintKey(), storeID: e.StoreID}, nil
}

func noSync(s config.Sync) (bool, error) {
	switch s {
	case config.SyncAlways:
		return false, nil
	case config.SyncNever:
		return true, nil
	}
	return false, fmt.Errorf("there is no sync %q", s)
}

// jetstream starts the engine on a NATS cluster. All instances have the same fingerprint key.
func (m *maker) jetstream(ctx context.Context) (made, error) {
	cfg := m.cfg
	sealer, err := m.clusterFiles()
	if err != nil {
		return made{}, err
	}
	e, err := jetstream.New(ctx, jetstream.Config{
		URLs: strings.Split(cfg.NATSURL, ","), Credentials: cfg.NATSCreds, CA: cfg.NATSCA, Cert: cfg.NATSCert, Key: cfg.NATSKey,
		Prefix: cfg.NATSPrefix, Replicas: cfg.NATSReplicas, Sealer: sealer, Limits: m.limits(), Log: m.log,
	})
	if err != nil {
		return made{}, err
	}
	return made{e, e.FingerprintKey(), e.StoreID, e.MaxBatch()}, nil
}

// clusterFiles reads the ring of the instances, and looks at the files for the way to the cluster.
func (m *maker) clusterFiles() (*seal.Sealer, error) {
	cfg := m.cfg
	sealer, err := m.sealer()
	if err != nil {
		return nil, err
	}
	if sealer == nil { // none is made here: two instances that start at once would make two
		return nil, errors.New("engine jetstream seals with a ring that all instances share: " +
			"make one with 'hashd ring create FILE' and give it as ring-file, or its content as " + config.RingVariable)
	}
	for name, path := range map[string]string{"nats-creds": cfg.NATSCreds, "nats-key": cfg.NATSKey} {
		if path == "" {
			continue
		}
		if err := private.Check(path); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	if cfg.NATSCert != "" {
		if _, err := tls.LoadX509KeyPair(cfg.NATSCert, cfg.NATSKey); err != nil {
			return nil, fmt.Errorf("nats-cert and nats-key: %w", err)
		}
	}
	if cfg.NATSCA != "" {
		roots, err := os.ReadFile(cfg.NATSCA)
		if err == nil && !x509.NewCertPool().AppendCertsFromPEM(roots) {
			err = fmt.Errorf("%s has no certificate", cfg.NATSCA)
		}
		if err != nil {
			return nil, fmt.Errorf("nats-ca: %w", err)
		}
	}
	return sealer, nil
}

// limits are the settings that every engine has.
func (m *maker) limits() engine.Limits {
	cfg := m.cfg
	limits := engine.Limits{
		Delay: cfg.Delay, Retention: cfg.Retention, MaxPending: cfg.MaxPending, MaxResults: cfg.MaxResults,
		MaxSecretBytes: cfg.MaxSecretBytes, IdempotencyWindow: cfg.IdempotencyWindow, MaxIdempotencyKeys: cfg.MaxIdempotencyKeys,
		Workers: cfg.Workers, FirstID: cfg.FirstID,
	}
	if m.tracing != nil {
		limits.Traced = m.tracing.Hashed
	}
	return limits
}

// sealer reads the ring that was given, in the environment or by ring-file; nil if none was.
func (m *maker) sealer() (*seal.Sealer, error) {
	switch {
	case m.ring != nil:
		ring := []byte(*m.ring)
		defer clear(ring)
		s, err := seal.New(ring)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", config.RingVariable, err)
		}
		return s, nil
	case m.cfg.RingFile != "":
		s, err := seal.ReadFile(m.cfg.RingFile)
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
