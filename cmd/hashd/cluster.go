package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/hashd-project/hashd/internal/config"
	"github.com/hashd-project/hashd/internal/engine"
	"github.com/hashd-project/hashd/internal/engine/jetstream"
	"github.com/hashd-project/hashd/internal/private"
	"github.com/hashd-project/hashd/internal/seal"
)

// newCluster starts the engine on a NATS cluster. All instances have the same fingerprint key.
func newCluster(ctx context.Context, cfg config.Config, environ []string, log *slog.Logger) (engine.Engine, []byte, error) {
	sealer, err := clusterSealer(cfg, environ)
	if err != nil {
		return nil, nil, err
	}
	for name, path := range map[string]string{"nats-creds": cfg.NATSCreds, "nats-key": cfg.NATSKey} {
		if path == "" {
			continue
		}
		if err := private.Check(path); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	e, err := jetstream.New(ctx, jetstream.Config{
		URLs: strings.Split(cfg.NATSURL, ","), Credentials: cfg.NATSCreds, CA: cfg.NATSCA, Cert: cfg.NATSCert, Key: cfg.NATSKey,
		Prefix: cfg.NATSPrefix, Replicas: cfg.NATSReplicas, Sealer: sealer, Limits: limitsOf(cfg), Log: log,
	})
	if err != nil {
		return nil, nil, err
	}
	return e, e.FingerprintKey(), nil
}

// clusterSealer reads the ring that all instances share. None is made here: two instances that
// start at once would make two.
func clusterSealer(cfg config.Config, environ []string) (*seal.Sealer, error) {
	s, err := givenSealer(cfg, environ)
	if s == nil && err == nil {
		err = errors.New("engine jetstream seals with a ring that all instances share: " +
			"make one with 'hashd ring create FILE' and give it as ring-file, or its content as " + config.RingVariable)
	}
	return s, err
}
